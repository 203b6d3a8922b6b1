"""Named reads of notices: the story one tells, which are due, how far each is, what is in trouble."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, and_, exists, func, literal_column, or_, select
from sqlalchemy.orm import Session, aliased

from maintenance.catalogue_store import load_catalogue
from maintenance.errors import NotFound
from maintenance.models import UpdateRow
from maintenance.queries import plan_of, published, windows_of
from maintenance.settings import Settings
from maintenance.texts import Text
from notifications import reach
from notifications.contacts import Entry, Reader
from notifications.models import (
    ChannelRow,
    DeliveryRow,
    EndpointRow,
    EventProblem,
    NoticeRow,
    ScopeRow,
)
from notifications.retries import MAY_HAVE_REACHED, UNFINISHED, UNSENT, State
from notifications.stories import Site, Story
from notifications.timetable import OVERTAKES, PLANNED_AHEAD, NoticeKind, phases_told

#: What a key can be: PostgreSQL refuses to look for a larger number, instead of finding nothing.
LARGEST_KEY = 2**31 - 1


def may_be_key(number: int) -> bool:
    """Return whether a row can have that key: a number from outside may be any (`parcels.FIRST_TEST` and so on)."""
    return 0 < number <= LARGEST_KEY


def find_delivery(session: Session, delivery_id: int, *, lock: bool = False) -> DeliveryRow | None:
    """Return the delivery of a number that came from outside; None when there is none. `lock`: until the commit."""
    if not may_be_key(delivery_id):
        return None
    return session.get(DeliveryRow, delivery_id, with_for_update=lock or None)


def has_newer_news(session: Session, row: DeliveryRow) -> bool:
    """Return whether its reader has newer news of the intervention on its channel, may have it, or is about to get it."""
    own = session.get_one(NoticeRow, row.notice_id)
    is_newer = or_(
        NoticeRow.sequence > own.sequence,
        and_(NoticeRow.sequence == own.sequence, NoticeRow.due_at > own.due_at),
    )
    newer = (
        select(DeliveryRow.id)
        .join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
        .where(
            DeliveryRow.recipient_id == row.recipient_id,
            DeliveryRow.channel == row.channel,
            NoticeRow.reference == own.reference,
            is_newer,
            in_states(DeliveryRow.state, (*UNSENT, *MAY_HAVE_REACHED)),
        )
    )
    return own.state == "superseded" or session.scalar(newer.limit(1)) is not None


def in_states(column: Any, states: Iterable[State]) -> ColumnElement[bool]:
    """Return the condition with the states as literals, so that a statement's text and plan are always the same."""
    found: ColumnElement[bool] = column.in_([literal_column(f"'{state}'") for state in states])
    return found


def unfinished(row: Any, states: Iterable[State] = UNFINISHED) -> ColumnElement[bool]:
    """Return the condition that a delivery is in one of these states, in words that let its small indexes serve.

    Args:
        row: What has the columns: `DeliveryRow`, an alias of it, `ledger.TABLE.c`.
        states: Of `UNFINISHED`.
    """
    return and_(row.finished_at.is_(None), in_states(row.state, states))


def site_of(settings: Settings) -> Site:
    """Return the installation as messages name it."""
    return Site(
        name=settings["SITE_NAME"],
        public_url=settings.public_url,
        host=urlsplit(settings.public_url).hostname or "localhost",
        mail_from=settings["MAIL_FROM"],
        timezone=settings["TIMEZONE"],
        sms_accents=settings["SMS_ACCENTS"],
    )


def reader_of(scope: ScopeRow, *, first: bool) -> Reader:
    """Return the reader that a scope stands for."""
    return Reader(
        language=scope.language,
        timezone=scope.timezone,
        entries=tuple(
            Entry(
                institution=entry["institution"],
                institution_name=entry["institution_name"],
                audience=entry["audience"],
                systems=None if entry["systems"] is None else tuple(entry["systems"]),
            )
            for entry in scope.entries
        ),
        first=first,
    )


