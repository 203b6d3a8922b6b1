"""Notices that reached nobody of an institution → others are told instead, on record.

One look at a notice is one transaction: the rungs, the messages and deliveries that they cause, and when
to look again. Killed at any point, the next look begins where this one did; two looks at once take turns
at the notice's row, and the second finds that it was looked at.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance.queries import published, windows_of
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import deputies, reach
from notifications.contacts import Reader
from notifications.deputies import Told, concerns, entries_for
from notifications.escalation import (
    ESCALATED,
    LATE,
    LEAST_PATIENCE,
    Rung,
    Way,
    next_look,
    next_rung,
    patience,
    useful_until,
)
from notifications.messages import Composed, compose, for_operators
from notifications.models import DeliveryRow, MessageRow, NoticeRow, RungRow
from notifications.queries import site_of, story_of
from notifications.reach import Pair, Standing
from notifications.rendering import Variant, message_row
from notifications.scopes import scope_ids
from notifications.stories import Story
from notifications.timetable import URGENT_PRIORITY, NoticeKind
from notifications.wording import words_for

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Climb:
    """One rung of an institution and audience."""

    pair: Pair
    rung: Rung
    ways: tuple[Way, ...]


@dataclass(slots=True)
class _Look:
    """What a look at a notice found, before anything is written."""

    seen: datetime | None
    again: datetime | None
    until: datetime
    climbs: list[_Climb] = field(default_factory=list)
    told: dict[Way, Told] = field(default_factory=dict)
    #: Columns of the message for each of them, but for the scope.
    messages: list[tuple[Told, dict[str, Any]]] = field(default_factory=list)


def escalate(runtime: Runtime, now: datetime) -> int:
    """Look at the notices whose time to reach somebody is over; return how many rungs were climbed.

    A notice that fails is left for the next look; the others go on.
    """
    if runtime.settings["ESCALATION"] == "off":
        return 0
    with runtime.database.read() as session:
        due = session.scalars(
            select(NoticeRow.id)
            .where(
                NoticeRow.escalate_at <= now,
                NoticeRow.state == "fanned_out",
                # A person who stopped it does not want it told by other ways either.
                NoticeRow.paused_at.is_(None),
            )
            .order_by(NoticeRow.priority, NoticeRow.escalate_at)
        ).all()
    return sum(_look_at(runtime, notice_id, now) for notice_id in due)


def _look_at(runtime: Runtime, notice_id: int, now: datetime) -> int:
    try:
        with runtime.database.read() as session:
            look = _look(session, session.get_one(NoticeRow, notice_id), runtime.settings, now)
        with runtime.database.write() as session:
            return _write(session, notice_id, look, now)
    except Exception:
        _log.exception("Nobody could be told instead for notice %s", notice_id)
        return 0


def _look(session: Session, notice: NoticeRow, settings: Settings, now: datetime) -> _Look:
    left_at, kind = notice.fanned_out_at or now, NoticeKind(notice.kind)
    windows = windows_of(published(session, notice.reference, notice.sequence))
    starts = [window.start for window in windows if window.is_notified]
    until = useful_until(kind, left_at=left_at, expires_at=notice.expires_at, starts=starts)
    wait = patience(notice.priority, left_at=left_at, until=until)
    look = _Look(notice.escalate_at, None, until)
    is_ladder = kind in ESCALATED and now < until
    put_off = _put_off(now, max(notice.escalate_at or now, left_at + wait))
    standings = reach.standings(session, notice.id, now) if is_ladder and put_off is None else {}
    missed = {pair: standing for pair, standing in sorted(standings.items()) if standing.is_missed}
    earlier = deputies.told_before(session, notice)
    if earlier or missed:
        # Only then: it takes the whole catalogue.
        story = story_of(session, notice, site_of(settings))
        _follow(session, notice, story, look, earlier, now)
        _choose(session, notice, story, look, missed, settings, now)
        look.messages = _messages(story, notice, look.told.values(), now)
    if is_ladder and put_off is not None:
        look.again = put_off
    elif is_ladder:
        is_open = bool(look.climbs) or any(standing.is_held for standing in standings.values())
        look.again = next_look(now, left_at=left_at, until=until, wait=wait, is_open=is_open)
    return look


def _put_off(now: datetime, due: datetime) -> datetime | None:
    """Return until when the ladder rests: it is too early, or nothing ran and what waits goes first; None: now."""
    if now < due:
        return due
    return now + LEAST_PATIENCE if now > due + LATE else None


# -- who is told instead -----------------------------------------------------------------------------


def _follow(
    session: Session, notice: NoticeRow, story: Story, look: _Look, earlier: Sequence[Told], now: datetime
) -> None:
    """Have those hear of this notice who were told instead of others before."""
    for told in earlier:
        if not concerns(story, False, entries_for(told.pairs)):
            continue
        if deputies.is_spent(session, notice, told.way, now):
            continue
        look.told[told.way] = told
        look.climbs += [_Climb(pair, Rung.FOLLOW, (told.way,)) for pair in told.pairs]


def _choose(
    session: Session,
    notice: NoticeRow,
    story: Story,
    look: _Look,
    missed: Mapping[Pair, Standing],
    settings: Settings,
    now: datetime,
) -> None:
    """Choose the next rung for each institution and audience that the notice missed."""
    climbed: dict[Pair, list[Rung]] = {}
    for row in reach.rungs(session, notice_id=notice.id) if missed else ():
        climbed.setdefault((row.institution, row.audience), []).append(Rung(row.kind))
    for pair, standing in missed.items():
        before = climbed.get(pair, ())
        if Rung.OPERATORS in before or not concerns(story, standing.first, entries_for({pair: standing})):
            continue
        first_rung = not set(before) - {Rung.FOLLOW}
        contacts = dict(
            deputies.deputies_of(session, notice, story, pair, standing, now, is_first_rung=first_rung)
        )
        found = next_rung(pair[1], tuple(contacts), before)
        if found is None:
            continue
        rung, chosen = found
        told = [Told.of(way, contacts[deputy]) for deputy in chosen for way in deputy.ways]
        if rung is Rung.OPERATORS:
            told = deputies.operators(settings)
        for one in told:
            look.told.setdefault(one.way, one).pairs[pair] = standing
        look.climbs.append(_Climb(pair, rung, tuple(one.way for one in told)))


def _messages(
    story: Story, notice: NoticeRow, all_told: Iterable[Told], now: datetime
) -> list[tuple[Told, dict[str, Any]]]:
    """Return the message of each address, but for its scope; what is equal is composed once."""
    composed: dict[tuple[Reader, bool], Composed] = {}
    messages = []
    for told in all_told:
        reader = Reader(told.language, told.timezone, entries_for(told.pairs), told.first)
        key = (reader, told.for_operators)
        if key not in composed:
            words = compose(story, reader)
            if told.for_operators:
                names = [f"{entry.institution_name} ({entry.audience})" for entry in reader.entries]
                words = for_operators(words, names, words_for(told.language))
            composed[key] = words
        variant = Variant(told.way.channel, 0, told.first)
        messages.append((told, message_row(variant, composed[key], story, reader, notice, now)))
    return messages


# -- and the writing ---------------------------------------------------------------------------------


def _write(session: Session, notice_id: int, look: _Look, now: datetime) -> int:
    """Write what a look found, unless the notice was looked at or closed meanwhile; return how many rungs."""
    notice = session.get_one(NoticeRow, notice_id, with_for_update=True)
    if notice.escalate_at != look.seen or notice.state != "fanned_out" or notice.paused_at is not None:
        return 0
    standings = reach.standings(session, notice.id, now) if look.climbs else {}
    climbs = [climb for climb in look.climbs if climb.rung is not Rung.FOLLOW]
    if any(not standings[climb.pair].is_missed for climb in climbs):
        return 0  # somebody was reached just now: the next look chooses anew
    missed = {
        climb.pair: reach.missed(session, notice.id, standings[climb.pair].messages) for climb in climbs
    }
    numbers = Counter((row.institution, row.audience) for row in reach.rungs(session, notice_id=notice.id))
    deliveries = _deliver(session, notice, look, now)
    for climb in look.climbs:
        numbers[climb.pair] += 1
        institution, audience = climb.pair
        session.add(
            RungRow(
                notice_id=notice.id,
                institution=institution,
                audience=audience,
                number=numbers[climb.pair],
                kind=climb.rung,
                at=now,
                missed=missed.get(climb.pair, []),
                told=[_named(deliveries[way], look.told[way]) for way in climb.ways if way in deliveries],
            )
        )
    notice.escalate_at = look.again
    session.flush()
    return len(climbs)


def _named(delivery: int, told: Told) -> dict[str, Any]:
    return {
        "delivery": delivery,
        "channel": told.way.channel,
        "address": told.way.address,
        "name": told.name,
    }


def _deliver(session: Session, notice: NoticeRow, look: _Look, now: datetime) -> dict[Way, int]:
    """Write a delivery for each address that is told instead; return their ids."""
    made: dict[Way, int] = {}
    if not look.messages:
        return made
    scopes = scope_ids(session, {told.scope() for told, _ in look.messages})
    for told, message in look.messages:
        if not message["body"] or deputies.is_spent(session, notice, told.way, now):
            continue  # the operators have this notice already, for another institution
        row = DeliveryRow(
            notice_id=notice.id,
            sequence=notice.sequence,
            recipient_id=deputies.recipient_id(session, told),
            channel=told.way.channel,
            message_id=_message_id(session, message | {"scope_id": scopes[told.scope()]}),
            # Nobody there knows yet: it goes before what others have days to read.
            priority=min(notice.priority, URGENT_PRIORITY),
            due_at=now,
            expires_at=look.until,
            queued_at=now,
        )
        session.add(row)
        session.flush()
        made[told.way] = row.id
    return made


def _message_id(session: Session, message: dict[str, Any]) -> int:
    key = ("notice_id", "channel", "scope_id", "first")
    known = select(MessageRow.id).where(*(getattr(MessageRow, name) == message[name] for name in key))
    if (found := session.scalars(known).one_or_none()) is not None:
        return found
    row = MessageRow(**message)
    session.add(row)
    session.flush()
    return row.id
