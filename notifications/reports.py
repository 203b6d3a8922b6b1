"""Who was told what, when, on which channel, with what outcome: rows for pages, commands and spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import chain, islice
from operator import attrgetter
from typing import Any, TypeVarTuple

from sqlalchemy import ColumnElement, Select, exists, func, literal_column, select
from sqlalchemy.orm import Session

from maintenance.errors import NotFound
from notifications import reach
from notifications.models import (
    DeliveryEventRow,
    DeliveryRow,
    MessageRow,
    NoticeRow,
    RecipientRow,
    RungRow,
    ScopeInstitution,
)
from notifications.queries import LARGEST_KEY, may_be_key
from notifications.retries import State

_Columns = TypeVarTuple("_Columns")


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


@dataclass(frozen=True, slots=True)
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
    language: str
    subject: str
    state: str
    attempts: int
    failure: str
    outcome: str
    provider_id: str
    expires_at: datetime
    #: Codes of those that the message stood for, separated by spaces.
    institutions: str
    #: Why it went to somebody instead of others, as in “standby HSJ/prescribers”; empty for most.
    instead: str


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
    instead = reach.rung_of(_rungs(session, which))
    query = _query(which).order_by(DeliveryRow.id.desc() if newest_first else DeliveryRow.id)
    span = [DeliveryRow.id > after]
    if before is not None:
        span.append(DeliveryRow.id < max(min(before, LARGEST_KEY), 0))
    if which.notice is None or limit is None:
        query = query.where(*span).limit(limit)
    else:
        query = query.where(DeliveryRow.id.in_(_page(session, which, span, limit, newest_first)))
    rows = session.execute(query, execution_options={"yield_per": 1000})
    for row in rows:
        *columns, scope_id = row
        columns += [institutions.of(scope_id), instead.get(columns[0], "")]
        yield Told(*columns)


def _page(
    session: Session, which: Filter, span: Sequence[ColumnElement[bool]], limit: int, newest_first: bool
) -> Sequence[int]:
    """Return the ids of a page of one notice's deliveries.

    Not ordered by the bare id: PostgreSQL would go through the whole ledger from its end until it meets the notice.
    """
    order = DeliveryRow.id + literal_column("0")
    query = joined(select(DeliveryRow.id), which).where(*span)
    return session.scalars(query.order_by(order.desc() if newest_first else order).limit(limit)).all()


def joined(query: Select[*_Columns], which: Filter) -> Select[*_Columns]:
    """Return the query over deliveries, limited; only what the limits need is joined, since many rows are read."""
    query = query.select_from(DeliveryRow)
    if which.reference is not None or which.notice is not None:
        query = query.join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
    if which.institution is not None:
        query = query.join(MessageRow, MessageRow.id == DeliveryRow.message_id)
    if which.address is not None or which.words is not None:
        query = query.join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
    return query.where(*which.conditions())


def get_told(session: Session, delivery_id: int) -> Told:
    """Return one delivery.

    Raises:
        NotFound: If there is none.
    """
    if may_be_key(delivery_id):
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


def _rungs(session: Session, which: Filter) -> Sequence[RungRow]:
    """Return the rungs from which deliveries of the filter can have come, and maybe more."""
    query = select(RungRow).join(NoticeRow, NoticeRow.id == RungRow.notice_id).order_by(RungRow.id)
    if which.reference is not None:
        query = query.where(NoticeRow.reference == which.reference)
    if which.notice is not None:
        query = query.where(NoticeRow.public_id == which.notice)
    return session.scalars(query).all()


def _query(which: Filter) -> Select[*tuple[Any, ...]]:
    """Return the columns of `Told` but for the last two, then the scope that tells the institutions.

    Columns, not rows: reading 126,683 deliveries as objects takes four times as long.
    """
    return (
        select(
            DeliveryRow.id,
            DeliveryRow.queued_at,
            DeliveryRow.tried_at,
            DeliveryRow.finished_at,
            NoticeRow.reference,
            DeliveryRow.sequence,
            NoticeRow.kind,
            NoticeRow.public_id,
            DeliveryRow.channel,
            DeliveryRow.transport,
            RecipientRow.address,
            RecipientRow.name,
            MessageRow.language,
            MessageRow.subject,
            DeliveryRow.state,
            DeliveryRow.attempts,
            DeliveryRow.failure,
            DeliveryRow.outcome,
            func.coalesce(DeliveryRow.provider_id, ""),
            DeliveryRow.expires_at,
            MessageRow.scope_id,
        )
        .join_from(DeliveryRow, NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
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


#: A cell that begins with one of these is a formula to a spreadsheet …
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: … unless it is a telephone number, which programs would get wrong with an apostrophe in front.
_NUMBER = re.compile(r"\+\d+")
#: How many lines go out at once: one by one, the server spends its time on handing over.
_LINES_AT_ONCE = 500
_values = attrgetter(*(field.name for field in fields(Told)))


def as_csv(rows: Iterable[Told]) -> Iterator[str]:
    """Yield a CSV file with a header, some hundred lines at once; instants are ISO 8601 in UTC.

    Source:
        OWASP, “CSV Injection”: what a spreadsheet would take for a formula gets an apostrophe in front.
    """
    header = tuple(field.name for field in fields(Told))
    lines = chain([header], map(_values, rows))
    while some := list(islice(lines, _LINES_AT_ONCE)):
        buffer = io.StringIO()
        csv.writer(buffer).writerows([_cell(value) for value in line] for line in some)
        yield buffer.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    words = str(value)
    return f"'{words}" if words.startswith(_FORMULA) and not _NUMBER.fullmatch(words) else words
