"""`janela slots`: where a piece of work harms least; among files alone, or among all that is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from sqlalchemy.orm import Session

from maintenance import schema
from maintenance.answers import suggestions_document
from maintenance.catalogue import Audience
from maintenance.catalogue_store import load_catalogue
from maintenance.commands.options import echo_json
from maintenance.commands.reports import estimated, local_time
from maintenance.documents import read_catalogue, read_intervention
from maintenance.errors import JanelaError
from maintenance.interventions import Plan
from maintenance.policy_book import read_policies
from maintenance.queries import get_intervention, latest_published, pending, plan_of
from maintenance.recurrence import Reservation
from maintenance.runtime import Runtime
from maintenance.suggesting import suggest_stored
from maintenance.suggestions import Search, Suggestion, Suggestions, suggest
from maintenance.windows import parse_duration, resolve

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
#: The plan, what was found for it, and the names of audiences.
_Answer = tuple[Plan, Suggestions, Mapping[str, Audience]]


def register(cli: click.Group) -> None:
    """Add the command to `janela`."""
    cli.add_command(slots)


@click.command()
@click.argument("plan")
@click.option(
    "--catalogue", "catalogue_file", type=_FILE, help="A catalogue document: then no database is asked."
)
@click.option(
    "--others", multiple=True, type=_FILE, help="With --catalogue: other plans, as often as needed."
)
@click.option(
    "--policies", "policies_file", type=_FILE, help="With --catalogue: policies; what they block is left out."
)
@click.option("--within", default="P28D", show_default=True, help="How long after --from to look.")
@click.option(
    "--from", "earliest", help="First start, wall time of the plan [default: the plan's own start]."
)
@click.option(
    "--apart",
    default="P1D",
    show_default=True,
    help="How far slots are from each other; PT0S: every quarter.",
)
@click.option("--count", default=5, show_default=True, type=click.IntRange(1, 100), help="How many.")
@click.option("--blocked", is_flag=True, help="Show starts that a clash blocks too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_obj
def slots(
    runtime: Runtime,
    plan: str,
    catalogue_file: Path | None,
    others: tuple[Path, ...],
    policies_file: Path | None,
    within: str,
    earliest: str | None,
    apart: str,
    count: int,
    blocked: bool,
    as_json: bool,
) -> None:
    """Rank starts for the work of PLAN by the harm they add, and say what the chosen time costs.

    PLAN is a document, or the reference of a stored intervention. It is held against the catalogue, the
    announced plans, the policies and the reserved windows of the database; with --catalogue against files alone.
    """

    def search(chosen: Plan) -> Search:
        first = _instant(earliest, chosen.timezone) if earliest else chosen.start
        last = first + parse_duration(within)
        return Search(first, last, count, apart=parse_duration(apart), blocked=blocked)

    if catalogue_file is not None:
        chosen, found, audiences = _of_files(runtime, plan, catalogue_file, others, policies_file, search)
    elif others or policies_file:
        raise click.UsageError("--others and --policies go with --catalogue; else the stored ones count.")
    else:
        schema.check(runtime.database)
        with runtime.database.read() as session:
            chosen, found, audiences = _of_database(runtime, session, plan, search)
    if as_json:
        echo_json(suggestions_document(chosen, found))
    else:
        click.echo("\n".join(_report(audiences, chosen, found)))


def _of_files(
    runtime: Runtime,
    plan: str,
    catalogue_file: Path,
    others: tuple[Path, ...],
    policies_file: Path | None,
    search: Callable[[Plan], Search],
) -> _Answer:
    limit = runtime.settings.number("IMPORT_LIMIT_MB")
    catalogue = read_catalogue(catalogue_file.read_bytes(), file=str(catalogue_file), limit_mb=limit)
    chosen, *rest = (
        read_intervention(_bytes(file), file=str(file), limit_mb=limit, catalogue=catalogue)
        for file in (Path(plan), *others)
    )
    policies, reservations = None, tuple[Reservation, ...]()
    if policies_file is not None:
        raw = policies_file.read_bytes()
        book = read_policies(raw, file=str(policies_file), limit_mb=limit, catalogue=catalogue)
        policies, reservations = book.agreed(), book.reservations()
    wanted = search(chosen)
    found = suggest(
        catalogue,
        chosen,
        rest,
        wanted,
        # Files have no present: what they plan counts as told early enough.
        now=min(runtime.clock(), wanted.earliest - timedelta(days=30)),
        policies=policies,
        reservations=reservations,
    )
    return chosen, found, catalogue.audiences


def _of_database(runtime: Runtime, session: Session, plan: str, search: Callable[[Plan], Search]) -> _Answer:
    catalogue = load_catalogue(session)
    if Path(plan).is_file():
        limit = runtime.settings.number("IMPORT_LIMIT_MB")
        chosen = read_intervention(Path(plan).read_bytes(), file=plan, limit_mb=limit, catalogue=catalogue)
    else:
        row = get_intervention(session, plan)
        chosen = plan_of(pending(row) or latest_published(row) or row.versions[-1])
    found = suggest_stored(session, chosen, search(chosen), now=runtime.clock())
    return chosen, found, catalogue.audiences


def _bytes(file: Path) -> bytes:
    if not file.is_file():
        raise JanelaError(
            "There is no file %(file)s; with --catalogue the plan is a document.", file=str(file)
        )
    return file.read_bytes()


def _instant(typed: str, zone_name: str) -> datetime:
    """Return the instant of a wall time as in `2026-06-06T22:00`."""
    try:
        local = datetime.fromisoformat(typed)
    except ValueError:
        raise JanelaError(
            "“%(typed)s” is no time; write one such as 2026-06-06T22:00.", typed=typed
        ) from None
    return local.astimezone(UTC) if local.tzinfo else resolve(local, zone_name).instant


def _report(audiences: Mapping[str, Audience], plan: Plan, found: Suggestions) -> list[str]:
    when = local_time(plan.start, plan.timezone)
    lines = [f"As planned, {when}: {estimated(found.planned) or 'nothing that is counted'}."]
    if found.found:
        best = found.found[0]
        saved = f"avoids {estimated(best.avoided)}" if best.avoided else "costs no less"
        lines.append(f"The best start found, {local_time(best.slot.start, plan.timezone)}, {saved}.")
    for number, each in enumerate(found.found, 1):
        lines += ["", f"{number}. {local_time(each.slot.start, plan.timezone)}"]
        lines += [f"   {line}" for line in _explained(audiences, each)]
    if not found.found:
        lines.append(
            "No start is free in that time; look further with --within, or show what blocks: --blocked."
        )
    return lines


def _explained(audiences: Mapping[str, Audience], each: Suggestion) -> list[str]:
    """Return why the slot stands where it does: what falls into it, who feels it, what it avoids."""
    harm = [(unit, amount) for unit, amount in each.slot.harm if amount >= 0.5]
    lines = [f"adds: {estimated(harm) or 'nothing that is counted'}"]
    for words, amounts in (
        ("other plans take down already", each.down_anyway),
        ("avoids, compared with the plan", each.avoided),
        ("costs more than the plan", each.costs_more),
    ):
        if amounts:
            lines.append(f"{words}: {estimated(amounts)}")
    if not (each.avoided or each.costs_more):
        lines.append("the same as planned")
    names = [audiences[c].name.in_language("en") if c in audiences else c for c in each.slot.audiences]
    if names:
        lines.append(f"felt by: {', '.join(names)}")
    lines += [
        f"in the reserved window: {one.reservation.name.in_language('en')} ({one.reservation.code})"
        for one in each.reserved
    ]
    lines += [f"{'BLOCKS' if c.blocks else 'warns'}: {c.message}" for c in each.slot.clashes]
    return lines
