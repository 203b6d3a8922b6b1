"""The schema of reservations in policy documents: a rule in wall time, and what became of single occurrences."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from maintenance.document_fields import Entry, Line, Moment, Truth, Words, Zone, choice, wrong
from maintenance.errors import InvalidTime
from maintenance.policy_fields import Day, PolicyEntry, Some
from maintenance.recurrence import Change, Deviation, Reservation, checked_rule, follows
from maintenance.texts import Text


def _wall_time(moment: datetime) -> datetime:
    if moment.tzinfo is not None:
        raise wrong(
            "Write wall time without an offset, as in 2026-01-10T22:00; the timezone has its own key."
        )
    return moment


_WallTime = Annotated[Moment, AfterValidator(_wall_time)]


class ChangeEntry(Entry):
    """What became of one occurrence of a reservation."""

    date: Day
    change: Annotated[Deviation, choice({deviation.value: deviation for deviation in Deviation})]
    start: _WallTime | None = None
    duration: Some | None = None
    reason: Words = Field(default_factory=dict)

    @model_validator(mode="after")
    def _moved_somewhere(self) -> ChangeEntry:
        if (self.change is Deviation.MOVED) != (self.start is not None):
            raise wrong("What is moved, and nothing else, needs the `start` it is moved to.")
        return self


class ReservationEntry(PolicyEntry):
    """A window held free for work, again and again."""

    start: _WallTime
    duration: Some
    rule: Line
    until: Day | None = None
    timezone: Zone | None = None
    public: Truth = False
    exceptions: list[ChangeEntry] = Field(default_factory=list)

    @model_validator(mode="after")
    def _follows_its_rule(self) -> ReservationEntry:
        try:
            self.rule = checked_rule(self.rule, self.start)
        except InvalidTime as error:
            raise wrong(error.sentence) from None
        known = self.value(self.timezone or "UTC", "en")
        for change in known.changes:
            if not follows(known, change.date):
                raise wrong(
                    "The rule puts no occurrence on %(date)s, which has an exception; correct one of the two.",
                    date=change.date,
                )
        if len({change.date for change in known.changes}) < len(known.changes):
            raise wrong("One occurrence has two exceptions; leave one.")
        return self

    def value(self, timezone: str, language: str) -> Reservation:
        """Return the reservation."""
        return Reservation(
            self.code,
            Text.of(self.name),
            self.start,
            self.duration,
            self.rule,
            self.timezone or timezone,
            self.until,
            self.scope.value(),
            self.public,
            tuple(
                Change(each.date, each.change, each.start, each.duration, Text.of(each.reason))
                for each in self.exceptions
            ),
        )
