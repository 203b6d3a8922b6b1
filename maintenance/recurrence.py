"""Windows that come back: reserved slots and weekly maintenance, expanded by the rule for clock changes.

A rule is wall time: 22:00 stays 22:00 when the clock changes. Each occurrence is turned into instants by
`windows.resolve` and lasts its length in elapsed time. Calendar programs disagree about both (of a weekly
01:30 to 03:30 in Lisbon they make one, two or three hours on the days of the change), so every occurrence is
published as an event of its own and no program ever sees the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from dateutil.rrule import rrule, rrulestr

from maintenance.errors import InvalidTime
from maintenance.policies import Scope
from maintenance.texts import NO_TEXT, Text
from maintenance.windows import Interval, resolve, zone


class Deviation(StrEnum):
    """What became of one occurrence."""

    #: It was never meant to be: nobody sees it.
    SKIPPED = "skipped"
    #: It is at another time, under the same identity.
    MOVED = "moved"
    #: It was told of and is off: calendars show it struck out.
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the occurrence that the rule puts on a day."""

    date: date
    deviation: Deviation
    #: Where it was moved to, naive wall time; None for others.
    start: datetime | None = None
    #: How long it is there; None: as long as all.
    length: timedelta | None = None
    reason: Text = NO_TEXT


@dataclass(frozen=True, slots=True)
class Reservation:
    """A window held free for work, again and again. It need not be used: work in it is announced as always."""

    code: str
    name: Text
    #: The first occurrence, naive wall time of `timezone`.
    start: datetime
    #: Elapsed time.
    length: timedelta
    #: An RRULE of RFC 5545 as `checked_rule` takes it.
    rule: str
    timezone: str
    #: The last day on which one may begin; None: no end.
    until: date | None = None
    scope: Scope = field(default_factory=Scope)
    #: Whether everybody may see it in the calendar.
    public: bool = False
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence, as instants."""

    reservation: Reservation
    #: The day on which the rule puts it, which names it for good, wherever it was moved to.
    date: date
    start: datetime
    end: datetime
    deviation: Deviation | None = None
    reason: Text = NO_TEXT
    #: "gap" or "fold" where the clock change had a say in its start, as `windows.Resolved`.
    clock_change: str | None = None

    @property
    def identity(self) -> str:
        """Return what calendars know it by."""
        return f"{self.reservation.code}-occ-{self.date.isoformat()}"

    @property
    def is_cancelled(self) -> bool:
        """Return whether it is off."""
        return self.deviation is Deviation.CANCELLED


_PARTS = {
    "DAILY": {"INTERVAL"},
    "WEEKLY": {"INTERVAL", "BYDAY"},
    "MONTHLY": {"INTERVAL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS"},
}
_DAYS = "(MO|TU|WE|TH|FR|SA|SU)"
_SHAPES = {
    "INTERVAL": re.compile(r"[1-9]\d{0,2}"),
    "BYDAY": re.compile(rf"([+-]?[1-5])?{_DAYS}(,([+-]?[1-5])?{_DAYS})*"),
    "BYMONTHDAY": re.compile(r"-?([1-9]|[12]\d|3[01])(,-?([1-9]|[12]\d|3[01]))*"),
    "BYMONTH": re.compile(r"([1-9]|1[0-2])(,([1-9]|1[0-2]))*"),
    "BYSETPOS": re.compile(r"-?[1-5](,-?[1-5])*"),
}


def checked_rule(rule: str, start: datetime) -> str:
    """Return the rule, if it is one that is understood and the first occurrence follows it.

    Days, weeks and months are enough for maintenance; the time of the day comes from `start`, the end from
    `until`. RFC 5545 would count a first occurrence that does not follow its rule; here it is a mistake.

    Raises:
        InvalidTime: With a sentence that says what would be right.
    """
    rule = rule.upper()
    parts = dict(part.partition("=")[::2] for part in rule.split(";"))
    allowed = _PARTS.get(parts.pop("FREQ", ""))
    if allowed is None:
        raise InvalidTime(
            "“%(rule)s” is no rule; write one such as FREQ=MONTHLY;BYDAY=2SA or FREQ=WEEKLY;BYDAY=TU,TH.",
            rule=rule[:100],
        )
    for key, value in parts.items():
        days = key == "BYDAY" and "MONTHLY" not in rule and any(c.isdigit() for c in value)
        if key not in allowed or days or not _SHAPES[key].fullmatch(value):
            raise InvalidTime(
                "“%(part)s” is not understood in this rule; its parts may be %(known)s.",
                part=f"{key}={value}"[:60],
                known=", ".join(sorted(allowed)),
            )
    first = next(iter(_rule(rule, start)), None)
    if first != start:
        better = f"{first:%Y-%m-%dT%H:%M}" if first else "none"
        raise InvalidTime(
            "The first occurrence %(start)s does not follow the rule; the first that does is %(first)s.",
            start=f"{start:%Y-%m-%dT%H:%M}",
            first=better,
        )
    return rule


def occurrences(reservation: Reservation, stretch: Interval) -> tuple[Occurrence, ...]:
    """Return the occurrences that touch a stretch of time, in order; cancelled ones too, skipped ones not."""
    found = (_occurrence(reservation, day) for day in _days(reservation, stretch))
    there = (one for one in found if one and Interval(one.start, one.end).overlaps(stretch))
    return tuple(sorted(there, key=lambda one: (one.start, one.date)))


def occurrences_of(reservations: Iterable[Reservation], stretch: Interval) -> tuple[Occurrence, ...]:
    """Return the occurrences of several reservations, in order of time."""
    found = (one for reservation in reservations for one in occurrences(reservation, stretch))
    return tuple(sorted(found, key=lambda one: (one.start, one.reservation.code, one.date)))


def follows(reservation: Reservation, day: date) -> bool:
    """Return whether the rule puts an occurrence on that day, whatever became of it."""
    if day < reservation.start.date() or (reservation.until is not None and day > reservation.until):
        return False
    rule = _rule(reservation.rule, reservation.start)
    return bool(rule.between(datetime.combine(day, time.min), datetime.combine(day, time.max), inc=True))


def _rule(rule: str, start: datetime) -> rrule:
    parsed = rrulestr(rule, dtstart=start)
    assert isinstance(parsed, rrule)  # noqa: S101 - without RDATE or EXDATE it is no set
    return parsed


def _days(reservation: Reservation, stretch: Interval) -> Iterator[date]:
    there = zone(reservation.timezone)
    # A day more on both sides: wall time and instants differ by hours.
    margin = timedelta(days=1)
    first = stretch.start.astimezone(there).replace(tzinfo=None) - reservation.length - margin
    last = stretch.end.astimezone(there).replace(tzinfo=None) + margin
    if reservation.until is not None:
        last = min(last, datetime.combine(reservation.until, time.max))
    by_rule = _rule(reservation.rule, reservation.start).between(first, last, inc=True)
    days = {moment.date() for moment in by_rule}
    yield from days
    for change in reservation.changes:
        # Moved into the stretch from far away.
        if (
            change.deviation is Deviation.MOVED
            and change.date not in days
            and follows(reservation, change.date)
        ):
            yield change.date


def _occurrence(reservation: Reservation, day: date) -> Occurrence | None:
    change = next((change for change in reservation.changes if change.date == day), None)
    if change and change.deviation is Deviation.SKIPPED:
        return None
    local, length = datetime.combine(day, reservation.start.time()), reservation.length
    if change and change.deviation is Deviation.MOVED:
        local, length = change.start or local, change.length or length
    resolved = resolve(local, reservation.timezone)
    return Occurrence(
        reservation,
        day,
        resolved.instant,
        resolved.instant + length,
        change.deviation if change else None,
        change.reason if change else NO_TEXT,
        resolved.change,
    )
