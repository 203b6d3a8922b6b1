"""What time does to the ledger: leases run out, messages expire, doubts are settled or handed to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from notifications.ledger import move
from notifications.models import DeliveryRow
from notifications.queries import in_states, unfinished
from notifications.retries import UNDER_WAY, UNSENT, WAITING, State

#: A repetition on these is seen by the reader as a second message, whatever its id: never by itself.
NEVER_REPEATED = ("sms",)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How many deliveries were brought on."""

    requeued: int = 0
    doubtful: int = 0
    resent: int = 0
    for_review: int = 0
    expired: int = 0


def is_needed(session: Session, now: datetime) -> bool:
    """Return whether `reap` would find anything: a read that holds nobody up."""
    overdue = or_(
        in_states(DeliveryRow.state, UNDER_WAY) & (DeliveryRow.lease_until <= now),
        in_states(DeliveryRow.state, [State.AMBIGUOUS]),
        in_states(DeliveryRow.state, WAITING) & (DeliveryRow.expires_at <= now),
    )
    return bool(session.scalar(select(exists().where(unfinished(DeliveryRow), overdue))))


def reap(session: Session, now: datetime) -> Upkeep:
    """Bring on what no sender will: dead senders' rows, doubts, messages past their use.

    A lease that ran out: leased → queued, sending → ambiguous. An ambiguous mail is queued once
    more, under the same `Message-ID`; a second doubt, an SMS whose use has passed without a receipt,
    and a doubtful mail past its use wait for a person.
    """
    over = DeliveryRow.lease_until <= now
    requeued = move(
        session,
        and_(unfinished(DeliveryRow, [State.LEASED]), over),
        State.QUEUED,
        kind="lease_expired",
        now=now,
        words="Its sender stopped before it began.",
        lease_owner=None,
        lease_until=None,
    )
    doubtful = move(
        session,
        and_(unfinished(DeliveryRow, [State.SENDING]), over),
        State.AMBIGUOUS,
        kind="lease_expired",
        now=now,
        words="Its sender stopped while it was going out; it may have left.",
        ambiguities=DeliveryRow.ambiguities + 1,
        due_at=now,
        outcome="The sender stopped while it was going out.",
    )
    return Upkeep(
        requeued=requeued,
        doubtful=doubtful,
        for_review=_hand_over(session, now),
        resent=_resend(session, now),
        expired=_expire(session, now),
    )


def _resend(session: Session, now: datetime) -> int:
    return move(
        session,
        and_(
            unfinished(DeliveryRow, [State.AMBIGUOUS]),
            DeliveryRow.channel.not_in(NEVER_REPEATED),
            DeliveryRow.due_at <= now,
        ),
        State.QUEUED,
        kind="resent",
        now=now,
        words="Sent once more under the same Message-ID, since nobody knows whether it left.",
        lease_owner=None,
        lease_until=None,
    )


def _hand_over(session: Session, now: datetime) -> int:
    useless = DeliveryRow.expires_at <= now
    doubted = and_(in_states(DeliveryRow.state, [State.AMBIGUOUS]), or_(useless, DeliveryRow.ambiguities > 1))
    # An SMS in its second doubt was sent again by a person: its receipt may still settle it.
    waiting_again = and_(in_states(DeliveryRow.state, WAITING), useless, DeliveryRow.ambiguities > 0)
    over = or_(and_(doubted, or_(useless, DeliveryRow.channel.not_in(NEVER_REPEATED))), waiting_again)
    return move(
        session,
        and_(unfinished(DeliveryRow), over),
        State.NEEDS_REVIEW,
        kind="review",
        now=now,
        words="It may have left; only its receipt or a person can tell.",
        finished_at=now,
    )


def _expire(session: Session, now: datetime) -> int:
    return move(
        session,
        and_(unfinished(DeliveryRow, WAITING), DeliveryRow.expires_at <= now),
        State.EXPIRED,
        kind="expired",
        now=now,
        finished_at=now,
    )


def supersede(
    session: Session, notice_ids: Sequence[int], now: datetime, *, only: ColumnElement[bool] | None = None
) -> int:
    """Close what was not sent of these notices, `only` as far as told, and return how many deliveries that were."""
    if not notice_ids:
        return 0
    unsent = and_(DeliveryRow.notice_id.in_(notice_ids), unfinished(DeliveryRow, UNSENT))
    return move(
        session,
        unsent if only is None else and_(unsent, only),
        State.SUPERSEDED,
        kind="superseded",
        now=now,
        finished_at=now,
    )
