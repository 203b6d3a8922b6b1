"""What all entries of policy documents are made of: scopes, days, times of the day, lengths."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from maintenance.catalogue import Kind
from maintenance.document_fields import Code, Entry, Length, Line, Name, choice, wrong
from maintenance.policies import Scope


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
        raise NotImplementedError  # each kind of policy has its own
