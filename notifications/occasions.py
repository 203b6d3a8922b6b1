"""Which calendar events a version makes: their times, their state, the systems in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from maintenance.catalogue import Impact
from maintenance.interventions import Phase, Window
from notifications.contacts import Reader, used
from notifications.stories import Story, during
from notifications.timetable import NoticeKind, actual_stretch


class Status(StrEnum):
    """X-MAINTNOTE-STATUS: where a phase stands."""

    TENTATIVE = "TENTATIVE"
    CONFIRMED = "CONFIRMED"
    IN_PROCESS = "IN-PROCESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"

    @property
    def event_status(self) -> str:
        """Return STATUS, which knows fewer."""
        return self.value if self in (Status.TENTATIVE, Status.CANCELLED) else "CONFIRMED"


@dataclass(frozen=True, slots=True)
class Occasion:
    """One event to write."""

    uid: str
    start: datetime
    end: datetime
    status: Status
    #: Code -> worst impact during the event, in catalogue order.
    objects: Mapping[str, Impact]
    #: Code -> when its window really ends, where that is after the event: recovery.
    later: Mapping[str, datetime] = field(default_factory=dict)


def phases_of(story: Story) -> list[Phase]:
    """Return the phases with an impact, then those taken out later: their events stay, cancelled."""
    phases = (*story.plan.impact_phases, *story.plan.removed_phases)
    return [phase for phase in phases if phase.impact > Impact.NO_IMPACT]


def phase_occasion(story: Story, phase: Phase, reader: Reader | None) -> Occasion | None:
    """Return the event of a phase with the phase's own times; None if it never concerned the reader.

    Args:
        story: Of the version.
        phase: One of `phases_of`.
        reader: Whose systems count; None stands for everybody, and there is always an event.
    """
    status = _status(story, phase)
    start, end = actual_stretch(phase)
    uid = f"{story.plan.reference}.{phase.id}@{story.site.host}"
    mine = _mine(story, phase, _windows_of(story, phase), reader)
    if mine or reader is None:
        return Occasion(uid, start, end, status, _objects(mine) or _work_of(phase), _later(mine, end))
    # It concerned the reader in the version before: their copy of the event must not stay as it was.
    if mine := _mine(story, _phase_before(story, phase), story.before_by_system, reader):
        gone = status if status is Status.COMPLETED else Status.CANCELLED
        return Occasion(uid, start, end, gone, _objects(mine))
    return None


def system_occasion(story: Story, phase: Phase, code: str) -> Occasion | None:
    """Return the event of one system in one phase with the system's own times, recovery included.

    A window that goes on through several phases is cut where the next one starts, so that the events
    of one system do not lie on each other. None if the phase leaves the system alone.
    """
    uid = f"{story.plan.reference}.{phase.id}.{code}@{story.site.host}"
    status = _status(story, phase)
    windows = _windows_of(story, phase).get(code, ())
    mine = during([phase], windows, story.catalogue)
    if mine:
        start, end = _own_stretch(story, phase, windows, mine)
        if start >= end:
            return None
        return Occasion(uid, start, end, status, {code: max(window.impact for window in mine)})
    work = _work_of(phase)
    if status is Status.CANCELLED and code in story.catalogue.reached_from(work):
        # Taken out several versions ago: what it would have done is not kept, the event stays.
        return Occasion(uid, *actual_stretch(phase), status, {code: work.get(code, phase.impact)})
    return None


def _is_removed(story: Story, phase: Phase) -> bool:
    return any(phase.id == removed.id for removed in story.plan.removed_phases)


def _windows_of(story: Story, phase: Phase) -> Mapping[str, tuple[Window, ...]]:
    """Return the windows that tell what a phase does; one that is called off did it in the version before."""
    gone = story.kind is NoticeKind.CANCELLATION or _is_removed(story, phase)
    return story.before_by_system if gone and story.before_by_system else story.by_system


def _status(story: Story, phase: Phase) -> Status:
    # A phase that was called off has an end without ever having begun.
    if phase.ended_at and (phase.started_at or story.kind is not NoticeKind.CANCELLATION):
        return Status.COMPLETED
    if story.kind is NoticeKind.CANCELLATION or _is_removed(story, phase):
        return Status.CANCELLED
    if phase.started_at:
        return Status.IN_PROCESS
    return Status.TENTATIVE if story.plan.draft else Status.CONFIRMED


def _phase_before(story: Story, phase: Phase) -> Phase:
    before = story.plan_before.phases if story.plan_before else ()
    return next((other for other in before if other.id == phase.id), phase)


def _mine(
    story: Story, phase: Phase, windows: Mapping[str, Iterable[Window]], reader: Reader | None
) -> list[Window]:
    """Return the windows of the reader's systems (everybody's: all) in a phase, in catalogue order."""
    position = story.catalogue.positions
    codes: Iterable[str]
    if reader is None:
        codes = sorted(windows, key=lambda code: (position.get(code, len(position)), code))
    else:
        codes = used(reader.entries, windows.keys(), story.catalogue)
    start, end = actual_stretch(phase)
    reach = story.reach(phase)
    return [
        window
        for code in codes
        if code in reach
        for window in windows[code]
        if window.start < end and start < window.end
    ]


def _objects(windows: Iterable[Window]) -> dict[str, Impact]:
    found: dict[str, Impact] = {}
    for window in windows:
        found[window.system] = max(window.impact, found.get(window.system, window.impact))
    return found


def _later(windows: Iterable[Window], end: datetime) -> dict[str, datetime]:
    """Return the ends of windows that hold when the phase is over: they last until recovery."""
    return {window.system: window.end for window in windows if window.start < end < window.end}


def _work_of(phase: Phase) -> dict[str, Impact]:
    return {work.system: work.impact for work in phase.work if work.impact > Impact.NO_IMPACT}


def _own_stretch(
    story: Story, phase: Phase, windows: Iterable[Window], mine: Iterable[Window]
) -> tuple[datetime, datetime]:
    mine = tuple(mine)
    begins = actual_stretch(phase)[0]
    others = [
        actual_stretch(other)[0]
        for other in story.plan.impact_phases
        if other.id != phase.id and during([other], windows, story.catalogue)
    ]
    start, end = min(window.start for window in mine), max(window.end for window in mine)
    if any(other < begins for other in others):
        start = max(start, begins)
    return start, min([end, *(other for other in others if other > begins)])
