"""How much of a month a system was up: gross, and with the planned work taken out.

There is no single standard, so both figures are published and the formula stands beside them:

    gross            = (T - D) / T
    planned removed  = (T - D) / (T - P)

T is the time of the month that was measured (real hours: a month with a clock change is an hour shorter or
longer), D the time in OUTAGE, P the part of D that was planned. Planned is only what was announced with the
minimum notice and lies inside the window that was announced; what overruns it, what came too late and
emergencies are not. DEGRADED and REDUCED-REDUNDANCY are not downtime.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from maintenance.catalogue import Impact, System
from maintenance.policies import SCHEDULED_FROM, Policies
from maintenance.windows import Interval, resolve, union, zone


@dataclass(frozen=True, slots=True)
class Announcement:
    """What one published version of an intervention said of one system."""

    published_at: datetime
    #: When the system would be in OUTAGE; empty for a version that leaves it alone, or calls the work off.
    down: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Availability:
    """The figures of one system for a stretch of time."""

    measured: Interval
    down: timedelta
    #: The part of `down` that was announced in time.
    planned: timedelta

    @property
    def total(self) -> timedelta:
        """Return the time that was measured, in real hours."""
        return self.measured.end - self.measured.start

    def is_whole(self, zone_name: str) -> bool:
        """Return whether a whole calendar month of the zone was measured."""
        first = self.measured.start.astimezone(zone(zone_name))
        return self.measured == month(first.year, first.month, zone_name)

    @property
    def unplanned(self) -> timedelta:
        """Return the downtime that nobody was told of in time."""
        return self.down - self.planned

    @property
    def gross(self) -> float:
        """Return the percentage of the time in which the system was not in OUTAGE."""
        return percentage(self.total - self.down, self.total)

    @property
    def without_planned(self) -> float | None:
        """Return the same with planned downtime out of the time too; None if nothing is left of it."""
        agreed = self.total - self.planned
        return percentage(self.total - self.down, agreed) if agreed else None


def percentage(part: timedelta, whole: timedelta) -> float:
    """Return a percentage of three decimals, rounded down: a second of outage never shows as 100.

    >>> percentage(timedelta(hours=700), timedelta(hours=720))
    97.222
    >>> percentage(timedelta(days=30) - timedelta(seconds=1), timedelta(days=30))
    99.999
    """
    return (part * 100_000 // whole) / 1000


def availability(
    measured: Interval, down: Iterable[Interval], planned: Iterable[Interval] = ()
) -> Availability:
    """Return the figures of a system.

    Args:
        measured: The time that counts; it has an end that is over.
        down: When the system really was in OUTAGE; what lies outside the measured time is passed over.
        planned: When it was allowed to be, as `promised` says.
    """
    was_down = overlap(union(down), (measured,))
    return Availability(measured, _sum(was_down), _sum(overlap(was_down, union(planned))))


def promised(versions: Iterable[Announcement], notice: timedelta) -> tuple[Interval, ...]:
    """Return when readers could count on a system being down: what one intervention announced in time.

    A later version replaces what it could still take back in time. A window that it announces too late (an
    extension on the night, a move of the day before) is no promise, and leaves the old one standing.

    Args:
        versions: The published versions of one intervention, in their order.
        notice: How long before its start a window must be announced.
    """
    found: list[Interval] = []
    for version in versions:
        until = version.published_at + notice
        found = [window for window in found if window.start < until]
        found += [window for window in version.down if window.start >= until]
    return union(found)


def minimum_notice(system: System, policies: Policies) -> timedelta:
    """Return how early an OUTAGE of the system must be announced to count as planned.

    That is the longest notice agreed for it; where none is, the 48 hours from which work is *scheduled*.
    """
    agreed = [
        policy.at_least
        for policy in policies.notices
        if policy.impact <= Impact.OUTAGE
        and policy.scope.covers(system)
        and (policy.audience is None or policy.audience in system.audiences)
    ]
    return max(agreed, default=SCHEDULED_FROM)


def month(year: int, number: int, zone_name: str) -> Interval:
    """Return a calendar month of a zone: 743 hours in a March with a clock change, 745 in an October.

    >>> found = month(2026, 3, "Europe/Lisbon")
    >>> (found.end - found.start) / timedelta(hours=1)
    743.0
    """
    following = (year + number // 12, number % 12 + 1)
    first, last = (
        resolve(datetime(y, n, 1), zone_name).instant  # noqa: DTZ001 - wall time, resolved in the zone
        for y, n in ((year, number), following)
    )
    return Interval(first, last)


def latest_months(until: datetime, zone_name: str, count: int) -> list[Interval]:
    """Return the month of an instant and those before it, the latest first."""
    here = until.astimezone(zone(zone_name))
    numbers = [here.year * 12 + here.month - 1 - back for back in range(count)]
    return [month(number // 12, number % 12 + 1, zone_name) for number in numbers]


def overlap(some: Iterable[Interval], others: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the stretches that lie in both."""
    others = tuple(others)
    return tuple(
        Interval(max(one.start, other.start), min(one.end, other.end))
        for one in some
        for other in others
        if one.overlaps(other)
    )


def _sum(stretches: Iterable[Interval]) -> timedelta:
    return sum((stretch.end - stretch.start for stretch in stretches), timedelta(0))