def story_of(session: Session, notice: NoticeRow, site: Site) -> Story:
    """Return what a notice tells, together with the changes of other plans that it tells for them."""
    kind = NoticeKind(notice.kind)
    version = published(session, notice.reference, notice.sequence)
    # Reminders and updates tell of a version that stands, not of what it changed.
    tells_change = notice.sequence > 0 and kind not in (NoticeKind.REMINDER, NoticeKind.UPDATE)
    before = published(session, notice.reference, notice.sequence - 1) if tells_change else None
    followers = session.scalars(
        select(NoticeRow).where(NoticeRow.lead_notice_id == notice.id).order_by(NoticeRow.id)
    )
    return Story(
        kind=kind,
        plan=plan_of(version),
        sequence=notice.sequence,
        windows=windows_of(version),
        catalogue=load_catalogue(session),
        site=site,
        published_at=version.published_at or notice.planned_at,
        created_at=version.intervention.created_at,
        plan_before=plan_of(before) if before else None,
        windows_before=windows_of(before) if before else (),
        details=notice.details,
        reason=_words(session, notice, Text.of(version.reason)),
        also=tuple(story_of(session, follower, site) for follower in followers),
    )


def _words(session: Session, notice: NoticeRow, reason: Text) -> Text:
    """Return the words that go with a notice: of the update, of the step; none for a reminder."""
    if notice.kind == NoticeKind.REMINDER:
        return Text()
    if notice.kind != NoticeKind.UPDATE:
        return reason
    row = session.scalars(select(UpdateRow).where(UpdateRow.public_id == notice.details["update"])).one()
    return Text.of(row.text)


def has_deliveries(notice_id: Any) -> ColumnElement[bool]:
    """Return the condition that a notice has deliveries: it was fanned out, or has begun to be."""
    one = select(DeliveryRow.id).where(DeliveryRow.notice_id == notice_id).limit(1).scalar_subquery()
    # Not EXISTS, of which PostgreSQL may make a join with the whole ledger.
    return one.is_not(None)


def due_notices(session: Session, now: datetime) -> Sequence[int]:
    """Return the ids of notices to fan out now, most urgent first; followers wait for their lead."""
    lead = aliased(NoticeRow)
    return session.scalars(
        select(NoticeRow.id)
        .outerjoin(lead, lead.id == NoticeRow.lead_notice_id)
        .where(
            NoticeRow.state == "planned",
            NoticeRow.due_at <= now,
            # What expired while it was paused is to be seen as such.
            or_(NoticeRow.paused_at.is_(None), NoticeRow.expires_at <= now),
            or_(NoticeRow.retry_at.is_(None), NoticeRow.retry_at <= now),
        )
        .order_by(
            func.coalesce(lead.state, "") == "planned", NoticeRow.priority, NoticeRow.due_at, NoticeRow.id
        )
    ).all()


def overtaken(session: Session, notice: NoticeRow) -> Sequence[NoticeRow]:
    """Return the notices of older versions that a notice of the night must not overtake.

    A start: announcements, changes and reminders. An extension and a restoration: what was told of their phases. Only
    those with deliveries that wait or are under way, be it that they are still being fanned out: mostly none.
    """
    if not (kinds := OVERTAKES.get(NoticeKind(notice.kind))):
        return ()
    is_open = exists().where(DeliveryRow.notice_id == NoticeRow.id, unfinished(DeliveryRow))
    older = session.scalars(
        select(NoticeRow)
        .where(
            NoticeRow.reference == notice.reference,
            NoticeRow.sequence < notice.sequence,
            NoticeRow.kind.in_(kinds),
            NoticeRow.state.in_(("planned", "fanned_out")),
            is_open,
        )
        .order_by(NoticeRow.sequence, NoticeRow.due_at, NoticeRow.id)
    ).all()
    return [row for row in older if _is_old_news(session, row, notice)]


def overtaken_by(session: Session, notice: NoticeRow) -> Sequence[NoticeRow]:
    """Return the notices of the night whose readers were written to before one that comes late.

    One that was superseded meanwhile was told all the same, to those whom it reached.
    """
    kinds = [newer for newer, older in OVERTAKES.items() if notice.kind in older]
    if not kinds:
        return ()
    newer = session.scalars(
        select(NoticeRow)
        .where(
            NoticeRow.reference == notice.reference,
            NoticeRow.sequence > notice.sequence,
            NoticeRow.kind.in_(kinds),
            NoticeRow.state.in_(("planned", "fanned_out", "superseded")),
            has_deliveries(NoticeRow.id),
        )
        .order_by(NoticeRow.id)
    ).all()
    return [row for row in newer if _is_old_news(session, notice, row)]


