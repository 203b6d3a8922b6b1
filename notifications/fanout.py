"""A due notice → its messages and deliveries: each kind of reader rendered once, then one INSERT … SELECT.

Rendering happens before the write transaction opens, so that nobody waits for it. What the
directory became meanwhile is checked inside; if it is not what was rendered for, the next look
begins anew. Repeating a fan-out adds nothing: a delivery is unique per notice, version, recipient
and channel.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    and_,
    case,
    exists,
    false,
    insert,
    literal,
    null,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from maintenance.runtime import Runtime
from notifications import overtaking
from notifications.ledger import TABLE, suppression
from notifications.messages import Composed, compose
from notifications.models import DeliveryRow, MessageRow, NoticeRow, RecipientRow, ScopeRow
from notifications.overtaking import Overtaking
from notifications.planning import retry_delay
from notifications.queries import due_notices, in_states, overtaken, reader_of, site_of, story_of
from notifications.rendering import Variant, message_row
from notifications.retries import MAY_HAVE_REACHED, State

_log = logging.getLogger(__name__)


class _Moved(Exception):
    """The directory, or what was told of the intervention, changed while messages were rendered."""


def fan_out_due(runtime: Runtime, now: datetime) -> int:
    """Fan out every notice that is due, the most urgent first; return how many deliveries that made.

    A notice that fails is put off and shown as a problem; the others go on. Announcements that a start would
    overtake go just before it, so that it finds them and closes what has not left.
    """
    with runtime.database.read() as session:
        due = due_notices(session, now)
        rows = {row.id: row for row in session.scalars(select(NoticeRow).where(NoticeRow.id.in_(due)))}
        before = {id_: [row.id for row in overtaken(session, rows[id_], "planned")] for id_ in due}
    ids = dict.fromkeys(one for id_ in due for one in (*(o for o in before[id_] if o in rows), id_))
    return sum(_fan_out_one(runtime, notice_id, now) for notice_id in ids)


def _fan_out_one(runtime: Runtime, notice_id: int, now: datetime) -> int:
    try:
        return fan_out(runtime, notice_id, now)
    except _Moved:
        _log.info("What notice %s was rendered for has changed; it is rendered anew", notice_id)
        return 0
    except Exception as error:
        _log.exception("Notice %s could not be fanned out", notice_id)
        with runtime.database.write() as session:
            notice = session.get_one(NoticeRow, notice_id)
            notice.failures += 1
            notice.problem = f"{type(error).__name__}: {error}"[:2000]
            notice.retry_at = now + retry_delay(notice.failures)
        return 0


def fan_out(runtime: Runtime, notice_id: int, now: datetime) -> int:
    """Fan out one notice, unless that was done or its use has passed; return how many deliveries that made."""
    rendered = _render(runtime, notice_id, now)
    with runtime.database.write() as session:
        notice = session.get_one(NoticeRow, notice_id, with_for_update=True)
        if notice.state != "planned":
            return 0
        if notice.expires_at <= now:
            notice.state = "expired"
            return 0
        if _waits_for_lead(session, notice):
            return 0
        overtaking.take_turn(session, notice)
        if not _variants(session, notice) <= rendered.variants:
            raise _Moved
        if not overtaking.met_by(session, notice) <= rendered.meets.met:
            raise _Moved
        if rendered.messages:
            session.connection().execute(insert(MessageRow), rendered.messages)
        _refresh_statistics(session)
        made = _insert_deliveries(session, notice, now)
        if rendered.meets.told_all:
            _refresh_statistics(session)
            overtaking.close_overtaken(session, notice, rendered.meets, now)
        notice.state, notice.fanned_out_at = "fanned_out", now
        notice.problem, notice.retry_at = "", None
        return made


def _waits_for_lead(session: Session, notice: NoticeRow) -> bool:
    """Return whether the notice that may tell this one's readers is still to come; one that fails is not."""
    lead = session.get(NoticeRow, notice.lead_notice_id) if notice.lead_notice_id else None
    return lead is not None and lead.state == "planned" and lead.failures == 0


@dataclass(frozen=True, slots=True)
class _Rendered:
    """What was rendered, and for which kinds of reader it was looked at whether the notice concerns them."""

    messages: list[dict[str, Any]]
    variants: set[Variant]
    meets: Overtaking = field(default_factory=Overtaking)


