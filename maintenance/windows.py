"""Intervals of time, their unions, and wall time turned into instants by a stated rule."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maintenance.errors import InvalidTime


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A stretch of time, half-open `[start, end)`, both aware UTC."""

    start: datetime
    end: datetime

    def overlaps(self, other: Interval) -> bool:
        """Return whether they share an instant; touching is not sharing."""
        return self.start < other.end and other.start < self.end

    def contains(self, instant: datetime) -> bool:
        """Return whether the instant lies in it."""
        return self.start <= instant < self.end


def union(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the stretches that the intervals cover together, in order, neighbours joined."""
    joined: list[Interval] = []
    for interval in sorted(intervals):
        if joined and interval.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, interval.end))
        else:
            joined.append(interval)
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The instant of a wall time, and what a clock change did to it."""

    instant: datetime
    #: "gap": the time does not exist that night; "fold": it exists twice; None: neither.
    change: str | None = None


def zone(name: str) -> ZoneInfo:
    """Return the IANA zone.

    Raises:
        InvalidTime: For a name that is not in the zone database.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidTime(
            "There is no time zone “%(name)s”; use an IANA name such as Europe/Lisbon.", name=name
        ) from None


def resolve(local: datetime, zone_name: str) -> Resolved:
    """Return the instant of the naive wall time `local` in a zone.

    A time that the clock skips is read with the offset before the change (01:30 in the skipped hour
    means 02:30); one that exists twice means the first.

    Source:
        RFC 5545 3.3.5, FORM #3.

    >>> resolve(datetime(2026, 3, 29, 1, 30), "Europe/Lisbon")
    Resolved(instant=datetime.datetime(2026, 3, 29, 1, 30, tzinfo=datetime.timezone.utc), change='gap')
    >>> resolve(datetime(2026, 10, 25, 1, 30), "Europe/Lisbon")
    Resolved(instant=datetime.datetime(2026, 10, 25, 0, 30, tzinfo=datetime.timezone.utc), change='fold')
    """
    # fold=0 means, in the skipped hour, the offset before the change; in the repeated one, the first.
    aware = local.replace(tzinfo=zone(zone_name), fold=0)
    instant = aware.astimezone(UTC)
    if aware.utcoffset() == aware.replace(fold=1).utcoffset():
        return Resolved(instant)
    skipped = instant.astimezone(aware.tzinfo).replace(tzinfo=None) != local
    return Resolved(instant, "gap" if skipped else "fold")


def change_within(start: datetime, end: datetime, zone_name: str) -> timedelta:
    """Return by how much the zone's clock is ahead at `end` of what it was at `start`; 0 mostly."""
    there = zone(zone_name)
    before = start.astimezone(there).utcoffset()
    after = end.astimezone(there).utcoffset()
    return (after or timedelta(0)) - (before or timedelta(0))


_DURATION = re.compile(
    r"P(?!$)(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,4})D)?"
    r"(?:T(?!$)(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,7})S)?)?"
)


def parse_duration(text: str) -> timedelta:
    """Return the elapsed time of an ISO 8601 duration in weeks, days, hours, minutes, seconds.

    Raises:
        InvalidTime: For anything else; months and years have no fixed length.

    >>> parse_duration("P1DT30M")
    datetime.timedelta(days=1, seconds=1800)
    """
    match = _DURATION.fullmatch(text)
    if not match:
        raise InvalidTime("“%(text)s” is no duration; write one such as PT30M, PT18H or P7D.", text=text)
    return timedelta(**{unit: int(count) for unit, count in match.groupdict().items() if count})


def format_duration(length: timedelta) -> str:
    """Return the ISO 8601 duration that `parse_duration` reads back; whole seconds, PT0S for none.

    >>> format_duration(timedelta(days=3)), format_duration(timedelta(hours=18, minutes=5))
    ('P3D', 'PT18H5M')
    """
    seconds = int(length.total_seconds())
    days, seconds = divmod(seconds, 86400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    time = "".join(f"{n}{u}" for n, u in ((hours, "H"), (minutes, "M"), (seconds, "S")) if n)
    return "P" + (f"{days}D" if days else "") + (f"T{time}" if time else "") if days or time else "PT0S"


def in_units(length: timedelta) -> str:
    """Return an elapsed time as people read it.

    >>> in_units(timedelta(days=1, hours=2, minutes=30)), in_units(timedelta(0))
    ('1d 2h 30min', '0min')
    """
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{count}{unit}" for count, unit in parts if count) or "0min"
