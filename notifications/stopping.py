"""What keeps messages from leaving: channels that rest or are stopped, notices that are paused; each act recorded.

Every function takes an open write session unless it only reads, and leaves the commit to its caller.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from maintenance.errors import NotFound, StepRefused
from maintenance.lifecycle import Actor, Role
from notifications.breaker import Standing, after_trouble
from notifications.ledger import TABLE
from notifications.models import ActRow, ChannelRow, DeliveryRow, NoticeRow
from notifications.queries import get_notice, unfinished
from notifications.retries import FailureClass, State

_log = logging.getLogger(__name__)

#: Who stops a channel that fails for good; `system` is a person at the command line.
BREAKER = Actor("breaker", Role.ADMIN)
#: What can be stopped by name.
CHANNELS = ("email", "sms", "webhook", "chat")


class Gate(StrEnum):
    """Which deliveries of a channel may be claimed."""

    OPEN = "open"
    #: The breaker stopped it: only what tells of the night itself is tried, after each rest.
    URGENT_ONLY = "urgent_only"
    #: It rests, or a person stopped it.
    SHUT = "shut"


def gate(session: Session, channel: str, now: datetime) -> Gate:
    """Return what may be claimed of a channel now."""
    row = session.get(ChannelRow, channel)
    if row is None:
        return Gate.OPEN
    if row.stopped_at is not None and row.stopped_by != BREAKER.name:
        return Gate.SHUT
    if row.paused_until is not None and row.paused_until > now:
        return Gate.SHUT
    return Gate.OPEN if row.stopped_at is None else Gate.URGENT_ONLY


def paused_notices(session: Session) -> Sequence[int]:
    """Return the ids of the notices that a person paused."""
    return session.scalars(select(NoticeRow.id).where(NoticeRow.paused_at.is_not(None))).all()


def is_stopped(row: Any, *, urgent: int) -> ColumnElement[bool]:
    """Return the condition that a delivery must not begin: its notice is paused, or its channel stopped.

    A claim that was open while a person stopped it has leased rows since that nobody could take back.

    Args:
        row: What has the columns of a delivery.
        urgent: Up to this priority it is tried although the breaker stopped the channel.
    """
    paused_at = select(NoticeRow.paused_at).where(NoticeRow.id == row.notice_id).scalar_subquery()
    stop = select(ChannelRow.stopped_at).where(
        ChannelRow.channel == row.channel,
        or_(ChannelRow.stopped_by != BREAKER.name, row.priority > urgent),
    )
    return or_(paused_at.is_not(None), stop.scalar_subquery().is_not(None))


def note_trouble(session: Session, channel: str, *, words: str, is_config: bool, now: datetime) -> None:
    """Leave a channel in trouble alone for a while, longer each time in a row; stop it when that does not help.

    Args:
        session: An open write session.
        channel: Of which nothing went through.
        words: The provider's.
        is_config: Whether it refused us rather than readers.
        now: When it failed.
    """
    row = _locked(session, channel)
    was = Standing(row.strikes, row.trouble_since, row.paused_until, is_stopped=row.stopped_at is not None)
    found = after_trouble(was, is_config=is_config, readers=_readers_waiting(session, channel), now=now)
    row.strikes, row.trouble_since, row.paused_until = found.strikes, found.since, found.rests_until
    row.words = words
    if found.is_stopped and not was.is_stopped:
        row.stopped_at, row.stopped_by = now, BREAKER.name
        _take_back(session, DeliveryRow.channel == channel)
        note(session, "stopped", "channel", channel, by=BREAKER, words=words, now=now)
        _log.critical("The channel %s is stopped until a person resumes it: %s", channel, words)
    elif found != was:
        _log.error("The channel %s is left alone until %s: %s", channel, found.rests_until, words)


def all_is_well(session: Session, channel: str) -> None:
    """Forget a channel's trouble: something went through. What is stopped stays so."""
    session.execute(
        update(ChannelRow)
        .where(ChannelRow.channel == channel, ChannelRow.strikes > 0)
        .values(strikes=0, paused_until=None, trouble_since=None)
        .execution_options(synchronize_session=False)
    )


def pause(session: Session, name: str, *, words: str = "", by: Actor, now: datetime) -> None:
    """Stop a channel, or one notice, until a person resumes it; what expires meanwhile expires.

    At most the batch that is going out still goes.

    Args:
        session: An open write session.
        name: A channel, or the public id of a notice.
        words: Why, for those who find it stopped.
        by: An approver.
        now: The present instant.

    Raises:
        NotFound: If there is neither a channel nor a notice of that name.
        StepRefused: If the role is not enough, or it is stopped already.
    """
    _check(by)
    if name in CHANNELS:
        channel = _locked(session, name)
        if channel.stopped_at is not None and channel.stopped_by != BREAKER.name:
            raise StepRefused("The channel %(name)s is stopped already.", name=name)
        channel.stopped_at, channel.stopped_by, channel.words = now, by.name, words
        _take_back(session, DeliveryRow.channel == name)
    else:
        notice = _notice(session, name)
        if notice.paused_at is not None:
            raise StepRefused("The notice %(name)s is paused already.", name=name)
        if notice.state not in ("planned", "fanned_out"):
            raise StepRefused("Nothing of the notice %(name)s will be sent any more.", name=name)
        notice.paused_at = now
        _take_back(session, DeliveryRow.notice_id == notice.id)
    note(session, "paused", _what(name), name, by=by, words=words, now=now)


