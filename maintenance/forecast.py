"""All work that overlaps in, downtime windows per system out, each with its causes.

The rules are `docs/forecast.md`'s; `propagation` holds them, `causes` holds the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from maintenance.catalogue import Catalogue
from maintenance.causes import explained
from maintenance.interventions import Plan, Window
from maintenance.propagation import spread
from maintenance.windows import Interval


def forecast(
    catalogue: Catalogue, plans: Iterable[Plan], *, now: datetime | None = None
) -> tuple[Window, ...]:
    """Return the explained windows of these plans together, by start, system and impact.

    Args:
        catalogue: What needs what.
        plans: Every plan that may touch the time in question; `touching` picks them.
        now: With it, a phase that is open past its planned end keeps its impact until just after.
    """
    return explained(spread(catalogue, plans, now=now))


def windows_by(
    catalogue: Catalogue, plan: Plan, others: Iterable[Plan], *, now: datetime | None = None
) -> tuple[Window, ...]:
    """Return the windows that the plan causes, alone or together with others: its own version's windows.

    A window may begin before the plan and end after it, where others' work on the same needs joins on.
    """
    together = spread(catalogue, [plan, *touching(catalogue, plan, others, now=now)], now=now)
    reach = catalogue.reached_from(plan.systems)
    return tuple(w for w in explained(together, reach) if plan.reference in w.references)


def touching(
    catalogue: Catalogue, plan: Plan, others: Iterable[Plan], *, now: datetime | None = None
) -> list[Plan]:
    """Return the others whose work can meet the plan's windows, recoveries included.

    Others that hang on to one another are all of them in it: the window that both make is one.
    """
    tail = timedelta(microseconds=catalogue.graph.longest_tail)
    rest = []
    for other in others:
        stretch = hull(other, now)
        if stretch is not None and other.reference != plan.reference:
            rest.append((Interval(stretch.start, stretch.end + tail), other))
    own = hull(plan, now)
    if own is None:
        return []
    rest.sort(key=lambda pair: pair[0])
    chains: list[tuple[Interval, list[Plan]]] = []
    for interval, other in rest:
        if chains and interval.start <= chains[-1][0].end:
            joined, members = chains[-1]
            members.append(other)
            chains[-1] = (Interval(joined.start, max(joined.end, interval.end)), members)
        else:
            chains.append((interval, [other]))
    return [
        other
        for joined, members in chains
        if joined.start <= own.end + tail and own.start <= joined.end
        for other in members
    ]


def hull(plan: Plan, now: datetime | None = None) -> Interval | None:
    """Return from when to when anything of the plan goes on, work without an impact too; None if nothing."""
    start = end = None
    for phase in plan.phases:
        begins, ends = phase.start, phase.end
        # Most phases have not begun: ten thousand plans are looked through for each check.
        if phase.started_at is not None or phase.ended_at is not None:
            begins = phase.started_at or phase.start
            ends = phase.ended_at or max(phase.end, begins)
            if now is not None and phase.is_open and now >= ends:
                ends = now + timedelta(seconds=1)
        if start is None or begins < start:
            start = begins
        if end is None or ends > end:
            end = ends
    return None if start is None or end is None else Interval(start, end)
