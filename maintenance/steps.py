"""What each step of the night makes of a plan: values in, values out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from maintenance.catalogue import Impact
from maintenance.errors import InvalidTime, StepRefused
from maintenance.interventions import Phase, PhaseKind, Plan
from maintenance.windows import Interval, resolve, zone


def is_to_come(phase: Phase) -> bool:
    """Return whether it has neither begun nor been called off; phases without impact are never waited for."""
    return phase.impact > Impact.NO_IMPACT and phase.started_at is None and phase.ended_at is None


def has_begun(plan: Plan) -> bool:
    """Return whether any of its phases really began."""
    return any(phase.started_at is not None for phase in plan.phases)


def stretch_of_work(plan: Plan, now: datetime | None = None) -> Interval | None:
    """Return from when to when its work with an impact lasts, as planned or as it was; None if it has none.

    With `now` open phases past their planned end last until just after it.
    """
    stretches = [
        (start, end)
        for phase in plan.phases
        for work, start, end in phase.stretches(now)
        if work.impact > Impact.NO_IMPACT
    ]
    if not stretches:
        return None
    return Interval(min(start for start, _ in stretches), max(end for _, end in stretches))


def is_restored(plan: Plan) -> bool:
    """Return whether no phase with an impact is open or still to come."""
    return not any(phase.is_open or is_to_come(phase) for phase in plan.impact_phases)


def is_overrun(plan: Plan, now: datetime) -> bool:
    """Return whether one of its phases is open past its planned end."""
    return any(phase.is_overrun(now) for phase in plan.phases)


def moved(plan: Plan, new_start: datetime) -> Plan:
    """Return the plan with its first phase with an impact at the naive local time `new_start`.

    All phases move by the same difference on the clock on the wall: what was planned for 14:00
    stays at 14:00, whatever clock change lies between. A length given as a duration stays.

    Raises:
        InvalidTime: When a clock change would leave a phase without length.
    """
    first = (plan.impact_phases or plan.phases)[0]
    shift = new_start - _local(first.start, plan.timezone, first.local_start)
    return replace(
        plan, phases=tuple(_shifted_on_the_wall(phase, shift, plan.timezone) for phase in plan.phases)
    )


def _shifted_on_the_wall(phase: Phase, shift: timedelta, zone_name: str) -> Phase:
    local_start = _local(phase.start, zone_name, phase.local_start) + shift
    start = resolve(local_start, zone_name).instant
    if phase.duration is not None:
        return replace(phase, start=start, end=start + phase.duration, local_start=local_start)
    local_end = _local(phase.end, zone_name, phase.local_end) + shift
    end = resolve(local_end, zone_name).instant
    if end <= start:
        raise InvalidTime(
            "Phase %(phase)s would have no length there, because the clock changes that night; "
            "choose another time, or give the phase a duration.",
            phase=phase.id,
        )
    return replace(phase, start=start, end=end, local_start=local_start, local_end=local_end)


def begun(plan: Plan, phase_id: str, at: datetime) -> Plan:
    """Return the plan with that phase begun at `at`."""
    return plan.with_phases({phase_id: replace(plan.phase(phase_id), started_at=_whole(at))})


def next_to_start(plan: Plan, phase_id: str | None = None) -> Phase:
    """Return the phase that can begin now: the named one, else the first to come.

    Raises:
        StepRefused: When there is none, or the named one has begun or has no impact.
    """
    to_come = [phase for phase in plan.impact_phases if is_to_come(phase)]
    if phase_id is None:
        if not to_come:
            raise StepRefused("No phase is left to start; complete the intervention.")
        return to_come[0]
    for phase in to_come:
        if phase.id == phase_id:
            return phase
    raise StepRefused(
        "Phase %(phase)s cannot be started; those that can are: %(phases)s.",
        phase=phase_id,
        phases=_listed(phase.id for phase in to_come),
    )


def due_phases(
    plan: Plan, now: datetime, released_at: datetime | None = None
) -> tuple[tuple[Phase, datetime], ...]:
    """Return the phases that the clock begins, each with the instant from which it counts as begun.

    That is the planned start, whenever a process that was down notices it. A start that was held
    past it counts from `released_at`, when the last gate opened; held past its end, it is for a person.
    """
    due = (
        (phase, max(phase.start, released_at or phase.start))
        for phase in plan.impact_phases
        if is_to_come(phase) and phase.start <= now
    )
    return tuple((phase, at) for phase, at in due if at < phase.end)


def to_extend(plan: Plan, phase_id: str | None = None) -> Phase:
    """Return the phase whose end can be moved: the named one, else the one that is open.

    A phase still to come can be named, so that a start that was held past it can be made good.

    Raises:
        StepRefused: When none fits, or several do and none was named.
    """
    candidates = [phase for phase in plan.impact_phases if phase.is_open]
    if phase_id is None:
        if len(candidates) == 1:
            return candidates[0]
        if not candidates:
            raise StepRefused("No phase is open, so none can be extended.")
        raise StepRefused(
            "Several phases are open; name one: %(phases)s.", phases=_listed(p.id for p in candidates)
        )
    candidates += [phase for phase in plan.impact_phases if is_to_come(phase)]
    for phase in candidates:
        if phase.id == phase_id:
            return phase
    raise StepRefused(
        "Phase %(phase)s cannot be extended; those that can are: %(phases)s.",
        phase=phase_id,
        phases=_listed(p.id for p in candidates),
    )


def extended(plan: Plan, phase_id: str, until: datetime) -> Plan:
    """Return the plan with that phase ending at `until`, and all that was to follow it as much later.

    What follows are the phases not yet begun whose planned start is at or after the old end; the
    difference is elapsed time.
    """
    phase = plan.phase(phase_id)
    push = until - phase.end
    later = {
        other.id: _placed(other, other.start + push, other.end + push, plan.timezone)
        for other in plan.phases
        if other.id != phase_id
        and other.started_at is None
        and other.ended_at is None
        and other.start >= phase.end
    }
    return plan.with_phases({phase_id: _ending(phase, until, plan.timezone), **later})


def _placed(phase: Phase, start: datetime, end: datetime, zone_name: str) -> Phase:
    return _ending(replace(phase, start=start, local_start=_local(start, zone_name)), end, zone_name)


def _ending(phase: Phase, end: datetime, zone_name: str) -> Phase:
    """Return the phase with that planned end, given as its author gave it: as an end or as a duration."""
    if phase.duration is not None:
        return replace(phase, end=end, duration=end - phase.start)
    return replace(phase, end=end, local_end=_local(end, zone_name))


@dataclass(frozen=True, slots=True)
class Restoration:
    """What came back."""

    plan: Plan
    #: Phases that ended whole.
    phases: tuple[str, ...]
    #: Systems that came back while other work of their phase goes on.
    systems: tuple[str, ...]


def restored(plan: Plan, phases: Collection[str], systems: Collection[str], now: datetime) -> Restoration:
    """Return the plan with open phases ended: all, those named, or only the work on the systems named.

    Raises:
        StepRefused: When nothing is open, or something named is not.
    """
    now = _whole(now)
    open_phases = [phase for phase in plan.impact_phases if phase.is_open]
    if not open_phases:
        raise StepRefused("No phase is open, so no service can be restored.")
    _refuse_others(phases, [phase.id for phase in open_phases], "phases")
    concerned = [phase for phase in open_phases if not phases or phase.id in phases]
    if not systems:
        ended = {phase.id: replace(phase, ended_at=now) for phase in concerned}
        return Restoration(plan.with_phases(ended), tuple(ended), ())
    _refuse_others(systems, [code for phase in concerned for code in _out(phase)], "systems")
    after = {phase.id: _with_systems_back(phase, systems, now) for phase in concerned}
    partly = [
        code
        for phase in concerned
        for code in _out(phase)
        if code in systems and after[phase.id].ended_at is None
    ]
    return Restoration(
        plan.with_phases(after),
        tuple(phase.id for phase in after.values() if phase.ended_at is not None),
        tuple(dict.fromkeys(partly)),
    )


def _out(phase: Phase) -> list[str]:
    """Return the systems of an open phase whose service is not back."""
    return [w.system for w in phase.work if w.impact > Impact.NO_IMPACT and w.ended_at is None]


def _with_systems_back(phase: Phase, systems: Collection[str], now: datetime) -> Phase:
    work = tuple(
        replace(w, ended_at=now) if w.system in systems and w.ended_at is None else w for w in phase.work
    )
    after = replace(phase, work=work)
    # Work that came back earlier keeps its own end; `ended_at` of the phase is the last one's.
    return after if _out(after) else replace(after, ended_at=now)


def _refuse_others(named: Collection[str], possible: Iterable[str], what: str) -> None:
    choice = list(dict.fromkeys(possible))
    if others := [name for name in named if name not in choice]:
        raise StepRefused(
            "%(named)s cannot be restored; open %(what)s are: %(choice)s.",
            named=_listed(others),
            what=what,
            choice=_listed(choice),
        )


def checked(plan: Plan, now: datetime) -> Plan:
    """Return the plan with its verification phases begun, those without impact: service is back, checks go on."""
    checks = {
        phase.id: replace(phase, started_at=_whole(now))
        for phase in plan.phases
        if phase.kind is PhaseKind.VERIFICATION
        and phase.impact == Impact.NO_IMPACT
        and phase.started_at is None
    }
    return plan.with_phases(checks)


def ended(plan: Plan, now: datetime) -> Plan:
    """Return the plan with everything over: open phases end now, those to come do not take place.

    A phase that did not take place has an end and no start, its end at its planned start or before,
    so that it counts for no time.
    """
    now = _whole(now)
    over = {
        phase.id: replace(phase, ended_at=now if phase.is_open else min(now, phase.start))
        for phase in plan.phases
        if phase.is_open or is_to_come(phase)
    }
    return plan.with_phases(over)


def with_unused_ids(plan: Plan, taken: Collection[str]) -> Plan:
    """Return the plan with new ids for phases whose id is `taken` by one that was published and left out.

    Calendars know phases by id: an id used again would turn somebody's cancelled event into another one.
    """
    used = {*taken, *(phase.id for phase in plan.phases)}
    phases = []
    for phase in plan.phases:
        if phase.id in taken:
            number = next(n for n in range(1, len(used) + 2) if f"p{n}" not in used)
            phase = replace(phase, id=f"p{number}")
            used.add(phase.id)
        phases.append(phase)
    return replace(plan, phases=tuple(phases))


def removed_phases(before: Plan, after: Plan) -> tuple[Phase, ...]:
    """Return the phases that were ever published and are not in `after`."""
    kept = {phase.id for phase in after.phases}
    known = {phase.id: phase for phase in (*before.removed_phases, *before.phases)}
    return tuple(phase for phase in known.values() if phase.id not in kept)


def _whole(instant: datetime) -> datetime:
    """Return the instant without fractions of a second: calendars know none, and people mean none."""
    return instant.replace(microsecond=0)


def said(instant: datetime, plan: Plan) -> str:
    """Return the wall time in the plan's zone, as sentences to planners say it: `2019-11-30 14:00 WET`."""
    return f"{instant.astimezone(zone(plan.timezone)):%Y-%m-%d %H:%M %Z}"


def _local(instant: datetime, zone_name: str, written: datetime | None = None) -> datetime:
    """Return the wall time of an instant, as its author wrote it where that is known."""
    return written or instant.astimezone(UTC).astimezone(zone(zone_name)).replace(tzinfo=None)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
