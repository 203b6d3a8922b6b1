"""The windows that stand now: stored ones, and those of work that lasts longer than planned."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from maintenance import steps
from maintenance.catalogue import Impact
from maintenance.catalogue_store import load_catalogue
from maintenance.forecast import forecast
from maintenance.interventions import Window
from maintenance.lifecycle import RunState
from maintenance.models import GateRow, InterventionRow, WindowRow
from maintenance.queries import (
    counted,
    latest_published,
    list_interventions,
    neighbours,
    on_their_way,
    plan_of,
    windows_of,
)
from maintenance.shown import lasting, united
from maintenance.status import ShownWindow
from maintenance.windows import Interval


def current_windows(
    session: Session, now: datetime, *, touching: Interval | None = None, drafts: bool = False
) -> list[ShownWindow]:
    """Return the stored windows of counted interventions, each once, and those of work that overruns.

    Args:
        session: Where to read.
        now: The instant at which readers look: it decides what overruns.
        touching: Only plans with windows in this time; all, however long past, unless said.
        drafts: Whether windows that drafts would add are shown too, marked.
    """
    standing = counted(session, touching=touching)
    gated = gated_interventions(session)
    shown = [
        ShownWindow(window, held=is_held(row, gated))
        for row, version in standing
        for window in windows_of(version)
    ]
    shown += overrunning(session, now)
    if drafts:
        catalogue = load_catalogue(session)
        plans = [plan_of(version) for _, version in on_their_way(session)]
        references = {plan.reference for plan in plans}
        plans += [plan_of(version) for row, version in standing if row.reference not in references]
        shown += [
            ShownWindow(window, draft=True)
            for window in forecast(catalogue, plans)
            if not references.isdisjoint(window.references)
        ]
    return united(shown)


@dataclass(frozen=True, slots=True)
class Alike:
    """Windows of one time and impact: how many there are, and the first of them by code."""

    count: int
    first: tuple[Window, ...]


def windows_in_brief(session: Session, version_id: int, *, most: int) -> list[Alike]:
    """Return the windows of a published version by time and impact, `most` of each: a data centre has 250,000."""
    alike = (WindowRow.starts_at, WindowRow.ends_at, WindowRow.impact)
    place = (
        func.row_number().over(partition_by=alike, order_by=(WindowRow.system, WindowRow.id)).label("place")
    )
    count = func.count().over(partition_by=alike).label("count")
    numbered = select(WindowRow.id, place, count).where(WindowRow.version_id == version_id).subquery()
    query = (
        select(WindowRow, numbered.c.count)
        .join(numbered, numbered.c.id == WindowRow.id)
        .where(numbered.c.place <= most)
        .order_by(WindowRow.starts_at, WindowRow.ends_at, WindowRow.impact, numbered.c.place)
    )
    found: dict[tuple[Impact, datetime, datetime], tuple[int, list[Window]]] = {}
    for row, number in session.execute(query):
        because = tuple(tuple(chain) for chain in row.because)
        window = Window(row.system, Impact.parse(row.impact), row.starts_at, row.ends_at, because)
        found.setdefault((window.impact, window.start, window.end), (number, []))[1].append(window)
    return [Alike(number, tuple(first)) for number, first in found.values()]


def gated_interventions(session: Session) -> frozenset[int]:
    """Return the ids of interventions whose start something holds."""
    return frozenset(session.scalars(select(GateRow.intervention_id).where(GateRow.cleared_at.is_(None))))


def is_held(row: InterventionRow, gated: Collection[int]) -> bool:
    """Return whether its windows have not begun, whatever the clock says."""
    return row.run_state == RunState.ANNOUNCED and row.id in gated


def overrunning(session: Session, now: datetime) -> list[ShownWindow]:
    """Return the windows that last longer than planned because running work is not over."""
    running = list_interventions(session, states=[RunState.RUNNING])
    plans = [plan_of(version) for row in running if (version := latest_published(row))]
    late = [plan for plan in plans if steps.is_overrun(plan, now)]
    if not late:
        return []
    catalogue = load_catalogue(session)
    plans = [*late, *neighbours(session, catalogue, late, now=now).values()]
    references = {plan.reference for plan in late}
    return lasting(forecast(catalogue, plans), forecast(catalogue, plans, now=now), references, now)
