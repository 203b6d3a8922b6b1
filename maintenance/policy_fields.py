"""What all entries of policy documents are made of: scopes, days, times of the day, lengths."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from maintenance.catalogue import Kind
from maintenance.document_fields import Code, Entry, Length, Line, Name, choice, wrong
from maintenance.policies import Scope

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def _clock(value: Any) -> time:
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return time.fromisoformat(str(value))
    raise wrong("Write a time of the day such as 22:00; midnight is 00:00.")


def _day(value: Any) -> date:
    try:
        if isinstance(value, str) and len(value) == 10:
            return date.fromisoformat(str(value))
    except ValueError:
        pass
    raise wrong("Write a date such as 2026-12-24.")


def _positive(length: timedelta) -> timedelta:
    if not timedelta(0) < length <= timedelta(days=366):
        raise wrong("This must be longer than nothing and at most a year.")
    return length


#: A time of the day.
Clock = Annotated[time, BeforeValidator(_clock)]
#: A calendar day.
Day = Annotated[date, BeforeValidator(_day)]
#: A length that is something.
Some = Annotated[Length, AfterValidator(_positive)]


class ScopeEntry(Entry):
    """Which systems: those that any of these names; all if nothing is named."""

    systems: list[Code] = Field(default_factory=list)
    groups: list[Line] = Field(default_factory=list)
    kinds: list[Annotated[Kind, choice({kind.value: kind for kind in Kind})]] = Field(default_factory=list)
    tags: list[Line] = Field(default_factory=list)

    def value(self) -> Scope:
        """Return the scope."""
        return Scope(tuple(self.systems), tuple(self.groups), tuple(self.kinds), tuple(self.tags))


class PolicyEntry(Entry):
    """What every kind of policy has."""

    code: Code
    name: Name
    scope: ScopeEntry = Field(default_factory=ScopeEntry)

    def value(self, timezone: str, language: str) -> Any:
        """Return what clashes are computed from; `timezone` counts where the entry has none."""
        raise NotImplementedError
