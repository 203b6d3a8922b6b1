"""What the night overtakes: older news that would reach its readers after a start, an extension, a restoration.

A start leaves no announcement, change or reminder behind for whom it tells all; an extension and a restoration leave
no start and no older extension of their phases, for whoever has a message of theirs. Whichever of two is fanned out
second closes what has not left of the older one, slice by slice. Both hold a lock on their intervention, so that
each sees what the other wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import JSON, ColumnElement, and_, exists, func, insert, literal, select, true
from sqlalchemy.orm import Session, aliased

from maintenance.database import UtcDateTime
from maintenance.queries import published, windows_of
from notifications import claims
from notifications.contacts import Reader, used
from notifications.ledger import TABLE
from notifications.models import DeliveryEventRow, DeliveryRow, MessageRow, NoticeRow, ScopeRow
from notifications.queries import (
    in_states,
    leads_told_for,
    overtaken,
    overtaken_by,
    reader_of,
    story_of,
    unfinished,
)
from notifications.retries import MAY_HAVE_REACHED, UNSENT, State
from notifications.slices import Slice, without_nested_loops
from notifications.stories import Story
from notifications.timetable import NoticeKind
from notifications.upkeep import supersede

#: How many values one condition lists: databases have a limit.
_SCOPES_AT_ONCE = 5_000


#: Tells our locks on interventions from others; the second half of the key is the reference.
_TURN = 5_262_542


@dataclass(frozen=True, slots=True)
class Overtaking:
    """What a notice meets as it is fanned out: older ones if it tells of the night, newer ones if it comes late."""

    #: Ids of the notices that were looked at.
    met: frozenset[int] = frozenset()
    #: By the id of the newer one: the scopes to whose readers it leaves nothing to say that the older ones would;
    #: None: all.
    told_all: Mapping[int, Sequence[int] | None] = field(default_factory=dict)


def take_turn(session: Session, notice: NoticeRow) -> None:
    """Wait until no other process fans out a notice of the same intervention; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TURN, func.hashtext(notice.reference))))


def met_by(session: Session, notice: NoticeRow) -> frozenset[int]:
    """Return the notices that a notice overtakes, or comes too late for, if it is fanned out now."""
    older = overtaken(session, notice)
    return frozenset(row.id for row in (*older, *overtaken_by(session, notice)))


def look(session: Session, notice: NoticeRow, story: Story, scopes: Iterable[ScopeRow]) -> Overtaking:
    """Return what a notice meets, and for which of the scopes that leaves nothing to say.

    Args:
        session: To read from.
        notice: That is about to be fanned out.
        story: What it tells.
        scopes: The kinds of reader that there are.
    """
    older, newer = overtaken(session, notice), overtaken_by(session, notice)
    if not older and not newer:
        return Overtaking()
    readers = {row.id: reader_of(row, first=True) for row in scopes}
    told_all: dict[int, Sequence[int] | None] = {}
    for row in (*newer, *([notice] if older else ())):
        if row.kind == NoticeKind.START:
            told = story if row is notice else story_of(session, row, story.site)
            told_all[row.id] = _told_all(told, _systems_of(session, older or [notice]), readers)
        else:
            # What its message does not name has a start of its own, which is another phase's or another plan's.
            told_all[row.id] = None
    return Overtaking(frozenset(row.id for row in (*older, *newer)), told_all)


def _told_all(start: Story, announced: Iterable[str], readers: Mapping[int, Reader]) -> tuple[int, ...]:
    unsaid = start.left_unsaid(announced)
    return tuple(id_ for id_, reader in readers.items() if not used(reader.entries, unsaid, start.catalogue))


def _systems_of(session: Session, notices: Iterable[NoticeRow]) -> frozenset[str]:
    """Return the systems whose windows these notices tell, those of the version before each included."""
    versions = {(n.reference, s) for n in notices for s in (n.sequence - 1, n.sequence) if s >= 0}
    windows = (w for version in versions for w in windows_of(published(session, *version)))
    return frozenset(window.system for window in windows if window.is_notified)


def close_overtaken(
    session: Session, notice: NoticeRow, overtaking: Overtaking, part: Slice, now: datetime
) -> None:
    """Close what has not left of the older notices for readers whom the newer one tells all: it would come after.

    Args:
        session: An open write session in which a slice of the notice was just fanned out.
        notice: It: the newer one, or an older one that comes late.
        overtaking: What it meets.
        part: The slice.
        now: The present instant.
    """
    for newer_id, scopes in overtaking.told_all.items():
        older = [notice.id] if newer_id != notice.id else _closable(session, notice)
        newer = session.get_one(NoticeRow, newer_id)
        with without_nested_loops(session):
            _close(session, newer, older, scopes, part, now)


def _closable(session: Session, newer: NoticeRow) -> list[int]:
    # Readers of a lead were left out of its follower: without the lead they would hear nothing of the other plan.
    told_for_others = leads_told_for(session)
    return [row.id for row in overtaken(session, newer) if row.id not in told_for_others]


def _close(
    session: Session,
    notice: NoticeRow,
    older: Sequence[int],
    scopes: Sequence[int] | None,
    part: Slice,
    now: datetime,
) -> None:
    if not older:
        return
    listed: Iterable[ColumnElement[bool]] = [true()]
    if scopes is not None:
        listed = (
            MessageRow.scope_id.in_(scopes[first : first + _SCOPES_AT_ONCE])
            for first in range(0, len(scopes), _SCOPES_AT_ONCE)
        )
    newer = aliased(DeliveryRow)
    for in_scope in listed:
        told = exists(
            select(newer.id)
            .join(MessageRow, MessageRow.id == newer.message_id)
            .where(
                newer.notice_id == notice.id,
                newer.sequence == notice.sequence,
                newer.recipient_id == TABLE.c.recipient_id,
                newer.channel == TABLE.c.channel,
                part.holds(newer.recipient_id),
                in_states(newer.state, (*UNSENT, *MAY_HAVE_REACHED)),
                in_scope,
            )
            .correlate(TABLE)
        )
        theirs = and_(part.holds(TABLE.c.recipient_id), told)
        _note_under_way(session, and_(TABLE.c.notice_id.in_(older), theirs), now)
        # What a sender has taken and not begun with it cannot begin with any more.
        supersede(session, older, now, only=theirs)


def _note_under_way(session: Session, theirs: ColumnElement[bool], now: datetime) -> None:
    """Leave to a sender what may have left, but have it not tried again."""
    rows = select(
        TABLE.c.id, literal(now, UtcDateTime()), literal(claims.OVERTAKEN), TABLE.c.state, literal({}, JSON())
    )
    session.execute(
        insert(DeliveryEventRow).from_select(
            ["delivery_id", "at", "kind", "state", "detail"],
            rows.where(theirs, unfinished(TABLE.c, (State.SENDING, State.AMBIGUOUS))),
            include_defaults=False,
        )
    )
