"""A due notice → its messages and deliveries, slice by slice: the first readers are written to while others are looked up.

A slice is a transaction of its own, and the notice stays planned until the last. Each looks at everything
anew under the notice's lock: a newer version, a person or the clock may have come in between. Rendering
happens before the transaction opens, so that nobody waits for it; what the directory became meanwhile is
checked inside, and if it is not what was rendered for, the slice begins anew. Repeating any of it adds
nothing: a delivery is unique per notice, version, recipient and channel. So a process that is killed leaves
a notice that goes on after the last recipient who has a delivery.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from maintenance.database import in_brief
from maintenance.runtime import Runtime
from notifications import overtaking, slices
from notifications.messages import Composed, compose
from notifications.models import MessageRow, NoticeRow, ScopeRow
from notifications.overtaking import Overtaking
from notifications.planning import retry_delay
from notifications.queries import due_notices, has_deliveries, reader_of, site_of, story_of
from notifications.rendering import Variant, message_row
from notifications.slices import Slice
from notifications.stories import Story

_log = logging.getLogger(__name__)

#: Recipients of a notice's first slice, which is there to let sending begin, and of each later one. While one is
#: written the others wait: senders on SQLite, a more urgent notice everywhere.
SIZES = (2_000, 10_000)
#: How often in a row a slice is begun anew before it is left to the next look.
_ATTEMPTS = 5


class _Moved(Exception):
    """The directory, or what was told of the intervention, changed while messages were rendered."""


def fan_out_due(runtime: Runtime, after_slice: Callable[[int], None] = lambda made: None) -> int:
    """Fan out every notice that is due, the most urgent first; return how many deliveries that made.

    After each slice it looks anew: what has become due meanwhile and is more urgent goes first. A notice that
    fails is put off and shown as a problem; the others go on.

    Args:
        runtime: The installation.
        after_slice: Called after each, with how many deliveries it made.
    """
    made = 0
    courses: dict[int, _Course] = {}
    while (course := _next_course(runtime, courses)) is not None:
        count = _go_on(runtime, course)
        made += count
        after_slice(count)
    return made


def _next_course(runtime: Runtime, courses: dict[int, _Course]) -> _Course | None:
    """Return the most urgent notice that is due and that this look can still do something for."""
    with runtime.database.read() as session:
        due = due_notices(session, runtime.clock())
    for done in courses.keys() - set(due):
        del courses[done]
    found = (courses.setdefault(id_, _Course(id_)) for id_ in due)
    return next((course for course in found if not course.is_over), None)


def _go_on(runtime: Runtime, course: _Course) -> int:
    """Fan out the next slice of a notice; return how many deliveries that made."""
    try:
        made = fan_out_slice(runtime, course)
        course.attempts = 0
        return made
    except _Moved:
        _log.info("What notice %s was rendered for has changed; it is rendered anew", course.notice_id)
        course.attempts += 1
        course.is_over = course.attempts >= _ATTEMPTS
        return 0
    except Exception as error:
        _log.exception("Notice %s could not be fanned out", course.notice_id)
        course.is_over = True
        with runtime.database.write() as session:
            notice = session.get_one(NoticeRow, course.notice_id)
            notice.failures += 1
            notice.problem = in_brief(error)[:2000]
            notice.retry_at = runtime.clock() + retry_delay(notice.failures)
        return 0


@dataclass
class _Course:
    """One notice's way through its readers in one look: how far it came, and what was rendered of it."""

    notice_id: int
    #: Up to which recipient all were looked at; None: as far as a process before this one came.
    after: int | None = None
    is_over: bool = False
    #: How often in a row a slice was begun anew.
    attempts: int = 0
    story: Story | None = None
    scopes: dict[int, ScopeRow] = field(default_factory=dict)
    #: What a kind of reader is told is composed once for all channels; None where it is no news.
    composed: dict[tuple[int, bool], Composed | None] = field(default_factory=dict)
    #: By kind of reader; None where the channel has nothing to say.
    messages: dict[Variant, dict[str, Any] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Look:
    """What a slice was looked up and rendered for."""

    part: Slice
    variants: frozenset[Variant] = frozenset()
    meets: Overtaking = field(default_factory=Overtaking)


def fan_out_slice(runtime: Runtime, course: _Course) -> int:
    """Fan out one slice, unless nothing may be done for the notice now; return how many deliveries that made."""
    look = _render(runtime, course)
    with runtime.database.write() as session:
        notice = session.get_one(NoticeRow, course.notice_id, with_for_update=True)
        made = _write(session, notice, course, look, runtime.clock())
    if look.part.upto is not None:
        course.after = look.part.upto
    return made


def _render(runtime: Runtime, course: _Course) -> _Look:
    """Return the next slice, for whose kinds of reader the messages are rendered."""
    with runtime.database.read() as session:
        now, notice = runtime.clock(), session.get_one(NoticeRow, course.notice_id)
        if course.after is None:
            course.after = slices.furthest(session, notice)
        part = slices.next_slice(session, after=course.after, sizes=SIZES)
        if not _may_go_on(session, notice, now):
            return _Look(part)
        variants = slices.variants(session, notice, part) | slices.moving_variants(session, notice, part)
        if course.story is None:
            course.story = story_of(session, notice, site_of(runtime.settings))
            written = slices.written_variants(session, notice)
            course.messages.update(dict.fromkeys(written))
        _load_scopes(session, course, variants)
        scopes = {variant.scope_id: course.scopes[variant.scope_id] for variant in variants}
        meets = overtaking.look(session, notice, course.story, scopes.values())
    for variant in _in_order(variants - course.messages.keys()):
        course.messages[variant] = _message(course, course.story, variant, notice, now)
    return _Look(part, frozenset(variants), meets)


def _in_order(variants: Iterable[Variant]) -> list[Variant]:
    return sorted(variants, key=lambda v: (v.scope_id, v.first, v.channel))


def _load_scopes(session: Session, course: _Course, variants: Iterable[Variant]) -> None:
    if missing := {variant.scope_id for variant in variants} - course.scopes.keys():
        # Not asked for by number: there may be more than a statement can list.
        course.scopes |= {row.id: row for row in session.scalars(select(ScopeRow)) if row.id in missing}


def _message(
    course: _Course, story: Story, variant: Variant, notice: NoticeRow, now: datetime
) -> dict[str, Any] | None:
    """Return the message for a kind of reader; None where there is nothing to say."""
    key = (variant.scope_id, variant.first)
    reader = reader_of(course.scopes[variant.scope_id], first=variant.first)
    if key not in course.composed:
        course.composed[key] = compose(story, reader) if story.is_news_for(reader) else None
    if (words := course.composed[key]) is None:
        return None
    message = message_row(variant, words, story, reader, notice, now)
    return message if message["body"] else None


def _may_go_on(session: Session, notice: NoticeRow, now: datetime) -> bool:
    """Return whether a notice is to be fanned out further now."""
    if notice.state != "planned":
        return False
    if notice.expires_at <= now:
        # Once some were told, the ledger is to say of the others that it was too late for them.
        return bool(session.scalar(select(has_deliveries(notice.id))))
    return notice.paused_at is None and not _waits_for_lead(session, notice)


def _waits_for_lead(session: Session, notice: NoticeRow) -> bool:
    """Return whether the notice that may tell this one's readers is still to come; one that fails is not."""
    lead = session.get(NoticeRow, notice.lead_notice_id) if notice.lead_notice_id else None
    return lead is not None and lead.state == "planned" and lead.failures == 0


def _write(session: Session, notice: NoticeRow, course: _Course, look: _Look, now: datetime) -> int:
    """Write the deliveries of a slice, and what follows for the notice; return how many there are."""
    if not _may_go_on(session, notice, now):
        course.is_over = True
        if notice.state == "planned" and notice.expires_at <= now:
            notice.state = "expired"
        return 0
    overtaking.take_turn(session, notice)
    variants = slices.variants(session, notice, look.part)
    if not variants <= look.variants or not overtaking.met_by(session, notice) <= look.meets.met:
        raise _Moved
    _write_messages(session, notice, course, variants)
    made = slices.insert_deliveries(session, notice, look.part, now)
    overtaking.close_overtaken(session, notice, look.meets, look.part, now)
    if look.part.is_last:
        slices.refresh_statistics(session)
        notice.state, notice.fanned_out_at = "fanned_out", now
        notice.problem, notice.retry_at = "", None
    return made


def _write_messages(session: Session, notice: NoticeRow, course: _Course, variants: set[Variant]) -> None:
    """Write the messages for these kinds of reader, but for those that are there: from a slice before, or a crash."""
    written = slices.written_variants(session, notice)
    found = (course.messages[variant] for variant in _in_order(variants - written))
    if messages := [message for message in found if message is not None]:
        session.connection().execute(insert(MessageRow), messages)
