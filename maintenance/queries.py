"""Named reads of interventions, their versions and windows, and of the event log."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from maintenance.catalogue import Catalogue
from maintenance.events import Event
from maintenance.interventions import Plan, Window
from maintenance.lifecycle import RunState
from maintenance.models import EventRow, GateRow, InterventionRow, VersionRow
from maintenance.windows import Interval


@dataclass(frozen=True, slots=True)
class ShownWindow:
    """A window as pages show it."""

    window: Window
    #: The work is open past its planned end: the end is not known, `window.end` is just after now.
    overrun: bool = False
    #: A draft is among its causes: for planners only.
    draft: bool = False
    #: All plans that cause it wait behind a gate: it has not begun, whatever the clock says.
    held: bool = False


@dataclass(frozen=True, slots=True)
class WindowsChange:
    """What a step, or another catalogue, makes of the windows of one announced plan."""

    reference: str
    before: tuple[Window, ...]
    after: tuple[Window, ...]


def find_intervention(session: Session, reference: str) -> InterventionRow | None:
    """Return the intervention of that reference."""
    raise NotImplementedError


def get_intervention(session: Session, reference: str) -> InterventionRow:
    """Return the intervention of that reference; `NotFound` if there is none."""
    raise NotImplementedError


def list_interventions(
    session: Session, *, states: Collection[RunState] | None = None
) -> list[InterventionRow]:
    """Return the interventions in these run states (all unless said), newest first."""
    raise NotImplementedError


def plan_of(version: VersionRow) -> Plan:
    """Return the version's plan: content, what really happened, phases taken out; `draft` unless published."""
    raise NotImplementedError


def windows_of(version: VersionRow) -> tuple[Window, ...]:
    """Return the windows stored with a version, as they stood when it was published."""
    raise NotImplementedError


def latest_published(row: InterventionRow) -> VersionRow | None:
    """Return the version that readers know."""
    raise NotImplementedError


def pending(row: InterventionRow) -> VersionRow | None:
    """Return the version on its way: draft, in review or approved."""
    raise NotImplementedError


def published(session: Session, reference: str, sequence: int) -> VersionRow:
    """Return one published version; `NotFound` if there is none of that number."""
    raise NotImplementedError


def counted(
    session: Session, *, touching: Interval | None = None, drafts: bool = False
) -> list[tuple[InterventionRow, VersionRow]]:
    """Return the interventions whose windows count, each with the version readers know; also drafts if asked."""
    raise NotImplementedError


def gates_in_force(row: InterventionRow) -> list[GateRow]:
    """Return what holds the intervention's start."""
    raise NotImplementedError


def current_windows(session: Session, now: datetime, *, drafts: bool = False) -> list[ShownWindow]:
    """Return the stored windows of counted interventions, each once, and those of work that overruns."""
    raise NotImplementedError


def stale_windows(session: Session, catalogue: Catalogue | None = None) -> list[WindowsChange]:
    """Return the announced plans whose stored windows are not those of the catalogue (today's unless given)."""
    raise NotImplementedError


def append_event(session: Session, event: Event) -> EventRow:
    """Add an event to the log, in the session's transaction, and return its row (with its id)."""
    raise NotImplementedError


def event_of(row: EventRow) -> Event:
    """Return the event that a row of the log holds."""
    raise NotImplementedError


def unhandled_events(session: Session, consumer: str, limit: int = 100) -> list[EventRow]:
    """Return events that the consumer has not marked done, oldest first."""
    raise NotImplementedError


def mark_done(session: Session, consumer: str, event_row: EventRow, now: datetime) -> None:
    """Record that the consumer dealt with the event, in the transaction of what followed from it."""
    raise NotImplementedError


def last_change(session: Session) -> int:
    """Return the highest event id (0 before the first): pages and feeds key their ETag by it."""
    raise NotImplementedError