def _is_old_news(session: Session, older: NoticeRow, newer: NoticeRow) -> bool:
    """Return whether a newer notice of the night is about the phase of an older one, or about any."""
    if older.kind in PLANNED_AHEAD:
        return True
    told = [
        phases_told(
            NoticeKind(row.kind), row.details, plan_of(published(session, row.reference, row.sequence))
        )
        for row in (older, newer)
    ]
    return bool(told[0] & told[1])


def leads_told_for(session: Session) -> set[int]:
    """Return the notices whose readers were left out of a follower's deliveries, which they hear of in no other way."""
    return set(
        session.scalars(
            select(NoticeRow.lead_notice_id).where(
                NoticeRow.lead_notice_id.is_not(None),
                NoticeRow.state.in_(("planned", "fanned_out")),
                has_deliveries(NoticeRow.id),
            )
        )
    )


def get_notice(session: Session, public_id: str) -> NoticeRow:
    """Return the notice of that public id.

    Raises:
        NotFound: If there is none.
    """
    row = session.scalars(select(NoticeRow).where(NoticeRow.public_id == public_id)).one_or_none()
    if row is None:
        raise NotFound("There is no notice %(id)s; `janela deliveries list` shows them.", id=public_id)
    return row


def notices(
    session: Session, *, reference: str | None = None, limit: int = 100, past: int = 0
) -> Sequence[NoticeRow]:
    """Return notices, the newest due first, of one intervention or of all; `past` so many."""
    query = select(NoticeRow).order_by(NoticeRow.due_at.desc(), NoticeRow.id.desc()).limit(limit).offset(past)
    if reference is not None:
        query = query.where(NoticeRow.reference == reference)
    return session.scalars(query).all()


def paused(session: Session) -> Sequence[NoticeRow]:
    """Return the notices that a person paused and of which something is still to come."""
    is_open = exists().where(DeliveryRow.notice_id == NoticeRow.id, unfinished(DeliveryRow))
    return session.scalars(
        select(NoticeRow)
        .where(NoticeRow.paused_at.is_not(None), or_(NoticeRow.state == "planned", is_open))
        .order_by(NoticeRow.id)
    ).all()


def for_a_person(session: Session) -> int:
    """Return how many deliveries wait for a person; it reads the whole ledger."""
    return session.scalars(
        select(func.count()).select_from(DeliveryRow).where(DeliveryRow.state == State.NEEDS_REVIEW)
    ).one()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that operators should look at."""

    #: event, notice, channel, webhook, chat, or an institution of which nobody was reached.
    what: str
    name: str
    words: str
    failures: int
    #: When it is tried again; None for what waits for a person.
    retry_at: datetime | None


def troubles(session: Session, now: datetime) -> list[Trouble]:
    """Return what cannot go on by itself as it should: events, notices, channels."""
    found = [
        Trouble("event", str(row.event_id), row.problem, row.failures, row.retry_at)
        for row in session.scalars(select(EventProblem).order_by(EventProblem.event_id))
    ]
    found += [
        Trouble("notice", row.public_id, row.problem, row.failures, row.retry_at)
        for row in session.scalars(
            select(NoticeRow)
            .where(NoticeRow.failures > 0, NoticeRow.state == "planned")
            .order_by(NoticeRow.id)
        )
    ]
    found += [
        Trouble("channel", row.channel, row.words, row.strikes, row.paused_until)
        for row in session.scalars(
            select(ChannelRow).where(ChannelRow.paused_until > now, ChannelRow.stopped_at.is_(None))
        )
    ]
    found += [
        Trouble("stopped", row.channel, row.words, row.strikes, None)
        for row in session.scalars(select(ChannelRow).where(ChannelRow.stopped_at.is_not(None)))
    ]
    found += [
        Trouble(row.channel, row.address, row.paused_why, 0, None)
        for row in session.scalars(
            select(EndpointRow).where(EndpointRow.paused_at.is_not(None)).order_by(EndpointRow.id)
        )
    ]
    found += [
        Trouble("institution", row.institution, f"{row.reference} {row.kind}: {row.audience}", 0, None)
        for row in reach.beyond_reach(session, now)
    ]
    return found
