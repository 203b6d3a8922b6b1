"""The ledger's writing: what became of each try, what is closed unsent, which addresses get no more.

Every function takes an open write session and leaves the commit to its caller; each changes many
rows at once, never one by one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    JSON,
    ColumnElement,
    Insert,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from maintenance.database import UtcDateTime
from notifications.channels.parcels import Outcome
from notifications.models import DeliveryEventRow, DeliveryRow, RecipientRow, SuppressionRow
from notifications.queries import in_states
from notifications.retries import UNFINISHED, FailureClass, State, after_failure
from notifications.row_sets import as_value, instants_for, rows_of

#: An ambiguous mail is sent again after that: time for a server in trouble to come back.
RESEND_AFTER = timedelta(seconds=15)
#: How long an address that does not exist gets nothing: the directory may have been wrong, or is mended.
HARD_BOUNCE_LASTS = timedelta(days=30)

#: The kind of event that tells of a person's decision (`deciding`).
DECIDED = "operator"

#: The table itself: statements on it skip what the ORM would do for objects in memory, of which there are none.
TABLE = cast(Table, DeliveryRow.__table__)


class MessageFacts(NamedTuple):
    """What deliveries of one message have in common: read once for all of them."""

    id: int
    subject: str
    notice_public_id: str
    sequence: int
    reference: str
    kind: str
    #: Whether its notice was, meanwhile.
    is_superseded: bool
    #: Of its readers.
    timezone: str


class Claim(NamedTuple):
    """A delivery under our lease, with what its parcel needs but the message's bytes."""

    id: int
    message: MessageFacts
    address: str
    name: str
    queued_at: datetime
    expires_at: datetime
    attempts: int
    #: `retries.FailureClass` of the try before; "" when there was none, or it was taken.
    failure: str = ""


def suppression(channel: Any, address: Any, now: Any) -> ColumnElement[bool]:
    """Return the condition that an address gets nothing on a channel now."""
    return exists(
        select(SuppressionRow.id).where(
            SuppressionRow.channel == channel,
            SuppressionRow.address == address,
            or_(SuppressionRow.expires_at.is_(None), SuppressionRow.expires_at > now),
        )
    )


def record(
    session: Session, results: Sequence[tuple[Claim, Outcome]], *, owner: str, transport: str, now: datetime
) -> None:
    """Write down how tries ended: the rows, and one event for each.

    A receipt that came before the answer stands; a row that was taken over by another sender
    meanwhile keeps its state, and the event tells of the try all the same.

    Args:
        session: An open write session.
        results: Each claim that was tried, with how that ended.
        owner: Who took them.
        transport: How they travelled unless their outcome says otherwise.
        now: The present instant.
    """
    if not results:
        return
    connection = session.connection()
    instant = instants_for(connection.dialect)
    refused = [found.id for found, outcome in results if outcome.failure is FailureClass.REFUSED]
    refusals = _refusals_before(session, refused) if refused else {}
    tries = as_value(
        _tried(found, outcome, now, instant, refusals.get(found.id, 0)) for found, outcome in results
    )
    recorded, noted = _recording(connection.dialect.name)
    connection.execute(recorded, {"tries": tries, "owner": owner, "way": transport, "now": now})
    connection.execute(noted, {"tries": tries, "now": now})
    for found, outcome in results:
        if outcome.failure in _SUPPRESSING:
            suppress(session, found.id, reason=_SUPPRESSING[outcome.failure], now=now)


def _refusals_before(session: Session, ids: Collection[int]) -> dict[int, int]:
    """Return how often each of these deliveries was refused before, since a person had it sent again if one did."""
    rows = session.execute(
        select(DeliveryEventRow.delivery_id, DeliveryEventRow.kind, DeliveryEventRow.detail)
        .where(DeliveryEventRow.delivery_id.in_(ids), DeliveryEventRow.kind.in_(("attempt", DECIDED)))
        .order_by(DeliveryEventRow.id)
    )
    found: dict[int, int] = {}
    for id_, kind, detail in rows:
        if kind == DECIDED:
            found[id_] = 0
        elif detail.get("failure") == FailureClass.REFUSED:
            found[id_] = found.get(id_, 0) + 1
    return found


def _tried(
    found: Claim,
    outcome: Outcome,
    now: datetime,
    instant: Callable[[datetime], str],
    refusals: int,
) -> dict[str, Any]:
    """Return one try as a row for `_recording`, which knows what to make of fields that are left out."""
    state, due_at, failure = outcome.state, None, outcome.failure
    if failure is not None:
        step = after_failure(
            failure,
            # A relay that was away for hours has refused nobody yet.
            attempts=1 + (refusals if failure is FailureClass.REFUSED else found.attempts),
            now=now,
            expires_at=found.expires_at,
            retry_after=outcome.retry_after,
            jitter=random.uniform(-1, 1),  # noqa: S311 - spreads the next tries of many
        )
        state, due_at = step.state, step.due_at
    if state is State.AMBIGUOUS:
        due_at = now + RESEND_AFTER
    known = {"words": outcome.words, "failure": failure, "provider_id": outcome.provider_id}
    said = {key: value for key, value in known.items() if value}
    row = {"id": found.id, "attempt": found.attempts + 1, "state": state, **said}
    row["detail"] = {"attempt": found.attempts + 1, **said}
    if due_at is not None:
        row["due_at"] = instant(due_at)
    if outcome.transport:
        row["transport"] = outcome.transport
    return row