def _render(runtime: Runtime, notice_id: int, now: datetime) -> _Rendered:
    with runtime.database.read() as session:
        notice = session.get_one(NoticeRow, notice_id)
        if notice.state != "planned" or notice.expires_at <= now:
            return _Rendered([], set())
        variants = _variants(session, notice)
        wanted = {variant.scope_id for variant in variants}
        scopes = {row.id: row for row in session.scalars(select(ScopeRow)) if row.id in wanted}
        story = story_of(session, notice, site_of(runtime.settings))
        meets = overtaking.look(session, notice, story, scopes.values())
    # What a kind of reader is told is composed once for all channels.
    composed: dict[tuple[int, bool], Composed | None] = {}
    messages = []
    for variant in sorted(variants, key=lambda v: (v.scope_id, v.first, v.channel)):
        key = (variant.scope_id, variant.first)
        reader = reader_of(scopes[variant.scope_id], first=variant.first)
        if key not in composed:
            composed[key] = compose(story, reader) if story.is_news_for(reader) else None
        if (words := composed[key]) is not None:
            messages.append(message_row(variant, words, story, reader, notice, now))
    return _Rendered([message for message in messages if message["body"]], variants, meets)


def _variants(session: Session, notice: NoticeRow) -> set[Variant]:
    """Return the kinds of reader that there are now, whomever the notice concerns."""
    first = _is_first(session, notice).label("first")
    rows = session.execute(
        select(RecipientRow.channel, RecipientRow.scope_id, first)
        .where(RecipientRow.scope_id.is_not(None), ~_told_by_lead(notice))
        .distinct()
    )
    return {Variant(channel, cast(int, scope_id), bool(is_first)) for channel, scope_id, is_first in rows}


def _is_first(session: Session, notice: NoticeRow) -> ColumnElement[bool]:
    """Return the condition that a recipient had no message of this intervention, for sure."""
    earlier = session.scalars(
        select(NoticeRow.id).where(
            NoticeRow.reference == notice.reference,
            NoticeRow.id != notice.id,
            NoticeRow.state.in_(("fanned_out", "superseded")),
        )
    ).all()
    if not earlier:
        return true()
    return ~exists(
        select(DeliveryRow.id).where(
            DeliveryRow.notice_id.in_(earlier),
            DeliveryRow.recipient_id == RecipientRow.id,
            # What was in doubt once may have arrived, whatever closed it afterwards.
            or_(in_states(DeliveryRow.state, MAY_HAVE_REACHED), DeliveryRow.ambiguities > 0),
        )
    )


def _told_by_lead(notice: NoticeRow) -> ColumnElement[bool]:
    """Return the condition that a recipient is told by the notice that this one follows."""
    if notice.lead_notice_id is None:
        return false()
    return exists(
        select(DeliveryRow.id).where(
            DeliveryRow.notice_id == notice.lead_notice_id,
            DeliveryRow.recipient_id == RecipientRow.id,
            ~in_states(DeliveryRow.state, (State.SUPERSEDED, State.CANCELLED)),
        )
    )


def _refresh_statistics(session: Session) -> None:
    """Tell PostgreSQL how many rows there are: a fan-out soon after another is too early for its own looking.

    Thinking the ledger empty it compares every reader with every row: 126,683 take minutes, not seconds.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("ANALYZE deliveries, recipients, messages, notices"))


def _insert_deliveries(session: Session, notice: NoticeRow, now: datetime) -> int:
    """Write one delivery for each recipient whose kind of reader has a message; repeated, it adds nothing."""
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
    is_first = _is_first(session, notice)
    # One statement for each value of `first`: joining on the condition itself would have PostgreSQL ask it for
    # every pair of recipient and message.
    return sum(
        _insert_for(session, notice, columns, and_(MessageRow.first.is_(first), which))
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
        .where(~_told_by_lead(notice), which)
    )
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(TABLE).from_select(list(columns), rows).on_conflict_do_nothing()
    # How many rows an INSERT made is dropped by default.
    done = session.connection().execute(statement, execution_options={"preserve_rowcount": True})
    return cast("CursorResult[Any]", done).rowcount
