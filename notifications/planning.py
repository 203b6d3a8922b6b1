"""Events of the log → notice rows: what we owe readers, and what a newer version makes pointless.

Each event is dealt with in a transaction of its own, together with the mark that says so: killed at
any point, the next look begins where this one stopped, and an event with a number lower than the
last one seen, committed late, is found like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.orm import Session

from maintenance.database import Database, in_brief
from maintenance.events import Event, InterventionAltered, UpdatePublished, VersionPublished
from maintenance.interventions import Plan
from maintenance.models import EventDone, EventRow
from maintenance.queries import event_of, mark_done, plan_of, published, unhandled_events, windows_of
from notifications.models import DeliveryRow, EventProblem, NoticeRow
from notifications.queries import leads_told_for, unfinished
from notifications.timetable import NoticeKind, makes_pointless, owed, superseded_kinds
from notifications.upkeep import supersede

_log = logging.getLogger(__name__)

#: Our name in the log's list of who has dealt with what.
CONSUMER = "notifications"
#: An event (or a notice) that failed is looked at again after that, doubled each time up to the longest.
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(minutes=30)
#: Events looked at in one go.
_AT_ONCE = 1000
#: Two planners at once could each miss what the other is about to supersede: on PostgreSQL they take turns.
_TURN = 5_262_541


def plan_notices(database: Database, now: datetime) -> int:
    """Plan the notices of every event that nobody has dealt with; return how many that were.

    An event that cannot be dealt with is put off and listed (`EventProblem`); the others go on.
    """
    with database.read() as session:
        put_off = set(session.scalars(select(EventProblem.event_id).where(EventProblem.retry_at > now)))
        rows = [row for row in unhandled_events(session, CONSUMER, _AT_ONCE) if row.id not in put_off]
        # What a step altered is told after the step itself, whose notice may tell both.
        rows.sort(key=lambda row: (row.kind == InterventionAltered.__name__, row.id))
        ids = [row.id for row in rows]
    return sum(_plan_one(database, event_id, now) for event_id in ids)


def retry_delay(failures: int) -> timedelta:
    """Return how long something that failed so often is put off."""
    delay: timedelta = min(FIRST_DELAY * 2.0 ** min(failures - 1, 10), LONGEST_DELAY)
    return delay


def _plan_one(database: Database, event_id: int, now: datetime) -> int:
    try:
        with database.write() as session:
            return plan_event(session, event_id, now)
    except Exception as error:
        _log.exception("No notices could be planned from event %s", event_id)
        with database.write() as session:
            problem = session.get(EventProblem, event_id)
            if problem is None:
                problem = EventProblem(event_id=event_id, failures=0)
                session.add(problem)
            problem.failures += 1
            problem.problem = in_brief(error)[:2000]
            problem.retry_at = now + retry_delay(problem.failures)
        return 0


def plan_event(session: Session, event_id: int, now: datetime) -> int:
    """Write the notice rows of one event, supersede what it makes pointless, mark it done; return how many.

    Repeating it does nothing.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TURN)))
    if session.get(EventDone, (CONSUMER, event_id)):
        return 0
    row = session.get_one(EventRow, event_id)
    event = event_of(row)
    notices: list[NoticeRow] = []
    if isinstance(event, VersionPublished | UpdatePublished) and event.reference:
        _supersede_older(session, event, now)
        notices = _owed(session, row, event, now)
        if isinstance(event, InterventionAltered):
            _follow(session, event, notices)
    if problem := session.get(EventProblem, event_id):
        session.delete(problem)
    mark_done(session, CONSUMER, row, now)
    return len(notices)


