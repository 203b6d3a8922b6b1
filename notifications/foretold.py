"""What is told later in an intervention's life, before it happens: the same plan, with what is not known made up. PURE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from maintenance import steps
from maintenance.interventions import Phase, Plan, Window
from maintenance.texts import NO_TEXT, Text
from notifications.stories import Story
from notifications.timetable import NoticeKind

#: Kinds that can be shown of a plan alone, besides the one that the next step sends; in the order of a night.
LATER = (
    NoticeKind.REMINDER,
    NoticeKind.START,
    NoticeKind.UPDATE,
    NoticeKind.EXTENSION,
    NoticeKind.RESTORED,
    NoticeKind.COMPLETION,
    NoticeKind.CANCELLATION,
)
#: By how much an extension extends, and how long before the planned end it is said.
LONGER, BEFORE_THE_END = timedelta(hours=1), timedelta(minutes=30)
#: Stands where somebody will write.
SAMPLE = Text.of(
    {
        "en": "An example: the words of an update stand here – what is known, what is being done, when there is more to say.",
        "pt": "Um exemplo: aqui fica o texto de uma atualização – o que se sabe, o que se está a fazer e quando há novidades.",
    }
)


def foretell(
    story: Story, kind: NoticeKind, *, forecast: Callable[[Plan], tuple[Window, ...]], now: datetime
) -> Story:
    """Return the story of a later notice, told of the same plan as it will be then.

    A phase that is open is the one it tells of, else the next to come; an update has words of ours, an extension
    is by an hour, what comes back comes back when planned.

    Args:
        story: Of the plan as it is.
        kind: One of `LATER`.
        forecast: Gives the windows of a plan beside all others.
        now: Nothing is said earlier.
    """
    quiet = replace(
        story, kind=kind, plan_before=None, windows_before=(), also=(), reason=NO_TEXT, details={}
    )
    if kind is NoticeKind.REMINDER:
        return quiet
    if kind is NoticeKind.CANCELLATION:
        return replace(quiet, windows=(), plan_before=story.plan, windows_before=story.windows)
    if kind is NoticeKind.COMPLETION:
        return _told(quiet, *_completed(story.plan, now), forecast)
    plan, phase = _running(story.plan, now, is_next=kind is NoticeKind.START)
    match kind:
        case NoticeKind.START:
            return replace(quiet, plan=plan, details={"phase": phase.id}, published_at=phase.start)
        case NoticeKind.UPDATE:
            said_at = _within(phase, phase.start + LONGER, now)
            return replace(quiet, plan=plan, published_at=said_at, reason=SAMPLE)
        case NoticeKind.EXTENSION:
            said_at = max(phase.end - BEFORE_THE_END, phase.started_at or phase.start, now)
            until = (max(phase.end, said_at) + LONGER).replace(second=0, microsecond=0)
            longer = steps.extended(plan, phase.id, until)
            told = replace(quiet, plan_before=plan, details={"phase": phase.id})
            return _told(told, longer, said_at, forecast)
        case _:
            return _told(*_restored(quiet, plan, phase, now), forecast)


def _told(story: Story, plan: Plan, at: datetime, forecast: Callable[[Plan], tuple[Window, ...]]) -> Story:
    """Return the story with the plan as it is then, and with the windows before and then."""
    before = story.windows
    return replace(story, plan=plan, windows=forecast(plan), windows_before=before, published_at=at)


def _running(plan: Plan, now: datetime, *, is_next: bool = False) -> tuple[Plan, Phase]:
    """Return the plan with a phase open, and that phase: the open one, else the next, else one begun once more."""
    phases = plan.impact_phases or plan.phases
    open_, to_come = [p for p in phases if p.is_open], [p for p in phases if steps.is_to_come(p)]
    phase = [*(to_come + open_ if is_next else open_ + to_come), phases[-1]][0]
    begun = replace(phase, started_at=phase.started_at or phase.start, ended_at=None)
    return plan.with_phases({phase.id: begun}), begun


def _within(phase: Phase, at: datetime, now: datetime) -> datetime:
    """Return the instant, or now if that is later, but not past the middle of a short phase that is to come."""
    return max(min(at, phase.start + (phase.end - phase.start) / 2), now)


def _restored(story: Story, plan: Plan, phase: Phase, now: datetime) -> tuple[Story, Plan, datetime]:
    at = max(phase.end, now).replace(microsecond=0)
    back = plan.with_phases({phase.id: replace(phase, ended_at=at)})
    if steps.is_restored(back):
        back = steps.checked(back, at)
    return replace(story, plan_before=plan, details={"phases": [phase.id], "systems": []}), back, at


def _completed(plan: Plan, now: datetime) -> tuple[Plan, datetime]:
    """Return the plan as it is when all went as planned, and when that is."""
    over = {
        phase.id: replace(
            phase,
            started_at=phase.started_at or phase.start,
            ended_at=phase.ended_at or max(phase.end, phase.started_at or phase.end),
        )
        for phase in plan.phases
        if phase.is_open or steps.is_to_come(phase)
    }
    after = plan.with_phases(over)
    return after, max([now, *(phase.ended_at or phase.end for phase in after.phases)])
