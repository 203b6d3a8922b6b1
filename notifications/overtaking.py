"""What a start overtakes: announcements, changes and reminders that would reach its readers after it.

Whichever of the two is fanned out second closes what has not left of the older one, slice by slice. Both hold a
lock on their intervention, so that each sees what the other wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import JSON, ColumnElement, and_, exists, func, insert, literal, select
from sqlalchemy.orm import Session, aliased

from maintenance.database import UtcDateTime
from maintenance.queries import published, windows_of
from notifications import claims
from notifications.contacts import Reader, used
from notifications.ledger import TABLE
from notifications.models import DeliveryEventRow, DeliveryRow, MessageRow, NoticeRow, ScopeRow
from notifications.queries import (
    has_deliveries,
    in_states,
    overtaken,
    reader_of,
    starts_before,
    story_of,
    unfinished,
)
from notifications.retries import MAY_HAVE_REACHED, UNDER_WAY, UNSENT, WAITING
from notifications.slices import Slice, without_nested_loops
from notifications.stories import Story
from notifications.upkeep import supersede

#: How many values one condition lists: databases have a limit.
_SCOPES_AT_ONCE = 5_000


#: Tells our locks on interventions from others; the second half of the key is the reference.
_TURN = 5_262_542


@dataclass(frozen=True, slots=True)
class Overtaking:
    """What a notice meets as it is fanned out: older notices if it is a start, starts if it comes late."""

    #: Ids of the notices that were looked at.
    met: frozenset[int] = frozenset()
    #: By the id of a start: the scopes to whose readers it leaves nothing to say that the older notices would.
    told_all: Mapping[int, Sequence[int]] = field(default_factory=dict)


def take_turn(session: Session, notice: NoticeRow) -> None:
    """Wait until no other process fans out a notice of the same intervention; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TURN, func.hashtext(notice.reference))))


def met_by(session: Session, notice: NoticeRow) -> frozenset[int]:
    """Return the notices that a notice overtakes, or comes too late for, if it is fanned out now."""
    older = overtaken(session, notice)
    return frozenset(row.id for row in (*older, *starts_before(session, notice)))


def look(session: Session, notice: NoticeRow, story: Story, scopes: Iterable[ScopeRow]) -> Overtaking:
    """Return what a notice meets, and for which of the scopes that leaves nothing to say.

    Args:
        session: To read from.
        notice: That is about to be fanned out.
        story: What it tells.
        scopes: The kinds of reader that there are.
    """
    older, starts = overtaken(session, notice), starts_before(session, notice)
    if not older and not starts:
        return Overtaking()
    readers = {row.id: reader_of(row, first=True) for row in scopes}
    told_all = {
        start.id: _told_all(story_of(session, start, story.site), _systems_of(session, [notice]), readers)
        for start in starts
    }
    if older:
        told_all[notice.id] = _told_all(story, _systems_of(session, older), readers)
    return Overtaking(frozenset(row.id for row in (*older, *starts)), told_all)


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
    """Close what waits of the older notices for readers whom a start tells all: it would come after.

    Args:
        session: An open write session in which a slice of the notice was just fanned out.
        notice: It: the start, or an older one that comes late.
        overtaking: What it meets.
        part: The slice.
        now: The present instant.
    """
    for start_id, scopes in overtaking.told_all.items():
        older = [notice.id] if start_id != notice.id else _closable(session, notice)
        start = session.get_one(NoticeRow, start_id)
        with without_nested_loops(session):
            _close(session, start, older, scopes, part, now)


def _closable(session: Session, start: NoticeRow) -> list[int]:
    # Readers of a lead were left out of its follower: without the lead they would hear nothing of the other plan.
    told_for_others = set(
        session.scalars(
            select(NoticeRow.lead_notice_id).where(
                NoticeRow.lead_notice_id.is_not(None),
                NoticeRow.state.in_(("planned", "fanned_out")),
                has_deliveries(NoticeRow.id),
            )
        )
    )
    return [row.id for row in overtaken(session, start) if row.id not in told_for_others]


def _close(
    session: Session,
    notice: NoticeRow,
    older: Sequence[int],
    scopes: Sequence[int],
    part: Slice,
    now: datetime,
) -> None:
    start = aliased(DeliveryRow)
    for first in range(0, len(scopes) if older else 0, _SCOPES_AT_ONCE):
        told = exists(
            select(start.id)
            .join(MessageRow, MessageRow.id == start.message_id)
            .where(
                start.notice_id == notice.id,
                start.sequence == notice.sequence,
                start.recipient_id == TABLE.c.recipient_id,
                start.channel == TABLE.c.channel,
                part.holds(start.recipient_id),
                in_states(start.state, (*UNSENT, *MAY_HAVE_REACHED)),
                MessageRow.scope_id.in_(scopes[first : first + _SCOPES_AT_ONCE]),
            )
            .correlate(TABLE)
        )
        theirs = and_(part.holds(TABLE.c.recipient_id), told)
        _note_under_way(session, and_(TABLE.c.notice_id.in_(older), theirs), now)
        supersede(session, older, now, only=and_(unfinished(TABLE.c, WAITING), theirs))


def _note_under_way(session: Session, theirs: ColumnElement[bool], now: datetime) -> None:
    """Leave to a sender what it has under way, but have it not tried again."""
    rows = select(
        TABLE.c.id, literal(now, UtcDateTime()), literal(claims.OVERTAKEN), TABLE.c.state, literal({}, JSON())
    )
    session.execute(
        insert(DeliveryEventRow).from_select(
            ["delivery_id", "at", "kind", "state", "detail"],
            rows.where(theirs, unfinished(TABLE.c, UNDER_WAY)),
            include_defaults=False,
        )
    )
