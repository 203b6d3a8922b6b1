"""Who is told instead when nobody of an institution was reached by a notice. PURE.

`docs/notices.md` has the same rules in words. The ladder of an institution and audience: the other channel of
its contacts, then whoever stands by, one after the other, then the operators.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from notifications.timetable import PLANNED_AHEAD, NoticeKind

#: Notices that an institution has to know of in time; the others repeat them, or are good news.
ESCALATED = frozenset(
    {
        NoticeKind.ANNOUNCEMENT,
        NoticeKind.CHANGE,
        NoticeKind.START,
        NoticeKind.EXTENSION,
        NoticeKind.CANCELLATION,
    }
)
#: How long a notice up to that priority has to reach somebody before the next rung is told.
PATIENCE = (
    (0, timedelta(minutes=5)),
    (3, timedelta(minutes=30)),
    (5, timedelta(hours=1)),
    (9, timedelta(hours=24)),
)
#: No rung takes more than this part of the time in which it is still of use, so that several fit into it …
PART_OF_USE = 4
#: … but no less than this: a mail server may ask to try again in a minute.
LEAST_PATIENCE = timedelta(minutes=5)
#: A look that comes later than this finds messages that wait because nothing ran: they go first.
LATE = timedelta(minutes=5)
#: How often a notice is looked at that has reached everybody: mails come back late.
LOOKS = 12
#: How many contacts are told on their other channel at once.
CONTACTS_AT_ONCE = 3


class Rung(StrEnum):
    """Who is told instead."""

    #: Contacts, on a channel that they have an address for and did not choose.
    CHANNEL = "channel"
    #: A contact that stands by.
    STANDBY = "standby"
    #: The people who run this installation.
    OPERATORS = "operators"
    #: No rung of its own: who was told instead before hears the rest of the intervention too.
    FOLLOW = "follow"


@dataclass(frozen=True, slots=True)
class Way:
    """One address on one channel."""

    channel: str
    address: str


@dataclass(frozen=True, slots=True)
class Deputy:
    """A contact who may be told instead, and the ways to it that are not used up."""

    audience: str
    #: Order of escalation within the institution.
    position: int
    stands_by: bool
    #: Of one that stands by those it chose, of another those it did not choose.
    ways: tuple[Way, ...]


def useful_until(
    kind: NoticeKind, *, left_at: datetime, expires_at: datetime, starts: Iterable[datetime]
) -> datetime:
    """Return when the ladder of a notice ends.

    That of an announcement or a change ends with the first window that begins after it left: from there on
    the start has a ladder of its own.
    """
    ahead = [start for start in starts if start > left_at] if kind in PLANNED_AHEAD else []
    return min([*ahead, expires_at])


def patience(priority: int, *, left_at: datetime, until: datetime) -> timedelta:
    """Return how long to wait for each rung of a notice that left then and is of use until then."""
    longest = next((wait for upto, wait in PATIENCE if priority <= upto), PATIENCE[-1][1])
    return max(min(longest, (until - left_at) / PART_OF_USE), LEAST_PATIENCE)


def next_look(
    now: datetime, *, left_at: datetime, until: datetime, wait: timedelta, is_open: bool
) -> datetime | None:
    """Return when to look at a notice again; None when it is left alone from now on.

    Args:
        now: The present look.
        left_at: When it was fanned out.
        until: When its ladder ends.
        wait: Its `patience`.
        is_open: Whether somebody was told instead just now, or is waited for.
    """
    following = now + wait
    if following >= until or not (is_open or following <= left_at + LOOKS * wait):
        return None
    return following


def next_rung(
    audience: str, deputies: Sequence[Deputy], climbed: Collection[Rung]
) -> tuple[Rung, tuple[Deputy, ...]] | None:
    """Return the next rung of an institution and audience, and who is told; None when all were.

    Of those that stand by, those of the same audience come first, then the others in their order. The
    operators' rung names nobody here: they are no contacts.

    Args:
        audience: Of those who were not reached.
        deputies: Of the institution; whose ways are all used up is passed over.
        climbed: The kinds of the rungs before.
    """
    usable = sorted(
        (deputy for deputy in deputies if deputy.ways), key=lambda d: (d.audience != audience, d.position)
    )
    others = [deputy for deputy in usable if not deputy.stands_by and deputy.audience == audience]
    standing_by = [deputy for deputy in usable if deputy.stands_by]
    if Rung.OPERATORS in climbed:
        return None
    if others and not set(climbed) - {Rung.FOLLOW}:
        return Rung.CHANNEL, tuple(others[:CONTACTS_AT_ONCE])
    if standing_by:
        return Rung.STANDBY, (standing_by[0],)
    return Rung.OPERATORS, ()
