"""A notice's recipients in slices, by ascending id: which come next, what kinds of reader they are, their deliveries.

The statements name notice and sequence wherever they look up deliveries, and the slice's ids in subqueries too:
what a slice costs depends on its size, not on the ledger's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifications.ledger import TABLE, suppression
from notifications.models import DeliveryRow, MessageRow, NoticeRow, RecipientRow
from notifications.queries import has_deliveries, in_states, unfinished
from notifications.rendering import Variant
from notifications.retries import MAY_HAVE_REACHED, State


@dataclass(frozen=True, slots=True)
class Slice:
    """The recipients after an id up to another one; without that the rest, with whom the fan-out is complete."""

    after: int
    upto: int | None

    @property
    def is_last(self) -> bool:
        """Return whether nobody is left after it."""
        return self.upto is None

    def holds(self, recipient_id: Any) -> ColumnElement[bool]:
        """Return the condition that an id lies in it; the last one goes back to those before as well."""
        if self.upto is None:
            return true()
        return and_(recipient_id > self.after, recipient_id <= self.upto)


def next_slice(session: Session, *, after: int, sizes: tuple[int, int]) -> Slice:
    """Return the recipients that are next to be told.

    Args:
        session: To read from.
        after: Up to which recipient all were looked at.
        sizes: How many recipients the first slice has, and each later one.
    """
    upto = session.scalar(
        select(RecipientRow.id)
        .where(RecipientRow.id > after, RecipientRow.scope_id.is_not(None))
        .order_by(RecipientRow.id)
        .offset(sizes[after > 0] - 1)
        .limit(1)
    )
    return Slice(after, upto)


def furthest(session: Session, notice: NoticeRow) -> int:
    """Return the highest id of a recipient who has a delivery of a notice; 0 if nobody has."""
    return session.scalar(select(func.max(DeliveryRow.recipient_id)).where(_of(notice))) or 0


def _of(notice: NoticeRow) -> ColumnElement[bool]:
    return and_(DeliveryRow.notice_id == notice.id, DeliveryRow.sequence == notice.sequence)


@contextmanager
def without_nested_loops(session: Session) -> Iterator[None]:
    """Have PostgreSQL not compare every row with every row, which takes minutes, where it takes a table for empty.

    Of what a fan-out has just written its statistics know nothing, and it is too early for its own looking.
    """
    if session.get_bind().dialect.name != "postgresql":
        yield
        return
    session.execute(text("SET LOCAL enable_nestloop = off"))
    yield
    session.execute(text("SET LOCAL enable_nestloop = on"))


def refresh_statistics(session: Session) -> None:
    """Tell PostgreSQL how many rows there are, for whoever looks at them next."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("ANALYZE deliveries, recipients, messages, notices"))


def variants(session: Session, notice: NoticeRow, part: Slice) -> set[Variant]:
    """Return the kinds of reader that there are in a slice now, whomever the notice concerns."""
    who, is_first = _readers(session, notice, part)
    with without_nested_loops(session):
        rows = session.execute(
            select(RecipientRow.channel, RecipientRow.scope_id, is_first.label("first")).where(who).distinct()
        ).all()
    return {Variant(channel, cast(int, scope_id), bool(first)) for channel, scope_id, first in rows}


def moving_variants(session: Session, notice: NoticeRow, part: Slice) -> set[Variant]:
    """Return the kinds of reader that there may be in a moment: a message of the intervention is on its way to some."""
    who, _ = _readers(session, notice, part)
    waits = _has_delivery(part, _earlier(session, notice), unfinished(DeliveryRow))
    with without_nested_loops(session):
        rows = session.execute(
            select(RecipientRow.channel, RecipientRow.scope_id).where(who, waits).distinct()
        ).all()
    return {
        Variant(channel, cast(int, scope_id), first) for channel, scope_id in rows for first in (True, False)
    }


def written_variants(session: Session, notice: NoticeRow) -> set[Variant]:
    """Return the kinds of reader for whom a notice has a message."""
    rows = session.execute(
        select(MessageRow.channel, MessageRow.scope_id, MessageRow.first).where(
            MessageRow.notice_id == notice.id
        )
    )
    return {Variant(*row) for row in rows}


