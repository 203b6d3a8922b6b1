"""Asking providers what became of messages: those in doubt, and those whose receipt never came. USE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, or_, select
from sqlalchemy.orm import Session

from maintenance.runtime import Runtime
from notifications import sending
from notifications.channels import inquirer_of
from notifications.channels.parcels import Inquirer, Report, Transport
from notifications.channels.sms_codes import RANKS, meaning, more_tries, words
from notifications.models import DeliveryEventRow, DeliveryRow, MessageRow, RecipientRow
from notifications.queries import in_states, unfinished
from notifications.retries import State

#: A message in doubt is asked about when so much time has passed since anything was heard of it.
ASK_ABOUT_DOUBT_AFTER = timedelta(minutes=1)
#: One that was handed over without a final receipt.
ASK_ABOUT_STRAGGLER_AFTER = timedelta(minutes=20)
#: After that nobody is asked any more: the provider's answer would change nothing.
ASK_FOR = timedelta(hours=36)
#: How many are asked about in one look, of each kind: each is a request of up to ten seconds.
AT_ONCE = 20
#: Clocks differ: a provider may date a message a little before we began to send it.
_CLOCK_SLACK = timedelta(minutes=2)

Query = Select[int, str, bytes, str | None, datetime | None]
_FINAL_RANK = RANKS["delivered"]


@dataclass(frozen=True, slots=True)
class _Question:
    delivery_id: int
    recipient: str
    text: str
    provider_id: str | None
    tried_at: datetime


def ask_providers(runtime: Runtime, transports: Mapping[str, Transport]) -> int:
    """Return how many deliveries an answer brought forward; safe to repeat at any time.

    No database session is held while a provider is asked, and nothing is ever sent: a message that
    the provider does not know stays in doubt until a person decides.
    """
    moved = 0
    for channel, transport in transports.items():
        inquirer = inquirer_of(transport)
        if inquirer is not None:
            moved += sum(_settle(runtime, question, inquirer) for question in _doubts(runtime, channel))
            moved += sum(
                _follow(runtime, question, inquirer) for question in _stragglers(runtime, channel, inquirer)
            )
    return moved


def _doubts(runtime: Runtime, channel: str) -> Sequence[_Question]:
    return _read(runtime, doubts(channel, runtime.clock()))


def _stragglers(runtime: Runtime, channel: str, inquirer: Inquirer) -> Sequence[_Question]:
    return _read(runtime, stragglers(channel, inquirer.name, runtime.clock()))


def doubts(channel: str, now: datetime) -> Query:
    """Return the query for the messages of a channel that are in doubt, those first that have waited longest."""
    waits = and_(_awaited(channel, now), in_states(DeliveryRow.state, [State.NEEDS_REVIEW]))
    in_doubt = or_(and_(_of(channel), unfinished(DeliveryRow, [State.AMBIGUOUS])), waits)
    return _questions(in_doubt, silent_for=ASK_ABOUT_DOUBT_AFTER, now=now)


def stragglers(channel: str, transport: str, now: datetime) -> Query:
    """Return the query for the messages whose last receipt did not come, those first that have waited longest."""
    taken = and_(
        _awaited(channel, now),
        in_states(DeliveryRow.state, [State.ACCEPTED]),
        DeliveryRow.transport == transport,
        DeliveryRow.provider_id.is_not(None),
    )
    return _questions(taken, silent_for=ASK_ABOUT_STRAGGLER_AFTER, now=now)


def _awaited(channel: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition that a last word is awaited, in the words of `ix_deliveries_awaited`."""
    # What began by then cannot have ended before.
    is_recent = DeliveryRow.finished_at > now - ASK_FOR
    return and_(_of(channel), is_recent, DeliveryRow.receipt_rank < literal_column(str(_FINAL_RANK)))


def _of(channel: str) -> ColumnElement[bool]:
    """Return the condition with the channel as a literal, so that an index of one channel alone can serve."""
    return DeliveryRow.channel == literal_column(f"'{channel}'")


def _questions(which: ColumnElement[bool], *, silent_for: timedelta, now: datetime) -> Query:
    last_heard = (
        select(func.max(DeliveryEventRow.at))
        .where(DeliveryEventRow.delivery_id == DeliveryRow.id)
        .scalar_subquery()
    )
    return (
        select(
            DeliveryRow.id,
            RecipientRow.address,
            MessageRow.body,
            DeliveryRow.provider_id,
            DeliveryRow.tried_at,
        )
        .join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
        .join(MessageRow, MessageRow.id == DeliveryRow.message_id)
        .where(
            DeliveryRow.tried_at > now - ASK_FOR,
            DeliveryRow.tried_at <= now - silent_for,
            which,
            last_heard <= now - silent_for,
        )
        # Who has waited longest, so that messages which nobody knows keep no others from being asked about.
        .order_by(last_heard, DeliveryRow.tried_at)
        .limit(AT_ONCE)
    )


def _read(runtime: Runtime, query: Query) -> Sequence[_Question]:
    with runtime.database.read() as session:
        return [
            _Question(id_, address, body.decode(), provider_id, tried_at)
            for id_, address, body, provider_id, tried_at in session.execute(query)
            if tried_at is not None
        ]


def _settle(runtime: Runtime, doubt: _Question, inquirer: Inquirer) -> bool:
    """Find the message of a delivery in doubt, and take over what became of it."""
    found = inquirer.find_sent(doubt.recipient, doubt.text, since=doubt.tried_at - _CLOCK_SLACK)
    with runtime.database.write() as session:
        known = set(
            session.scalars(
                select(DeliveryRow.provider_id)
                .join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
                .where(RecipientRow.address == doubt.recipient, DeliveryRow.id != doubt.delivery_id)
            )
        )
        # The same words may have gone to the same number for another delivery.
        report = next((report for report in found if report.provider_id not in known), None)
        return _record(session, doubt.delivery_id, report, now=runtime.clock())


def _follow(runtime: Runtime, straggler: _Question, inquirer: Inquirer) -> bool:
    """Ask what became of a message whose receipt did not come."""
    report = inquirer.look_up(straggler.provider_id or "")
    with runtime.database.write() as session:
        return _record(session, straggler.delivery_id, report, now=runtime.clock())


def _record(session: Session, delivery_id: int, report: Report | None, *, now: datetime) -> bool:
    """Keep the answer, or that there was none: the next question waits from here on."""
    rank = RANKS.get(report.status) if report is not None else None
    if report is None or rank is None:
        state = session.get_one(DeliveryRow, delivery_id).state
        session.add(DeliveryEventRow(delivery_id=delivery_id, at=now, kind="asked", state=state, detail={}))
        return False
    state, failure = meaning(report.status, report.code)
    return sending.record_receipt(
        session,
        delivery_id,
        provider_id=report.provider_id,
        state=state,
        rank=rank,
        words=words(report.status, report.code),
        failure=failure,
        at=now,
        detail={"status": report.status, "code": report.code, "asked": True},
        more_tries=more_tries(report.status, report.code),
    )
