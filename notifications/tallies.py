"""How far notices have come: deliveries counted by state, by institution, by channel."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TypeVarTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from maintenance.errors import NotFound
from maintenance.models import InstitutionRow
from notifications.models import DeliveryRow, MessageRow, NoticeRow, RecipientRow, ScopeInstitution
from notifications.reports import Filter
from notifications.retries import State

_Columns = TypeVarTuple("_Columns")

#: The provider has it, or the reader.
GOOD = (State.ACCEPTED, State.DELIVERED)
#: Somebody should look: nobody was reached, or nobody knows.
BAD = (
    State.CONFIG_ERROR,
    State.AMBIGUOUS,
    State.NEEDS_REVIEW,
    State.BOUNCED_SOFT,
    State.BOUNCED_HARD,
    State.UNDELIVERED,
    State.FAILED_PERMANENT,
    State.OPTED_OUT,
    State.SUPPRESSED,
    State.EXPIRED,
)
#: Newer news made it pointless, or a person took it back: nothing is owed, nothing is wrong.
DROPPED = (State.SUPERSEDED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class ToldInstitution:
    """An institution, and how far the messages that stood for it have come."""

    code: str
    name: str
    total: int
    good: int
    bad: int

    @property
    def open(self) -> int:
        """Return how many are still on their way."""
        return self.total - self.good - self.bad


def counts(session: Session, which: Filter) -> dict[State, int]:
    """Return how many deliveries are in each state, in the order in which a delivery goes through them."""
    query = _joined(select(DeliveryRow.state, func.count()), which).group_by(DeliveryRow.state)
    found = {State(state): count for state, count in session.execute(query)}
    return {state: found[state] for state in State if state in found}


def kept(session: Session, which: Filter) -> int:
    """Return how many messages were kept in the outbox: accepted, as far as the ledger goes, and read by nobody."""
    query = _joined(select(func.count(DeliveryRow.id)), which).where(
        DeliveryRow.transport == "outbox", DeliveryRow.state.in_(GOOD)
    )
    return session.scalars(query).one()


def channels_used(session: Session, which: Filter) -> list[str]:
    """Return the channels that deliveries went by, in order."""
    query = _joined(select(DeliveryRow.channel), which).distinct().order_by(DeliveryRow.channel)
    return list(session.scalars(query))


def parts_of(session: Session, delivery_id: int) -> int:
    """Return as how many SMS parts the delivery's message counts; 0 on other channels."""
    query = (
        select(MessageRow.parts)
        .join(DeliveryRow, DeliveryRow.message_id == MessageRow.id)
        .where(DeliveryRow.id == delivery_id)
    )
    return session.scalars(query).one_or_none() or 0


def institutions(session: Session) -> list[ToldInstitution]:
    """Return every institution that is in the directory or was told something, by name."""
    query = (
        select(ScopeInstitution.institution, DeliveryRow.state, func.count())
        .join(MessageRow, MessageRow.scope_id == ScopeInstitution.scope_id)
        .join(DeliveryRow, DeliveryRow.message_id == MessageRow.id)
        .where(DeliveryRow.state.not_in(DROPPED))
        .group_by(ScopeInstitution.institution, DeliveryRow.state)
    )
    by_code: dict[str, Counter[str]] = defaultdict(Counter)
    for code, state, count in session.execute(query):
        by_code[code][state] += count
    return [
        ToldInstitution(
            row.code,
            row.name,
            total=by_code[row.code].total(),
            good=sum(by_code[row.code][state] for state in GOOD),
            bad=sum(by_code[row.code][state] for state in BAD),
        )
        for row in session.scalars(select(InstitutionRow).order_by(InstitutionRow.name))
        if row.retired_at is None or by_code[row.code]
    ]


def get_institution(session: Session, code: str) -> InstitutionRow:
    """Return the institution of that code, retired or not.

    Raises:
        NotFound: If the directory never had it.
    """
    row = session.get(InstitutionRow, code)
    if row is None:
        raise NotFound("There is no institution %(code)s in the directory.", code=code)
    return row


def _joined(query: Select[*_Columns], which: Filter) -> Select[*_Columns]:
    """Return the query over deliveries, limited; only what the limits need is joined, since all rows are read."""
    query = query.select_from(DeliveryRow)
    if which.reference is not None or which.notice is not None:
        query = query.join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
    if which.institution is not None:
        query = query.join(MessageRow, MessageRow.id == DeliveryRow.message_id)
    if which.address is not None or which.words is not None:
        query = query.join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
    return query.where(*which.conditions())
