"""Named reads of interventions, their versions and windows, and of the event log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVarTuple

from sqlalchemy import Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, object_session, selectinload

from maintenance import steps
from maintenance.arrays import uncollected
from maintenance.catalogue import Catalogue, Impact
from maintenance.catalogue_store import load_catalogue
from maintenance.database import EVENTS
from maintenance.documents import phases_from, plan_from_document, with_actuals
from maintenance.errors import NotFound
from maintenance.events import Event, event_from
from maintenance.forecast import forecast
from maintenance.interventions import Plan, Window
from maintenance.lifecycle import COUNTED, OPEN, PENDING, ReviewState, RunState
from maintenance.models import EventDone, EventRow, GateRow, InterventionRow, VersionRow, WindowRow
from maintenance.shown import WindowsChange, by_plan, differ
from maintenance.windows import Interval

_Rows = TypeVarTuple("_Rows")

# ---------------------------------------------------------------- interventions and versions


def find_intervention(session: Session, reference: str) -> InterventionRow | None:
    """Return the intervention of that reference."""
    return session.scalars(
        select(InterventionRow).where(InterventionRow.reference == reference)
    ).one_or_none()


def get_intervention(session: Session, reference: str) -> InterventionRow:
    """Return the intervention of that reference.

    Raises:
        NotFound: If there is none.
    """
    row = find_intervention(session, reference)
    if row is None:
        raise NotFound(
            "There is no intervention %(reference)s; `janela interventions list` shows those there are.",
            reference=reference,
        )
    return row


def list_interventions(
    session: Session, *, states: Collection[RunState] | None = None
) -> Sequence[InterventionRow]:
    """Return the interventions in these run states (all unless said), newest first, versions loaded."""
    statement = (
        select(InterventionRow)
        .options(selectinload(InterventionRow.versions), selectinload(InterventionRow.gates))
        .order_by(InterventionRow.id.desc())
    )
    if states is not None:
        statement = statement.where(InterventionRow.run_state.in_(states))
    return session.scalars(statement).all()


def latest_published(row: InterventionRow) -> VersionRow | None:
    """Return the version that readers know."""
    versions = [version for version in row.versions if version.sequence is not None]
    return max(versions, key=lambda version: version.sequence or 0, default=None)


def pending(row: InterventionRow) -> VersionRow | None:
    """Return the version on its way: draft, in review or approved; there is one at most."""
    return next((v for v in row.versions if ReviewState(v.review_state) in PENDING), None)


def published(session: Session, reference: str, sequence: int) -> VersionRow:
    """Return one published version.

    Raises:
        NotFound: If there is none of that number.
    """
    version = session.scalars(
        select(VersionRow)
        .join(VersionRow.intervention)
        .where(InterventionRow.reference == reference, VersionRow.sequence == sequence)
    ).one_or_none()
    if version is None:
        raise NotFound(
            "There is no version %(sequence)s of %(reference)s.", sequence=sequence, reference=reference
        )
    return version


def plan_of(version: VersionRow) -> Plan:
    """Return the version's plan: content, what really happened, phases taken out; `draft` unless published."""
    plan = with_actuals(plan_from_document(version.content), version.actuals)
    return replace(
        plan,
        removed_phases=phases_from(version.removed_phases, plan.timezone),
        draft=version.review_state != ReviewState.PUBLISHED,
    )


def removed_phase_ids(row: InterventionRow) -> frozenset[str]:
    """Return the ids of phases that were published once and are not now: never to be used again."""
    version = latest_published(row)
    return frozenset(phase["id"] for phase in version.removed_phases) if version else frozenset()


def windows_of(version: VersionRow) -> tuple[Window, ...]:
    """Return the windows stored with a version, as they stood when it was published."""
    session = object_session(version)
    # Past the mapper and the collector: a data centre has 250,000, and nobody changes what is published.
    with uncollected():
        rows: Iterable[tuple[str, str, datetime, datetime, list[Any]]]
        if session is None or "windows" in version.__dict__:
            rows = ((w.system, w.impact, w.starts_at, w.ends_at, w.because) for w in version.windows)
        else:
            row = WindowRow
            columns = select(row.system, row.impact, row.starts_at, row.ends_at, row.because)
            found = session.execute(columns.where(row.version_id == version.id).order_by(row.id))
            rows = ((*each,) for each in found)
        return tuple(
            [
                Window(system, Impact.parse(impact), start, end, tuple([tuple(chain) for chain in because]))
                for system, impact, start, end, because in rows
            ]
        )


def gates_in_force(row: InterventionRow) -> list[GateRow]:
    """Return what holds the intervention's start."""
    return [gate for gate in row.gates if gate.cleared_at is None]


# ---------------------------------------------------------------- what counts


def counted(
    session: Session,
    *,
    touching: Interval | None = None,
    drafts: bool = False,
    with_windows: bool = True,
) -> list[tuple[InterventionRow, VersionRow]]:
    """Return the interventions whose windows count, each with the version that readers know.

    Announced, running, verifying and completed ones count, and cancelled ones that had begun: what
    they took down was down. With `drafts` the versions on their way follow, also those of announced
    interventions, whatever the time.

    Args:
        session: Where to read.
        touching: Only those with work or a window in this time or at its edges, and all that are
            running, since nobody knows when they end.
        drafts: Whether planners look.
        with_windows: Whether their windows are loaded too.
    """
    statement = is_counted(select(InterventionRow, VersionRow)).order_by(InterventionRow.id)
    if touching is not None:
        at_work = and_(VersionRow.work_starts_at <= touching.end, VersionRow.work_ends_at >= touching.start)
        in_window = exists().where(
            WindowRow.version_id == VersionRow.id,
            WindowRow.starts_at <= touching.end,
            WindowRow.ends_at >= touching.start,
        )
        near = or_(at_work, in_window)
        statement = statement.where(or_(near, InterventionRow.run_state == RunState.RUNNING))
    if with_windows:
        statement = statement.options(selectinload(VersionRow.windows))
    found = [(row, version) for row, version in session.execute(statement)]
    return found + (on_their_way(session) if drafts else [])


