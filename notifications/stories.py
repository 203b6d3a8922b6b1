"""What a message tells: one notice of one version, with everything a composer needs to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maintenance.catalogue import Catalogue
from maintenance.interventions import Plan, Window
from maintenance.texts import NO_TEXT, Text
from notifications.timetable import NoticeKind


@dataclass(frozen=True, slots=True)
class Site:
    """The installation that speaks."""

    name: str
    #: Without a slash at its end.
    public_url: str
    #: The right side of every calendar UID; it must never change, whatever `public_url` becomes.
    host: str
    #: `Name <address>`; the address is the calendar's organizer.
    mail_from: str
    timezone: str
    #: `fold` accents in SMS to plain letters, or `keep` them.
    sms_accents: str = "fold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One notice of one version of one intervention."""

    kind: NoticeKind
    plan: Plan
    sequence: int
    windows: tuple[Window, ...]
    catalogue: Catalogue
    site: Site
    #: When the version was published, aware UTC.
    published_at: datetime
    #: When the intervention came to be.
    created_at: datetime
    #: The version published before this one; None for the first.
    plan_before: Plan | None = None
    windows_before: tuple[Window, ...] = ()
    #: `Owed.details`.
    details: Mapping[str, Any] = field(default_factory=dict)
    #: Why, in the words of whoever took the step; for an update, its words.
    reason: Text = NO_TEXT
    #: Other announced plans that the same step altered, told in the same message.
    also: tuple[Story, ...] = ()

    @property
    def told(self) -> tuple[Window, ...]:
        """Return the windows that decide who is concerned: old and new for a change, else those of the kind."""
        raise NotImplementedError
