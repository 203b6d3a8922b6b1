"""Every step of an intervention's life: load, decide, save row and event in one transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from maintenance.clashes import Clash
from maintenance.errors import Problem
from maintenance.interventions import Plan, Window
from maintenance.lifecycle import Actor
from maintenance.models import InterventionRow, UpdateRow, VersionRow
from maintenance.queries import WindowsChange
from maintenance.texts import NO_TEXT, Text


@dataclass(frozen=True, slots=True)
class Preview:
    """What a step would do, shown before it is taken."""

    windows: tuple[Window, ...]
    clashes: tuple[Clash, ...]
    warnings: tuple[Problem, ...]
    #: Other announced plans whose windows the step would alter.
    altered: tuple[WindowsChange, ...]


def preview(session: Session, plan: Plan, *, now: datetime) -> Preview:
    """Return what announcing `plan` would do: its windows, clashes, warnings, the plans it alters."""
    raise NotImplementedError


def preview_move(session: Session, reference: str, start: datetime, *, now: datetime) -> Preview:
    """Return what moving the first phase with an impact to the local time `start` would do."""
    raise NotImplementedError


def preview_cancel(session: Session, reference: str, *, now: datetime) -> Preview:
    """Return what cancelling would do: `windows` are those that remain of work already begun."""
    raise NotImplementedError


def draft(session: Session, plan: Plan, *, by: Actor, now: datetime) -> InterventionRow:
    """Save a new intervention; it gets the reference INT-<year>-<number> if the plan has none."""
    raise NotImplementedError


def edit(
    session: Session, reference: str, plan: Plan, *, lock_version: int | None = None, by: Actor, now: datetime
) -> InterventionRow:
    """Give the pending version this content (a new one if none is on its way); it is a draft again.

    `lock_version` is the intervention's when the person began to edit.
    """
    raise NotImplementedError


def submit(session: Session, reference: str, *, by: Actor, now: datetime) -> VersionRow:
    """Hand the draft to review."""
    raise NotImplementedError


def approve(
    session: Session,
    reference: str,
    *,
    note: str = "",
    lock_version: int | None = None,
    by: Actor,
    now: datetime,
) -> VersionRow:
    """Agree to exactly the content that stands in review."""
    raise NotImplementedError


def return_(session: Session, reference: str, *, note: str, by: Actor, now: datetime) -> VersionRow:
    """Give the version back to its author, with what has to change."""
    raise NotImplementedError


def withdraw(session: Session, reference: str, *, reason: str = "", by: Actor, now: datetime) -> VersionRow:
    """Give up the version on its way; what is published stays."""
    raise NotImplementedError


def announce(
    session: Session,
    reference: str,
    *,
    reason: Text = NO_TEXT,
    lock_version: int | None = None,
    by: Actor,
    now: datetime,
) -> VersionRow:
    """Publish the approved version: the announcement, or a change of what was announced."""
    raise NotImplementedError


def announce_directly(
    session: Session, reference: str, *, reason: Text = NO_TEXT, by: Actor, now: datetime
) -> VersionRow:
    """Publish the version on its way, passing over the steps it has not been through; the log names them."""
    raise NotImplementedError


def move(
    session: Session, reference: str, *, start: datetime, reason: Text = NO_TEXT, by: Actor, now: datetime
) -> VersionRow:
    """Move all phases so that the first with an impact begins at the local time `start` (naive)."""
    raise NotImplementedError


def hold(session: Session, reference: str, *, reason: str, kind: str = "hold", by: Actor, now: datetime) -> None:
    """Set a gate: the clock starts nothing of the intervention until it is released."""
    raise NotImplementedError


def release(
    session: Session, reference: str, *, reason: str = "", kind: str = "hold", by: Actor, now: datetime
) -> None:
    """Clear the gates of that kind."""
    raise NotImplementedError


def start(
    session: Session,
    reference: str,
    *,
    phase: str | None = None,
    reason: Text = NO_TEXT,
    by: Actor,
    now: datetime,
) -> VersionRow:
    """Begin a phase now: the named one, else the next with an impact."""
    raise NotImplementedError


def start_due(session: Session, now: datetime) -> list[str]:
    """Begin what is due and not held; returns the references. The clock's tick calls it."""
    raise NotImplementedError


def publish_update(session: Session, reference: str, *, text: Text, by: Actor, now: datetime) -> UpdateRow:
    """Publish words for the readers of an intervention."""
    raise NotImplementedError


def extend(
    session: Session,
    reference: str,
    *,
    phase: str | None = None,
    until: datetime | None = None,
    by_length: timedelta | None = None,
    reason: Text = NO_TEXT,
    by: Actor,
    now: datetime,
) -> VersionRow:
    """Move the planned end of the open phase, `until` an instant or `by_length`; later phases move as much."""
    raise NotImplementedError


def verify(
    session: Session,
    reference: str,
    *,
    phases: Collection[str] = (),
    systems: Collection[str] = (),
    reason: Text = NO_TEXT,
    by: Actor,
    now: datetime,
) -> VersionRow:
    """Say that service is back: of all open phases, of those named, or of single systems worked on."""
    raise NotImplementedError


def complete(
    session: Session, reference: str, *, reason: Text = NO_TEXT, by: Actor, now: datetime
) -> VersionRow:
    """Say that it is over; what was still open ends now."""
    raise NotImplementedError


def cancel(
    session: Session, reference: str, *, reason: Text = NO_TEXT, by: Actor, now: datetime
) -> VersionRow | None:
    """Say that it will not take place, or break it off; None when nobody had been told of it."""
    raise NotImplementedError
