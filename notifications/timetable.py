"""Which notices a version owes its readers, when, until when each is useful, what a new version supersedes.

`docs/notices.md` has the same rules as a table; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from maintenance import events
from maintenance.events import Event
from maintenance.interventions import InterventionClass, Phase, Plan, Window


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


#: Lower goes first: the night itself, then changes, then what readers have days to read.
PRIORITY = {
    NoticeKind.START: 0,
    NoticeKind.EXTENSION: 0,
    NoticeKind.UPDATE: 1,
    NoticeKind.RESTORED: 1,
    NoticeKind.CANCELLATION: 2,
    NoticeKind.COMPLETION: 4,
    NoticeKind.CHANGE: 5,
    NoticeKind.ANNOUNCEMENT: 9,
    NoticeKind.REMINDER: 9,
}
#: Of announcements, changes and reminders when the outage is near, or the work is an emergency.
URGENT_PRIORITY = 3
#: How near that is.
URGENT_WITHIN = timedelta(hours=24)

#: How long words about the moment are worth sending.
UPDATE_USEFUL_FOR = timedelta(hours=6)
#: Good news does not mislead when it is late, but after this it is no news.
RESTORED_USEFUL_FOR = timedelta(hours=24)
COMPLETION_USEFUL_FOR = timedelta(hours=48)
#: A cancellation is worth sending at least so long, even if the window would be over.
CANCELLATION_USEFUL_FOR = timedelta(hours=24)
#: What tells of a running outage is worth sending at least so long after its planned end.
NIGHT_USEFUL_FOR = timedelta(hours=1)


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
    """Return the notices that an event owes, by due time; none if no notified window is concerned.

    Args:
        event: From the log.
        plan: The version that the event published (for an update, the one in force).
        windows: That version's windows.
        before: The version published before it; None for the first.
        windows_before: That one's windows.
        now: Reminders that were due by now are not owed.
    """
    new, old = _notified(windows), _notified(windows_before)
    if not (new or old) or (before is None and isinstance(event, events.InterventionCancelled)):
        return ()  # nobody is concerned, or nobody was ever told
    rule = _RULES.get(type(event))
    due = tuple(rule(event, plan, new, old)) if rule else ()
    if isinstance(event, events.VersionPublished) and not isinstance(event, _LAST):
        due += _reminders(plan, new, now)
    return tuple(sorted(due, key=lambda notice: (notice.due_at, notice.priority)))


def _announced(
    event: events.VersionPublished, plan: Plan, new: list[Window], old: list[Window]
) -> Iterable[Owed]:
    if new:
        yield _planned_ahead(NoticeKind.ANNOUNCEMENT, plan, event.at, new, expires_at=_end(new))


def _changed(
    event: events.VersionPublished, plan: Plan, new: list[Window], old: list[Window]
) -> Iterable[Owed]:
    details: dict[str, Any] = {"altered": [list(pair) for pair in event.altered]} if event.altered else {}
    if isinstance(event, events.InterventionAltered):
        if _times(new) == _times(old):
            return  # its causes changed, nothing that a reader would notice
        details["because_of"] = event.because_of
    # Whoever was told of the old window needs the change until that would have been over.
    expires_at = max(_end(new + old), event.at + NIGHT_USEFUL_FOR)
    yield _planned_ahead(NoticeKind.CHANGE, plan, event.at, new + old, expires_at, details)


def _started(
    event: events.InterventionStarted, plan: Plan, new: list[Window], old: list[Window]
) -> Iterable[Owed]:
    phase = plan.phase(event.phase)
    # What begins later in the phase begins with another plan's work, which owes a start of its own.
    if during := [w for w in _during([phase], new) if w.start <= actual_stretch(phase)[0]]:
        expires_at = max(_end(during), event.at + NIGHT_USEFUL_FOR)
        yield _at_once(NoticeKind.START, event, expires_at, {"phase": event.phase})


def _extended(
    event: events.InterventionExtended, plan: Plan, new: list[Window], old: list[Window]
) -> Iterable[Owed]:
    if new:
        expires_at = max(_end(new), event.at + NIGHT_USEFUL_FOR)
        yield _at_once(NoticeKind.EXTENSION, event, expires_at, {"phase": event.phase})


def _restored(
    event: events.ServiceRestored, plan: Plan, new: list[Window], old: list[Window]
) -> Iterable[Owed]:
    back = [phase for phase, _ in brought_back(plan, event.phases, event.systems)]
    if _during(back, new + old):
        details = {"phases": list(event.phases), "systems": list(event.systems)}
        yield _at_once(NoticeKind.RESTORED, event, event.at + RESTORED_USEFUL_FOR, details)


def _completed(
    event: events.InterventionCompleted, plan: Plan, new: list[Window], old: list[Window]
) -> Iterable[Owed]:
    yield _at_once(NoticeKind.COMPLETION, event, event.at + COMPLETION_USEFUL_FOR)


def _cancelled(
    event: events.InterventionCancelled, plan: Plan, new: list[Window], old: list[Window]
) -> Iterable[Owed]:
    expires_at = max(_end(new + old), event.at + CANCELLATION_USEFUL_FOR)
    yield _at_once(NoticeKind.CANCELLATION, event, expires_at)


def _updated(
    event: events.UpdatePublished, plan: Plan, new: list[Window], old: list[Window]
) -> Iterable[Owed]:
    if new:
        yield _at_once(NoticeKind.UPDATE, event, event.at + UPDATE_USEFUL_FOR, {"update": event.update})


_RULES: dict[type[Event], Callable[..., Iterable[Owed]]] = {
    events.InterventionAnnounced: _announced,
    events.InterventionChanged: _changed,
    events.InterventionMoved: _changed,
    events.InterventionAltered: _changed,
    events.InterventionStarted: _started,
    events.InterventionExtended: _extended,
    events.ServiceRestored: _restored,
    events.InterventionCompleted: _completed,
    events.InterventionCancelled: _cancelled,
    events.UpdatePublished: _updated,
}
#: After these nothing is to come, so nothing is to be reminded of.
_LAST = (events.InterventionCompleted, events.InterventionCancelled)


def _reminders(plan: Plan, new: list[Window], now: datetime) -> tuple[Owed, ...]:
    """Return the reminders still to come, each useful until the next one is due, the last until the start."""
    if not new:
        return ()
    start = min(window.start for window in new)
    due = sorted({start - lead for lead in plan.reminders if now < start - lead < start})
    if not due:
        return ()
    ends = [*due[1:], start]
    return tuple(
        _planned_ahead(
            NoticeKind.REMINDER,
            plan,
            at,
            new,
            expires_at,
            {"lead_seconds": int((start - at).total_seconds())},
        )
        for at, expires_at in zip(due, ends, strict=True)
    )


def _planned_ahead(
    kind: NoticeKind,
    plan: Plan,
    due_at: datetime,
    windows: list[Window],
    expires_at: datetime,
    details: dict[str, Any] | None = None,
) -> Owed:
    near = min(window.start for window in windows) - due_at <= URGENT_WITHIN
    urgent = near or plan.intervention_class is InterventionClass.EMERGENCY
    return Owed(kind, due_at, expires_at, URGENT_PRIORITY if urgent else PRIORITY[kind], details or {})


def _at_once(
    kind: NoticeKind, event: Event, expires_at: datetime, details: dict[str, Any] | None = None
) -> Owed:
    return Owed(kind, event.at, expires_at, PRIORITY[kind], details or {})


def _notified(windows: Iterable[Window]) -> list[Window]:
    return [window for window in windows if window.is_notified]


def _end(windows: Iterable[Window]) -> datetime:
    return max(window.end for window in windows)


def _times(windows: Iterable[Window]) -> list[tuple[str, int, datetime, datetime]]:
    return sorted((w.system, int(w.impact), w.start, w.end) for w in windows)


def _during(phases: Iterable[Phase], windows: Iterable[Window]) -> list[Window]:
    stretches = [actual_stretch(phase) for phase in phases]
    return [w for w in windows if any(w.start < end and start < w.end for start, end in stretches)]


def actual_stretch(phase: Phase) -> tuple[datetime, datetime]:
    """Return start and end of a phase, the real ones where known; the end lies after the start.

    A phase that was ended in the minute it began keeps its planned length: a calendar event
    needs one, and nobody would see an event without.
    """
    if phase.started_at is None:
        return phase.start, phase.end  # an end without a beginning: called off
    start = phase.started_at
    end = phase.ended_at or max(phase.end, start)
    return (start, end) if end > start else (start, start + (phase.end - phase.start))


def brought_back(
    plan: Plan, phases: Collection[str], systems: Collection[str]
) -> list[tuple[Phase, frozenset[str] | None]]:
    """Return the phases in which a restoration ended work, each with the systems whose work it was; None: all.

    Args:
        plan: As it is afterwards.
        phases: Those that ended whole.
        systems: Those that came back while other work of their phase goes on.
    """
    back: list[tuple[Phase, frozenset[str] | None]] = [(plan.phase(phase), None) for phase in phases]
    for phase in plan.impact_phases:
        ended = frozenset(w.system for w in phase.work if w.ended_at is not None and w.system in systems)
        if ended and phase.is_open:
            back.append((phase, ended))
    return back


#: What is told days ahead: of older versions it is worth nothing once a newer one tells more.
PLANNED_AHEAD = frozenset({NoticeKind.ANNOUNCEMENT, NoticeKind.CHANGE, NoticeKind.REMINDER})


def superseded_kinds(event: Event) -> frozenset[NoticeKind]:
    """Return which unsent notices of older versions of the same intervention an event makes pointless.

    Reminders always: every version plans them anew. A start leaves announcements alone here, since it goes
    only to the readers of its own phase (fanning it out closes theirs); so does an extension leave the start of
    another phase alone.
    """
    match event:
        case events.InterventionCompleted() | events.InterventionCancelled():
            return frozenset(NoticeKind) - {NoticeKind.COMPLETION, NoticeKind.CANCELLATION}
        case (
            events.InterventionAnnounced()
            | events.InterventionChanged()
            | events.InterventionMoved()
            | events.InterventionAltered()
        ):
            return PLANNED_AHEAD
        case events.VersionPublished():
            return frozenset({NoticeKind.REMINDER})
        case _:
            return frozenset()


def makes_pointless(event: Event, plan: Plan, kind: NoticeKind, details: Mapping[str, Any]) -> bool:
    """Return whether an event makes what is unsent of an older notice pointless, for all its readers.

    Once a phase is over, nobody is to read that it began. An extension tells of the phases that it pushed, too, and
    words about the moment may be about any: both are old news when no phase with an impact is left.

    Args:
        event: From the log.
        plan: The version that the event published.
        kind: Of the older notice.
        details: Of the older notice.
    """
    if kind in superseded_kinds(event):
        return True
    if not isinstance(event, events.ServiceRestored):
        return False
    if kind is NoticeKind.START:
        return details["phase"] in event.phases
    is_all_over = all(phase.ended_at is not None for phase in plan.impact_phases)
    return kind in (NoticeKind.EXTENSION, NoticeKind.UPDATE) and is_all_over


#: What of older versions must not reach a reader after a notice of the night, where that leaves nothing of it to say.
OVERTAKES: Mapping[NoticeKind, frozenset[NoticeKind]] = {
    NoticeKind.START: PLANNED_AHEAD,
    NoticeKind.EXTENSION: frozenset({NoticeKind.START, NoticeKind.EXTENSION}),
    NoticeKind.RESTORED: frozenset({NoticeKind.START, NoticeKind.EXTENSION}),
}


def phases_told(kind: NoticeKind, details: Mapping[str, Any], plan: Plan) -> frozenset[str]:
    """Return the phases whose beginning, new end or end a notice tells; none if it is of another kind."""
    match kind:
        case NoticeKind.START | NoticeKind.EXTENSION:
            return frozenset({details["phase"]})
        case NoticeKind.RESTORED:
            back = brought_back(plan, details["phases"], details["systems"])
            return frozenset(phase.id for phase, _ in back)
        case _:
            return frozenset()
