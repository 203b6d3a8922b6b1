"""How commands print windows, clashes and warnings: for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from maintenance.clashes import Clash
from maintenance.errors import Problem
from maintenance.harm import two_figures
from maintenance.interventions import Plan, Window
from maintenance.texts import Text
from maintenance.windows import zone


def forecast_report(
    windows: Sequence[Window],
    clashes: Sequence[Clash],
    warnings: Sequence[tuple[Plan, Problem]],
    shown_in: str,
) -> list[str]:
    """Return windows, clashes and warnings as lines for people, times in the zone `shown_in`."""
    lines = window_lines(windows, shown_in)
    if clashes:
        lines += ["", f"Clashes: {len(clashes)}"]
        for clash in clashes:
            when = f"{local_time(clash.start, shown_in)} to {local_time(clash.end, shown_in)}"
            lines += [
                f"  {'BLOCKS' if clash.blocks else 'warns '} {clash.kind}, {when}",
                f"         {clash.message}",
            ]
    if warnings:
        lines += ["", f"Warnings: {len(warnings)}"]
        lines += [f"  {plan.reference}: {problem}" for plan, problem in warnings]
    return lines


def window_lines(windows: Sequence[Window], shown_in: str) -> list[str]:
    """Return a table of windows, times in the zone `shown_in`."""
    rows = [("SYSTEM", "IMPACT", "FROM", "TO", "LASTS", "BECAUSE")]
    rows += [
        (
            window.system,
            window.impact.code,
            local_time(window.start, shown_in),
            local_time(window.end, shown_in),
            _length(window.end - window.start),
            "; ".join(_in_words(chain) for chain in window.because),
        )
        for window in windows
    ]
    return [f"Windows: {len(windows)}, times of {shown_in}", "", *table(rows)]


def estimated(harm: Iterable[tuple[Text, float]]) -> str:
    """Return estimated harm in words, the largest first; "" where no volume is known."""
    ordered = sorted(harm, key=lambda pair: -pair[1])
    return ", ".join(f"about {two_figures(amount):,} {unit.in_language('en')}" for unit, amount in ordered)


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the rows as lines, their columns aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def local_time(instant: datetime, zone_name: str) -> str:
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
