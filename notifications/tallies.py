"""How far notices have come: deliveries counted by state, by institution, by channel."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from maintenance.errors import NotFound
from maintenance.models import InstitutionRow
from notifications.models import DeliveryRow, MessageRow, NoticeRow, ScopeInstitution
from notifications.queries import get_notice
from notifications.reports import Filter, joined
from notifications.retries import UNFINISHED, State

#: How far back the rate is measured that says when a notice is done.
RECENT = timedelta(minutes=1)
#: How long before it is due a notice counts as about to begin: who watches then need not ask again themselves.
SOON = timedelta(minutes=15)
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
_IN_OUTBOX = func.sum(case((DeliveryRow.transport == "outbox", 1), else_=0))


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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one notice has come, how fast it goes, and when it is done if that lasts."""

    counts: dict[State, int]
    #: How many were kept in the outbox.
    kept: int
    per_minute: int
    #: None when nothing is open, or nothing moves.
    done_at: datetime | None
    is_paused: bool
    #: Whether more deliveries may still be written: it is due, or about to be, and not fanned out to the end.
    is_growing: bool

    @property
    def is_watched(self) -> bool:
        """Return whether it is worth looking again: more is to be written, or to be sent."""
        return self.is_growing or self.open > 0

    @property
    def open(self) -> int:
        """Return how many are still to come, those held for quiet hours included."""
        return sum(count for state, count in self.counts.items() if state in UNFINISHED)

    @property
    def held(self) -> int:
        """Return how many wait for the end of their readers' quiet hours."""
        return self.counts.get(State.HELD, 0)


def progress(session: Session, notice: NoticeRow, now: datetime) -> Progress:
    """Return how far a notice has come; the rate is that of the last minute."""
    since = max(now - RECENT, notice.fanned_out_at or now - RECENT)
    recent = func.sum(case((DeliveryRow.finished_at > since, 1), else_=0))
    rows = session.execute(
        select(DeliveryRow.state, func.count(), recent, _IN_OUTBOX)
        .where(DeliveryRow.notice_id == notice.id)
        .group_by(DeliveryRow.state)
    ).all()
    found = {State(state): (count, finished, kept) for state, count, finished, kept in rows}
    finished = sum(of_state[1] for state, of_state in found.items() if state not in DROPPED)
    seconds = max((now - since).total_seconds(), 1.0)
    counts = {state: found[state][0] for state in State if state in found}
    # Those who are left alone come in the morning, whatever the rate.
    coming = sum(count for state, count in counts.items() if state in UNFINISHED and state is not State.HELD)
    # While it is fanned out nobody knows how many are still to come.
    moving = finished and coming and notice.paused_at is None and notice.state != "planned"
    return Progress(
        counts=counts,
        kept=sum(found[state][2] for state in GOOD if state in found),
        per_minute=round(finished * 60 / seconds),
        done_at=now + timedelta(seconds=round(coming * seconds / finished)) if moving else None,
        is_paused=notice.paused_at is not None,
        is_growing=notice.state == "planned" and notice.due_at <= now + SOON,
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """Deliveries, counted."""

    #: In the order in which a delivery goes through them.
    counts: dict[State, int]
    #: How many messages were kept in the outbox: accepted, as far as the ledger goes, and read by nobody.
    kept: int
    #: That they went by, in order.
    channels: list[str]


def tally(session: Session, which: Filter) -> Tally:
    """Return the deliveries of a filter, counted in one look."""
    query = joined(select(DeliveryRow.state, DeliveryRow.channel, func.count(), _IN_OUTBOX), which)
    rows = session.execute(query.group_by(DeliveryRow.state, DeliveryRow.channel)).all()
    found: Counter[State] = Counter()
    for state, _, count, _ in rows:
        found[State(state)] += count
    return Tally(
        counts={state: found[state] for state in State if state in found},
        kept=sum(in_outbox for state, _, _, in_outbox in rows if state in GOOD),
        channels=sorted({channel for _, channel, _, _ in rows}),
    )


def tally_of_notices(
    session: Session, notice_ids: Sequence[int]
) -> tuple[dict[int, dict[State, int]], Tally]:
    """Return for each of these notices how many deliveries are in each state, and all of them together.

    One look, at their deliveries alone.
    """
    rows = session.execute(
        select(DeliveryRow.notice_id, DeliveryRow.state, func.count(), _IN_OUTBOX)
        .where(DeliveryRow.notice_id.in_(notice_ids))
        .group_by(DeliveryRow.notice_id, DeliveryRow.state)
        .order_by(DeliveryRow.state)
    ).all()
    each: dict[int, dict[State, int]] = {id_: {} for id_ in notice_ids}
    found: Counter[State] = Counter()
    for notice_id, state, count, _ in rows:
        each[notice_id][State(state)] = count
        found[State(state)] += count
    kept = sum(in_outbox for _, state, _, in_outbox in rows if state in GOOD)
    return each, Tally({state: found[state] for state in State if state in found}, kept, [])


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


def check(session: Session, which: Filter) -> None:
    """Return when the notice and the institution that a filter names exist, so that nothing found is no mistyped name.

    Raises:
        NotFound: When there is no such notice, or the directory never had the institution.
    """
    if which.notice is not None:
        get_notice(session, which.notice)
    if which.institution is not None:
        get_institution(session, which.institution)
