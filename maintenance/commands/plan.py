"""`janela plan`: an intervention document becomes a draft, or is announced at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from maintenance import scheduling, schema
from maintenance.answers import forecast_document, window_document
from maintenance.catalogue_store import load_catalogue
from maintenance.commands.options import (
    actor,
    by_option,
    echo_json,
    json_option,
    override_option,
    reason_option,
    text_of,
)
from maintenance.commands.reports import forecast_report, window_lines
from maintenance.documents import digest, plan_document, read_intervention
from maintenance.interventions import Plan
from maintenance.models import InterventionRow
from maintenance.previewing import Preview
from maintenance.publishing import take_turn
from maintenance.queries import find_intervention, latest_published, pending, plan_of, stale_windows
from maintenance.runtime import Runtime


def register(cli: click.Group) -> None:
    """Add the command to `janela`."""
    cli.add_command(plan)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--announce", is_flag=True, help="Announce it at once; the log names the steps passed over.")
@reason_option("With --announce: why, for readers")
@override_option
@by_option
@json_option
@click.pass_obj
def plan(
    runtime: Runtime,
    file: Path,
    announce: bool,
    reasons: tuple[str, ...],
    override: str,
    by: str | None,
    as_json: bool,
) -> None:
    """Save the intervention in FILE as a draft, or as a new draft of the one with its reference.

    Prints the downtime windows, clashes and warnings, and the announced plans it would alter. A file
    that says what is known already changes nothing.
    """
    schema.check(runtime.database)
    now = runtime.clock()
    with runtime.database.write() as session:
        if announce:
            # Before any row is locked, as every step that publishes does.
            take_turn(session)
        by_whom = actor(session, by)
        catalogue = load_catalogue(session)
        read = read_intervention(
            file.read_bytes(),
            file=str(file),
            limit_mb=runtime.settings.number("IMPORT_LIMIT_MB"),
            catalogue=catalogue,
        )
        row = find_intervention(session, read.reference) if read.reference else None
        done = []
        if row is None:
            row = scheduling.draft(session, read, by=by_whom, now=now)
            done.append("drafted")
        elif not _is_known(session, row, read):
            scheduling.edit(session, row.reference, read, by=by_whom, now=now)
            done.append("edited")
        on_its_way = pending(row)
        saved = plan_of(on_its_way) if on_its_way else replace(read, reference=row.reference)
        preview = scheduling.preview(session, saved, now=now)
        if announce and on_its_way is not None:
            scheduling.announce_directly(
                session, row.reference, reason=text_of(reasons), override=override, by=by_whom, now=now
            )
            done.append("announced")
        document, lines = _document(row, saved, preview, done), _report(row, saved, preview, done)
    # Said after the commit: what is printed has happened.
    if as_json:
        echo_json(document)
    else:
        click.echo("\n".join(lines))


def _is_known(session: Session, row: InterventionRow, plan: Plan) -> bool:
    """Return whether the version on its way, or else the published one, says the same, windows included."""
    version = pending(row) or latest_published(row)
    if version is None or version.content_digest != digest(plan_document(plan)):
        return False
    # The same words can take down something else since the catalogue changed: announcing tells it.
    return pending(row) is not None or row.reference not in {s.reference for s in stale_windows(session)}


def _report(row: InterventionRow, plan: Plan, preview: Preview, done: list[str]) -> list[str]:
    version = latest_published(row)
    lines = [f"{row.reference}: {', '.join(done) or 'nothing to change'}."]
    if "announced" in done and version is not None:
        lines[0] = f"{row.reference}: {', '.join(done)} as version {version.sequence}."
    warnings = [(plan, problem) for problem in preview.warnings]
    lines += ["", *forecast_report(preview.windows, preview.clashes, warnings, plan.timezone)]
    verb = "Altered" if "announced" in done else "Announcing it would alter"
    for change in preview.altered:
        lines += ["", f"{verb} {change.reference}, now:", *window_lines(change.after, plan.timezone)]
    return lines


def _document(row: InterventionRow, plan: Plan, preview: Preview, done: list[str]) -> dict[str, Any]:
    version = latest_published(row)
    return {
        "reference": row.reference,
        "done": done,
        "state": row.run_state,
        "version": version.sequence if version else None,
        **forecast_document(preview.windows, preview.clashes, [(plan, p) for p in preview.warnings]),
        "altered": [
            {
                "reference": change.reference,
                "before": [window_document(window) for window in change.before],
                "after": [window_document(window) for window in change.after],
            }
            for change in preview.altered
        ],
    }
