"""`janela catalogue import`: a catalogue document into the database, or what it would change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from maintenance import schema
from maintenance.answers import window_document
from maintenance.catalogue_store import load_catalogue
from maintenance.commands.options import actor, by_option, echo_json, json_option, read_file
from maintenance.commands.reports import window_lines
from maintenance.documents import read_catalogue
from maintenance.importing import Change, ImportReport, compare, import_catalogue
from maintenance.runtime import Runtime

#: So many changes are listed for people; programs get all.
_SHOWN = 500
#: Old and new value stand in one line up to this width.
_WIDTH = 100
#: So much of a value is shown for people.
_LONGEST = 1000


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(catalogue)


@click.group()
def catalogue() -> None:
    """Keep the catalogue of systems."""


@catalogue.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--prune", is_flag=True, help="Retire the systems that FILE does not name.")
@by_option
@json_option
@click.pass_obj
def import_file(
    runtime: Runtime, file: Path, dry_run: bool, prune: bool, by: str | None, as_json: bool
) -> None:
    """Import the catalogue document FILE (YAML or JSON): all of it, or nothing when it has a mistake.

    Systems that FILE does not name stay as they are, unless --prune is given. Announced windows stay
    as they were announced; those that the new catalogue would compute otherwise are listed.
    """
    schema.check(runtime.database)
    limit = runtime.settings.number("IMPORT_LIMIT_MB")
    raw = read_file(file, limit)
    with runtime.database.read() if dry_run else runtime.database.write() as session:
        # With --prune only what the document names stays, so its needs must be complete in themselves.
        known = None if prune else load_catalogue(session)
        document = read_catalogue(raw, file=str(file), limit_mb=limit, known=known)
        if dry_run:
            report = compare(session, document, prune=prune)
        else:
            by_whom = actor(session, by)
            report = import_catalogue(session, document, prune=prune, by=by_whom, now=runtime.clock())
    if as_json:
        echo_json(report_document(report))
    else:
        click.echo("\n".join(_lines(report, document.timezone, dry_run=dry_run)))


def report_document(report: ImportReport) -> dict[str, Any]:
    """Return what an import changes as JSON holds it."""
    return {
        "changes": [change.document() for change in report.changes],
        "added": list(report.added),
        "retired": list(report.retired),
        "untouched": list(report.untouched),
        "announced_windows_that_would_change": [
            {
                "reference": change.reference,
                "before": [window_document(window) for window in change.before],
                "after": [window_document(window) for window in change.after],
            }
            for change in report.announced_windows_that_would_change
        ],
    }


def _lines(report: ImportReport, timezone: str, *, dry_run: bool) -> Iterator[str]:
    if not report.changes:
        yield "Nothing differs; nothing was changed."
    else:
        yield from _changes(report.changes)
        edited = {c.system for c in report.changes if c.field} - set(report.retired)
        yield (
            f"\n{'Would be' if dry_run else 'Were'} added: {_count(report.added)}; "
            f"changed: {len(edited)}; retired: {_count(report.retired)}."
        )
    if report.untouched:
        yield f"Not named in the document, left as they are: {_some(report.untouched)}."
    for change in report.announced_windows_that_would_change:
        yield (
            f"\n{change.reference} is announced with other windows than this catalogue gives. Nothing is sent by "
            "itself: edit it and announce it anew if readers should know."
        )
        yield from window_lines([w for w in change.before if w not in change.after], timezone)
        yield "would be"
        yield from window_lines([w for w in change.after if w not in change.before], timezone)


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    shown = 0
    for change in changes:
        if shown >= _SHOWN:
            yield f"… and more: {len(changes):,} changes in all; --json lists them."
            return
        for system, field, old, new in _fields(change):
            shown += 1
            before, after = _value(old), _value(new)
            if len(before) + len(after) <= _WIDTH:
                yield f"{system or 'catalogue'}  {field}: {before} → {after}"
            else:
                yield from (f"{system or 'catalogue'}  {field}:", f"    old {before}", f"    new {after}")


def _fields(change: Change) -> Iterator[tuple[str, str, Any, Any]]:
    if change.field:
        yield change.system, change.field, change.old, change.new
        return
    for field, value in change.new.items():
        if field != "code":
            yield change.system, field, None, value


def _value(value: Any) -> str:
    if value in (None, "", []):
        return "–"
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _count(codes: Sequence[str]) -> str:
    return f"{len(codes):,}" + (f" ({_some(codes)})" if codes else "")


def _some(codes: Iterable[str], most: int = 20) -> str:
    codes = list(codes)
    more = f" and {len(codes) - most:,} more" if len(codes) > most else ""
    return ", ".join(codes[:most]) + more
