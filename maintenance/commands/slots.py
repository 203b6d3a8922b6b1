"""`janela slots`: where a piece of work harms least, without any database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from maintenance.catalogue import Catalogue
from maintenance.documents import read_catalogue, read_intervention
from maintenance.errors import JanelaError
from maintenance.forecast import forecast
from maintenance.harm import Weights, harm_of
from maintenance.interventions import Plan
from maintenance.runtime import Runtime
from maintenance.slots import Slot, find_slots
from maintenance.windows import parse_duration, resolve, zone

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def register(cli: click.Group) -> None:
    """Add the command to `janela`."""
    cli.add_command(slots)


@click.command()
@click.option("--catalogue", "catalogue_file", required=True, type=_FILE, help="The catalogue document.")
@click.argument("plan", type=_FILE)
@click.option("--others", multiple=True, type=_FILE, help="Other plans, which may clash; as often as needed.")
@click.option("--within", default="P28D", show_default=True, help="How long after --from to look.")
@click.option(
    "--from", "earliest", help="First start, wall time of the plan [default: the plan's own start]."
)
@click.option("--count", default=5, show_default=True, type=click.IntRange(1, 100), help="How many.")
@click.option("--blocked", is_flag=True, help="Show starts that a clash blocks too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_obj
def slots(
    runtime: Runtime,
    catalogue_file: Path,
    plan: Path,
    others: tuple[Path, ...],
    within: str,
    earliest: str | None,
    count: int,
    blocked: bool,
    as_json: bool,
) -> None:
    """Rank starts for the work of PLAN by the harm they add, and say what the chosen time costs."""
    limit = int(runtime.settings["IMPORT_LIMIT_MB"])
    catalogue = read_catalogue(catalogue_file.read_bytes(), file=str(catalogue_file), limit_mb=limit)
    chosen, *rest = (
        read_intervention(file.read_bytes(), file=str(file), limit_mb=limit, catalogue=catalogue)
        for file in (plan, *others)
    )
    first = _instant(earliest, chosen.timezone) if earliest else chosen.start
    found = find_slots(
        catalogue,
        chosen,
        rest,
        earliest=first,
        latest=first + parse_duration(within),
        now=min(runtime.clock(), first - timedelta(days=30)),
        count=count,
        blocked=blocked,
    )
    if as_json:
        click.echo(json.dumps({"slots": [_document(slot) for slot in found]}, ensure_ascii=False, indent=1))
        return
    click.echo("\n".join(_report(catalogue, chosen, found)))


def _instant(typed: str, zone_name: str) -> datetime:
    """Return the instant of a wall time as in `2026-06-06T22:00`."""
    try:
        local = datetime.fromisoformat(typed)
    except ValueError:
        raise JanelaError(
            "“%(typed)s” is no time; write one such as 2026-06-06T22:00.", typed=typed
        ) from None
    return local.astimezone(UTC) if local.tzinfo else resolve(local, zone_name).instant


def _document(slot: Slot) -> dict[str, object]:
    return {
        "start": slot.start.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "score": round(slot.score, 9),
        "harm": [{"unit": unit.document(), "amount": round(amount)} for unit, amount in slot.harm],
        "audiences": list(slot.audiences),
        "clashes": [{"kind": c.kind, "severity": c.severity, "message": c.message} for c in slot.clashes],
    }


def _report(catalogue: Catalogue, plan: Plan, found: tuple[Slot, ...]) -> list[str]:
    there = zone(plan.timezone)
    own = harm_of(catalogue, forecast(catalogue, [plan]), Weights())
    cost = ", ".join(f"about {_rounded(n)} {unit.in_language('en')}" for unit, n in own.items())
    lines = [
        f"As planned, {plan.start.astimezone(there):%a %Y-%m-%d %H:%M %Z}: {cost or 'no volume is known'}.",
        "",
    ]
    rows = [("START", "HARM ADDED", "CLASHES")]
    for slot in found:
        harm = ", ".join(f"about {_rounded(n)} {unit.in_language('en')}" for unit, n in slot.harm) or "none"
        clashes = ", ".join(f"{c.kind}{' (blocks)' if c.blocks else ''}" for c in slot.clashes)
        rows.append((f"{slot.start.astimezone(there):%a %Y-%m-%d %H:%M %Z}", harm, clashes))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines += ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    if not found:
        lines.append(
            "No start is free in that time; look further with --within, or show what blocks: --blocked."
        )
    return lines


def _rounded(amount: float) -> str:
    """Return an estimate without pretending to know its last digits: two figures, thousands apart."""
    if amount < 100:
        return str(round(amount))
    digits = len(str(int(amount))) - 2
    return f"{round(amount, -digits):,.0f}"
