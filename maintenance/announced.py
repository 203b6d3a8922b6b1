"""Steps on what was announced, apart from the night: move, hold and release, update, cancel."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from maintenance import steps
from maintenance.catalogue_store import load_catalogue
from maintenance.checking import override_of
from maintenance.errors import StepRefused
from maintenance.events import (
    InterventionAbandoned,
    InterventionCancelled,
    InterventionMoved,
    InterventionReturned,
    StartHeld,
    StartReleased,
    UpdatePublished,
)
from maintenance.lifecycle import Actor, ReviewState, RunState, Step
from maintenance.models import GateRow, InterventionRow, UpdateRow, VersionRow
from maintenance.publishing import drop_pending, publish, standing, take_step, take_turn
from maintenance.queries import append_event, gates_in_force, latest_published, pending
from maintenance.texts import NO_TEXT, Text

#: Kind of the gate that a person sets; other packages' gates have kinds of their own.
HOLD = "hold"


def move(
    session: Session,
    reference: str,
    *,
    start: datetime,
    reason: Text = NO_TEXT,
    override: str = "",
    by: Actor,
    now: datetime,
) -> VersionRow:
    """Move all phases so that the first with an impact begins at the local time `start` (naive).

    `override` is an approver's reason to move it there although clashes block.

    Raises:
        StepRefused: When that time is past.
        Blocked: When clashes block there and `override` is empty.
        InvalidTime: When a clock change leaves a phase no length there.
    """
    take_turn(session)
    row = take_step(session, reference, Step.MOVE, by=by)
    plan = steps.moved(standing(row), start)
    if plan.start <= now:
        raise StepRefused(
            "%(start)s is past; give a time that is still to come.", start=f"{start:%Y-%m-%d %H:%M}"
        )
    overriding = override_of(session, load_catalogue(session), plan, reason=override, by=by, now=now)
    _reconsider(session, row, by=by, now=now)
    return publish(
        session,
        row,
        plan,
        InterventionMoved,
        run_state=RunState.ANNOUNCED,
        reason=reason,
        override=overriding,
        by=by,
        now=now,
    )


def _reconsider(session: Session, row: InterventionRow, *, by: Actor, now: datetime) -> None:
    """Make a version on its way a draft again: whoever agreed to it did so against other times."""
    version = pending(row)
    if version is None or version.review_state == ReviewState.DRAFT:
        return
    why = "The intervention was moved in the meantime; look at this version's times again."
    version.review_state = ReviewState.DRAFT
    version.approved_by = version.approved_digest = None
    version.review_note = why
    append_event(session, InterventionReturned(at=now, by=by.name, reason=why, reference=row.reference))


def hold(
    session: Session, reference: str, *, reason: str, kind: str = HOLD, by: Actor, now: datetime
) -> GateRow:
    """Set a gate: the clock starts nothing of the intervention until it is released.

    Raises:
        StepRefused: Without a reason, or while a gate of that kind is set.
    """
    row = take_step(session, reference, Step.HOLD, by=by)
    if not reason.strip():
        raise StepRefused("Say why the start is held; whoever is on duty that night needs to know.")
    if any(gate.kind == kind for gate in gates_in_force(row)):
        raise StepRefused("The start of %(reference)s is held already.", reference=reference)
    gate = GateRow(kind=kind, reason=reason.strip(), set_at=now, set_by=by.name)
    row.gates.append(gate)
    append_event(session, StartHeld(at=now, by=by.name, reason=gate.reason, reference=reference, gate=kind))
    return gate


def release(
    session: Session, reference: str, *, reason: str = "", kind: str = HOLD, by: Actor, now: datetime
) -> None:
    """Clear the gate of that kind; when it was the last, the clock starts what is due at its next tick.

    Raises:
        StepRefused: When no gate of that kind is set.
    """
    row = take_step(session, reference, Step.RELEASE, by=by)
    gates = gates_in_force(row)
    if not any(gate.kind == kind for gate in gates):
        raise StepRefused(
            "Nothing to release: what holds the start of %(reference)s is %(gates)s.",
            reference=reference,
            gates=", ".join(f"{gate.kind} (“{gate.reason}”)" for gate in gates) or "nothing",
        )
    for gate in gates:
        if gate.kind == kind:
            gate.cleared_at, gate.cleared_by = now, by.name
    append_event(session, StartReleased(at=now, by=by.name, reason=reason, reference=reference, gate=kind))


def publish_update(session: Session, reference: str, *, text: Text, by: Actor, now: datetime) -> UpdateRow:
    """Publish words for the readers of an intervention.

    Raises:
        StepRefused: Without words.
    """
    row = take_step(session, reference, Step.UPDATE, by=by)
    version = latest_published(row)
    if not text or version is None:
        raise StepRefused("Write what readers are to know.")
    update = UpdateRow(at=now, by=by.name, text=dict(text.variants))
    row.updates.append(update)
    session.flush()
    append_event(
        session,
        UpdatePublished(
            at=now,
            by=by.name,
            reference=reference,
            sequence=version.sequence or 0,
            update=update.public_id,
        ),
    )
    return update


def cancel(
    session: Session, reference: str, *, reason: Text = NO_TEXT, by: Actor, now: datetime
) -> VersionRow | None:
    """Say that it will not take place, or break it off; None when nobody had been told of it."""
    take_turn(session)
    row = take_step(session, reference, Step.CANCEL, by=by)
    drop_pending(session, row, "The intervention was cancelled.", by=by, now=now)
    if row.run_state == RunState.PLANNED:
        row.run_state = RunState.CANCELLED
        append_event(
            session,
            InterventionAbandoned(at=now, by=by.name, reason=reason.in_language("en"), reference=reference),
        )
        return None
    return publish(
        session,
        row,
        steps.ended(standing(row), now),
        InterventionCancelled,
        run_state=RunState.CANCELLED,
        reason=reason,
        by=by,
        now=now,
    )
