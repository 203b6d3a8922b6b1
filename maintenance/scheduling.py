"""Every step of an intervention's life: load, decide, save row and event in one transaction.

This is the door: the steps up to the announcement are written here, those on what was announced,
those of the night and the previews in files of their own, all called as `scheduling.<step>`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance import steps
from maintenance.announced import cancel, hold, move, publish_update, release
from maintenance.catalogue_store import load_catalogue
from maintenance.checking import override_of
from maintenance.documents import digest, plan_document, plan_from_document
from maintenance.errors import StepRefused
from maintenance.events import (
    InterventionAnnounced,
    InterventionApproved,
    InterventionChanged,
    InterventionDrafted,
    InterventionEdited,
    InterventionReturned,
    InterventionSubmitted,
    InterventionWithdrawn,
)
from maintenance.interventions import Plan
from maintenance.lifecycle import SYSTEM, Actor, ReviewState, RunState, Step, check
from maintenance.models import InterventionRow, VersionRow
from maintenance.previewing import Preview, preview, preview_cancel, preview_move
from maintenance.publishing import publish, standing, take_step, take_turn
from maintenance.queries import (
    append_event,
    find_intervention,
    latest_published,
    pending,
    plan_of,
    removed_phase_ids,
)
from maintenance.running import complete, due_starts, extend, start, start_due, verify
from maintenance.shown import WindowsChange
from maintenance.texts import NO_TEXT, Text

__all__ = [
    "Preview",
    "WindowsChange",
    "announce",
    "announce_directly",
    "approve",
    "cancel",
    "complete",
    "draft",
    "due_starts",
    "edit",
    "extend",
    "hold",
    "move",
    "preview",
    "preview_cancel",
    "preview_move",
    "publish_update",
    "release",
    "return_",
    "start",
    "start_due",
    "submit",
    "verify",
    "withdraw",
]


def draft(session: Session, plan: Plan, *, by: Actor, now: datetime) -> InterventionRow:
    """Save a new intervention; it gets the reference INT-<year>-<number> if the plan has none.

    Raises:
        StepRefused: If the reference is taken, or the person may not plan.
        InvalidDocument: If the plan names systems that are unknown or retired.
    """
    check(Step.EDIT, run=RunState.PLANNED, pending=None, role=by.role)
    # Under the turn, so that two people drafting at once do not get one number.
    take_turn(session)
    plan = _checked(session, replace(plan, reference=plan.reference or _next_reference(session, now)))
    if find_intervention(session, plan.reference) is not None:
        raise StepRefused(
            "There is an intervention %(reference)s already; edit that one, or choose another reference.",
            reference=plan.reference,
        )
    row = InterventionRow(
        reference=plan.reference, run_state=RunState.PLANNED, created_at=now, created_by=by.name
    )
    session.add(row)
    _write_draft(row, None, plan, by, now)
    session.flush()
    append_event(session, InterventionDrafted(at=now, by=by.name, reference=row.reference))
    return row


def _next_reference(session: Session, now: datetime) -> str:
    prefix = f"INT-{now.year}-"
    taken = session.scalars(
        select(InterventionRow.reference).where(InterventionRow.reference.startswith(prefix, autoescape=True))
    )
    numbers = [int(rest) for reference in taken if (rest := reference.removeprefix(prefix)).isdecimal()]
    return f"{prefix}{max(numbers, default=0) + 1:04d}"


def _checked(session: Session, plan: Plan) -> Plan:
    """Return the plan as its document says it, every system looked up in today's catalogue."""
    return plan_from_document(plan_document(plan), catalogue=load_catalogue(session))


def _write_draft(
    row: InterventionRow, version: VersionRow | None, plan: Plan, by: Actor, now: datetime
) -> VersionRow:
    content = plan_document(plan)
    if version is None:
        version = VersionRow(created_at=now, created_by=by.name)
        row.versions.append(version)
    version.review_state = ReviewState.DRAFT
    version.content = content
    version.content_digest = digest(content)
    version.submitted_by = version.approved_by = version.approved_digest = None
    return version


def edit(
    session: Session, reference: str, plan: Plan, *, lock_version: int | None = None, by: Actor, now: datetime
) -> InterventionRow:
    """Give the pending version this content (a new one if none is on its way); it is a draft again.

    `lock_version` is the intervention's when the person began to edit.

    Raises:
        StaleEdit: If somebody took a step since then.
        StepRefused: If the intervention is running or over, or the person may not plan.
        InvalidDocument: If the plan names systems that are unknown or retired.
    """
    row = take_step(session, reference, Step.EDIT, by=by, lock_version=lock_version)
    plan = steps.with_unused_ids(replace(plan, reference=reference), removed_phase_ids(row))
    plan = _checked(session, plan)
    version = pending(row)
    _write_draft(row, version, plan, by, now)
    session.flush()
    kind = InterventionEdited if version is not None else InterventionDrafted
    append_event(session, kind(at=now, by=by.name, reference=reference))
    return row


def _on_its_way(row: InterventionRow) -> VersionRow:
    version = pending(row)
    if version is None:
        raise StepRefused("%(reference)s has no version on its way; edit it first.", reference=row.reference)
    return version


def submit(session: Session, reference: str, *, by: Actor, now: datetime) -> VersionRow:
    """Hand the draft to review."""
    row = take_step(session, reference, Step.SUBMIT, by=by)
    version = _on_its_way(row)
    version.review_state = ReviewState.IN_REVIEW
    version.submitted_by = by.name
    version.review_note = ""
    append_event(session, InterventionSubmitted(at=now, by=by.name, reference=reference))
    return version


