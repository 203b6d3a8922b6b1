"""What an operator has agreed to keep to: freezes, hours, notice, budgets, each for a scope of systems."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Literal

import holidays

from maintenance.catalogue import Impact, Kind, System
from maintenance.interventions import InterventionClass, Plan
from maintenance.windows import Interval, resolve, union, zone


@dataclass(frozen=True, slots=True)
class Scope:
    """Which systems something is about: those that any of these names; all if nothing is named."""

    systems: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    tags: tuple[str, ...] = ()

    def covers(self, system: System) -> bool:
        """Return whether the system is in the scope."""
        if not (self.systems or self.groups or self.kinds or self.tags):
            return True
        return (
            system.code in self.systems
            or system.kind in self.kinds
            or any(tag in self.tags for tag in system.tags)
            or any(words in self.groups for _, words in system.group.variants)
        )


@dataclass(frozen=True, slots=True)
class Freeze:
    """A period in which a scope of systems may not be touched, not even by work on what they need."""

    code: str
    name: str
    start: datetime
    end: datetime
    scope: Scope = Scope()

    @property
    def interval(self) -> Interval:
        """Return its stretch of time."""
        return Interval(self.start, self.end)


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """A stretch of every week, in wall time; one that ends before it starts goes past midnight."""

    #: 0 is Monday: the day on which it starts.
    weekday: int
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class MaintenanceHours:
    """When a scope of systems may be worked on; what several say of one system is added up."""

    scope: Scope
    timezone: str
    weekly: tuple[WeeklyHours, ...]

    def within(self, stretch: Interval) -> tuple[Interval, ...]:
        """Return the allowed stretches that touch this one, read by the design's clock-change rule."""
        there = zone(self.timezone)
        day = stretch.start.astimezone(there).date() - timedelta(days=1)
        last = stretch.end.astimezone(there).date()
        found = []
        while day <= last:
            for hours in self.weekly:
                if hours.weekday == day.weekday():
                    end = day if hours.end > hours.start else day + timedelta(days=1)
                    opens = resolve(datetime.combine(day, hours.start), self.timezone).instant
                    closes = resolve(datetime.combine(end, hours.end), self.timezone).instant
                    found.append(Interval(opens, closes))
            day += timedelta(days=1)
        return tuple(interval for interval in union(found) if interval.overlaps(stretch))


class NoticeClass(StrEnum):
    """How early readers are told."""

    SCHEDULED = "scheduled"
    SHORT_NOTICE = "short-notice"
    EMERGENCY = "emergency"


#: Less is no longer *scheduled* (OSG), and at or below the second it is an emergency (GOCDB: UNSCHEDULED).
SCHEDULED_FROM = timedelta(hours=48)
EMERGENCY_UNTIL = timedelta(hours=24)


def notice_class(plan: Plan, announced_at: datetime) -> NoticeClass:
    """Return the class that the time between announcing and start gives; never typed by hand.

    Source:
        GOCDB: scheduled only if the start is more than 24 hours away. OSG: scheduled wants 48 hours.
    """
    notice = plan.start - announced_at
    if plan.intervention_class is InterventionClass.EMERGENCY or notice <= EMERGENCY_UNTIL:
        return NoticeClass.EMERGENCY
    return NoticeClass.SCHEDULED if notice >= SCHEDULED_FROM else NoticeClass.SHORT_NOTICE


@dataclass(frozen=True, slots=True)
class NoticePolicy:
    """How long before its start a window must be announced."""

    at_least: timedelta
    scope: Scope = Scope()
    #: From this impact on.
    impact: Impact = Impact.DEGRADED
    #: Only for systems that this audience uses; None: for all.
    audience: str | None = None
    #: Emergencies cannot be announced early: for them the clash only warns.
    severity: Literal["warn", "block"] = "block"


@dataclass(frozen=True, slots=True)
class HolidayCalendar:
    """Days on which nobody should have to work: a country's public holidays, and dates of one's own."""

    #: ISO 3166-1 code, as in `PT`; None: only the dates below.
    country: str | None = None
    #: ISO 3166-2 part, where a region has holidays of its own.
    subdivision: str | None = None
    dates: tuple[tuple[date, str], ...] = ()
    timezone: str = "UTC"
    scope: Scope = Scope()

    def name_of(self, day: date) -> str | None:
        """Return the holiday's name; None on other days."""
        own = dict(self.dates).get(day)
        if own or not self.country:
            return own
        return _public_holidays(self.country, self.subdivision, day.year).get(day)


@lru_cache(maxsize=64)
def _public_holidays(country: str, subdivision: str | None, year: int) -> dict[date, str]:
    return dict(holidays.country_holidays(country, subdiv=subdivision, years=year))


@lru_cache(maxsize=1)
def holiday_regions() -> dict[str, list[str]]:
    """Return the countries whose public holidays are known, each with its subdivisions."""
    return dict(holidays.list_supported_countries())


@dataclass(frozen=True, slots=True)
class DowntimeBudget:
    """How long each system of a scope may be in a planned OUTAGE in a calendar month or year."""

    scope: Scope
    at_most: timedelta
    per: Literal["month", "year"] = "month"
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class DownAtOnce:
    """How many systems of a scope may be in OUTAGE at the same time."""

    scope: Scope
    at_most: int


@dataclass(frozen=True, slots=True)
class Policies:
    """All that a plan is held against."""

    freezes: tuple[Freeze, ...] = ()
    hours: tuple[MaintenanceHours, ...] = ()
    notices: tuple[NoticePolicy, ...] = ()
    holidays: tuple[HolidayCalendar, ...] = ()
    budgets: tuple[DowntimeBudget, ...] = ()
    down_at_once: tuple[DownAtOnce, ...] = ()
