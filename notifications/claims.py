"""Claims: which deliveries a sender takes next, under a lease, and how it says that they go out.

Several processes may do this at once: rows are claimed with SKIP LOCKED where there is one, and
taken on only from the state and the owner they are expected in. The caller commits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from notifications import stopping
from notifications.ledger import TABLE, Claim, close, move, suppression
from notifications.models import DeliveryRow, MessageRow, NoticeRow, RecipientRow, ScopeRow
from notifications.queries import in_states
from notifications.quiet_hours import quiet_until, read_quiet_hours
from notifications.retries import UNDER_WAY, WAITING, State

#: A sender that has not come back to a row by then is taken for dead. Longer than ten mails or one
#: SMS can take, time-outs included: a live sender reaped too early means a mail sent twice.
LEASE = timedelta(minutes=3)
#: How long a message that may or may not have left holds back later ones to the same reader.
HOLD_BEHIND_DOUBT = timedelta(minutes=15)
#: This priority and those before it wait behind nothing.
URGENT = 0
#: A claim that finds nothing but what is closed or held looks again, so often: a night's bulk mail is
#: not to keep readers elsewhere waiting.
_LOOKS = 20
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
    reader to whom an older one of the same intervention is on its way, or may be (for at most
    `HOLD_BEHIND_DOUBT`, urgent ones not at all). What became pointless meanwhile, or whose address
    may not be written to any more, is closed instead; what meets quiet hours is held until they end.
    """
    if (due := _due(session, channel, now)) is None:
        return []
    for _ in range(_LOOKS):
        ids = list(
            session.scalars(
                select(DeliveryRow.id)
                .where(*due, or_(DeliveryRow.priority <= URGENT, ~_older_under_way(now)))
                .order_by(DeliveryRow.priority, DeliveryRow.due_at, DeliveryRow.id)
                .limit(limit)
                # SQLite has no row locks and needs none: the write transaction is alone.
                .with_for_update(skip_locked=True, of=DeliveryRow)
            )
        )
        if not ids:
            return []
        if claims := _sorted_out(session, ids, now):
            session.execute(
                update(TABLE)
                .where(TABLE.c.id.in_([found.id for found in claims]))
                .values(state=State.LEASED, lease_owner=owner, lease_until=now + LEASE)
            )
            return claims
    return []


def _due(session: Session, channel: str, now: datetime) -> tuple[ColumnElement[bool], ...] | None:
    """Return the conditions under which a delivery may be claimed now; None where none may."""
    gate = stopping.gate(session, channel, now)
    if gate is stopping.Gate.SHUT:
        return None
    conditions: list[ColumnElement[bool]] = [
        DeliveryRow.channel == channel,
        in_states(DeliveryRow.state, WAITING),
        DeliveryRow.due_at <= now,
        DeliveryRow.expires_at > now,
    ]
    if gate is stopping.Gate.URGENT_ONLY:
        conditions.append(DeliveryRow.priority <= URGENT)
    if paused := stopping.paused_notices(session):
        conditions.append(DeliveryRow.notice_id.not_in(paused))
    return tuple(conditions)


# Made once: an alias takes half a millisecond, which every claim would pay three times.
_older, _its_notice, _notice = aliased(DeliveryRow), aliased(NoticeRow), aliased(NoticeRow)


def _older_under_way(now: datetime) -> ColumnElement[bool]:
    return exists(
        select(_older.id)
        .join(_its_notice, _its_notice.id == _older.notice_id)
        .join(_notice, _notice.id == DeliveryRow.notice_id)
        .where(
            _older.recipient_id == DeliveryRow.recipient_id,
            _older.channel == DeliveryRow.channel,
            in_states(_older.state, UNDER_WAY),
            _older.id < DeliveryRow.id,
            _its_notice.reference == _notice.reference,
            or_(_older.tried_at.is_(None), _older.tried_at > now - HOLD_BEHIND_DOUBT),
        )
        .correlate(DeliveryRow)
    )


