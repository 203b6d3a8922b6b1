"""Who can be told instead of those whom a notice did not reach: contacts on their other channel, deputies, operators."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import exists, false, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from maintenance.settings import Settings
from notifications.contacts import Entry, Reader
from notifications.directory_cells import email_of, phone_of
from notifications.errors import InvalidOperators
from notifications.escalation import CONTACTS_AT_ONCE, Deputy, Way
from notifications.ledger import suppression
from notifications.models import (
    ContactRow,
    DeliveryRow,
    MessageRow,
    NoticeRow,
    RecipientRow,
    RungRow,
    ScopeRow,
)
from notifications.queries import reader_of
from notifications.reach import Pair, Standing
from notifications.retries import MAY_HAVE_REACHED
from notifications.scopes import Scope
from notifications.stories import Story

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Told:
    """One address that is told instead, and for whom."""

    way: Way
    name: str
    quiet_hours: str
    language: str
    timezone: str
    pairs: dict[Pair, Standing] = field(default_factory=dict)
    for_operators: bool = False

    @classmethod
    def of(cls, way: Way, contact: ContactRow) -> Told:
        """Return a contact on one of its ways."""
        return cls(way, contact.name, contact.quiet_hours, contact.language, contact.timezone)

    @property
    def first(self) -> bool:
        """Return whether none of those for whom it is told had a message of the intervention before."""
        return all(standing.first for standing in self.pairs.values())

    def scope(self) -> Scope:
        """Return for whom it is written; that an operator has it reaches no institution."""
        entries = () if self.for_operators else entries_for(self.pairs)
        return Scope(self.language, self.timezone, entries)


def entries_for(pairs: Mapping[Pair, Standing]) -> tuple[Entry, ...]:
    """Return what an address that is told for these institutions and audiences stands for."""
    return tuple(
        Entry(code, s.institution_name, audience, None if s.systems is None else tuple(sorted(s.systems)))
        for (code, audience), s in sorted(pairs.items())
    )


def read_operators(text: str) -> tuple[Way, ...]:
    """Return the ways to the operators that `JANELA_ONCALL` names.

    Raises:
        InvalidOperators: When one of them is neither an address nor a number.
    """
    ways = []
    for word in text.split():
        channel = "email" if "@" in word else "sms"
        address, problem = email_of(word) if channel == "email" else phone_of(word)
        if problem:
            raise InvalidOperators("JANELA_ONCALL: %(problem)s", problem=problem)
        ways.append(Way(channel, address))
    return tuple(dict.fromkeys(ways))


def concerns(story: Story, first: bool, entries: tuple[Entry, ...]) -> bool:
    """Return whether a story is news for those who stand for these entries."""
    return story.is_news_for(Reader("en", "UTC", entries, first))


def deputies_of(
    session: Session,
    notice: NoticeRow,
    story: Story,
    pair: Pair,
    standing: Standing,
    now: datetime,
    *,
    is_first_rung: bool,
) -> Iterator[tuple[Deputy, ContactRow]]:
    """Yield the contacts who may be told instead: all that stand by, and for the first rung a few others."""
    institution, audience = pair
    theirs = (ContactRow.institution == institution, ContactRow.retired_at.is_(None))
    in_order = select(ContactRow).where(*theirs).order_by(ContactRow.position)
    for row in session.scalars(in_order.where(ContactRow.standby)).all():
        yield _deputy(session, notice, row, row.channels, now), row
    # Those who are told anyway, as far as another channel leads to them.
    both = (ContactRow.audience == audience, ContactRow.email != "", ContactRow.phone != "")
    others = in_order.where(~ContactRow.standby, *both) if is_first_rung else in_order.where(false())
    found = 0
    for row in session.scalars(others, execution_options={"yield_per": 100}):
        unused = [channel for channel in ("email", "sms") if channel not in row.channels]
        mine = Entry(institution, standing.institution_name, audience, tuple(row.systems) or None)
        if not unused or not concerns(story, standing.first, (mine,)):
            continue
        deputy = _deputy(session, notice, row, unused, now)
        yield deputy, row
        found += bool(deputy.ways)
        if found == CONTACTS_AT_ONCE:
            return


def _deputy(
    session: Session, notice: NoticeRow, row: ContactRow, wanted: Iterable[str], now: datetime
) -> Deputy:
    addresses = {"email": row.email, "sms": row.phone}
    ways = [Way(channel, addresses[channel]) for channel in wanted]
    usable = tuple(way for way in ways if not is_spent(session, notice, way, now))
    return Deputy(row.audience, row.position, row.standby, usable)


def told_before(session: Session, notice: NoticeRow) -> list[Told]:
    """Return who was told instead of others by older notices of the same intervention, and may have been reached."""
    older = select(RungRow.told).join(NoticeRow, NoticeRow.id == RungRow.notice_id)
    rungs = session.scalars(
        older.where(NoticeRow.reference == notice.reference, NoticeRow.id < notice.id)
    ).all()
    if not rungs:
        return []
    rows = session.execute(
        select(RecipientRow, ScopeRow)
        .join(DeliveryRow, DeliveryRow.recipient_id == RecipientRow.id)
        .join(MessageRow, MessageRow.id == DeliveryRow.message_id)
        .join(ScopeRow, ScopeRow.id == MessageRow.scope_id)
        .where(
            DeliveryRow.id.in_([told["delivery"] for rung in rungs for told in rung]),
            DeliveryRow.state.in_(MAY_HAVE_REACHED),
            # Whom the directory names for itself is told anyway.
            RecipientRow.scope_id.is_(None),
        )
        .order_by(DeliveryRow.id)
    )
    found: dict[Way, Told] = {}
    for recipient, scope in rows:
        way = Way(recipient.channel, recipient.address)
        told = found.setdefault(
            way, Told(way, recipient.name, recipient.quiet_hours, scope.language, scope.timezone)
        )
        for entry in reader_of(scope, first=False).entries:
            systems = None if entry.systems is None else frozenset(entry.systems)
            told.pairs[entry.institution, entry.audience] = Standing(
                entry.institution_name, first=False, systems=systems
            )
    return [told for told in found.values() if told.pairs]


def is_spent(session: Session, notice: NoticeRow, way: Way, now: datetime) -> bool:
    """Return whether an address has this notice already, or gets nothing at all."""
    has_it = exists().where(
        DeliveryRow.notice_id == notice.id,
        DeliveryRow.recipient_id == RecipientRow.id,
        RecipientRow.channel == way.channel,
        RecipientRow.address == way.address,
    )
    return bool(session.scalar(select(or_(has_it, suppression(way.channel, way.address, now)))))


def operators(settings: Settings) -> list[Told]:
    """Return those on call, as the settings name them; nobody where they cannot be read."""
    try:
        ways = read_operators(settings["ONCALL"])
    except InvalidOperators as error:
        _log.error("The operators cannot be told: %s", error)
        return []
    language, timezone = settings.locales[0], settings["TIMEZONE"]
    return [Told(way, "", "", language, timezone, for_operators=True) for way in ways]


def recipient_id(session: Session, told: Told) -> int:
    """Return the recipient's id; one made here gets nothing by itself, since no kind of reader is its own."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    session.execute(
        dialect.insert(RecipientRow)
        .values(
            channel=told.way.channel, address=told.way.address, name=told.name, quiet_hours=told.quiet_hours
        )
        .on_conflict_do_nothing()
    )
    return session.scalars(
        select(RecipientRow.id).where(
            RecipientRow.channel == told.way.channel, RecipientRow.address == told.way.address
        )
    ).one()
