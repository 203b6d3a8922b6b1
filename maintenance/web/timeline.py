"""Where bars and ticks of a drawn timeline stand, in percent of its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from maintenance.catalogue import Impact
from maintenance.windows import resolve, zone

#: A bar is at least this wide, so that an hour in a fortnight can still be seen.
NARROWEST_PERCENT = 0.9
#: No more ticks than fit beside each other; on a telephone every other one is left without its words.
MOST_TICKS = 10
_STEPS_HOURS = (1, 2, 3, 6, 12, *(24 * 2**n for n in range(10)))


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of a row."""

    impact: Impact
    left: float
    width: float
    overrun: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the drawing."""

    label: Markup
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """One line down the drawing, and the instant it stands for."""

    at: datetime
    left: float
    #: At midnight the date is written, else the hour.
    is_midnight: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """A drawing from `start` to `end`."""

    start: datetime
    end: datetime
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    #: Where the present is; None when it is not in the drawing.
    now: float | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is to be drawn: an impact from one instant to another."""

    impact: Impact
    start: datetime
    end: datetime
    overrun: bool = False


def draw(
    rows: Iterable[tuple[Markup, Sequence[Stretch]]],
    *,
    start: datetime,
    end: datetime,
    zone_name: str,
    now: datetime,
) -> Timeline:
    """Return the drawing of these rows between two instants; what lies outside is cut off."""

    def percent(instant: datetime) -> float:
        share = (instant - start) / (end - start)
        return round(100 * min(1.0, max(0.0, share)), 3)

    def bar(stretch: Stretch) -> Bar:
        left = percent(stretch.start)
        width = max(percent(stretch.end) - left, NARROWEST_PERCENT)
        return Bar(stretch.impact, min(left, 100 - NARROWEST_PERCENT), width, stretch.overrun)

    drawn = tuple(
        # Worse ones are drawn later, over milder ones.
        Row(
            label,
            tuple(
                bar(s) for s in sorted(stretches, key=lambda s: s.impact) if s.start < end and start < s.end
            ),
        )
        for label, stretches in rows
    )
    ticks = tuple(
        Tick(at, percent(at), at.astimezone(zone(zone_name)).hour == 0)
        for at in _ticks(start, end, zone_name)
    )
    return Timeline(start, end, drawn, ticks, percent(now) if start <= now <= end else None)


def day_start(instant: datetime, zone_name: str, *, days_later: int = 0) -> datetime:
    """Return midnight of the instant's day in a zone (or of a later day), as an instant."""
    local = instant.astimezone(zone(zone_name)).replace(
        hour=0, minute=0, second=0, microsecond=0, tzinfo=None
    )
    return resolve(local + timedelta(days=days_later), zone_name).instant


def around(stretches: Sequence[Stretch]) -> tuple[datetime, datetime]:
    """Return a span that holds the stretches with a margin on both sides, at full hours."""
    first, last = min(s.start for s in stretches), max(s.end for s in stretches)
    margin = max((last - first) * 0.06, timedelta(minutes=30))
    return _full_hour(first - margin), _full_hour(last + margin + timedelta(minutes=59))


def _full_hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def _ticks(start: datetime, end: datetime, zone_name: str) -> list[datetime]:
    hours = (end - start) / timedelta(hours=1)
    step = next((step for step in _STEPS_HOURS if hours / step <= MOST_TICKS), _STEPS_HOURS[-1])
    # Wall time, so that ticks stay at midnight and noon when the clock changes in between.
    midnight = start.astimezone(zone(zone_name)).replace(
        hour=0, minute=0, second=0, microsecond=0, tzinfo=None
    )
    count = int(hours / step) + 24 // step + 2
    instants = [resolve(midnight + timedelta(hours=step * n), zone_name).instant for n in range(count)]
    return [instant for instant in instants if start <= instant < end]