def _sorted_out(session: Session, ids: Sequence[int], now: datetime) -> list[Claim]:
    """Return the claims among due deliveries, in their order; close or hold the others."""
    rows = session.execute(
        select(
            DeliveryRow.id,
            DeliveryRow.message_id,
            RecipientRow.address,
            RecipientRow.name,
            MessageRow.subject,
            NoticeRow.public_id,
            DeliveryRow.sequence,
            NoticeRow.reference,
            NoticeRow.kind,
            DeliveryRow.queued_at,
            DeliveryRow.expires_at,
            DeliveryRow.attempts,
            NoticeRow.state,
            suppression(DeliveryRow.channel, RecipientRow.address, now),
            case((DeliveryRow.priority > URGENT, RecipientRow.quiet_hours), else_=""),
            ScopeRow.timezone,
        )
        .join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
        .join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
        .join(MessageRow, MessageRow.id == DeliveryRow.message_id)
        .join(ScopeRow, ScopeRow.id == MessageRow.scope_id)
        .where(DeliveryRow.id.in_(ids))
    ).all()
    claims: dict[int, Claim] = {}
    pointless, suppressed, useless = [], [], []
    held: dict[datetime, list[int]] = {}
    for *fields, notice_state, is_suppressed, hours, zone in rows:
        found = Claim(*fields)
        if notice_state == "superseded":
            pointless.append(found.id)
        elif is_suppressed:
            suppressed.append(found.id)
        elif (until := _quiet_until(hours, zone, now)) is None:
            claims[found.id] = found
        elif until >= found.expires_at:
            useless.append(found.id)
        else:
            held.setdefault(until, []).append(found.id)
    close(session, pointless, State.SUPERSEDED, kind="superseded", now=now)
    close(session, suppressed, State.SUPPRESSED, kind="suppressed", now=now)
    close(session, useless, State.EXPIRED, kind="expired", now=now, words=_USELESS)
    for until, which in held.items():
        move(session, DeliveryRow.id.in_(which), State.HELD, kind="held", now=now, words=_HELD, due_at=until)
    return [claims[id_] for id_ in ids if id_ in claims]


def _quiet_until(hours: str, zone: str, now: datetime) -> datetime | None:
    found = read_quiet_hours(hours)
    return quiet_until(found, zone, now) if found else None


def mark_sending(
    session: Session, batches: Mapping[str, Collection[int]], *, transport: str, now: datetime
) -> set[tuple[int, str]]:
    """Say of leased deliveries that they go out now, and return those that still may, each with its owner.

    Committed before the first byte leaves: what a crash finds in this state may have left. What was
    taken over by another owner, closed, or has become useless meanwhile is left out.

    Args:
        session: An open write session.
        batches: Ids of deliveries by the owner who took them.
        transport: How they travel.
        now: The present instant.
    """
    held = [and_(TABLE.c.lease_owner == owner, TABLE.c.id.in_(ids)) for owner, ids in batches.items()]
    if not held:
        return set()
    rows = session.connection().execute(
        update(TABLE)
        .where(or_(*held), TABLE.c.state == State.LEASED, TABLE.c.expires_at > now)
        .values(
            state=State.SENDING,
            attempts=TABLE.c.attempts + 1,
            tried_at=now,
            lease_until=now + LEASE,
            transport=transport,
        )
        .returning(TABLE.c.id, TABLE.c.lease_owner)
    )
    return {(row.id, row.lease_owner) for row in rows}


def release(session: Session, ids: Collection[int], *, owner: str) -> None:
    """Give leased deliveries back that nobody began with."""
    session.execute(
        update(TABLE)
        .where(TABLE.c.id.in_(ids), TABLE.c.state == State.LEASED, TABLE.c.lease_owner == owner)
        .values(state=State.QUEUED, lease_owner=None, lease_until=None)
    )
