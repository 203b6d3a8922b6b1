"""Ledgers for tests: notices, recipients and deliveries as rows, without planning or fan-out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance.database import Database
from maintenance.models import EventRow, InstitutionRow
from notifications.channels.parcels import Outcome, Parcel
from notifications.models import (
    DeliveryEventRow,
    DeliveryRow,
    MessageRow,
    NoticeRow,
    RecipientRow,
    ScopeInstitution,
    ScopeRow,
)
from notifications.retries import AFTER, FailureClass, State

HOUR = timedelta(hours=1)


def a_scope(session: Session, key: str = "scope") -> ScopeRow:
    """Return a kind of reader: Portuguese, of no institution."""
    row = session.scalar(select(ScopeRow).where(ScopeRow.key == key))
    if row is None:
        row = ScopeRow(key=key, language="pt", timezone="Europe/Lisbon", entries=[])
        session.add(row)
        session.flush()
    return row


def a_recipient(session: Session, address: str, *, channel: str = "email") -> RecipientRow:
    """Return the recipient of that address."""
    row = session.scalar(
        select(RecipientRow).where(RecipientRow.address == address, RecipientRow.channel == channel)
    )
    if row is None:
        row = RecipientRow(channel=channel, address=address, name="", scope_id=a_scope(session).id)
        session.add(row)
        session.flush()
    return row


def a_notice(
    session: Session,
    *,
    now: datetime,
    reference: str = "INT-1",
    sequence: int = 0,
    kind: str = "announcement",
    useful_for: timedelta = 24 * HOUR,
    priority: int = 5,
) -> NoticeRow:
    """Return a fanned-out notice, with the event it follows from."""
    event = EventRow(at=now, kind="InterventionAnnounced", reference=reference, by="system", payload={})
    session.add(event)
    session.flush()
    row = NoticeRow(
        event_id=event.id,
        reference=reference,
        sequence=sequence,
        kind=kind,
        due_at=now,
        expires_at=now + useful_for,
        priority=priority,
        state="fanned_out",
        planned_at=now,
        fanned_out_at=now,
    )
    session.add(row)
    session.flush()
    return row


def deliveries_of(
    session: Session, notice: NoticeRow, addresses: Iterable[str], *, channel: str = "email"
) -> list[int]:
    """Queue one message of the notice to each address; return the deliveries' ids."""
    message = MessageRow(
        notice_id=notice.id,
        channel=channel,
        scope_id=a_scope(session).id,
        first=True,
        language="pt",
        subject=f"{notice.reference} {notice.kind}",
        body=b"Subject: words\r\n\r\nwords\r\n",
    )
    session.add(message)
    session.flush()
    rows = [
        DeliveryRow(
            notice_id=notice.id,
            sequence=notice.sequence,
            recipient_id=a_recipient(session, address, channel=channel).id,
            channel=channel,
            message_id=message.id,
            priority=notice.priority,
            due_at=notice.due_at,
            expires_at=notice.expires_at,
            queued_at=notice.due_at,
        )
        for address in addresses
    ]
    session.add_all(rows)
    session.flush()
    return [row.id for row in rows]


def queue(
    database: Database, addresses: Iterable[str], *, now: datetime, channel: str = "email", **notice: object
) -> list[int]:
    """Queue one notice to these addresses in a transaction of its own; return the deliveries' ids."""
    with database.write() as session:
        row = a_notice(session, now=now, **notice)  # type: ignore[arg-type]
        return deliveries_of(session, row, addresses, channel=channel)


def addresses(count: int) -> list[str]:
    """Return so many different addresses."""
    return [f"reader{number}@example.org" for number in range(count)]


def states(database: Database, ids: Sequence[int]) -> list[State]:
    """Return the state of each delivery."""
    with database.read() as session:
        found = dict(
            session.execute(select(DeliveryRow.id, DeliveryRow.state).where(DeliveryRow.id.in_(ids))).all()
        )
    return [State(found[id_]) for id_ in ids]


