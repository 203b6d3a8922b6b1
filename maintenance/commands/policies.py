"""`janela policies import`: a policy document into the database, or what it would change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from maintenance import schema
from maintenance.catalogue_store import load_catalogue
from maintenance.commands.options import actor, by_option, echo_json, json_option, read_file
from maintenance.policy_book import read_policies
from maintenance.policy_editing import PolicyReport, compare_policies, import_policies
from maintenance.runtime import Runtime


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(policies)


@click.group()
def policies() -> None:
    """Keep freezes, maintenance hours and other policies."""


@policies.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--prune", is_flag=True, help="Retire the policies that FILE does not name.")
@by_option
@json_option
@click.pass_obj
def import_file(
    runtime: Runtime, file: Path, dry_run: bool, prune: bool, by: str | None, as_json: bool
) -> None:
    """Import the policy document FILE (YAML or JSON): all of it, or nothing when it has a mistake.

    Policies that FILE does not name stay in force, unless --prune is given. What is announced stays.
    """
    schema.check(runtime.database)
    limit = runtime.settings.number("IMPORT_LIMIT_MB")
    raw = read_file(file, limit)
    with runtime.database.read() if dry_run else runtime.database.write() as session:
        known = load_catalogue(session)
        document = read_policies(raw, file=str(file), limit_mb=limit, catalogue=known)
        if dry_run:
            report = compare_policies(session, document, prune=prune)
        else:
            by_whom = actor(session, by)
            report = import_policies(session, document, prune=prune, by=by_whom, now=runtime.clock())
    if as_json:
        echo_json(
            {
                "changes": [change.document() for change in report.changes],
                "retired": list(report.retired),
                "untouched": list(report.untouched),
            }
        )
    else:
        click.echo("\n".join(_lines(report, dry_run=dry_run)))


def _lines(report: PolicyReport, *, dry_run: bool) -> Iterator[str]:
    if not report.changes:
        yield "Nothing differs; nothing was changed."
    for change in report.changes:
        if change.field:
            yield f"{change.policy}  {change.field}: {_value(change.old)} → {_value(change.new)}"
        else:
            yield f"{change.policy}  new: {_value(change.new)}"
    if report.changes and dry_run:
        yield "Nothing was changed: this was a dry run."
    if report.untouched:
        yield f"Not named in the document, left in force: {', '.join(report.untouched)}."


def _value(value: Any) -> str:
    if value in (None, "", []):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