def approve(
    session: Session,
    reference: str,
    *,
    note: str = "",
    lock_version: int | None = None,
    by: Actor,
    now: datetime,
) -> VersionRow:
    """Agree to exactly the content that stands in review.

    Raises:
        StepRefused: To whoever submitted it: four eyes. Only the system account may.
        StaleEdit: If somebody took a step since the person read `lock_version`.
    """
    row = take_step(session, reference, Step.APPROVE, by=by, lock_version=lock_version)
    version = _on_its_way(row)
    if by.name == version.submitted_by and by != SYSTEM:
        raise StepRefused("You submitted this version yourself; somebody else must approve it.")
    _agree(session, row, version, note=note, by=by, now=now)
    return version


def _agree(
    session: Session,
    row: InterventionRow,
    version: VersionRow,
    *,
    note: str = "",
    passed_over: tuple[str, ...] = (),
    by: Actor,
    now: datetime,
) -> None:
    version.review_state = ReviewState.APPROVED
    version.approved_by = by.name
    version.approved_digest = digest(version.content)
    version.review_note = note
    append_event(
        session,
        InterventionApproved(
            at=now,
            by=by.name,
            reason=note,
            reference=row.reference,
            digest=version.approved_digest,
            passed_over=passed_over,
        ),
    )


def return_(session: Session, reference: str, *, note: str, by: Actor, now: datetime) -> VersionRow:
    """Give the version back to its author, with what has to change.

    Raises:
        StepRefused: Without a note.
    """
    row = take_step(session, reference, Step.RETURN, by=by)
    version = _on_its_way(row)
    if not note.strip():
        raise StepRefused("Say what has to change; the author reads it beside the draft.")
    version.review_state = ReviewState.DRAFT
    version.approved_by = version.approved_digest = None
    version.review_note = note.strip()
    append_event(session, InterventionReturned(at=now, by=by.name, reason=note.strip(), reference=reference))
    return version


def withdraw(session: Session, reference: str, *, reason: str = "", by: Actor, now: datetime) -> VersionRow:
    """Give up the version on its way; what is published stays."""
    row = take_step(session, reference, Step.WITHDRAW, by=by)
    version = _on_its_way(row)
    version.review_state = ReviewState.WITHDRAWN
    version.review_note = reason
    append_event(session, InterventionWithdrawn(at=now, by=by.name, reason=reason, reference=reference))
    return version


def announce(
    session: Session,
    reference: str,
    *,
    reason: Text = NO_TEXT,
    override: str = "",
    lock_version: int | None = None,
    by: Actor,
    now: datetime,
) -> VersionRow:
    """Publish the approved version: the announcement, or a change of what was announced.

    `override` is an approver's reason to do so although clashes block.

    Raises:
        Blocked: If clashes block and `override` is empty.
        StepRefused: If its content is not what was approved, or it would be over already.
        StaleEdit: If somebody took a step since the person read `lock_version`.
        InvalidDocument: If a system in it was retired in the meantime.
    """
    take_turn(session)
    row = take_step(session, reference, Step.ANNOUNCE, by=by, lock_version=lock_version)
    version = _on_its_way(row)
    if version.approved_digest != digest(version.content):
        raise StepRefused("The content is not the one that was approved; submit it again.")
    return _announce(session, row, version, reason=reason, override=override, by=by, now=now)


def announce_directly(
    session: Session,
    reference: str,
    *,
    reason: Text = NO_TEXT,
    override: str = "",
    by: Actor,
    now: datetime,
) -> VersionRow:
    """Publish the version on its way, passing over the steps it has not been through; the log names them.

    Raises:
        Blocked: If clashes block and `override` is empty.
        StepRefused: If nothing is on its way, or the person may not announce.
        InvalidDocument: If a system in it was retired in the meantime.
    """
    take_turn(session)
    row = take_step(session, reference, Step.WITHDRAW, by=by)
    check(Step.ANNOUNCE, run=RunState(row.run_state), pending=ReviewState.APPROVED, role=by.role)
    version = _on_its_way(row)
    if version.review_state != ReviewState.APPROVED:
        left = (Step.SUBMIT, Step.APPROVE) if version.review_state == ReviewState.DRAFT else (Step.APPROVE,)
        _agree(session, row, version, passed_over=tuple(step.value for step in left), by=by, now=now)
    return _announce(session, row, version, reason=reason, override=override, by=by, now=now)


def _announce(
    session: Session,
    row: InterventionRow,
    version: VersionRow,
    *,
    reason: Text,
    override: str,
    by: Actor,
    now: datetime,
) -> VersionRow:
    plan = _checked(session, plan_of(version))
    if plan.end <= now:
        raise StepRefused(
            "It would be over before it was announced: it ends at %(end)s. Give it times to come.",
            end=steps.said(plan.end, plan),
        )
    overriding = override_of(session, load_catalogue(session), plan, reason=override, by=by, now=now)
    kind: type[InterventionAnnounced | InterventionChanged] = InterventionAnnounced
    if latest_published(row) is not None:
        kind = InterventionChanged
        removed = steps.removed_phases(standing(row), plan)
        plan = replace(plan, removed_phases=removed)
    return publish(
        session,
        row,
        plan,
        kind,
        version=version,
        run_state=RunState.ANNOUNCED,
        reason=reason,
        override=overriding,
        by=by,
        now=now,
    )
