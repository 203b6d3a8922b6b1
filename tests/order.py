"""Old news after newer: which notices of an intervention must not reach a reader after which others.

Told from plans and windows as they were published, not by what planning and fan-out think of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import combinations

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance.errors import NotFound
from maintenance.interventions import Plan, Window
from maintenance.queries import plan_of, published, windows_of
from notifications.models import DeliveryRow, NoticeRow
from notifications.retries import MAY_HAVE_REACHED
from notifications.timetable import NoticeKind

_AHEAD = (NoticeKind.ANNOUNCEMENT, NoticeKind.CHANGE, NoticeKind.REMINDER)
_OF_A_PHASE = (NoticeKind.START, NoticeKind.EXTENSION)


def sent_out_of_order(session: Session) -> Iterator[str]:
    """Yield a sentence for each reader who had old news after newer, or at the same time: on its way together."""
    tried: dict[int, dict[int, datetime]] = defaultdict(dict)
    for notice_id, recipient_id, at in session.execute(
        select(DeliveryRow.notice_id, DeliveryRow.recipient_id, DeliveryRow.tried_at).where(
            DeliveryRow.state.in_(MAY_HAVE_REACHED), DeliveryRow.tried_at.is_not(None)
        )
    ):
        tried[notice_id][recipient_id] = at
    told: dict[str, list[NoticeRow]] = defaultdict(list)
    for notice in session.scalars(select(NoticeRow).order_by(NoticeRow.event_id, NoticeRow.due_at)):
        told[notice.reference].append(notice)
    for notices in told.values():
        for older, newer in combinations(notices, 2):
            both = tried[older.id].keys() & tried[newer.id].keys()
            wrong = [id_ for id_ in both if tried[older.id][id_] >= tried[newer.id][id_]]
            if wrong and _is_old_news(session, older, newer):
                for id_ in sorted(wrong):
                    yield f"recipient {id_} was told {_named(older)} after {_named(newer)}, or together with it"


def _named(notice: NoticeRow) -> str:
    return f"the {notice.kind} of version {notice.sequence} of {notice.reference}"


def _is_old_news(session: Session, older: NoticeRow, newer: NoticeRow) -> bool:
    """Return whether an older notice has nothing to say any more to whoever had the newer one."""
    if older.event_id == newer.event_id:
        return False
    match newer.kind:
        case NoticeKind.COMPLETION | NoticeKind.CANCELLATION:
            return True
        case NoticeKind.ANNOUNCEMENT | NoticeKind.CHANGE:
            return older.kind in _AHEAD
        case NoticeKind.START:
            return older.kind in _AHEAD and _tells_all(session, newer, older)
        case NoticeKind.EXTENSION | NoticeKind.RESTORED if older.kind in _OF_A_PHASE:
            return older.details.get("phase") in _phases(session, newer)
        case NoticeKind.RESTORED:
            return older.kind == NoticeKind.UPDATE and _is_all_over(session, newer)
        case _:
            return False


def version_of(session: Session, notice: NoticeRow) -> tuple[Plan, list[Window]] | None:
    """Return plan and notified windows of a notice's version; None in a ledger of rows alone."""
    try:
        version = published(session, notice.reference, notice.sequence)
    except NotFound:
        return None
    return plan_of(version), [window for window in windows_of(version) if window.is_notified]


def _phases(session: Session, notice: NoticeRow) -> set[str]:
    """Return the phases that an extension, or a restoration, is about."""
    if notice.kind == NoticeKind.EXTENSION:
        return {notice.details.get("phase", "")}
    found, back = set(notice.details.get("phases", ())), set(notice.details.get("systems", ()))
    if back and (version := version_of(session, notice)):
        found |= {p.id for p in version[0].phases if p.is_open and back & {work.system for work in p.work}}
    return found


def _is_all_over(session: Session, restored: NoticeRow) -> bool:
    version = version_of(session, restored)
    return version is None or all(phase.ended_at for phase in version[0].impact_phases)


def _tells_all(session: Session, start: NoticeRow, older: NoticeRow) -> bool:
    """Return whether a start is about every window of its own version and of the older notice's, for all readers."""
    now, then = version_of(session, start), version_of(session, older)
    if now is None or then is None:
        return True
    plan, windows = now
    begun_at = plan.phase(start.details["phase"]).started_at
    is_whole = len(plan.impact_phases) == 1 and begun_at and all(w.start <= begun_at for w in windows)
    return bool(
        is_whole and older.sequence == 0 and {w.system for w in then[1]} <= {w.system for w in windows}
    )
