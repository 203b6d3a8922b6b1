"""The schema of policy documents: freezes, maintenance hours and what else plans are held against."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum, StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from maintenance.catalogue import Impact
from maintenance.document_fields import (
    AudienceCode,
    Clock,
    Entry,
    ImpactCode,
    Line,
    Moment,
    Weekday,
    WeekdayName,
    Whole,
    Words,
    Zone,
    choice,
    wrong,
)
from maintenance.policies import (
    DownAtOnce,
    DowntimeBudget,
    Freeze,
    HolidayCalendar,
    MaintenanceHours,
    NoticePolicy,
    WeeklyHours,
    holiday_regions,
)
from maintenance.policy_fields import Day, PolicyEntry, Some
from maintenance.recurrence import Reservation
from maintenance.reservation_documents import ReservationEntry
from maintenance.sentences import Sentence
from maintenance.texts import Text
from maintenance.windows import format_duration, resolve

#: What one entry becomes.
Value = Freeze | MaintenanceHours | NoticePolicy | HolidayCalendar | DowntimeBudget | DownAtOnce | Reservation


class Severity(StrEnum):
    """What a clash does to announcing."""

    WARN = "warn"
    BLOCK = "block"


class Period(StrEnum):
    """What a budget is for."""

    MONTH = "month"
    YEAR = "year"


class FreezeEntry(PolicyEntry):
    """A period in which a scope of systems may not be touched."""

    start: Moment
    end: Moment
    timezone: Zone | None = None
    reason: Words = Field(default_factory=dict)

    def value(self, timezone: str, language: str) -> Freeze:
        """Return the freeze, its reason with its name."""
        there = self.timezone or timezone
        name = Text.of(self.name).in_language(language)
        reason = Text.of(self.reason).in_language(language)
        return Freeze(
            self.code,
            f"{name} ({reason})" if reason else name,
            _instant(self.start, there),
            _instant(self.end, there),
            self.scope.value(),
        )


def _instant(moment: datetime, timezone: str) -> datetime:
    return moment if moment.tzinfo else resolve(moment, timezone).instant


class WeeklyEntry(Entry):
    """The same stretch on some days of every week; one that does not end after it starts ends the next day."""

    days: list[WeekdayName] = Field(min_length=1)
    start: Clock
    end: Clock


class HoursEntry(PolicyEntry):
    """When a scope of systems may be worked on."""

    timezone: Zone | None = None
    weekly: list[WeeklyEntry] = Field(min_length=1)

    def value(self, timezone: str, language: str) -> MaintenanceHours:
        """Return the hours."""
        weekly = (
            WeeklyHours(day.value, stretch.start, stretch.end)
            for stretch in self.weekly
            for day in stretch.days
        )
        return MaintenanceHours(self.scope.value(), self.timezone or timezone, tuple(weekly))


class NoticeEntry(PolicyEntry):
    """How long before its start a window must be announced."""

    at_least: Some
    impact: ImpactCode = Impact.DEGRADED
    audience: AudienceCode | None = None
    severity: Annotated[Severity, choice({s.value: s for s in Severity})] = Severity.BLOCK

    def value(self, timezone: str, language: str) -> NoticePolicy:
        """Return the lead time."""
        return NoticePolicy(
            self.at_least, self.scope.value(), self.impact, self.audience, self.severity.value
        )


class DateEntry(Entry):
    """One day of one's own calendar."""

    date: Day
    name: Line


class HolidaysEntry(PolicyEntry):
    """Days on which nobody should have to work: public holidays, and dates of one's own."""

    country: Line | None = None
    subdivision: Line | None = None
    dates: list[DateEntry] = Field(default_factory=list)
    timezone: Zone | None = None

    @model_validator(mode="after")
    def _known_region(self) -> HolidaysEntry:
        if self.country is None:
            if self.subdivision is not None:
                raise wrong("A `subdivision` needs its `country`.")
            if not self.dates:
                raise wrong("Name a `country`, or `dates` of your own.")
            return self
        regions = holiday_regions()
        if self.country not in regions:
            raise wrong(
                "The public holidays of “%(country)s” are not known; write a country code such as PT, or the dates.",
                country=self.country[:20],
            )
        parts = regions[self.country]
        if self.subdivision is not None and self.subdivision not in parts:
            said = Sentence(
                "%(country)s has no subdivision “%(subdivision)s”.",
                country=self.country,
                subdivision=self.subdivision[:20],
            )
            known = Sentence("Known are %(names)s.", names=", ".join(parts)) if parts else None
            raise wrong(said.then(known))
        return self

    def value(self, timezone: str, language: str) -> HolidayCalendar:
        """Return the calendar."""
        return HolidayCalendar(
            self.country,
            self.subdivision,
            tuple((entry.date, entry.name) for entry in self.dates),
            self.timezone or timezone,
            self.scope.value(),
        )


class BudgetEntry(PolicyEntry):
    """How long each system of a scope may be planned down in a calendar month or year."""

    at_most: Some
    per: Annotated[Period, choice({p.value: p for p in Period})] = Period.MONTH
    timezone: Zone | None = None

    def value(self, timezone: str, language: str) -> DowntimeBudget:
        """Return the budget."""
        return DowntimeBudget(self.scope.value(), self.at_most, self.per.value, self.timezone or timezone)


class DownAtOnceEntry(PolicyEntry):
    """How many systems of a scope may be in OUTAGE at the same time."""

    at_most: Annotated[Whole, Field(ge=0, le=10**6)]

    def value(self, timezone: str, language: str) -> DownAtOnce:
        """Return the limit."""
        return DownAtOnce(self.scope.value(), self.at_most)


class PoliciesEntry(Entry):
    """A policy document."""

    timezone: Zone | None = None
    freezes: list[FreezeEntry] = Field(default_factory=list)
    hours: list[HoursEntry] = Field(default_factory=list)
    notices: list[NoticeEntry] = Field(default_factory=list)
    holidays: list[HolidaysEntry] = Field(default_factory=list)
    budgets: list[BudgetEntry] = Field(default_factory=list)
    down_at_once: list[DownAtOnceEntry] = Field(default_factory=list)
    reservations: list[ReservationEntry] = Field(default_factory=list)


#: The lists of a document, with what stands in them.
ENTRIES: Mapping[str, type[PolicyEntry]] = {
    "freezes": FreezeEntry,
    "hours": HoursEntry,
    "notices": NoticeEntry,
    "holidays": HolidaysEntry,
    "budgets": BudgetEntry,
    "down_at_once": DownAtOnceEntry,
    "reservations": ReservationEntry,
}


def entry_document(entry: Entry) -> dict[str, Any]:
    """Return an entry as a document has it, what is as it would be unsaid left out."""
    found = {}
    for name, field in type(entry).model_fields.items():
        value = getattr(entry, name)
        if value != field.get_default(call_default_factory=True):
            found[name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Entry):
        return entry_document(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return Text.of(value).document()
    if isinstance(value, Impact):
        return value.code
    if isinstance(value, Weekday):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="minutes")
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return value.isoformat() if isinstance(value, date) else value
