"""`janela reservations`: the windows kept free for maintenance, and what becomes of single ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import click

from maintenance import schema
from maintenance.answers import utc
from maintenance.commands.options import (
    actor,
    by_option,
    echo_json,
    json_option,
    local_time,
    reason_option,
    text_of,
)
from maintenance.commands.reports import local_time as shown
from maintenance.commands.reports import table
from maintenance.errors import InvalidTime
from maintenance.recurrence import Change, Deviation, Occurrence, occurrences_of
from maintenance.reserving import change_occurrence, reserved, restore_occurrence
from maintenance.runtime import Runtime
from maintenance.windows import Interval, in_units, parse_duration


def register(cli: click.Group) -> None:
    """Add the commands to `janela`."""
    cli.add_command(reservations)


@click.group()
def reservations() -> None:
    """See the windows reserved for maintenance; skip, move or cancel single ones.

    They stand in the policy document under `reservations` and come in by `janela policies import`.
    """


@reservations.command("list")
@click.option("--within", default="P56D", show_default=True, help="How far ahead, as a duration.")
@json_option
@click.pass_obj
def list_(runtime: Runtime, within: str, as_json: bool) -> None:
    """List the occurrences to come. None is used unless work is announced in it."""
    schema.check(runtime.database)
    now = runtime.clock()
    with runtime.database.read() as session:
        known = [each.reservation for each in reserved(session)]
    found = occurrences_of(known, Interval(now, now + min(parse_duration(within), timedelta(days=3660))))
    if as_json:
        echo_json([_document(occurrence) for occurrence in found])
    elif found:
        click.echo(
            "\n".join([*_lines(found), "", "Reserved time is not used unless work is announced in it."])
        )
    else:
        click.echo("No reserved window in that time; `janela policies import` brings reservations in.")


@reservations.command()
@click.argument("code")
@click.argument("day")
@by_option
@click.pass_obj
def skip(runtime: Runtime, code: str, day: str, by: str | None) -> None:
    """Take the occurrence of DAY (as in 2026-12-12) out of CODE, as if it never was."""
    _change(runtime, code, Change(_day(day), Deviation.SKIPPED), by)


@reservations.command()
@click.argument("code")
@click.argument("day")
@click.option("--to", "start", required=True, help="Wall time of the reservation, as in 2026-12-19T22:00.")
@click.option("--duration", help="How long it is there, as in PT4H [default: as long as all].")
@reason_option()
@by_option
@click.pass_obj
def move(
    runtime: Runtime,
    code: str,
    day: str,
    start: str,
    duration: str | None,
    reasons: tuple[str, ...],
    by: str | None,
) -> None:
    """Move the occurrence of DAY to another time; calendars keep it as the same event."""
    length = parse_duration(duration) if duration else None
    change = Change(_day(day), Deviation.MOVED, local_time(start), length, text_of(reasons))
    _change(runtime, code, change, by)


@reservations.command()
@click.argument("code")
@click.argument("day")
@reason_option()
@by_option
@click.pass_obj
def cancel(runtime: Runtime, code: str, day: str, reasons: tuple[str, ...], by: str | None) -> None:
    """Call the occurrence of DAY off; calendars show it struck out."""
    _change(runtime, code, Change(_day(day), Deviation.CANCELLED, reason=text_of(reasons)), by)


@reservations.command()
@click.argument("code")
@click.argument("day")
@by_option
@click.pass_obj
def restore(runtime: Runtime, code: str, day: str, by: str | None) -> None:
    """Let the occurrence of DAY be as the rule has it."""
    schema.check(runtime.database)
    with runtime.database.write() as session:
        restore_occurrence(session, code, _day(day), by=actor(session, by), now=runtime.clock())
    click.echo(f"{code} {day}: as the rule has it.")


def _change(runtime: Runtime, code: str, change: Change, by: str | None) -> None:
    schema.check(runtime.database)
    with runtime.database.write() as session:
        change_occurrence(session, code, change, by=actor(session, by), now=runtime.clock())
    click.echo(f"{code} {change.date.isoformat()}: {change.deviation.value}.")


def _day(text: str) -> date:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidTime("“%(text)s” is no date; write one such as 2026-12-24.", text=text)


def _document(occurrence: Occurrence) -> dict[str, Any]:
    return {
        "reservation": occurrence.reservation.code,
        "date": occurrence.date.isoformat(),
        "start": utc(occurrence.start),
        "end": utc(occurrence.end),
        "change": occurrence.deviation.value if occurrence.deviation else None,
        "reason": occurrence.reason.document(),
        "clock_change": occurrence.clock_change,
    }


def _lines(found: Sequence[Occurrence]) -> list[str]:
    rows = [("RESERVATION", "DATE", "FROM", "TO", "LASTS", "")]
    for each in found:
        zone_name = each.reservation.timezone
        notes = [each.deviation.value if each.deviation else "", each.reason.in_language("en")]
        if each.clock_change:
            notes.append("the clock changes that night")
        rows.append(
            (
                each.reservation.code,
                each.date.isoformat(),
                shown(each.start, zone_name),
                shown(each.end, zone_name),
                in_units(each.end - each.start),
                ", ".join(note for note in notes if note),
            )
        )
    return table(rows)
