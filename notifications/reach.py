"""Whom a notice reached: by institution and audience, who was told instead of whom, who cannot be reached at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from notifications.escalation import LEAST_PATIENCE, Rung
from notifications.models import (
    ContactRow,
    DeliveryRow,
    MessageRow,
    NoticeRow,
    RecipientRow,
    RungRow,
    ScopeRow,
    SuppressionRow,
)
from notifications.retries import State

#: Institution and audience.
Pair = tuple[str, str]

#: What people read. That a program took a notice tells nobody of anything.
PEOPLE = ("email", "sms")
#: From this rank of receipts on an SMS has left the provider for the reader's network.
_SENT = 3
#: How many of those who were not reached a rung names.
_NAMED = 20


@dataclass(slots=True)
class Standing:
    """How far a notice has come with the contacts of one institution and audience."""

    institution_name: str
    #: Whether anything is owed to it: not all was taken back, or told better by newer news.
    is_owed: bool = False
    is_reached: bool = False
    #: Whether it is left alone until its quiet hours end, and told then.
    is_held: bool = False
    #: Whether nobody there had a message of the intervention before.
    first: bool = True
    #: Systems that its contacts asked for; None: all that the audience uses.
    systems: frozenset[str] | None = frozenset()
    messages: tuple[int, ...] = ()

    @property
    def is_missed(self) -> bool:
        """Return whether somebody else has to be told instead."""
        return self.is_owed and not self.is_reached and not self.is_held


def reached() -> ColumnElement[bool]:
    """Return the condition that a delivery reached its reader, as far as its channel can tell."""
    # An SMS that the provider took may wait there; one in the outbox has no provider.
    sms_left = or_(DeliveryRow.receipt_rank >= _SENT, DeliveryRow.transport == "outbox")
    return or_(
        DeliveryRow.state == State.DELIVERED,
        and_(DeliveryRow.state == State.ACCEPTED, or_(DeliveryRow.channel != "sms", sms_left)),
    )


def standings(session: Session, notice_id: int, now: datetime) -> dict[Pair, Standing]:
    """Return how far a notice has come with each institution and audience that it was written for.

    One look at its deliveries, which are counted by their message. What nobody takes although its quiet hours are
    over, as on a channel that is stopped, is waited for no longer than a mail that is put off.
    """
    is_held = and_(DeliveryRow.state == State.HELD, DeliveryRow.due_at > now - LEAST_PATIENCE)
    dropped = DeliveryRow.state.in_((State.SUPERSEDED, State.CANCELLED))
    each = (
        select(
            DeliveryRow.message_id,
            _some(reached()).label("is_reached"),
            _some(is_held).label("is_held"),
            _some(~dropped).label("is_owed"),
        )
        .where(DeliveryRow.notice_id == notice_id)
        .group_by(DeliveryRow.message_id)
        .subquery()
    )
    rows = session.execute(
        select(
            MessageRow.id,
            MessageRow.first,
            ScopeRow.entries,
            each.c.is_reached,
            each.c.is_held,
            each.c.is_owed,
        )
        .join(ScopeRow, ScopeRow.id == MessageRow.scope_id)
        .outerjoin(each, each.c.message_id == MessageRow.id)
        .where(MessageRow.notice_id == notice_id, MessageRow.channel.in_(PEOPLE))
        .order_by(MessageRow.id)
    )
    found: dict[Pair, Standing] = {}
    for message_id, first, entries, is_reached, is_held, is_owed in rows:
        # Readers of no institution owe nobody that they read it.
        for entry in (entry for entry in entries if entry["institution"]):
            pair = (entry["institution"], entry["audience"])
            one = found.setdefault(pair, Standing(entry["institution_name"]))
            one.is_reached |= bool(is_reached)
            one.is_held |= bool(is_held)
            one.is_owed |= bool(is_owed)
            one.first &= first
            one.messages += (message_id,)
            mine = entry["systems"]
            one.systems = None if one.systems is None or mine is None else one.systems | set(mine)
    return found


def _some(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return that a condition holds for a row at least of a group."""
    return func.max(case((condition, 1), else_=0)) == 1