def is_counted(statement: Select[*_Rows]) -> Select[*_Rows]:
    """Return the statement over interventions with their newest versions joined, for those that count alone."""
    newest = (
        select(func.max(VersionRow.sequence))
        .where(VersionRow.intervention_id == InterventionRow.id)
        .correlate(InterventionRow)
        .scalar_subquery()
    )
    return statement.join(VersionRow, VersionRow.intervention_id == InterventionRow.id).where(
        VersionRow.sequence == newest,
        or_(
            InterventionRow.run_state.in_(COUNTED),
            # The last version of one that was cancelled before it began has no work left.
            and_(InterventionRow.run_state == RunState.CANCELLED, VersionRow.work_ends_at.is_not(None)),
        ),
    )


def on_their_way(session: Session) -> list[tuple[InterventionRow, VersionRow]]:
    """Return the versions that nobody was told of yet, of interventions that have not begun."""
    statement = (
        select(InterventionRow, VersionRow)
        .join(VersionRow, VersionRow.intervention_id == InterventionRow.id)
        .where(
            VersionRow.review_state.in_(PENDING),
            InterventionRow.run_state.in_((RunState.PLANNED, RunState.ANNOUNCED)),
        )
        .order_by(VersionRow.id)
    )
    return [(row, version) for row, version in session.execute(statement)]


def neighbours(
    session: Session, catalogue: Catalogue, plans: Iterable[Plan], *, now: datetime | None = None
) -> dict[str, Plan]:
    """Return the counted plans (by reference) that can share a window with `plans`, themselves left out.

    Windows that touch are one window, so a neighbour's neighbour matters too; and a recovery can
    reach beyond all work. So the time in question grows until no further plan touches it. With `now`
    open phases past their planned end last until then.
    """
    plans = list(plans)
    own = {plan.reference for plan in plans}
    found: dict[str, Plan] = {}
    while span := _span(catalogue, [*plans, *found.values()], now):
        near = {
            row.reference: version
            for row, version in counted(session, touching=span, with_windows=False)
            if row.reference not in own and row.reference not in found
        }
        if not near:
            break
        found |= {reference: plan_of(version) for reference, version in near.items()}
    return found


def _span(catalogue: Catalogue, plans: Iterable[Plan], now: datetime | None) -> Interval | None:
    work = [stretch for plan in plans if (stretch := steps.stretch_of_work(plan, now))]
    if not work:
        return None
    tail = timedelta(microseconds=catalogue.graph.longest_tail)
    return Interval(min(stretch.start for stretch in work), max(stretch.end for stretch in work) + tail)


# ---------------------------------------------------------------- windows


def stale_windows(session: Session, catalogue: Catalogue | None = None) -> list[WindowsChange]:
    """Return the announced plans whose stored windows are not those of the catalogue (today's unless given).

    Nothing follows by itself: a coordinator edits such a plan and announces it anew.
    """
    given, catalogue = catalogue, catalogue or load_catalogue(session)
    announced = {
        row.reference: version
        for row in list_interventions(session, states=OPEN)
        # What was published with today's catalogue is as today's catalogue says.
        if (version := latest_published(row)) and (given or version.catalogue_version != catalogue.version)
    }
    if not announced:
        return []
    plans = [plan_of(version) for version in announced.values()]
    windows = by_plan(forecast(catalogue, [*plans, *neighbours(session, catalogue, plans).values()]))
    changes = (
        WindowsChange(reference, windows_of(version), windows.get(reference, ()))
        for reference, version in announced.items()
    )
    return [change for change in changes if differ(change.before, change.after)]


# ---------------------------------------------------------------- the log


def append_event(session: Session, event: Event) -> EventRow:
    """Add an event to the log, in the session's transaction, and return its row (with its id)."""
    row = EventRow(
        at=event.at,
        kind=event.kind,
        reference=event.reference,
        by=event.by,
        reason=event.reason,
        payload=event.payload(),
    )
    session.add(row)
    session.flush()
    session.info[EVENTS] = True
    return row


def event_of(row: EventRow) -> Event:
    """Return the event that a row of the log holds."""
    return event_from(
        row.kind, payload=row.payload, at=row.at, by=row.by, reason=row.reason, reference=row.reference
    )


def events_of(session: Session, reference: str) -> list[Event]:
    """Return what the log says of an intervention, oldest first."""
    rows = select(EventRow).where(EventRow.reference == reference).order_by(EventRow.id)
    return [event_of(row) for row in session.scalars(rows)]


def unhandled_events(session: Session, consumer: str, limit: int = 100) -> Sequence[EventRow]:
    """Return events that the consumer has not marked done, oldest first.

    Event by event, never “all above the highest number seen”: a transaction with a lower number
    may commit later.
    """
    done = exists().where(EventDone.event_id == EventRow.id, EventDone.consumer == consumer)
    return session.scalars(select(EventRow).where(~done).order_by(EventRow.id).limit(limit)).all()


def mark_done(session: Session, consumer: str, event_row: EventRow, now: datetime) -> None:
    """Record that the consumer dealt with the event, in the transaction of what followed from it."""
    session.add(EventDone(consumer=consumer, event_id=event_row.id, at=now))
    session.flush()


def last_change(session: Session) -> int:
    """Return the highest event id (0 before the first): pages and feeds key their ETag by it."""
    return session.scalar(select(func.max(EventRow.id))) or 0
