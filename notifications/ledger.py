"""The ledger's writing: what became of each try, what is closed unsent, which addresses get no more.

Every function takes an open write session and leaves the commit to its caller; each changes many
rows at once, never one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Table,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from notifications.channels.parcels import Outcome
from notifications.models import DeliveryEventRow, DeliveryRow, RecipientRow, SuppressionRow
from notifications.queries import in_states
from notifications.retries import FailureClass, State, after_failure

#: An ambiguous mail is sent again after that: time for a server in trouble to come back.
RESEND_AFTER = timedelta(seconds=15)
#: How long an address that does not exist gets nothing: the directory may have been wrong, or is mended.
HARD_BOUNCE_LASTS = timedelta(days=30)

#: The table itself: statements on it skip what the ORM would do for objects in memory, of which there are none.
TABLE = cast(Table, DeliveryRow.__table__)


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery under our lease, with what its parcel needs but the message's bytes."""

    id: int
    message_id: int
    address: str
    name: str
    subject: str
    notice_public_id: str
    sequence: int
    reference: str
    kind: str
    queued_at: datetime
    expires_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Try:
    """How one try ended, and who made it."""

    found: Claim
    outcome: Outcome
    #: Under whose lease.
    owner: str
    transport: str
    #: From -1 to 1: spreads the next tries of many.
    jitter: float


def suppression(channel: Any, address: Any, now: datetime) -> ColumnElement[bool]:
    """Return the condition that an address gets nothing on a channel now."""
    return exists(
        select(SuppressionRow.id).where(
            SuppressionRow.channel == channel,
            SuppressionRow.address == address,
            or_(SuppressionRow.expires_at.is_(None), SuppressionRow.expires_at > now),
        )
    )


def record(session: Session, tries: Sequence[Try], *, now: datetime) -> None:
    """Write down how tries ended: the rows, and one event for each.

    A receipt that came before the answer stands; a row that was taken over by another sender
    meanwhile keeps its state, and the event tells of the try all the same.
    """
    if not tries:
        return
    changes, events = [], []
    for tried in tries:
        found, outcome = tried.found, tried.outcome
        state, due_at = outcome.state, None
        if outcome.failure is not None:
            step = after_failure(
                outcome.failure,
                attempts=found.attempts + 1,
                now=now,
                expires_at=found.expires_at,
                retry_after=outcome.retry_after,
                jitter=tried.jitter,
            )
            state, due_at = step.state, step.due_at
        if state is State.AMBIGUOUS:
            due_at = now + RESEND_AFTER
        detail = _detail(outcome, attempt=found.attempts + 1)
        events.append(
            {"delivery_id": found.id, "at": now, "kind": "attempt", "state": state, "detail": detail}
        )
        changes.append(
            {
                "delivery": found.id,
                "owner": tried.owner,
                "new_state": state,
                "new_due_at": due_at,
                "new_finished_at": now if state.is_final else None,
                "doubts": int(state is State.AMBIGUOUS),
                "new_failure": outcome.failure or "",
                "new_provider_id": outcome.provider_id,
                "words": outcome.words,
                "new_transport": outcome.transport or tried.transport,
            }
        )
    session.connection().execute(_RECORD, changes)
    session.connection().execute(insert(DeliveryEventRow), events)
    for tried in tries:
        if tried.outcome.failure in _SUPPRESSING:
            suppress(session, tried.found.id, reason=_SUPPRESSING[tried.outcome.failure], now=now)


def _detail(outcome: Outcome, **more: Any) -> dict[str, Any]:
    known = {"words": outcome.words, "failure": outcome.failure, "provider_id": outcome.provider_id}
    return more | {key: str(value) for key, value in known.items() if value}


_OURS = in_states(TABLE.c.state, (State.SENDING, State.AMBIGUOUS)) & (
    TABLE.c.lease_owner == bindparam("owner")
)
_RECORD = (
    update(TABLE)
    .where(TABLE.c.id == bindparam("delivery"))
    .values(
        state=case((_OURS, bindparam("new_state", type_=TABLE.c.state.type)), else_=TABLE.c.state),
        due_at=case(
            (_OURS, func.coalesce(bindparam("new_due_at", type_=TABLE.c.due_at.type), TABLE.c.due_at)),
            else_=TABLE.c.due_at,
        ),
        finished_at=case(
            (_OURS, bindparam("new_finished_at", type_=TABLE.c.finished_at.type)),
            else_=TABLE.c.finished_at,
        ),
        ambiguities=TABLE.c.ambiguities + case((_OURS, bindparam("doubts")), else_=0),
        failure=case((_OURS, bindparam("new_failure", type_=TABLE.c.failure.type)), else_=TABLE.c.failure),
        outcome=case((_OURS, bindparam("words", type_=TABLE.c.outcome.type)), else_=TABLE.c.outcome),
        provider_id=func.coalesce(
            bindparam("new_provider_id", type_=TABLE.c.provider_id.type), TABLE.c.provider_id
        ),
        transport=bindparam("new_transport"),
    )
)


#: Failures after which an address gets nothing more on its channel, and the reason that is noted.
_SUPPRESSING = {FailureClass.OPT_OUT: "opt_out", FailureClass.RECIPIENT_PERMANENT: "hard_bounce"}


def suppress(session: Session, delivery_id: int, *, reason: str, now: datetime) -> None:
    """Note that the address of a delivery gets nothing more on its channel; once noted, the first note stands."""
    channel, address = session.execute(
        select(RecipientRow.channel, RecipientRow.address)
        .join(DeliveryRow, DeliveryRow.recipient_id == RecipientRow.id)
        .where(DeliveryRow.id == delivery_id)
    ).one()
    row = session.scalar(
        select(SuppressionRow).where(SuppressionRow.channel == channel, SuppressionRow.address == address)
    )
    if row is None:
        row = SuppressionRow(channel=channel, address=address, reason=reason, at=now)
        session.add(row)
    elif row.expires_at is None or row.expires_at > now:
        return
    row.reason, row.at = reason, now
    row.expires_at = now + HARD_BOUNCE_LASTS if reason == "hard_bounce" else None
    session.flush()


def close(
    session: Session, ids: Collection[int], state: State, *, kind: str, now: datetime, words: str = ""
) -> None:
    """End deliveries that were not sent, with an event for each."""
    if ids:
        move(session, DeliveryRow.id.in_(ids), state, kind=kind, now=now, words=words, finished_at=now)


def move(
    session: Session,
    which: ColumnElement[bool],
    state: State,
    *,
    kind: str,
    now: datetime,
    words: str = "",
    **values: Any,
) -> int:
    """Bring the deliveries of a condition into a state, with an event for each; return how many there were."""
    ids = session.scalars(
        update(TABLE).where(which).values(state=state, **values).returning(TABLE.c.id)
    ).all()
    detail = {"words": words} if words else {}
    if ids:
        session.connection().execute(
            insert(DeliveryEventRow),
            [{"delivery_id": id_, "at": now, "kind": kind, "state": state, "detail": detail} for id_ in ids],
        )
    return len(ids)
