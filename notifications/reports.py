"""Who was told what, when, on which channel, with what outcome: rows for pages, commands and spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from itertools import chain

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import Session

from maintenance.errors import NotFound
from notifications.models import (
    DeliveryEventRow,
    DeliveryRow,
    MessageRow,
    NoticeRow,
    RecipientRow,
    ScopeInstitution,
)
from notifications.retries import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deliveries: all conditions that are given hold together."""

    reference: str | None = None
    #: Public id of a notice.
    notice: str | None = None
    #: Code of an institution for which the message was written, whatever its address stands for today.
    institution: str | None = None
    address: str | None = None
    channel: str | None = None
    states: Collection[State] = ()
    #: Part of an address or of a name.
    words: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return them in SQL, over deliveries joined with notices, messages and recipients."""
        found: list[ColumnElement[bool]] = []
        if self.reference is not None:
            found.append(NoticeRow.reference == self.reference)
        if self.notice is not None:
            found.append(NoticeRow.public_id == self.notice)
        if self.institution is not None:
            found.append(
                exists().where(
                    ScopeInstitution.scope_id == MessageRow.scope_id,
                    ScopeInstitution.institution == self.institution,
                )
            )
        if self.address is not None:
            found.append(RecipientRow.address == self.address)
        if self.channel is not None:
            found.append(DeliveryRow.channel == self.channel)
        if self.states:
            found.append(DeliveryRow.state.in_(self.states))
        if self.words is not None:
            address, name = RecipientRow.address, RecipientRow.name
            found.append(
                address.icontains(self.words, autoescape=True) | name.icontains(self.words, autoescape=True)
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One delivery, as a person asks about it; the order of the fields is the order of the columns."""

    delivery: int
    queued_at: datetime
    tried_at: datetime | None
    finished_at: datetime | None
    reference: str
    sequence: int
    kind: str
    notice: str
    channel: str
    transport: str
    address: str
    name: str
    #: Codes, by code, separated by spaces.
    institutions: str
    language: str
    subject: str
    state: str
    attempts: int
    failure: str
    outcome: str
    provider_id: str
    expires_at: datetime


def told(
    session: Session,
    which: Filter,
    *,
    limit: int | None = None,
    after: int = 0,
    before: int | None = None,
    newest_first: bool = False,
) -> Iterator[Told]:
    """Yield deliveries in the order in which they were queued, without holding them all in memory.

    Args:
        session: To read from; it stays open until the last row is taken.
        which: Which deliveries.
        limit: At most so many; all unless said.
        after: Only those with a higher id: the next page.
        before: Only those with a lower id: the next page when the newest come first.
        newest_first: The other way round.
    """
    institutions = _Institutions(session)
    query = _query(which).where(DeliveryRow.id > after).limit(limit)
    if before is not None:
        query = query.where(DeliveryRow.id < before)
    query = query.order_by(DeliveryRow.id.desc() if newest_first else DeliveryRow.id)
    rows = session.execute(query, execution_options={"yield_per": 1000})
    for delivery, notice, recipient, language, subject, scope_id in rows:
        yield Told(
            delivery=delivery.id,
            queued_at=delivery.queued_at,
            tried_at=delivery.tried_at,
            finished_at=delivery.finished_at,
            reference=notice.reference,
            sequence=delivery.sequence,
            kind=notice.kind,
            notice=notice.public_id,
            channel=delivery.channel,
            transport=delivery.transport,
            address=recipient.address,
            name=recipient.name,
            institutions=institutions.of(scope_id),
            language=language,
            subject=subject,
            state=delivery.state,
            attempts=delivery.attempts,
            failure=delivery.failure,
            outcome=delivery.outcome,
            provider_id=delivery.provider_id or "",
            expires_at=delivery.expires_at,
        )


def get_told(session: Session, delivery_id: int) -> Told:
    """Return one delivery.

    Raises:
        NotFound: If there is none.
    """
    for found in told(session, Filter(), limit=1, after=delivery_id - 1):
        if found.delivery == delivery_id:
            return found
    raise NotFound("There is no delivery %(id)s; `janela deliveries list` shows them.", id=delivery_id)


def history(session: Session, delivery_id: int) -> Sequence[DeliveryEventRow]:
    """Return every try, receipt and other event of a delivery, in order."""
    return session.scalars(
        select(DeliveryEventRow)
        .where(DeliveryEventRow.delivery_id == delivery_id)
        .order_by(DeliveryEventRow.id)
    ).all()


def _query(
    which: Filter,
) -> Select[DeliveryRow, NoticeRow, RecipientRow, str, str, int]:
    return (
        select(
            DeliveryRow, NoticeRow, RecipientRow, MessageRow.language, MessageRow.subject, MessageRow.scope_id
        )
        .join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
        .join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
        .join(MessageRow, MessageRow.id == DeliveryRow.message_id)
        .where(*which.conditions())
    )


class _Institutions:
    """The institutions of each scope, read once; scopes never change."""

    def __init__(self, session: Session) -> None:
        self._codes: dict[int, list[str]] = {}
        rows = session.execute(
            select(ScopeInstitution.scope_id, ScopeInstitution.institution).order_by(
                ScopeInstitution.institution
            )
        )
        for scope_id, code in rows:
            self._codes.setdefault(scope_id, []).append(code)

    def of(self, scope_id: int) -> str:
        return " ".join(self._codes.get(scope_id, ()))


#: A cell that begins with one of these is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[Told]) -> Iterator[str]:
    """Yield the lines of a CSV file with a header; no cell is a formula, instants are ISO 8601 in UTC.

    Source:
        OWASP, “CSV Injection”: such cells get an apostrophe in front, which spreadsheets do not show.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    header = tuple(field.name for field in fields(Told))
    for line in chain([header], map(astuple, rows)):
        writer.writerow([_cell(value) for value in line])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    words = str(value)
    return f"'{words}" if words.startswith(_FORMULA) else words
