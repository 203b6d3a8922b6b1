"""Which notices a version owes its readers, when, until when each is useful, what a new version supersedes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from maintenance.events import Event
from maintenance.interventions import Plan, Window


class NoticeKind(StrEnum):
    """What we owe readers at an instant."""

    ANNOUNCEMENT = "announcement"
    CHANGE = "change"
    REMINDER = "reminder"
    START = "start"
    UPDATE = "update"
    EXTENSION = "extension"
    RESTORED = "restored"
    COMPLETION = "completion"
    CANCELLATION = "cancellation"


@dataclass(frozen=True, slots=True)
class Owed:
    """One notice to plan."""

    kind: NoticeKind
    due_at: datetime
    #: From here on it is not sent any more.
    expires_at: datetime
    #: Lower goes first.
    priority: int
    #: What the composer needs beyond the version, as JSON holds it.
    details: dict[str, Any] = field(default_factory=dict)


def owed(
    event: Event,
    *,
    plan: Plan,
    windows: Sequence[Window],
    before: Plan | None,
    windows_before: Sequence[Window],
    now: datetime,
) -> tuple[Owed, ...]:
    """Return the notices that an event owes, by due time."""
    raise NotImplementedError


def superseded_kinds(event: Event) -> frozenset[NoticeKind]:
    """Return which unsent notices of older versions of the same intervention an event makes pointless."""
    raise NotImplementedError
