"""What a plan breaks only together with others: redundancy that each alone would leave standing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from maintenance.catalogue import Impact
from maintenance.causes import explained
from maintenance.interventions import Plan, Window
from maintenance.lines import DEGRADED, Line, instant_of, overlay, tick_of
from maintenance.propagation import Spread


@dataclass(frozen=True, slots=True)
class JointLoss:
    """A stretch in which systems are worse than under the plan alone and under the others alone."""

    impact: Impact
    start: datetime
    end: datetime
    #: The systems whose own needs break, then all that feel them.
    origins: tuple[str, ...]
    systems: tuple[str, ...]
    #: The other plans that take part.
    references: tuple[str, ...]


def joint_losses(plan: Plan, alone: Spread, by_others: Spread, together: Spread) -> Iterator[JointLoss]:
    """Yield what gets DEGRADED or OUTAGE only because the plan and others meet, one for each stretch and cause.

    Args:
        plan: The plan that is looked at.
        alone: What it does without the others.
        by_others: What they do without it.
        together: What all of them do.
    """
    lost = _lost_lines(together, alone, by_others)
    graph = together.graph
    groups: dict[tuple[int, int, int, tuple[str, ...]], list[int]] = {}
    origins = [i for i in lost if not any(m in lost for _, members in graph.needs(i) for m in members)]
    # A circle that is lost as a whole has no first member; then all of it is the origin.
    origins = origins or list(lost)
    windows: dict[str, list[Window]] = {}
    for window in explained(together, [graph.codes[i] for i in origins]):
        windows.setdefault(window.system, []).append(window)
    for i in origins:
        for start, end, impact in lost[i]:
            names = {
                r
                for w in windows[graph.codes[i]]
                if w.impact == impact and tick_of(w.start) < end and start < tick_of(w.end)
                for r in w.references
            }
            key = (start, end, impact, tuple(sorted(names - {plan.reference})))
            groups.setdefault(key, []).append(i)
    for (start, end, impact, references), first in groups.items():
        codes = [graph.codes[i] for i in _downstream(together, first, lost)]
        yield JointLoss(
            Impact(impact),
            instant_of(start),
            instant_of(end),
            tuple(codes[: len(first)]),
            tuple(codes),
            references,
        )


def _lost_lines(together: Spread, alone: Spread, by_others: Spread) -> dict[int, Line]:
    """Return, for each system that is worse off, the stretches in which it is, at DEGRADED or worse."""
    known: dict[tuple[int, int, int], Line] = {}
    lost = {}
    for i, number in together.reached.items():
        key = (number, alone.reached.get(i, 0), by_others.reached.get(i, 0))
        line = known.get(key)
        if line is None:
            apart = overlay(alone.line(i), by_others.line(i))
            line = known[key] = tuple(_worse(together.line(i), apart))
        if line:
            lost[i] = line
    return lost


def _worse(line: Line, than: Line) -> Iterator[tuple[int, int, int]]:
    """Yield the stretches at DEGRADED or worse in which one line is above the other."""
    for start, end, impact in line:
        if impact < DEGRADED:
            continue
        at = start
        for a, b, _ in (stretch for stretch in than if stretch[2] >= impact):
            if b <= at or a >= end:
                continue
            if a > at:
                yield at, a, impact
            at = max(at, b)
        if at < end:
            yield at, end, impact


def _downstream(together: Spread, first: Sequence[int], lost: dict[int, Line]) -> list[int]:
    """Return the systems and all lost ones that feel them, nearest first."""
    found = dict.fromkeys(first)
    queue = list(first)
    for i in queue:
        for dependant in together.graph.dependants[i]:
            if dependant in lost and dependant not in found:
                found[dependant] = None
                queue.append(dependant)
    return queue
