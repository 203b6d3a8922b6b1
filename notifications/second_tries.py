"""Messages that the provider took and could not bring: whether they are tried again, and which reports are of before.

A mailbox that is full or a handset that is off passes. The provider's word that it did not arrive makes a second
try safe, also of an SMS.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifications.ledger import DECIDED
from notifications.models import DeliveryEventRow, DeliveryRow
from notifications.queries import has_newer_news
from notifications.retries import UNSENT, FailureClass, State, after_failure

#: From that rank on a report says how a message ended.
FINAL_RANK = 4
#: How many more tries follow when a mail comes back for a reason that passes.
AFTER_SOFT_BOUNCE = 2
#: What did not arrive a moment ago would not a moment later.
SHORTEST_WAIT = timedelta(minutes=5)

#: Tries that surely sent nothing.
_NOT_SENT = (State.RETRY_WAIT, State.CONFIG_ERROR)


class Past(NamedTuple):
    """What the events of a delivery say of its tries."""

    #: The provider's ids of the messages that it could not bring ("" for mails, which have none here).
    failed: frozenset[str]
    #: How many tries sent nothing.
    unsent: int
    #: Whether a person had it sent again, and that try has not ended yet.
    is_given_back: bool = False


def past_of(session: Session, delivery_id: int) -> Past:
    """Return what is known of a delivery's tries so far."""
    rows = session.execute(
        select(DeliveryEventRow.kind, DeliveryEventRow.state, DeliveryEventRow.detail)
        .where(DeliveryEventRow.delivery_id == delivery_id)
        .order_by(DeliveryEventRow.id)
    ).all()
    failed = {
        detail.get("provider_id", "")
        for kind, _, detail in rows
        if kind == "receipt" and detail.get("failure") and detail.get("rank", 0) >= FINAL_RANK
    }
    unsent = sum(kind == "attempt" and state in _NOT_SENT for kind, state, _ in rows)
    turns = [kind for kind, *_ in rows if kind in ("attempt", DECIDED)]
    return Past(frozenset(failed), unsent, is_given_back=turns[-1:] == [DECIDED])


def is_of_before(row: DeliveryRow, past: Past, provider_id: str, state: State) -> bool:
    """Return whether a report is about a message before the present one, of which it tells nothing.

    Before it may be one that the provider could not bring, and has said so; or one that left unknown to us, and that
    a person had sent again. That it arrived after all counts whenever it is said. Mails have no id of their own: while
    the next one has not left, a report can only be about one before.
    """
    if state is State.DELIVERED:
        return False
    if past.is_given_back and row.state in (*UNSENT, State.SENDING):
        return True
    if provider_id and row.provider_id and row.state == State.ACCEPTED and provider_id != row.provider_id:
        return True
    return provider_id in past.failed and (bool(provider_id) or row.state in UNSENT)


def due_again(
    session: Session,
    row: DeliveryRow,
    past: Past,
    *,
    state: State,
    failure: FailureClass | None,
    more_tries: int,
    at: datetime,
) -> datetime | None:
    """Return when to try a message again that did not arrive; None when that was its end.

    Args:
        session: An open session.
        row: As it was before the report.
        past: Of the delivery.
        state: What the report would make of it.
        failure: Why it did not arrive.
        more_tries: How many tries may follow the first for that reason.
        at: When the report came in.
    """
    if state is State.BOUNCED_SOFT:
        more_tries = AFTER_SOFT_BOUNCE
    if row.state != State.ACCEPTED or failure is not FailureClass.TRANSIENT:
        return None
    if row.attempts - past.unsent > more_tries:
        return None
    if has_newer_news(session, row):
        return None
    step = after_failure(
        failure,
        attempts=row.attempts,
        now=at,
        expires_at=row.expires_at,
        retry_after=SHORTEST_WAIT,
        jitter=random.uniform(-1, 1),  # noqa: S311 - spreads the next tries of many
    )
    return step.due_at
