"""`janela slots`: where a piece of work harms least, without any database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from maintenance.catalogue import Catalogue
from maintenance.commands.reports import estimated, harm_document, local_time, utc
from maintenance.documents import read_catalogue, read_intervention
from maintenance.errors import JanelaError
from maintenance.forecast import forecast
from maintenance.harm import harm_of
from maintenance.interventions import Plan
from maintenance.policy_book import read_policies
from maintenance.runtime import Runtime
from maintenance.slots import Slot, find_slots
from maintenance.texts import Text
from maintenance.windows import parse_duration, resolve

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
@click.option(
    "--policies", "policies_file", type=_FILE, help="The policy document: what it blocks is left out."
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
    catalogue_file: Path,
    plan: Path,
    others: tuple[Path, ...],
    within: str,
    earliest: str | None,
    policies_file: Path | None,
    apart: str,
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
    policies = None
    if policies_file is not None:
        raw = policies_file.read_bytes()
        policies = read_policies(raw, file=str(policies_file), limit_mb=limit, catalogue=catalogue).agreed()
    first = _instant(earliest, chosen.timezone) if earliest else chosen.start
    found = find_slots(
        catalogue,
        chosen,
        rest,
        earliest=first,
        latest=first + parse_duration(within),
        now=min(runtime.clock(), first - timedelta(days=30)),
        count=count,
        policies=policies,
        blocked=blocked,
        apart=parse_duration(apart),
    )
    cost = _cost(catalogue, chosen, rest)
    if as_json:
        document = {
            "planned": {"start": utc(chosen.start), "harm": harm_document(cost.items())},
            "slots": [_document(slot, cost) for slot in found],
        }
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
    else:
        click.echo("\n".join(_report(catalogue, chosen, found, cost)))


def _instant(typed: str, zone_name: str) -> datetime:
    """Return the instant of a wall time as in `2026-06-06T22:00`."""
    try:
        local = datetime.fromisoformat(typed)
    except ValueError:
        raise JanelaError(
            "“%(typed)s” is no time; write one such as 2026-06-06T22:00.", typed=typed
        ) from None
    return local.astimezone(UTC) if local.tzinfo else resolve(local, zone_name).instant


def _cost(catalogue: Catalogue, plan: Plan, others: list[Plan]) -> dict[Text, float]:
    """Return the harm that the plan adds, as it is planned, to what the others do already."""
    before = harm_of(catalogue, forecast(catalogue, others))
    together = harm_of(catalogue, forecast(catalogue, [plan, *others]))
    return {unit: amount - before.get(unit, 0.0) for unit, amount in together.items()}


def _avoided(slot: Slot, cost: dict[Text, float]) -> dict[Text, float]:
    """Return how much less falls into the slot than into the planned time; negative where it is more."""
    harm = dict(slot.harm)
    difference = {unit: amount - harm.get(unit, 0.0) for unit, amount in cost.items()}
    return {unit: amount for unit, amount in difference.items() if abs(amount) >= 0.5}


def _document(slot: Slot, cost: dict[Text, float]) -> dict[str, object]:
    return {
        "start": utc(slot.start),
        "score": round(slot.score, 9),
        "harm": harm_document(slot.harm),
        "alone": harm_document(slot.alone),
        "avoids": harm_document(_avoided(slot, cost).items()),
        "audiences": list(slot.audiences),
        "clashes": [{"kind": c.kind, "severity": c.severity, "message": c.message} for c in slot.clashes],
    }


def _report(catalogue: Catalogue, plan: Plan, found: tuple[Slot, ...], cost: dict[Text, float]) -> list[str]:
    when = local_time(plan.start, plan.timezone)
    lines = [f"As planned, {when}: {estimated(cost.items()) or 'no volume is known'}."]
    if found:
        best = {unit: amount for unit, amount in _avoided(found[0], cost).items() if amount > 0}
        saved = f"avoids {estimated(best.items())}" if best else "costs no less"
        lines.append(f"The best start found, {local_time(found[0].start, plan.timezone)}, {saved}.")
    for number, slot in enumerate(found, 1):
        lines += ["", f"{number}. {local_time(slot.start, plan.timezone)}"]
        lines += [f"   {line}" for line in _explained(catalogue, slot, cost)]
    if not found:
        lines.append(
            "No start is free in that time; look further with --within, or show what blocks: --blocked."
        )
    return lines


def _explained(catalogue: Catalogue, slot: Slot, cost: dict[Text, float]) -> list[str]:
    """Return why the slot stands where it does: what falls into it, who feels it, what it avoids."""
    harm = {unit: amount for unit, amount in slot.harm if amount >= 0.5}
    lines = [f"adds: {estimated(harm.items()) or 'nothing that is counted'}"]
    shared = {unit: amount - harm.get(unit, 0.0) for unit, amount in slot.alone}
    if down_anyway := {unit: amount for unit, amount in shared.items() if amount >= 0.5}:
        lines.append(f"other plans take down already: {estimated(down_anyway.items())}")
    avoided = _avoided(slot, cost)
    less = {unit: amount for unit, amount in avoided.items() if amount > 0}
    more = {unit: -amount for unit, amount in avoided.items() if amount < 0}
    if less:
        lines.append(f"avoids, compared with the plan: {estimated(less.items())}")
    if more:
        lines.append(f"costs more than the plan: {estimated(more.items())}")
    if not avoided:
        lines.append("the same as planned")
    known = catalogue.audiences
    names = [known[code].name.in_language("en") if code in known else code for code in slot.audiences]
    if names:
        lines.append(f"felt by: {', '.join(names)}")
    lines += [f"{'BLOCKS' if c.blocks else 'warns'}: {c.message}" for c in slot.clashes]
    return lines