def resume(session: Session, name: str, *, by: Actor, now: datetime) -> None:
    """Let a channel or a notice go on; what was refused for our own fault is tried at once.

    Raises:
        NotFound: If there is neither a channel nor a notice of that name.
        StepRefused: If the role is not enough, or it is not stopped.
    """
    _check(by)
    if name in CHANNELS:
        channel = _locked(session, name)
        if channel.stopped_at is None and channel.paused_until is None:
            raise StepRefused("The channel %(name)s is not stopped.", name=name)
        channel.stopped_at, channel.stopped_by, channel.paused_until = None, "", None
        channel.strikes, channel.trouble_since, channel.words = 0, None, ""
        session.execute(
            update(TABLE)
            .where(TABLE.c.channel == name, unfinished(TABLE.c, [State.CONFIG_ERROR]))
            .values(due_at=now)
        )
    else:
        notice = _notice(session, name)
        if notice.paused_at is None:
            raise StepRefused("The notice %(name)s is not paused.", name=name)
        notice.paused_at = None
    note(session, "resumed", _what(name), name, by=by, now=now)


def note_test(session: Session, reference: str, *, by: Actor, words: str, now: datetime) -> None:
    """Record that a person had a message of an intervention sent to themselves."""
    note(session, "tested", "intervention", reference, by=by, words=words, now=now)


def stops(session: Session) -> Sequence[ChannelRow]:
    """Return the channels that wait for a person."""
    return session.scalars(
        select(ChannelRow).where(ChannelRow.stopped_at.is_not(None)).order_by(ChannelRow.channel)
    ).all()


def acts(session: Session, *, what: str = "", name: str = "", limit: int = 20) -> Sequence[ActRow]:
    """Return what was done about sending, newest first; of one channel, notice or intervention if named."""
    query = select(ActRow).order_by(ActRow.id.desc()).limit(limit)
    if what:
        query = query.where(ActRow.what == what)
    if name:
        query = query.where(ActRow.name == name)
    return session.scalars(query).all()


def _check(by: Actor) -> None:
    if not by.role.covers(Role.APPROVER):
        raise StepRefused("Only approvers may stop and resume sending; ask one of them.")


def _what(name: str) -> str:
    return "channel" if name in CHANNELS else "notice"


def _locked(session: Session, channel: str) -> ChannelRow:
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    # Two threads may be the first to have trouble; both then wait for the row's lock.
    session.execute(
        dialect.insert(ChannelRow)
        .values(channel=channel, strikes=0, words="", stopped_by="")
        .on_conflict_do_nothing()
    )
    return session.get_one(ChannelRow, channel, with_for_update=True, populate_existing=True)


def _notice(session: Session, public_id: str) -> NoticeRow:
    try:
        found = get_notice(session, public_id)
    except NotFound:
        raise NotFound(
            "There is neither a channel (%(channels)s) nor a notice %(name)s; `janela deliveries list` shows them.",
            channels=", ".join(CHANNELS),
            name=public_id,
        ) from None
    return session.get_one(NoticeRow, found.id, with_for_update=True, populate_existing=True)


def _readers_waiting(session: Session, channel: str) -> int:
    failed = unfinished(DeliveryRow, [State.RETRY_WAIT, State.CONFIG_ERROR, State.AMBIGUOUS])
    # A full mailbox and a handset that is off say nothing of the channel.
    return session.scalars(
        select(func.count(DeliveryRow.recipient_id.distinct())).where(
            DeliveryRow.channel == channel, failed, DeliveryRow.failure != FailureClass.TRANSIENT
        )
    ).one()


def _take_back(session: Session, which: ColumnElement[bool]) -> None:
    """Take from senders what they have not begun with."""
    session.execute(
        update(TABLE)
        .where(which, unfinished(TABLE.c, [State.LEASED]))
        .values(state=State.QUEUED, lease_owner=None, lease_until=None)
    )


def note(
    session: Session, kind: str, what: str, name: str, *, by: Actor, now: datetime, words: str = ""
) -> None:
    """Record an act of a person, or of the breaker; see `ActRow` for the words."""
    session.add(ActRow(at=now, by=by.name, kind=kind, what=what, name=name, words=words))
    session.flush()