def missed(session: Session, notice_id: int, messages: Collection[int]) -> list[dict[str, Any]]:
    """Return some of the deliveries of these messages of a notice, in the words of a rung's record."""
    rows = session.execute(
        select(
            DeliveryRow.id,
            DeliveryRow.channel,
            RecipientRow.address,
            RecipientRow.name,
            DeliveryRow.state,
            DeliveryRow.outcome,
        )
        .join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
        .where(DeliveryRow.notice_id == notice_id, DeliveryRow.message_id.in_(messages))
        .order_by(DeliveryRow.id)
        .limit(_NAMED)
    )
    return [dict(zip(_MISSED, row, strict=True)) for row in rows]


_MISSED = ("delivery", "channel", "address", "name", "state", "outcome")


def rungs(
    session: Session, *, notice_id: int | None = None, institution: str | None = None
) -> Sequence[RungRow]:
    """Return the rungs that were climbed for a notice, or for an institution, in their order."""
    query = select(RungRow).order_by(RungRow.id)
    if notice_id is not None:
        query = query.where(RungRow.notice_id == notice_id)
    if institution is not None:
        query = query.where(RungRow.institution == institution)
    return session.scalars(query).all()


def rung_of(rungs_climbed: Iterable[RungRow]) -> dict[int, str]:
    """Return by the id of a delivery for whom it was sent instead: “standby HOSP-01/prescribers”."""
    found: dict[int, list[str]] = {}
    for rung in rungs_climbed:
        for told in rung.told:
            found.setdefault(told["delivery"], []).append(f"{rung.kind} {rung.institution}/{rung.audience}")
    return {delivery: ", ".join(words) for delivery, words in found.items()}


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A contact with an address that gets nothing."""

    name: str
    audience: str
    channel: str
    address: str
    #: hard_bounce, opt_out, …
    reason: str
    since: datetime
    #: None: until somebody lifts it.
    until: datetime | None


def unreachable(session: Session, institution: str, now: datetime) -> list[Unreachable]:
    """Return the contacts of an institution whose address gets nothing on its channel, in their order."""
    theirs = or_(
        and_(SuppressionRow.channel == "email", SuppressionRow.address == ContactRow.email),
        and_(SuppressionRow.channel == "sms", SuppressionRow.address == ContactRow.phone),
    )
    rows = session.execute(
        select(ContactRow, SuppressionRow)
        .join(SuppressionRow, theirs)
        .where(
            ContactRow.institution == institution,
            ContactRow.retired_at.is_(None),
            or_(SuppressionRow.expires_at.is_(None), SuppressionRow.expires_at > now),
        )
        .order_by(ContactRow.position, SuppressionRow.id)
    )
    return [
        Unreachable(c.name, c.audience, s.channel, s.address, s.reason, s.at, s.expires_at)
        for c, s in rows
        if s.channel in c.channels
    ]


@dataclass(frozen=True, slots=True)
class Missed:
    """An institution that no rung could reach: the operators have to."""

    notice: str
    reference: str
    kind: str
    institution: str
    audience: str
    since: datetime


def beyond_reach(session: Session, now: datetime) -> list[Missed]:
    """Return the institutions for which the operators were called, and that nothing has reached since.

    As long as the notice is of use.
    """
    rows = session.execute(
        select(RungRow, NoticeRow)
        .join(NoticeRow, NoticeRow.id == RungRow.notice_id)
        .where(RungRow.kind == Rung.OPERATORS, NoticeRow.state == "fanned_out", NoticeRow.expires_at > now)
        .order_by(RungRow.id)
    ).all()
    found = {notice.id: standings(session, notice.id, now) for _, notice in rows}
    return [
        Missed(n.public_id, n.reference, n.kind, rung.institution, rung.audience, rung.at)
        for rung, n in rows
        if found[n.id][rung.institution, rung.audience].is_missed
    ]
