"""`janela availability`: how much of a month systems were up, gross and with planned work removed."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import click

from maintenance import schema
from maintenance.answers import utc
from maintenance.availability import Availability, month
from maintenance.catalogue import Catalogue, Impact, System
from maintenance.catalogue_store import load_catalogue
from maintenance.commands.options import echo_json, json_option
from maintenance.commands.reports import local_time, table
from maintenance.errors import InvalidTime, NotFound
from maintenance.measuring import availabilities
from maintenance.runtime import Runtime
from maintenance.standing import current_windows
from maintenance.windows import Interval, in_units, zone

#: What stands under the table.
FORMULA = (
    "gross = (T - D) / T; planned removed = (T - D) / (T - P). T: the time measured, D: time in OUTAGE,",
    "P: the part of D announced with the minimum notice and inside its announced window.",
)


def register(cli: click.Group) -> None:
    """Add the command to `janela`."""
    cli.add_command(availability)


@click.command()
@click.argument("system", required=False)
@click.option("--month", "month_text", metavar="YYYY-MM", help="Which month [default: the present one].")
@json_option
@click.pass_obj
def availability(runtime: Runtime, system: str | None, month_text: str | None, as_json: bool) -> None:
    """Say how available SYSTEM was; without it, all public systems and all that were down."""
    schema.check(runtime.database)
    now = runtime.clock()
    with runtime.database.read() as session:
        catalogue = load_catalogue(session)
        asked = _month(month_text, catalogue.timezone, now)
        windows = current_windows(session, now, touching=asked)
        hit = {shown.window.system for shown in windows if shown.window.impact is Impact.OUTAGE}
        systems = [_system(catalogue, system)] if system else _interesting(catalogue, hit)
        found = availabilities(session, systems, windows, [asked], now=now)
    figures = [(code, each[0]) for code, each in found.items()]
    if as_json:
        echo_json([{"system": code, **_document(figure)} for code, figure in figures])
    else:
        click.echo("\n".join(_report(figures, asked, catalogue.timezone)))


def _month(text: str | None, zone_name: str, now: datetime) -> Interval:
    if text is None:
        here = now.astimezone(zone(zone_name))
        return month(here.year, here.month, zone_name)
    if not re.fullmatch(r"(19[7-9]|20\d|21\d)\d-(0[1-9]|1[0-2])", text, re.ASCII):
        raise InvalidTime("“%(text)s” is no month; write one such as 2026-11.", text=text)
    year, number = text.split("-")
    return month(int(year), int(number), zone_name)


def _system(catalogue: Catalogue, code: str) -> System:
    if code not in catalogue.systems:
        raise NotFound("There is no system %(code)s in the catalogue.", code=code)
    return catalogue.systems[code]


def _interesting(catalogue: Catalogue, hit: set[str]) -> list[System]:
    return [s for s in catalogue.systems.values() if s.code in hit or (s.public and not s.retired)]


def _document(figure: Availability | None) -> dict[str, Any]:
    if figure is None:
        return {"measured": None}
    return {
        "measured": {"start": utc(figure.measured.start), "end": utc(figure.measured.end)},
        "hours": _hours(figure.total),
        "down_hours": _hours(figure.down),
        "planned_hours": _hours(figure.planned),
        "unplanned_hours": _hours(figure.unplanned),
        "gross_percent": figure.gross,
        "planned_removed_percent": figure.without_planned,
    }


def _hours(length: timedelta) -> float:
    return round(length / timedelta(hours=1), 4)


def _report(figures: list[tuple[str, Availability | None]], asked: Interval, zone_name: str) -> list[str]:
    if not figures:
        return ["No public system is in the catalogue yet, and none was down."]
    measured = next((figure.measured for _, figure in figures if figure), None)
    if measured is None:
        here = asked.start.astimezone(zone(zone_name))
        return [f"Nothing was recorded of {here:%Y-%m}; figures begin with the first event of the log."]
    rows = [("SYSTEM", "GROSS", "PLANNED REMOVED", "DOWN", "PLANNED", "UNPLANNED")]
    for code, figure in figures:
        if figure:
            down, planned, unplanned = map(in_units, (figure.down, figure.planned, figure.unplanned))
            removed = _percent(figure.without_planned)
            rows.append((code, _percent(figure.gross), removed, down, planned, unplanned))
    when = f"{local_time(measured.start, zone_name)} to {local_time(measured.end, zone_name)}"
    hours = f"{_hours(measured.end - measured.start):g} h"
    return [f"Measured: {when}, {hours}", "", *table(rows), "", *FORMULA]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f} %"
