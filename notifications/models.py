"""The ledger: who is in the directory, what we owe them, what each was sent, with what outcome."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from maintenance.database import Base, new_public_id

#: Makes an index small, whatever the ledger holds. Not by `state`: PostgreSQL writes an update into no index at all
#: when it changes no column that one of them names, its condition included.
_UNFINISHED: dict[str, Any] = dict.fromkeys(("postgresql_where", "sqlite_where"), text("finished_at IS NULL"))
_WAITS_FOR_RECEIPT = text("channel = 'sms' AND finished_at IS NOT NULL AND receipt_rank < 4")
_AWAITED: dict[str, Any] = dict.fromkeys(_UNFINISHED, _WAITS_FOR_RECEIPT)


class ContactRow(Base):
    """A person or desk of an institution, as the directory lists it."""

    __tablename__ = "contacts"
    __table_args__ = (UniqueConstraint("institution", "audience", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    institution: Mapped[str] = mapped_column(ForeignKey("institutions.code"), index=True)
    audience: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(255))
    #: Order of escalation within the institution, from 0.
    position: Mapped[int]
    email: Mapped[str] = mapped_column(String(320), default="")
    phone: Mapped[str] = mapped_column(String(20), default="")
    language: Mapped[str] = mapped_column(String(16))
    timezone: Mapped[str] = mapped_column(String(64))
    #: Channels it wants: ["email", "sms"]. One that stands by is told only when nobody else was reached.
    channels: Mapped[list[Any]]
    standby: Mapped[bool] = mapped_column(default=False, server_default=false())
    #: Codes of systems it cares about; empty means all that its audience uses.
    systems: Mapped[list[Any]]
    #: When it wants to be left alone, in its zone: "22:00-08:00"; empty: never.
    quiet_hours: Mapped[str] = mapped_column(String(11), default="")
    retired_at: Mapped[datetime | None]


class ScopeRow(Base):
    """For whom a message is written: one row for each distinct kind of reader, never changed.

    Recipients with equal scopes get equal messages but for tokens; an address that stands for several
    contacts has the scope of all of them together, so that it gets one message that credits each.
    """

    __tablename__ = "scopes"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: SHA-256 of the fields below, in canonical JSON.
    key: Mapped[str] = mapped_column(String(64), unique=True)
    language: Mapped[str] = mapped_column(String(16))
    timezone: Mapped[str] = mapped_column(String(64))
    #: [{institution, institution_name, audience, systems}]; `systems` null means all that the audience uses.
    entries: Mapped[list[Any]]


class ScopeInstitution(Base):
    """Which institutions a scope stands for: answers “what was this institution told”."""

    __tablename__ = "scope_institutions"

    scope_id: Mapped[int] = mapped_column(ForeignKey("scopes.id"), primary_key=True)
    institution: Mapped[str] = mapped_column(ForeignKey("institutions.code"), primary_key=True, index=True)


class RecipientRow(Base):
    """The ledger's key: one address on one channel, whatever it came from."""

    __tablename__ = "recipients"
    __table_args__ = (UniqueConstraint("channel", "address"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    #: Normalised: lower-case domain, E.164.
    address: Mapped[str] = mapped_column(String(320))
    name: Mapped[str] = mapped_column(String(255), default="")
    #: None when nothing leads to it any more; it stays for the ledger.
    scope_id: Mapped[int | None] = mapped_column(ForeignKey("scopes.id"), index=True)
    #: Of the first contact behind it, in the zone of the scope; empty: it is written to at any hour.
    quiet_hours: Mapped[str] = mapped_column(String(11), default="")


class NoticeRow(Base):
    """What we owe readers at an instant; planned at once, fanned out when due."""

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("event_id", "reference", "kind", "due_at"),
        Index("ix_notices_state_due_at", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(12), unique=True, default=new_public_id)
    #: The event it follows from.
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    reference: Mapped[str] = mapped_column(String(64), index=True)
    #: The version it tells of; with the reference it finds the version's row.
    sequence: Mapped[int]
    #: `timetable.NoticeKind`.
    kind: Mapped[str] = mapped_column(String(16))
    due_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    #: Lower goes first: 0 the night itself, 5 changes, 9 bulk announcements.
    priority: Mapped[int] = mapped_column(default=5)
    #: planned, fanned_out, superseded, expired.
    state: Mapped[str] = mapped_column(String(16), default="planned")
    #: How often it could not be fanned out, why, and when it is tried again: it does not hold up the others.
    failures: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str] = mapped_column(default="")
    retry_at: Mapped[datetime | None]
    #: What the composer needs beyond the version: {update, phase, systems, lead_seconds, because_of, altered}.
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: The notice of the same step whose readers are told there already, in the same message.
    lead_notice_id: Mapped[int | None] = mapped_column(ForeignKey("notices.id"))
    planned_at: Mapped[datetime]
    fanned_out_at: Mapped[datetime | None]
    #: A person paused it then: nothing of it is fanned out or sent until it is resumed.
    paused_at: Mapped[datetime | None]
    #: When it is looked at next whom it did not reach; None: not, or not any more.
    escalate_at: Mapped[datetime | None] = mapped_column(index=True)


class MessageRow(Base):
    """A notice's text for one kind of reader, rendered once; recipients differ by tokens only."""

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("notice_id", "channel", "scope_id", "first"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notices.id"), index=True)
    channel: Mapped[str] = mapped_column(String(16))
    scope_id: Mapped[int] = mapped_column(ForeignKey("scopes.id"))
    #: Whether it is for readers who had no message of this intervention before.
    first: Mapped[bool]
    language: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(default="")
    #: What is sent: a mail's bytes with tokens, an SMS in UTF-8.
    body: Mapped[bytes] = mapped_column(LargeBinary)
    #: SMS parts; 0 on other channels.
    parts: Mapped[int] = mapped_column(default=0)


class DeliveryRow(Base):
    """One message to one recipient on one channel: the ledger's row."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("notice_id", "sequence", "recipient_id", "channel"),
        Index("ix_deliveries_due", "channel", "priority", "due_at", "id", **_UNFINISHED),
        Index("ix_deliveries_unfinished", "recipient_id", "channel", **_UNFINISHED),
        Index("ix_deliveries_awaited", "finished_at", **_AWAITED),  # of SMS alone: a mail pays nothing for it
        {"postgresql_with": {"fillfactor": 50}},  # what is written into no index needs room on the row's page
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notices.id"))
    sequence: Mapped[int]
    recipient_id: Mapped[int] = mapped_column(ForeignKey("recipients.id"), index=True)
    channel: Mapped[str] = mapped_column(String(16))
    # Its rows lie all over an index: with one, an outcome takes PostgreSQL 25 us instead of 15.
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"))
    #: `retries.State`.
    state: Mapped[str] = mapped_column(String(20), default="queued")
    priority: Mapped[int]
    #: When the next try is due.
    due_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    #: When the last try began.
    tried_at: Mapped[datetime | None]
    #: How often nobody knew whether it had left: a mail is sent again after the first time only.
    ambiguities: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    #: How it travelled (smtp, twilio, outbox), and the provider's id of it.
    transport: Mapped[str] = mapped_column(String(16), default="")
    provider_id: Mapped[str | None] = mapped_column(String(255))
    #: `retries.FailureClass` of the last failure; empty when there was none.
    failure: Mapped[str] = mapped_column(String(20), default="")
    #: Highest receipt seen, forward only (`delivery.md` 2.1).
    receipt_rank: Mapped[int] = mapped_column(default=-1)
    #: The provider's last words, for people.
    outcome: Mapped[str] = mapped_column(default="")
    queued_at: Mapped[datetime]
    #: Set exactly while its state is none of `retries.UNFINISHED`.
    finished_at: Mapped[datetime | None]


class DeliveryEventRow(Base):
    """The append-only record of attempts and receipts."""

    __tablename__ = "delivery_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"), index=True)
    at: Mapped[datetime]
    #: attempt, receipt, lease_expired, operator, …
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class RungRow(Base):
    """The append-only record of escalation (`escalation.Rung`): who was not reached, who was told instead."""

    __tablename__ = "rungs"
    __table_args__ = (UniqueConstraint("notice_id", "institution", "audience", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notices.id"))
    institution: Mapped[str] = mapped_column(ForeignKey("institutions.code"), index=True)
    audience: Mapped[str] = mapped_column(String(64))
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]
    #: Both [{delivery, channel, address, name, …}]; of many that were missed, some.
    missed: Mapped[list[Any]]
    told: Mapped[list[Any]]


class PaceRow(Base):
    """Until when a provider's rate is used up, in seconds since 1970 by the database's clock."""

    __tablename__ = "paces"
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    used_until: Mapped[float]


class SuppressionRow(Base):
    """An address that gets nothing more on a channel, and why."""

    __tablename__ = "suppressions"
    __table_args__ = (UniqueConstraint("channel", "address"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(320))
    #: hard_bounce, complaint, opt_out, operator.
    reason: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class EndpointRow(Base):
    """A program or a chat room that an institution had registered: it hears what the institution's contacts do."""

    __tablename__ = "endpoints"
    __table_args__ = (UniqueConstraint("channel", "address"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(12), unique=True, default=new_public_id)
    #: webhook or chat.
    channel: Mapped[str] = mapped_column(String(16))
    #: `RecipientRow.address`: a webhook's URL; of a chat room a name, since its own address is a secret.
    address: Mapped[str] = mapped_column(String(320))
    institution: Mapped[str] = mapped_column(ForeignKey("institutions.code"), index=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    language: Mapped[str] = mapped_column(String(16))
    timezone: Mapped[str] = mapped_column(String(64))
    #: What signs a webhook's messages, or the address of a chat room.
    secret: Mapped[str]
    #: The one before, which signs as well until then: receivers need time to change theirs.
    old_secret: Mapped[str] = mapped_column(default="")
    old_secret_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    #: When it was paused; its address is suppressed then.
    paused_at: Mapped[datetime | None]
    paused_why: Mapped[str] = mapped_column(default="")


class EndpointEventRow(Base):
    """The append-only record of what people and the watch did with an endpoint."""

    __tablename__ = "endpoint_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id"), index=True)
    at: Mapped[datetime]
    #: added, rotated, paused, resumed.
    kind: Mapped[str] = mapped_column(String(16))
    by: Mapped[str] = mapped_column(String(255))
    words: Mapped[str] = mapped_column(default="")


class ChannelRow(Base):
    """A channel that had trouble, or was stopped; a channel without a row is open."""

    __tablename__ = "channels"

    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    #: Nothing is claimed before that: it rests by itself.
    paused_until: Mapped[datetime | None]
    #: Rests in a row; a success sets it back.
    strikes: Mapped[int] = mapped_column(default=0)
    #: When the first of them began.
    trouble_since: Mapped[datetime | None]
    #: The last trouble, for operators.
    words: Mapped[str] = mapped_column(default="")
    #: Nothing is claimed from then on, until a person resumes it.
    stopped_at: Mapped[datetime | None]
    #: Who stopped it: a person, or `breaker`.
    stopped_by: Mapped[str] = mapped_column(String(255), default="")


class ActRow(Base):
    """The append-only record of what people, and the breaker, did about sending: stops, resumes, tests."""

    __tablename__ = "acts"
    __table_args__ = (Index("ix_acts_what_name", "what", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    #: E-mail of the person, `system`, or `breaker`.
    by: Mapped[str] = mapped_column(String(255))
    #: paused, resumed, stopped and told (by the breaker), tested, silenced, lifted, or a `deciding.Decision`.
    kind: Mapped[str] = mapped_column(String(16))
    #: channel, notice, intervention, delivery or recipient.
    what: Mapped[str] = mapped_column(String(16))
    #: Name of the channel, public id of the notice, reference, number of the delivery or of the recipient.
    name: Mapped[str] = mapped_column(String(64))
    words: Mapped[str] = mapped_column(default="")


class EventProblem(Base):
    """An event of the log from which no notices could be planned yet; it does not hold up the others."""

    __tablename__ = "event_problems"

    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    failures: Mapped[int]
    problem: Mapped[str]
    retry_at: Mapped[datetime]


class LeaseRow(Base):
    """Which process does what only one may do at a time, and until when unless it says so again."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime]
