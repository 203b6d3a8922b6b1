"""Write a version with its windows, and new versions of the plans whose windows it alters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from maintenance import steps
from maintenance.catalogue import Catalogue
from maintenance.catalogue_store import hold_catalogue, load_catalogue
from maintenance.checking import Override
from maintenance.documents import actuals_of, digest, phase_document, plan_document
from maintenance.errors import NotFound, StaleEdit, StepRefused
from maintenance.events import InterventionAltered, InterventionWithdrawn, VersionPublished
from maintenance.forecast import forecast
from maintenance.interventions import Plan, Window
from maintenance.lifecycle import COUNTED, OPEN, Actor, ReviewState, RunState, Step, check
from maintenance.models import InterventionRow, VersionRow, WindowRow
from maintenance.queries import (
    append_event,
    get_intervention,
    latest_published,
    neighbours,
    pending,
    plan_of,
)
from maintenance.shown import WindowsChange, by_plan, differ
from maintenance.texts import NO_TEXT, Text

#: Key of the PostgreSQL lock under which versions are published: "janela" in ASCII.
_TURN = 0x6A616E656C61


def take_turn(session: Session) -> None:
    """Wait until nobody else publishes: two announcements at once must see each other's windows.

    The catalogue is held too, so that an import lists as stale what is published just before it. On
    SQLite a write transaction is alone anyway. Taken before any row is locked, so that two people
    never wait for each other in a circle.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TURN)))
        hold_catalogue(session)


