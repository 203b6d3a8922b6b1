"""`janela forecast`: plans checked as code, without any database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from maintenance.catalogue import Catalogue
from maintenance.clashes import Clash, find_clashes, in_order, warnings_of
from maintenance.documents import read_catalogue, read_intervention
from maintenance.errors import InvalidDocument, JanelaError, Problem
from maintenance.forecast import forecast as forecast_of
from maintenance.interventions import Plan, Window
from maintenance.runtime import Runtime
from maintenance.windows import zone

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def register(cli: click.Group) -> None:
    """Add the command to `janela`."""
    cli.add_command(forecast)


@click.command()
@click.option("--catalogue", "catalogue_file", required=True, type=_FILE, help="The catalogue document.")
@click.argument("plans", nargs=-1, required=True, type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option(
    "--fail-on",
    type=click.Choice(["warn", "block"]),
    help="Exit 1 when there is a clash that blocks, or (warn) any clash or warning.",
)
@click.pass_obj
def forecast(
    runtime: Runtime, catalogue_file: Path, plans: tuple[Path, ...], as_json: bool, fail_on: str | None
) -> None:
    """Say what the PLANS take down, all of them together: windows, causes, clashes, warnings."""
    limit = int(runtime.settings["IMPORT_LIMIT_MB"])
    catalogue = read_catalogue(catalogue_file.read_bytes(), file=str(catalogue_file), limit_mb=limit)
    read = _read_plans(plans, catalogue, limit)
    windows = forecast_of(catalogue, read)
    clashes = _clashes(catalogue, read, runtime.clock())
    warnings = [(plan, problem) for plan in read for problem in warnings_of(plan)]
    if as_json:
        click.echo(json.dumps(_document(windows, clashes, warnings), ensure_ascii=False, indent=1))
    else:
        zones = {plan.timezone for plan in read}
        shown_in = zones.pop() if len(zones) == 1 else catalogue.timezone
        click.echo("\n".join(_report(catalogue, windows, clashes, warnings, shown_in)))
    if fail_on and (any(c.blocks for c in clashes) or (fail_on == "warn" and (clashes or warnings))):
        click.get_current_context().exit(1)


def _read_plans(files: Sequence[Path], catalogue: Catalogue, limit_mb: int) -> list[Plan]:
    """Return the plans of the files, the mistakes of all of them at once; each reference is there once."""
    plans: list[Plan] = []
    problems: list[Problem] = []
    for number, file in enumerate(files, 1):
        try:
            plan = read_intervention(
                file.read_bytes(), file=str(file), limit_mb=limit_mb, catalogue=catalogue
            )
        except InvalidDocument as error:
            problems += error.problems
            continue
        plans.append(
            plan if plan.reference else replace(plan, reference=f"INT-{plan.start.year}-{number:04d}")
        )
    if problems:
        raise InvalidDocument(problems)
    references = [plan.reference for plan in plans]
    if twice := {r for r in references if references.count(r) > 1}:
        raise JanelaError(
            "%(references)s is the reference of more than one file; give each plan once, under one reference.",
            references=", ".join(sorted(twice)),
        )
    return plans


def _clashes(catalogue: Catalogue, plans: Sequence[Plan], now: datetime) -> tuple[Clash, ...]:
    """Return the clashes of every plan with the others; what two plans have against each other once."""
    found: dict[object, Clash] = {}
    for plan in plans:
        for clash in find_clashes(catalogue, plan, [other for other in plans if other is not plan], now=now):
            # The sentence speaks from one plan's side; the other side's says the same.
            pair = frozenset(clash.plans) if len(clash.plans) > 1 else clash.values
            key = (clash.kind, clash.systems, clash.start, clash.end, pair)
            found.setdefault(key, clash)
    return in_order(found.values())


def _document(
    windows: Iterable[Window], clashes: Iterable[Clash], warnings: Iterable[tuple[Plan, Problem]]
) -> dict[str, Any]:
    return {
        "windows": [
            {
                "system": window.system,
                "impact": window.impact.code,
                "start": _utc(window.start),
                "end": _utc(window.end),
                "because": [list(chain) for chain in window.because],
            }
            for window in windows
        ],
        "clashes": [
            {
                "kind": clash.kind,
                "severity": clash.severity,
                "systems": list(clash.systems),
                "start": _utc(clash.start),
                "end": _utc(clash.end),
                "plans": list(clash.plans),
                "message": clash.message,
            }
            for clash in clashes
        ],
        "warnings": [
            {"plan": plan.reference, "path": list(problem.path), "message": problem.message}
            for plan, problem in warnings
        ],
    }


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _report(
    catalogue: Catalogue,
    windows: Sequence[Window],
    clashes: Sequence[Clash],
    warnings: Sequence[tuple[Plan, Problem]],
    shown_in: str,
) -> list[str]:
    lines = [f"Windows: {len(windows)}, times of {shown_in}", ""]
    rows = [("SYSTEM", "IMPACT", "FROM", "TO", "LASTS", "BECAUSE")]
    rows += [
        (
            window.system,
            window.impact.code,
            _local(window.start, shown_in),
            _local(window.end, shown_in),
            _length(window.end - window.start),
            "; ".join(_in_words(chain) for chain in window.because),
        )
        for window in windows
    ]
    lines += _table(rows)
    if clashes:
        lines += ["", f"Clashes: {len(clashes)}"]
        for clash in clashes:
            when = f"{_local(clash.start, shown_in)} to {_local(clash.end, shown_in)}"
            lines += [
                f"  {'BLOCKS' if clash.blocks else 'warns '} {clash.kind}, {when}",
                f"         {clash.message}",
            ]
    if warnings:
        lines += ["", f"Warnings: {len(warnings)}"]
        lines += [f"  {plan.reference}: {problem}" for plan, problem in warnings]
    return lines


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _local(instant: datetime, zone_name: str) -> str:
    """Return the wall time with the zone's short name, as in `Sat 2019-11-30 14:00 WET`."""
    return f"{instant.astimezone(zone(zone_name)):%a %Y-%m-%d %H:%M %Z}"


def _length(length: timedelta) -> str:
    """Return an elapsed time as in `1d 2h 30min`."""
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{count}{unit}" for count, unit in parts if count)


def _in_words(chain: Sequence[str]) -> str:
    """Return a chain as a person says it: `needs A, which needs B, worked on in REFERENCE`."""
    *systems, reference = chain
    if not systems:
        return f"worked on in {reference}"
    return f"needs {', which needs '.join(systems)}, worked on in {reference}"