@cache
def _recording(dialect: str) -> tuple[Update, Insert]:
    """Return what writes the rows of `tries`, and their events."""
    tries = rows_of(
        dialect,
        "tries",
        id=TABLE.c.id.type,
        attempt=TABLE.c.attempts.type,
        state=TABLE.c.state.type,
        due_at=TABLE.c.due_at.type,
        failure=TABLE.c.failure.type,
        provider_id=TABLE.c.provider_id.type,
        words=Text(),
        transport=TABLE.c.transport.type,
        detail=JSON(),
    )
    now = bindparam("now", type_=UtcDateTime())
    # Not of a try before that one, of which somebody thought that its sender was dead.
    ours = and_(
        in_states(TABLE.c.state, (State.SENDING, State.AMBIGUOUS)),
        TABLE.c.lease_owner == bindparam("owner"),
        TABLE.c.attempts == tries.c.attempt,
    )
    changed = {
        "state": tries.c.state,
        "due_at": func.coalesce(tries.c.due_at, TABLE.c.due_at),
        "finished_at": case((~in_states(tries.c.state, UNFINISHED), now), else_=null()),
        "ambiguities": TABLE.c.ambiguities + case((tries.c.state == State.AMBIGUOUS, 1), else_=0),
        "failure": func.coalesce(tries.c.failure, ""),
        "outcome": func.coalesce(tries.c.words, ""),
    }
    recorded = (
        update(TABLE)
        .where(TABLE.c.id == tries.c.id)
        .values({name: case((ours, value), else_=TABLE.c[name]) for name, value in changed.items()})
        .values(
            provider_id=func.coalesce(tries.c.provider_id, TABLE.c.provider_id),
            transport=func.coalesce(tries.c.transport, bindparam("way")),
        )
    )
    noted = insert(DeliveryEventRow).from_select(
        ["delivery_id", "at", "kind", "state", "detail"],
        select(tries.c.id, now, literal_column("'attempt'"), tries.c.state, tries.c.detail),
        include_defaults=False,
    )
    return recorded, noted


#: Failures after which an address gets nothing more on its channel, and the reason that is noted.
_SUPPRESSING = {FailureClass.OPT_OUT: "opt_out", FailureClass.RECIPIENT_PERMANENT: "hard_bounce"}


def suppress(session: Session, delivery_id: int, *, reason: str, now: datetime) -> None:
    """Note that the address of a delivery gets nothing more on its channel; see `suppress_address`."""
    channel, address = session.execute(
        select(RecipientRow.channel, RecipientRow.address)
        .join(DeliveryRow, DeliveryRow.recipient_id == RecipientRow.id)
        .where(DeliveryRow.id == delivery_id)
    ).one()
    suppress_address(session, channel, address, reason=reason, now=now)


def suppress_address(session: Session, channel: str, address: str, *, reason: str, now: datetime) -> bool:
    """Note that an address gets nothing more on a channel; return whether that is new.

    Once noted, the first note stands; but a reader's own wish outranks what would run out.
    """
    until = now + HARD_BOUNCE_LASTS if reason == "hard_bounce" else None
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    # A mail program may post twice at once: both then wait for the row's lock, and one of them made it.
    made = session.scalar(
        dialect.insert(SuppressionRow)
        .values(channel=channel, address=address, reason=reason, at=now, expires_at=until)
        .on_conflict_do_nothing()
        .returning(SuppressionRow.id)
    )
    if made is not None:
        return True
    row = session.scalars(
        select(SuppressionRow)
        .where(SuppressionRow.channel == channel, SuppressionRow.address == address)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if row.expires_at is None or (row.expires_at > now and reason != "opt_out"):
        return False
    row.reason, row.at, row.expires_at = reason, now, until
    session.flush()
    return True


def lift_opt_out(session: Session, channel: str, address: str) -> bool:
    """Let an address whose reader had asked for no more get messages again; return whether that changed anything.

    What else keeps it from getting any stands: the reader knows nothing of that.
    """
    lifted = session.scalars(
        delete(SuppressionRow)
        .where(
            SuppressionRow.channel == channel,
            SuppressionRow.address == address,
            SuppressionRow.reason == "opt_out",
        )
        .returning(SuppressionRow.id)
    )
    return bool(lifted.all())


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