def take_step(
    session: Session, reference: str, step: Step, *, by: Actor, lock_version: int | None = None
) -> InterventionRow:
    """Return the intervention, locked for this transaction, if the step can be taken.

    Raises:
        NotFound: If there is no such intervention.
        StaleEdit: If somebody took a step since the person read `lock_version`.
        StepRefused: If the step is out of turn, or not this person's.
    """
    row = session.scalars(
        select(InterventionRow)
        .where(InterventionRow.reference == reference)
        .with_for_update()
        # What the session has read before the lock may be old.
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound(
            "There is no intervention %(reference)s; `janela interventions list` shows those there are.",
            reference=reference,
        )
    if lock_version is not None and lock_version != row.lock_version:
        raise StaleEdit(
            "Somebody else changed %(reference)s in the meantime; look at it again, then repeat your step.",
            reference=reference,
        )
    on_its_way = pending(row)
    check(
        step,
        run=RunState(row.run_state),
        pending=ReviewState(on_its_way.review_state) if on_its_way else None,
        role=by.role,
    )
    row.lock_version += 1
    return row


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of the windows when one plan takes the place of another."""

    #: Those that name the plan, afterwards.
    windows: tuple[Window, ...]
    #: Other plans that readers wait for, and whose windows differ afterwards.
    altered: tuple[WindowsChange, ...]


def effect_of(session: Session, catalogue: Catalogue, before: Plan | None, after: Plan | None) -> Effect:
    """Return what becomes of all windows; None stands for a plan that does not count.

    Both sides are forecast from the same catalogue, so that a change of the catalogue is never told
    as if this step had made it.
    """
    own = [plan for plan in (before, after) if plan is not None]
    others: dict[str, Plan] = {}
    for plan in own:
        others |= neighbours(session, catalogue, [plan])
    waited_for = _waited_for(session, others)
    # What stood before matters only where somebody waits for another plan.
    standing_before = [*others.values(), *([before] if before else [])] if waited_for else []
    windows_before = by_plan(forecast(catalogue, standing_before))
    windows_after = by_plan(forecast(catalogue, [*others.values(), *([after] if after else [])]))
    changes = (
        WindowsChange(reference, windows_before.get(reference, ()), windows_after.get(reference, ()))
        for reference in waited_for
    )
    return Effect(
        windows=windows_after.get(after.reference, ()) if after else (),
        altered=tuple(change for change in changes if differ(change.before, change.after)),
    )


def _waited_for(session: Session, references: dict[str, Plan]) -> list[str]:
    if not references:
        return []
    return list(
        session.scalars(
            select(InterventionRow.reference)
            .where(InterventionRow.reference.in_(references), InterventionRow.run_state.in_(OPEN))
            .order_by(InterventionRow.reference)
        )
    )


def standing(row: InterventionRow) -> Plan:
    """Return the plan that readers know now.

    Raises:
        StepRefused: While nobody was told of the intervention.
    """
    version = latest_published(row)
    if version is None:
        raise StepRefused("%(reference)s has not been announced.", reference=row.reference)
    return plan_of(version)


def standing_if_counted(row: InterventionRow) -> Plan | None:
    """Return the plan whose windows count now; None if they do not."""
    return standing(row) if RunState(row.run_state) in COUNTED else None


def counts(plan: Plan, run_state: RunState) -> bool:
    """Return whether a plan in that state counts; one broken off counts with what was down."""
    return run_state in COUNTED or (run_state is RunState.CANCELLED and steps.has_begun(plan))


def publish(
    session: Session,
    row: InterventionRow,
    plan: Plan,
    kind: type[VersionPublished],
    *,
    run_state: RunState,
    version: VersionRow | None = None,
    reason: Text = NO_TEXT,
    override: Override | None = None,
    by: Actor,
    now: datetime,
    **details: Any,
) -> VersionRow:
    """Return the new published version of an intervention; those of plans it alters are written too.

    The caller holds the turn and the row. The step's event comes first in the log, then one
    `InterventionAltered` for each plan altered, all in this transaction.

    Args:
        session: The transaction.
        row: The intervention.
        plan: Its plan after the step.
        kind: The event of the step.
        run_state: The intervention's state after the step.
        version: The approved version, where the step publishes one; else a new one is made.
        reason: Why, for readers.
        override: The blocking clashes that stood against the step, and why it was taken.
        by: Who takes the step.
        now: When.
        **details: The event's own fields.
    """
    catalogue = load_catalogue(session)
    effect = effect_of(
        session, catalogue, standing_if_counted(row), plan if counts(plan, run_state) else None
    )
    if version is None:
        version = _new_version(row, plan, by, now)
    if override is not None and override.clashes:
        version.override_reason, version.overridden = override.reason, list(override.clashes)
        details |= {"override": override.reason, "overridden": override.clashes}
    row.run_state = run_state
    _seal(session, row, version, kind, plan, effect.windows, catalogue, reason, now)
    altered = []
    for change in effect.altered:
        other = get_intervention(session, change.reference)
        same = standing(other)
        told = _new_version(other, same, by, now)
        _seal(session, other, told, InterventionAltered, same, change.after, catalogue, reason, now)
        altered.append((change.reference, told.sequence or 0))
    common: dict[str, Any] = {"at": now, "by": by.name, "reason": reason.in_language("en")}
    session.flush()
    append_event(
        session,
        kind(
            reference=row.reference,
            sequence=version.sequence or 0,
            altered=tuple(altered),
            **details,
            **common,
        ),
    )
    for reference, sequence in altered:
        append_event(
            session,
            InterventionAltered(reference=reference, sequence=sequence, because_of=row.reference, **common),
        )
    return version


def _new_version(row: InterventionRow, plan: Plan, by: Actor, now: datetime) -> VersionRow:
    content = plan_document(plan)
    version = VersionRow(
        content=content,
        actuals=actuals_of(plan),
        content_digest=digest(content),
        review_state=ReviewState.APPROVED,
        created_at=now,
        created_by=by.name,
    )
    row.versions.append(version)
    return version


def _seal(
    session: Session,
    row: InterventionRow,
    version: VersionRow,
    kind: type[VersionPublished],
    plan: Plan,
    windows: tuple[Window, ...],
    catalogue: Catalogue,
    reason: Text,
    now: datetime,
) -> None:
    """Number the version and make it what readers know; from here on it never changes."""
    newest = latest_published(row)
    version.step = kind.__name__
    version.removed_phases = [phase_document(phase, plan.timezone) for phase in plan.removed_phases]
    version.reason = dict(reason.variants)
    version.published_at = now
    version.catalogue_version = catalogue.version
    if stretch := steps.stretch_of_work(plan):
        version.work_starts_at, version.work_ends_at = stretch.start, stretch.end
    version.review_state = ReviewState.PUBLISHED
    version.sequence = 0 if newest is None else (newest.sequence or 0) + 1
    session.flush()
    # By one statement: a data centre takes 50,000 systems with it.
    if windows:
        session.execute(insert(WindowRow), [_window_row(version.id, window) for window in windows])
    session.expire(version, ["windows"])


def _window_row(version_id: int, window: Window) -> dict[str, Any]:
    return {
        "version_id": version_id,
        "system": window.system,
        "impact": window.impact.code,
        "starts_at": window.start,
        "ends_at": window.end,
        "because": [list(chain) for chain in window.because],
    }


def drop_pending(session: Session, row: InterventionRow, why: str, *, by: Actor, now: datetime) -> None:
    """Withdraw the version on its way, if there is one: after this step it can no longer be published."""
    version = pending(row)
    if version is not None:
        version.review_state = ReviewState.WITHDRAWN
        version.review_note = why
        append_event(session, InterventionWithdrawn(at=now, by=by.name, reason=why, reference=row.reference))