def _earlier(session: Session, notice: NoticeRow) -> Sequence[NoticeRow]:
    """Return the other notices of the intervention that have deliveries, whatever became of them."""
    return session.scalars(
        select(NoticeRow).where(
            NoticeRow.reference == notice.reference, NoticeRow.id != notice.id, has_deliveries(NoticeRow.id)
        )
    ).all()


def _readers(
    session: Session, notice: NoticeRow, part: Slice
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions that a recipient is of a slice, and that they had no message of this intervention for sure."""
    conditions = [RecipientRow.scope_id.is_not(None), part.holds(RecipientRow.id)]
    if part.is_last and part.after:
        # Who came into the directory meanwhile may have a lower number than whoever was looked at.
        conditions.append(~_has_delivery(part, [notice]))
    if notice.lead_notice_id is not None:
        lead = session.get_one(NoticeRow, notice.lead_notice_id)
        closed = in_states(DeliveryRow.state, (State.SUPERSEDED, State.CANCELLED))
        conditions.append(~_has_delivery(part, [lead], ~closed))
    # What was in doubt once may have arrived, whatever closed it afterwards.
    had = or_(in_states(DeliveryRow.state, MAY_HAVE_REACHED), DeliveryRow.ambiguities > 0)
    return and_(*conditions), ~_has_delivery(part, _earlier(session, notice), had)


def _has_delivery(
    part: Slice, notices: Sequence[NoticeRow], *which: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Return the condition that a recipient of a slice has a delivery of one of these notices."""
    if not notices:
        return false()
    return exists(
        select(DeliveryRow.id).where(
            or_(*map(_of, notices)),
            part.holds(DeliveryRow.recipient_id),
            DeliveryRow.recipient_id == RecipientRow.id,
            *which,
        )
    )


def insert_deliveries(session: Session, notice: NoticeRow, part: Slice, now: datetime) -> int:
    """Write one delivery for each recipient of a slice whose kind of reader has a message; return how many.

    Repeated, it adds nothing.
    """
    no_more = suppression(RecipientRow.channel, RecipientRow.address, now)
    columns: dict[str, ColumnElement[Any]] = {
        "notice_id": literal(notice.id),
        "sequence": literal(notice.sequence),
        "recipient_id": cast(ColumnElement[Any], RecipientRow.id),
        "channel": cast(ColumnElement[Any], RecipientRow.channel),
        "message_id": cast(ColumnElement[Any], MessageRow.id),
        "state": case((no_more, State.SUPPRESSED.value), else_=State.QUEUED.value),
        "finished_at": case((no_more, literal(now, TABLE.c.finished_at.type)), else_=null()),
        "priority": literal(notice.priority),
        "due_at": literal(notice.due_at, TABLE.c.due_at.type),
        "expires_at": literal(notice.expires_at, TABLE.c.expires_at.type),
        "queued_at": literal(now, TABLE.c.queued_at.type),
        "attempts": literal(0),
        "ambiguities": literal(0),
        "receipt_rank": literal(-1),
        "transport": literal(""),
        "failure": literal(""),
        "outcome": literal(""),
    }
    who, is_first = _readers(session, notice, part)
    # One statement for each value of `first`: joining on the condition itself would have PostgreSQL ask it for
    # every pair of recipient and message.
    with without_nested_loops(session):
        return sum(
            _insert_for(session, notice, columns, and_(who, MessageRow.first.is_(first), which))
            for first, which in ((True, is_first), (False, ~is_first))
        )


def _insert_for(
    session: Session, notice: NoticeRow, columns: dict[str, ColumnElement[Any]], which: ColumnElement[bool]
) -> int:
    rows = (
        select(*columns.values())
        .select_from(RecipientRow)
        .join(
            MessageRow,
            and_(
                MessageRow.notice_id == notice.id,
                MessageRow.scope_id == RecipientRow.scope_id,
                MessageRow.channel == RecipientRow.channel,
            ),
        )
        .where(which)
    )
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(TABLE).from_select(list(columns), rows).on_conflict_do_nothing()
    # How many rows an INSERT made is dropped by default.
    done = session.connection().execute(statement, execution_options={"preserve_rowcount": True})
    return cast("CursorResult[Any]", done).rowcount
