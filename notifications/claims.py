"""Claims: which deliveries a sender takes next, under a lease, and how it says that they go out.

Several processes may do this at once: rows are claimed with SKIP LOCKED where there is one, and
taken on only from the state and the owner they are expected in. The caller commits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Executable,
    Update,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate

from maintenance.database import UtcDateTime
from notifications import stopping
from notifications.channels.parcels import LONGEST_SEND
from notifications.ledger import TABLE, Claim, MessageFacts, close, move, suppression
from notifications.models import (
    DeliveryEventRow,
    DeliveryRow,
    MessageRow,
    NoticeRow,
    RecipientRow,
    ScopeRow,
)
from notifications.queries import in_states, unfinished
from notifications.quiet_hours import quiet_until, read_quiet_hours
from notifications.retries import UNDER_WAY, WAITING, State
from notifications.row_sets import among, ids_as_value

#: A sender that has not come back to a row by then is taken for dead. Longer than a batch can take, by what reading
#: its texts and writing its outcomes down may take: a live sender reaped too early means a mail sent twice.
LEASE = timedelta(seconds=LONGEST_SEND) + timedelta(minutes=1)
#: How long a message that may or may not have left holds back later ones to the same reader.
HOLD_BEHIND_DOUBT = timedelta(minutes=15)
#: This priority and those before it wait behind nothing.
URGENT = 0
#: A claim that finds nothing but what is closed or held looks again, so often: a night's bulk mail is
#: not to keep readers elsewhere waiting.
_LOOKS = 20
#: The kind of event that says of a delivery under way that it is not to be tried again: a start told its reader all.
OVERTAKEN = "overtaken"
_HELD = "The reader wants to be left alone at this hour."
_USELESS = "It would have become useless before the reader's quiet hours end."


def waiting(session: Session, channel: str, *, now: datetime, limit: int) -> int:
    """Return how many deliveries of the channel are due, counting up to `limit`; none while the channel rests."""
    if (due := _due(session, channel, now)) is None:
        return 0
    found = select(DeliveryRow.id).where(*due).limit(limit).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def claim(session: Session, channel: str, *, owner: str, limit: int, now: datetime) -> list[Claim]:
    """Take up to `limit` due deliveries of a channel under a lease, most urgent first, and return them.

    Left out: a channel in trouble or stopped; paused notices; what has expired; and a message to a
    reader to whom an older one of the same intervention goes first, is on its way, or may be (for at most
    `HOLD_BEHIND_DOUBT`; urgent ones wait for neither). No two of one intervention are for the same reader.
    What became pointless meanwhile, or whose address may not be written to any more, is closed instead;
    what meets quiet hours is held until they end.
    """
    if (due := _due(session, channel, now)) is None:
        return []
    for _ in range(_LOOKS):
        ids = list(
            session.scalars(
                select(DeliveryRow.id)
                .where(*due, or_(DeliveryRow.priority <= URGENT, ~_older_first(now)))
                .order_by(DeliveryRow.priority, DeliveryRow.due_at, DeliveryRow.id)
                .limit(limit)
                # SQLite has no row locks and needs none: the write transaction is alone.
                .with_for_update(skip_locked=True, of=DeliveryRow)
            )
        )
        if not ids:
            return []
        if claims := _sorted_out(session, ids, now):
            _execute(session, _leasing, (found.id for found in claims), owner=owner, until=now + LEASE)
            return claims
    return []


@cache
def _leasing(dialect: str) -> Update:
    return (
        update(TABLE)
        .where(among(dialect, TABLE.c.id, "ids"))
        .values(
            state=literal_column(f"'{State.LEASED}'"),
            lease_owner=bindparam("owner"),
            lease_until=bindparam("until", type_=UtcDateTime()),
        )
    )


def _due(session: Session, channel: str, now: datetime) -> tuple[ColumnElement[bool], ...] | None:
    """Return the conditions under which a delivery may be claimed now; None where none may."""
    gate = stopping.gate(session, channel, now)
    if gate is stopping.Gate.SHUT:
        return None
    conditions: list[ColumnElement[bool]] = [
        DeliveryRow.channel == channel,
        unfinished(DeliveryRow, WAITING),
        DeliveryRow.due_at <= now,
        DeliveryRow.expires_at > now,
    ]
    if gate is stopping.Gate.URGENT_ONLY:
        conditions.append(DeliveryRow.priority <= URGENT)
    if paused := stopping.paused_notices(session):
        conditions.append(DeliveryRow.notice_id.not_in(paused))
    return tuple(conditions)


# Made once: an alias takes half a millisecond.
_older, _its_notice, _notice = aliased(DeliveryRow), aliased(NoticeRow), aliased(NoticeRow)


def _older_first(now: datetime) -> ColumnElement[bool]:
    is_leased = and_(_older.tried_at.is_(None), _older.lease_until > now)
    is_under_way = and_(
        in_states(_older.state, UNDER_WAY), or_(is_leased, _older.tried_at > now - HOLD_BEHIND_DOUBT)
    )
    # What is due and no less urgent may be in another process's claim, which is not committed yet.
    is_next = and_(
        in_states(_older.state, WAITING),
        _older.due_at <= now,
        _older.expires_at > now,
        _older.priority <= DeliveryRow.priority,
        _its_notice.paused_at.is_(None),
    )
    return exists(
        select(_older.id)
        .join(_its_notice, _its_notice.id == _older.notice_id)
        .join(_notice, _notice.id == DeliveryRow.notice_id)
        .where(
            _older.recipient_id == DeliveryRow.recipient_id,
            _older.channel == DeliveryRow.channel,
            _older.finished_at.is_(None),
            _older.id < DeliveryRow.id,
            _its_notice.reference == _notice.reference,
            or_(is_under_way, is_next),
        )
        .correlate(DeliveryRow)
    )


def _sorted_out(session: Session, ids: Sequence[int], now: datetime) -> list[Claim]:
    """Return the claims among due deliveries, in their order; close or hold what is neither one nor comes next."""
    rows = _execute(session, _readers, ids, now=now).all()
    texts = _messages(session, {row[1] for row in rows})
    claims, whose = dict[int, Claim](), dict[int, tuple[int, bool]]()
    pointless, suppressed, useless = [], [], []
    held: dict[datetime, list[int]] = {}
    for row in rows:
        id_, message_id, address, name, queued_at, expires_at, attempts, failure = row[:8]
        recipient_id, is_patient, is_overtaken, is_suppressed, hours = row[8:]
        text = texts[message_id]
        if text.is_superseded or is_overtaken:
            pointless.append(id_)
        elif is_suppressed:
            suppressed.append(id_)
        elif not hours or (until := _quiet_until(hours, text.timezone, now)) is None:
            claims[id_] = Claim(id_, text, address, name, queued_at, expires_at, attempts, failure)
            whose[id_] = recipient_id, is_patient
        elif until >= expires_at:
            useless.append(id_)
        else:
            held.setdefault(until, []).append(id_)
    close(session, pointless, State.SUPERSEDED, kind="superseded", now=now)
    close(session, suppressed, State.SUPPRESSED, kind="suppressed", now=now)
    close(session, useless, State.EXPIRED, kind="expired", now=now, words=_USELESS)
    for until, which in held.items():
        move(session, DeliveryRow.id.in_(which), State.HELD, kind="held", now=now, words=_HELD, due_at=until)
    first = _one_for_each_reader(claims, whose)
    return [claims[id_] for id_ in ids if id_ in first]


def _one_for_each_reader(
    claims: Mapping[int, Claim], whose: Mapping[int, tuple[int, bool]]
) -> Collection[int]:
    """Return the claims but for those that would be under way together with another one to the same reader.

    Of one intervention the oldest goes first, of the urgent ones if there are any; the next claim finds the others.
    """
    if len({recipient_id for recipient_id, _ in whose.values()}) == len(claims):
        return claims  # as in every bulk: nobody is in it twice
    firsts: dict[tuple[int, str], tuple[bool, int]] = {}
    for id_, found in claims.items():
        recipient_id, is_patient = whose[id_]
        key, rank = (recipient_id, found.message.reference), (is_patient, id_)
        firsts[key] = min(firsts.get(key, rank), rank)
    return {id_ for _, id_ in firsts.values()}


def _execute(
    session: Session, statement: Callable[[str], Executable], ids: Iterable[int], **values: Any
) -> CursorResult[*tuple[Any, ...]]:
    """Execute a statement on the rows of these ids: its text is the same for any number of them."""
    connection = session.connection()
    dialect = connection.dialect.name
    return connection.execute(statement(dialect), {"ids": ids_as_value(dialect, ids), **values})


@cache
def _readers(dialect: str) -> Executable:
    """Return what finds of deliveries who reads them, and whether they may be written to."""
    return (
        select(
            TABLE.c.id,
            TABLE.c.message_id,
            RecipientRow.address,
            RecipientRow.name,
            TABLE.c.queued_at,
            TABLE.c.expires_at,
            TABLE.c.attempts,
            TABLE.c.failure,
            TABLE.c.recipient_id,
            TABLE.c.priority > URGENT,
            case((TABLE.c.attempts > 0, _was_overtaken()), else_=false()),
            suppression(TABLE.c.channel, RecipientRow.address, bindparam("now", type_=UtcDateTime())),
            case((TABLE.c.priority > URGENT, RecipientRow.quiet_hours), else_=""),
        )
        .join(RecipientRow, RecipientRow.id == TABLE.c.recipient_id)
        .where(among(dialect, TABLE.c.id, "ids"))
    )


def _was_overtaken() -> ColumnElement[bool]:
    noted = select(DeliveryEventRow.id).where(
        DeliveryEventRow.delivery_id == TABLE.c.id, DeliveryEventRow.kind == OVERTAKEN
    )
    # Not EXISTS, for which PostgreSQL might read all events instead of those of a few deliveries.
    return noted.limit(1).scalar_subquery().is_not(None)


def _messages(session: Session, ids: Collection[int]) -> dict[int, MessageFacts]:
    """Return by its id what there is to know of each message."""
    return {row[0]: MessageFacts(*row) for row in _execute(session, _facts, ids)}


@cache
def _facts(dialect: str) -> Executable:
    """Return what finds of messages what all their deliveries have in common."""
    return (
        select(
            MessageRow.id,
            MessageRow.subject,
            NoticeRow.public_id,
            NoticeRow.sequence,
            NoticeRow.reference,
            NoticeRow.kind,
            NoticeRow.state == "superseded",
            ScopeRow.timezone,
        )
        .join(NoticeRow, NoticeRow.id == MessageRow.notice_id)
        .join(ScopeRow, ScopeRow.id == MessageRow.scope_id)
        .where(among(dialect, cast("ColumnElement[int]", MessageRow.id), "ids"))
    )


def _quiet_until(hours: str, zone: str, now: datetime) -> datetime | None:
    found = read_quiet_hours(hours)
    return quiet_until(found, zone, now) if found else None


def mark_sending(
    session: Session, ids: Collection[int], *, owner: str, transport: str, now: datetime
) -> set[int]:
    """Say of leased deliveries that they go out now, and return those that still may.

    Committed before the first byte leaves: what a crash finds in this state may have left. What was taken over by
    another owner, closed, stopped by a person, or has become useless meanwhile is left out; of that, what
    the owner still has is given back.

    Args:
        session: An open write session.
        ids: Of the deliveries.
        owner: Who took them.
        transport: How they travel.
        now: The present instant.
    """
    if not ids:
        return set()
    found = _execute(session, _marking, ids, owner=owner, way=transport, now=now, until=now + LEASE)
    marked = set(found.scalars())
    release(session, [id_ for id_ in ids if id_ not in marked], owner=owner)
    return marked


@cache
def _marking(dialect: str) -> ReturningUpdate[Any]:
    now = bindparam("now", type_=UtcDateTime())
    return (
        update(TABLE)
        .where(
            among(dialect, TABLE.c.id, "ids"),
            *_leased_by_owner(),
            TABLE.c.expires_at > now,
            ~stopping.is_stopped(TABLE.c, urgent=URGENT),
        )
        .values(
            state=literal_column(f"'{State.SENDING}'"),
            attempts=TABLE.c.attempts + 1,
            tried_at=now,
            lease_until=bindparam("until", type_=UtcDateTime()),
            transport=bindparam("way", type_=TABLE.c.transport.type),
        )
        .returning(TABLE.c.id)
    )


def release(session: Session, ids: Collection[int], *, owner: str) -> None:
    """Give leased deliveries back that nobody began with."""
    if ids:
        _execute(session, _releasing, ids, owner=owner)


@cache
def _releasing(dialect: str) -> Update:
    return (
        update(TABLE)
        .where(among(dialect, TABLE.c.id, "ids"), *_leased_by_owner())
        .values(state=literal_column(f"'{State.QUEUED}'"), lease_owner=null(), lease_until=null())
    )


def _leased_by_owner() -> tuple[ColumnElement[bool], ...]:
    return TABLE.c.state == literal_column(f"'{State.LEASED}'"), TABLE.c.lease_owner == bindparam("owner")