def delivery(database: Database, id_: int) -> DeliveryRow:
    """Return one delivery."""
    with database.read() as session:
        return session.get_one(DeliveryRow, id_)


def history(database: Database, id_: int) -> list[tuple[str, str]]:
    """Return what happened to a delivery: `(kind, state)` of each event."""
    with database.read() as session:
        rows = session.execute(
            select(DeliveryEventRow.kind, DeliveryEventRow.state)
            .where(DeliveryEventRow.delivery_id == id_)
            .order_by(DeliveryEventRow.id)
        )
        return [(kind, state) for kind, state in rows]


class ScriptedTransport:
    """A way out that does what its script says: outcomes by address, one after the other, then accepted."""

    def __init__(
        self,
        *,
        channel: str = "email",
        batch_size: int = 10,
        script: dict[str, Iterable[Outcome | BaseException]] | None = None,
    ) -> None:
        self.name = "scripted"
        self.channel = channel
        self.batch_size = batch_size
        self.sent: list[Parcel] = []
        self.batches: list[int] = []
        self._script = {address: list(outcomes) for address, outcomes in (script or {}).items()}

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        self.batches.append(len(parcels))
        for parcel in parcels:
            self.sent.append(parcel)
            scripted = self._script.get(parcel.recipient)
            outcome = (
                scripted.pop(0) if scripted else Outcome(State.ACCEPTED, provider_id=f"P{len(self.sent)}")
            )
            if isinstance(outcome, BaseException):
                raise outcome
            yield parcel.delivery_id, outcome

    def close(self) -> None:
        pass


def failed(failure: FailureClass, words: str = "no", *, retry_after: timedelta | None = None) -> Outcome:
    """Return a failed outcome of that class."""
    return Outcome(AFTER[failure], words=words, failure=failure, retry_after=retry_after)


def a_reader(
    session: Session,
    address: str,
    *systems: str,
    channel: str = "email",
    institution: str = "HSJ",
    language: str = "pt",
) -> RecipientRow:
    """Return a recipient of an institution that uses these systems; its scope is shared with equal readers."""
    scope = _scope_of(session, systems, institution, language)
    row = RecipientRow(channel=channel, address=address, name="", scope_id=scope.id)
    session.add(row)
    session.flush()
    return row


def many_readers(session: Session, addresses: Iterable[str], *systems: str) -> None:
    """Put in readers of mail who use these systems, all at once."""
    scope = _scope_of(session, systems, "HSJ", "pt")
    session.add_all(
        RecipientRow(channel="email", address=address, name="", scope_id=scope.id) for address in addresses
    )
    session.flush()


def _scope_of(session: Session, systems: Sequence[str], institution: str, language: str) -> ScopeRow:
    if session.get(InstitutionRow, institution) is None:
        session.add(InstitutionRow(code=institution, name=f"Institution {institution}"))
        session.flush()
    key = f"{institution}/{language}/{','.join(systems)}"
    scope = session.scalar(select(ScopeRow).where(ScopeRow.key == key))
    if scope is None:
        entry = {
            "institution": institution,
            "institution_name": f"Institution {institution}",
            "audience": "",
            "systems": list(systems),
        }
        scope = ScopeRow(key=key, language=language, timezone="Europe/Lisbon", entries=[entry])
        session.add(scope)
        session.flush()
        session.add(ScopeInstitution(scope_id=scope.id, institution=institution))
    return scope


def firsts(database: Database, kind: str) -> dict[str, bool]:
    """Return by its address whether each reader of a kind of notice got the text for those who had none before."""
    with database.read() as session:
        rows = session.execute(
            select(RecipientRow.address, MessageRow.first)
            .join(DeliveryRow, DeliveryRow.recipient_id == RecipientRow.id)
            .join(MessageRow, MessageRow.id == DeliveryRow.message_id)
            .join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
            .where(NoticeRow.kind == kind)
        )
        return dict(rows.all())
