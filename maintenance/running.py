"""The night itself: start, extend, say that service is back, close."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from maintenance import steps
from maintenance.errors import JanelaError, StepRefused
from maintenance.events import (
    InterventionCompleted,
    InterventionExtended,
    InterventionStarted,
    ServiceRestored,
)
from maintenance.interventions import Phase, Plan
from maintenance.lifecycle import SYSTEM, Actor, RunState, Step
from maintenance.models import InterventionRow, VersionRow
from maintenance.publishing import drop_pending, publish, standing, take_step, take_turn
from maintenance.queries import gates_in_force
from maintenance.texts import NO_TEXT, Text

_log = logging.getLogger(__name__)


def start(
    session: Session,
    reference: str,
    *,
    phase: str | None = None,
    reason: Text = NO_TEXT,
    by: Actor,
    now: datetime,
) -> VersionRow:
    """Begin a phase now: the named one, else the next with an impact.

    Raises:
        StepRefused: While something holds the start, when no phase can start, or when the phase
            would begin after its own end.
    """
    take_turn(session)
    row = take_step(session, reference, Step.START, by=by)
    if gates := gates_in_force(row):
        raise StepRefused(
            "The start of %(reference)s is held (“%(reason)s”); release it first.",
            reference=reference,
            reason=gates[0].reason,
        )
    plan = standing(row)
    chosen = steps.next_to_start(plan, phase)
    if now >= chosen.end:
        raise StepRefused(
            "Phase %(phase)s was to be over by %(end)s; move the intervention or extend the phase, then start it.",
            phase=chosen.id,
            end=steps.said(chosen.end, plan),
        )
    return _begin(session, row, plan, chosen, started_at=now, reason=reason, by=by, now=now)


def due_starts(session: Session, now: datetime) -> list[str]:
    """Return the references of interventions with a phase to start: a cheap look, for every tick."""
    newest = (
        select(func.max(VersionRow.sequence))
        .where(VersionRow.intervention_id == InterventionRow.id)
        .correlate(InterventionRow)
        .scalar_subquery()
    )
    candidates = session.scalars(
        select(InterventionRow)
        .join(VersionRow, VersionRow.intervention_id == InterventionRow.id)
        .where(
            VersionRow.sequence == newest,
            or_(
                InterventionRow.run_state == RunState.RUNNING,
                and_(InterventionRow.run_state == RunState.ANNOUNCED, VersionRow.work_starts_at <= now),
            ),
        )
        .order_by(InterventionRow.id)
    )
    return [row.reference for row in candidates if _is_due(row, now)]


def _is_due(row: InterventionRow, now: datetime) -> bool:
    try:
        return bool(_due_phases(row, now))
    except JanelaError as error:
        # Content that cannot be read must not keep the others from starting.
        _log.error("%s cannot be looked at for its start: %s", row.reference, error)
        return False


def _due_phases(row: InterventionRow, now: datetime) -> tuple[tuple[Phase, datetime], ...]:
    if gates_in_force(row):
        return ()
    released_at = max((gate.cleared_at for gate in row.gates if gate.cleared_at), default=None)
    return steps.due_phases(standing(row), now, released_at)


def start_due(session: Session, now: datetime) -> list[str]:
    """Begin every phase that is due and not held; returns the references. The clock's tick calls it.

    A process that was down catches up. One intervention that cannot be started does not keep back
    the others.
    """
    started = []
    if references := due_starts(session, now):
        take_turn(session)
    for reference in references:
        try:
            with session.begin_nested():
                _start_by_clock(session, reference, now)
        except JanelaError as error:
            _log.warning("%s was not started by the clock: %s", reference, error)
        else:
            started.append(reference)
    return started


def _start_by_clock(session: Session, reference: str, now: datetime) -> None:
    row = take_step(session, reference, Step.START, by=SYSTEM)
    for phase, started_at in _due_phases(row, now):
        _begin(session, row, standing(row), phase, started_at=started_at, by=SYSTEM, now=now)


def _begin(
    session: Session,
    row: InterventionRow,
    plan: Plan,
    phase: Phase,
    *,
    started_at: datetime,
    reason: Text = NO_TEXT,
    by: Actor,
    now: datetime,
) -> VersionRow:
    drop_pending(session, row, "The intervention began before this version was published.", by=by, now=now)
    return publish(
        session,
        row,
        steps.begun(plan, phase.id, started_at),
        InterventionStarted,
        run_state=RunState.RUNNING,
        reason=reason,
        by=by,
        now=now,
        phase=phase.id,
    )


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
    """Move the planned end of the open phase, `until` an instant or `by_length`; later phases move as much.

    Raises:
        StepRefused: When no phase is open, or the new end is not later than the old one and than now.
    """
    take_turn(session)
    row = take_step(session, reference, Step.EXTEND, by=by)
    plan = standing(row)
    chosen = steps.to_extend(plan, phase)
    if (until is None) == (by_length is None):
        raise StepRefused("Say either until when or by how long to extend, one of the two.")
    end = (until or chosen.end + (by_length or timedelta(0))).replace(second=0, microsecond=0)
    if end <= max(chosen.end, now):
        raise StepRefused(
            "The new end, %(end)s, is not after the planned end, %(planned)s, and after now; give a later one. "
            "To end early, restore service or complete the intervention.",
            end=steps.said(end, plan),
            planned=steps.said(chosen.end, plan),
        )
    return publish(
        session,
        row,
        steps.extended(plan, chosen.id, end),
        InterventionExtended,
        run_state=RunState.RUNNING,
        reason=reason,
        by=by,
        now=now,
        phase=chosen.id,
    )


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
    """Say that service is back: of all open phases, of those named, or of single systems worked on.

    When nothing is open any more, and nothing still to come, checks go on: the state is verifying.
    """
    take_turn(session)
    row = take_step(session, reference, Step.VERIFY, by=by)
    restoration = steps.restored(standing(row), phases, systems, now)
    is_back = steps.is_restored(restoration.plan)
    return publish(
        session,
        row,
        steps.checked(restoration.plan, now) if is_back else restoration.plan,
        ServiceRestored,
        run_state=RunState.VERIFYING if is_back else RunState.RUNNING,
        reason=reason,
        by=by,
        now=now,
        phases=restoration.phases,
        systems=restoration.systems,
    )


def complete(
    session: Session, reference: str, *, reason: Text = NO_TEXT, by: Actor, now: datetime
) -> VersionRow:
    """Say that it is over; what was open ends now, what was to come does not take place."""
    take_turn(session)
    row = take_step(session, reference, Step.COMPLETE, by=by)
    return publish(
        session,
        row,
        steps.ended(standing(row), now),
        InterventionCompleted,
        run_state=RunState.COMPLETED,
        reason=reason,
        by=by,
        now=now,
    )