def _owed(
    session: Session, row: EventRow, event: VersionPublished | UpdatePublished, now: datetime
) -> list[NoticeRow]:
    version = published(session, str(event.reference), event.sequence)
    publishes = isinstance(event, VersionPublished) and event.sequence > 0
    before = published(session, str(event.reference), event.sequence - 1) if publishes else None
    later = _told_later(session, row)
    notices = [
        NoticeRow(
            event_id=row.id,
            reference=event.reference,
            sequence=event.sequence,
            kind=notice.kind,
            due_at=notice.due_at,
            expires_at=notice.expires_at,
            priority=notice.priority,
            details=notice.details,
            state="superseded"
            if any(makes_pointless(newer, plan, notice.kind, notice.details) for newer, plan in later)
            else "planned",
            planned_at=now,
            escalate_at=notice.due_at,
        )
        for notice in owed(
            event,
            plan=plan_of(version),
            windows=windows_of(version),
            before=plan_of(before) if before else None,
            windows_before=windows_of(before) if before else (),
            now=now,
        )
    ]
    session.add_all(notices)
    session.flush()
    return notices


def _supersede_older(session: Session, event: VersionPublished | UpdatePublished, now: datetime) -> None:
    """Close what is unsent of older versions, in the transaction that plans what replaces it."""
    if isinstance(event, UpdatePublished) or not (ids := _made_pointless(session, event)):
        return
    is_older = (NoticeRow.id.in_(ids),)
    # Whoever was not reached by the old is told the new. First, so that what a look at them wrote just now is seen.
    session.execute(
        update(NoticeRow)
        .where(*is_older, NoticeRow.escalate_at.is_not(None))
        .values(escalate_at=None)
        .execution_options(synchronize_session=False)
    )
    # A notice that all its readers have stays what it is; one that is on its way must not be tried again.
    is_open = exists().where(DeliveryRow.notice_id == NoticeRow.id, unfinished(DeliveryRow))
    older = list(
        session.scalars(
            update(NoticeRow)
            .where(*is_older, or_(NoticeRow.state == "planned", (NoticeRow.state == "fanned_out") & is_open))
            .values(state="superseded")
            .returning(NoticeRow.id)
            .execution_options(synchronize_session=False)
        )
    )
    supersede(session, older, now)


def _made_pointless(session: Session, event: VersionPublished) -> list[int]:
    """Return the notices of older versions that an event makes pointless, sent or not."""
    older = session.execute(
        select(NoticeRow.id, NoticeRow.kind, NoticeRow.details).where(
            NoticeRow.reference == event.reference,
            NoticeRow.sequence < event.sequence,
            NoticeRow.state.in_(("planned", "fanned_out")),
        )
    ).all()
    plan = plan_of(published(session, str(event.reference), event.sequence))
    by_kind = superseded_kinds(event)
    found = [
        (id_, NoticeKind(kind) in by_kind)
        for id_, kind, details in older
        if makes_pointless(event, plan, NoticeKind(kind), details)
    ]
    # A step's notice may have told for another plan, of which the end of this one's phase says nothing.
    told_for_others = set() if all(whole for _, whole in found) else leads_told_for(session)
    return [id_ for id_, whole in found if whole or id_ not in told_for_others]


def _told_later(session: Session, row: EventRow) -> list[tuple[VersionPublished, Plan]]:
    """Return the later versions of an event's intervention: an event dealt with late must not call old news back."""
    later = session.scalars(
        select(EventRow).where(EventRow.reference == row.reference, EventRow.id > row.id)
    ).all()
    found: Iterable[Event] = map(event_of, later)
    return [
        (event, plan_of(published(session, str(event.reference), event.sequence)))
        for event in found
        if isinstance(event, VersionPublished)
    ]


def _follow(session: Session, event: InterventionAltered, notices: list[NoticeRow]) -> None:
    """Tie the change of an altered plan to the notice of the step that altered it: readers of both get one."""
    steps = session.scalars(
        select(EventRow).where(EventRow.reference == event.because_of, EventRow.at == event.at)
    ).all()
    mine = (event.reference, event.sequence)
    for step in steps:
        found = event_of(step)
        if not isinstance(found, VersionPublished) or mine not in found.altered:
            continue
        lead = session.scalars(
            select(NoticeRow)
            .where(NoticeRow.event_id == step.id, NoticeRow.kind != NoticeKind.REMINDER)
            .order_by(NoticeRow.due_at, NoticeRow.id)
        ).first()
        for notice in notices:
            if lead is not None and notice.kind == NoticeKind.CHANGE:
                notice.lead_notice_id = lead.id
    session.flush()
