"""Named reads for availability: what systems really went through, and what readers were told in time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from maintenance.availability import Announcement, Availability, availability, minimum_notice, promised
from maintenance.catalogue import Impact, System
from maintenance.interventions import InterventionClass
from maintenance.models import EventRow, InterventionRow, VersionRow, WindowRow
from maintenance.policies import Policies
from maintenance.policy_store import load_policies
from maintenance.status import ShownWindow
from maintenance.windows import Interval


def measured_since(session: Session) -> datetime | None:
    """Return when the log begins: of the time before nothing is known; None for an empty log."""
    return session.scalar(select(func.min(EventRow.at)))


def availabilities(
    session: Session,
    systems: Iterable[System],
    windows: Iterable[ShownWindow],
    stretches: Sequence[Interval],
    *,
    now: datetime,
) -> dict[str, tuple[Availability | None, ...]]:
    """Return the figures of each system by code, in the order of the stretches.

    Args:
        session: Where to read.
        systems: Of the catalogue.
        windows: As `standing.current_windows` returns them, at least those that touch a stretch.
        stretches: Months, mostly.
        now: Nothing after it counts.

    Returns:
        None for a stretch of which nothing was recorded, or that has not begun.
    """
    since = measured_since(session)
    measured = [_measured(stretch, since, now) for stretch in stretches]
    hit: dict[str, list[ShownWindow]] = {}
    for shown in windows:
        begun = shown.window.start < now and not (shown.held or shown.draft)
        if begun and shown.window.impact is Impact.OUTAGE:
            hit.setdefault(shown.window.system, []).append(shown)
    wanted = {system.code: system for system in systems}
    references = {
        reference
        for code in hit.keys() & wanted.keys()
        for shown in hit[code]
        for reference in shown.window.references
    }
    told = _told(session, references, hit.keys() & wanted.keys()) if references else {}
    policies = load_policies(session) if told else Policies()
    found = {}
    for code, system in wanted.items():
        down = [Interval(shown.window.start, shown.window.end) for shown in hit.get(code, ())]
        notice = minimum_notice(system, policies)
        planned = [each for versions in told.get(code, {}).values() for each in promised(versions, notice)]
        found[code] = tuple(availability(m, down, planned) if m else None for m in measured)
    return found


def _measured(stretch: Interval, since: datetime | None, now: datetime) -> Interval | None:
    start, end = max(stretch.start, since or now), min(stretch.end, now)
    return Interval(start, end) if start < end else None


def _told(
    session: Session, references: Collection[str], codes: Collection[str]
) -> dict[str, dict[str, list[Announcement]]]:
    """Return what each published version said of each system, by code and reference."""
    versions = session.execute(
        select(VersionRow.id, VersionRow.published_at, VersionRow.content, InterventionRow.reference)
        .join(VersionRow.intervention)
        .where(VersionRow.sequence.is_not(None), InterventionRow.reference.in_(references))
        .order_by(VersionRow.intervention_id, VersionRow.sequence)
    ).all()
    windows: dict[tuple[int, str], list[Interval]] = {}
    for row in session.execute(
        select(WindowRow.version_id, WindowRow.system, WindowRow.starts_at, WindowRow.ends_at).where(
            WindowRow.version_id.in_([version.id for version in versions]),
            WindowRow.system.in_(codes),
            WindowRow.impact == Impact.OUTAGE.code,
        )
    ):
        windows.setdefault((row.version_id, row.system), []).append(Interval(row.starts_at, row.ends_at))
    found: dict[str, dict[str, list[Announcement]]] = {}
    for version in versions:
        if version.content.get("class") == InterventionClass.EMERGENCY.value or not version.published_at:
            # However early it was announced: work that was forced is never planned.
            continue
        for code in codes:
            # A version without windows of this system counts too: it takes back what was promised.
            announcement = Announcement(version.published_at, tuple(windows.get((version.id, code), ())))
            found.setdefault(code, {}).setdefault(version.reference, []).append(announcement)
    return found
