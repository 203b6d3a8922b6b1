"""What a person decides about a delivery: to send it again, that it arrived, that it did not, to take it back. USE.

Each decision is an event of the delivery and an act, with who took it and why: the ledger's own word stays in the
events before it. Every function takes an open write session and leaves the commit to its caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance.errors import NotFound, StepRefused
from maintenance.lifecycle import Actor, Role
from notifications import stopping
from notifications.claims import OVERTAKEN
from notifications.ledger import DECIDED, suppression
from notifications.models import DeliveryEventRow, DeliveryRow, NoticeRow, RecipientRow
from notifications.queries import find_delivery, has_newer_news
from notifications.retries import UNSENT, State
from notifications.second_tries import FINAL_RANK


class Decision(StrEnum):
    """What a person may say of a delivery."""

    #: Send it once more, although it may have left before.
    AGAIN = "again"
    #: The reader has it: they said so, or the provider's own pages do.
    ARRIVED = "arrived"
    #: It never arrived, and is not to be sent again.
    LOST = "lost"
    #: It has not left, and is not to.
    TAKEN_BACK = "taken_back"


@dataclass(frozen=True, slots=True)
class _Rule:
    """From which states a decision may be taken, what follows, and what is said where it may not."""

    states: tuple[State, ...]
    becomes: State
    refusal: StepRefused


_IN_DOUBT = (State.AMBIGUOUS, State.NEEDS_REVIEW)
_CAME_TO_NOTHING = (State.UNDELIVERED, State.BOUNCED_SOFT, State.BOUNCED_HARD)
_RULES = {
    Decision.AGAIN: _Rule(
        (
            *_IN_DOUBT,
            *_CAME_TO_NOTHING,
            State.FAILED_PERMANENT,
            State.OPTED_OUT,
            State.SUPPRESSED,
            State.CANCELLED,
        ),
        State.QUEUED,
        StepRefused(
            "Delivery %(id)s is not one that can be sent again: it waits, or has left, or is of no use."
        ),
    ),
    Decision.ARRIVED: _Rule(
        (*_IN_DOUBT, *_CAME_TO_NOTHING, State.ACCEPTED),
        State.DELIVERED,
        StepRefused("Delivery %(id)s has not left as far as anybody knows, so it cannot have arrived."),
    ),
    Decision.LOST: _Rule(
        (*_IN_DOUBT, State.ACCEPTED),
        State.UNDELIVERED,
        StepRefused("Delivery %(id)s is neither in doubt nor handed over."),
    ),
    Decision.TAKEN_BACK: _Rule(
        UNSENT,
        State.CANCELLED,
        StepRefused("Delivery %(id)s cannot be taken back: it may have left, or nothing of it will leave."),
    ),
}


def decide(
    session: Session, delivery_id: int, decision: Decision, *, words: str = "", by: Actor, now: datetime
) -> State:
    """Take a decision about one delivery and return the state that it is in now.

    Args:
        session: An open write session.
        delivery_id: Ours.
        decision: What.
        words: Why, for the record.
        by: An approver.
        now: The present instant.

    Raises:
        NotFound: If there is no such delivery.
        StepRefused: If the role is not enough, or the delivery is not in a state of which that can be said.
    """
    if not by.role.covers(Role.APPROVER):
        raise StepRefused("Only approvers may decide about deliveries; ask one of them.")
    row = find_delivery(session, delivery_id, lock=True)
    if row is None:
        raise NotFound("There is no delivery %(id)s; `janela deliveries list` shows them.", id=delivery_id)
    rule = _RULES[decision]
    # What was in doubt once may have left, whatever it waits for now.
    has_left = decision is Decision.TAKEN_BACK and row.ambiguities
    if State(row.state) not in rule.states or has_left:
        raise StepRefused(rule.refusal.message, id=delivery_id)
    if decision is Decision.AGAIN:
        _check_use(session, row, now)
        row.due_at, row.receipt_rank = now, -1
    elif decision is not Decision.TAKEN_BACK:
        # An older receipt that comes late changes nothing of what a person found out.
        row.receipt_rank = FINAL_RANK
    row.state, row.lease_owner, row.lease_until = rule.becomes, None, None
    row.finished_at = None if decision is Decision.AGAIN else now
    # What was said of it before stays in its events.
    row.outcome, row.failure = words, ""
    if decision is Decision.LOST:
        _look_who_else_is_told(session, row, now)
    _note(session, row, decision, words, by, now)
    return rule.becomes


def in_doubt(session: Session, *, notice: str | None = None) -> Sequence[int]:
    """Return the deliveries that wait for a person, of one notice (public id) if named, the oldest first."""
    query = select(DeliveryRow.id).where(DeliveryRow.state == State.NEEDS_REVIEW).order_by(DeliveryRow.id)
    if notice is not None:
        query = query.join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id).where(
            NoticeRow.public_id == notice
        )
    return session.scalars(query).all()


def possible(state: State) -> list[Decision]:
    """Return what may be decided about a delivery in that state."""
    return [decision for decision, rule in _RULES.items() if state in rule.states]


def _check_use(session: Session, row: DeliveryRow, now: datetime) -> None:
    """Refuse to send again what no reader should get now."""
    if row.expires_at <= now:
        raise StepRefused("Delivery %(id)s is of no use any more; tell them yourself.", id=row.id)
    overtaken = select(DeliveryEventRow.id).where(
        DeliveryEventRow.delivery_id == row.id, DeliveryEventRow.kind == OVERTAKEN
    )
    if has_newer_news(session, row) or session.scalar(overtaken.limit(1)):
        raise StepRefused("Newer news was sent since, so delivery %(id)s is not sent again.", id=row.id)
    silent = select(RecipientRow.id).where(
        RecipientRow.id == row.recipient_id, suppression(row.channel, RecipientRow.address, now)
    )
    if session.scalar(silent):
        raise StepRefused(
            "The address of delivery %(id)s gets nothing more; `janela suppressions lift` changes that.",
            id=row.id,
        )


def _look_who_else_is_told(session: Session, row: DeliveryRow, now: datetime) -> None:
    """Have the ladder look once more at a notice that it was done with: it had taken this one for read."""
    notice = session.get_one(NoticeRow, row.notice_id, with_for_update=True, populate_existing=True)
    if notice.escalate_at is None and notice.state == "fanned_out" and notice.expires_at > now:
        notice.escalate_at = now


def _note(
    session: Session, row: DeliveryRow, decision: Decision, words: str, by: Actor, now: datetime
) -> None:
    detail = {"decision": decision.value, "by": by.name} | ({"words": words} if words else {})
    session.add(DeliveryEventRow(delivery_id=row.id, at=now, kind=DECIDED, state=row.state, detail=detail))
    stopping.note(session, decision.value, "delivery", str(row.id), by=by, words=words, now=now)
