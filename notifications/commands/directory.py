"""`janela directory import`: institutions and their contacts from CSV, or what it would change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from maintenance import schema
from maintenance.catalogue_store import load_catalogue
from maintenance.commands.options import echo_json, json_option, read_file
from maintenance.runtime import Runtime
from notifications.directory import DirectoryReport, compare_directory, import_directory, read_directory

#: So many entries of each kind are listed for people; programs get all.
_SHOWN = 50


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(directory)


@click.group()
def directory() -> None:
    """Keep the directory of institutions and their contacts."""


@directory.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@json_option
@click.pass_obj
def import_file(runtime: Runtime, file: Path, dry_run: bool, as_json: bool) -> None:
    """Import the directory FILE (CSV in UTF-8): all of it, or nothing when it has a mistake.

    FILE is the whole directory: contacts and institutions that it no longer names are retired and get
    no more notices. What they were told stays on record.
    """
    schema.check(runtime.database)
    limit = runtime.settings.number("IMPORT_LIMIT_MB")
    raw = read_file(file, limit)
    with runtime.database.read() if dry_run else runtime.database.write() as session:
        read = read_directory(
            raw,
            file=str(file),
            catalogue=load_catalogue(session),
            limit_mb=limit,
            language=runtime.settings.locales[0],
        )
        if dry_run:
            report = compare_directory(session, read)
        else:
            report = import_directory(session, read, now=runtime.clock())
    if as_json:
        echo_json(report_document(report))
    else:
        click.echo("\n".join(_lines(report, dry_run=dry_run)))


def report_document(report: DirectoryReport) -> dict[str, Any]:
    """Return what an import changes as JSON holds it."""
    return {
        "institutions_added": report.institutions_added,
        "institutions_retired": report.institutions_retired,
        "contacts_added": report.contacts_added,
        "contacts_retired": report.contacts_retired,
        "changed": [{"of": c.of, "field": c.field, "old": c.old, "new": c.new} for c in report.changed],
        "addresses_added": report.addresses_added,
        "addresses_left": report.addresses_left,
    }


def _lines(report: DirectoryReport, *, dry_run: bool) -> Iterator[str]:
    if report.is_empty:
        yield "Nothing differs; nothing was changed."
        return
    yield from _listed("Institutions to add" if dry_run else "Institutions added", report.institutions_added)
    yield from _listed(
        "Institutions to retire" if dry_run else "Institutions retired", report.institutions_retired
    )
    yield from _listed("Contacts to add" if dry_run else "Contacts added", _joined(report.contacts_added))
    yield from _listed(
        "Contacts to retire" if dry_run else "Contacts retired", _joined(report.contacts_retired)
    )
    changes = [f"{' / '.join(c.of)}  {c.field}: {c.old or '–'} → {c.new or '–'}" for c in report.changed]
    yield from _listed("To change" if dry_run else "Changed", changes)
    yield (
        f"Addresses that get notices from now on: {len(report.addresses_added):,}; "
        f"that get none any more: {len(report.addresses_left):,}."
    )


def _joined(keys: Sequence[tuple[str, ...]]) -> list[str]:
    return [" / ".join(key) for key in keys]


def _listed(title: str, entries: Sequence[str]) -> Iterator[str]:
    if not entries:
        return
    yield f"{title}: {len(entries):,}"
    yield from (f"  {entry}" for entry in entries[:_SHOWN])
    if len(entries) > _SHOWN:
        yield f"  … and {len(entries) - _SHOWN:,} more; --json lists them."
