"""What a plan breaks only together with others: redundancy that each alone would leave standing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from maintenance.catalogue import Impact
from maintenance.causes import explained
from maintenance.interventions import Plan, Window
from maintenance.lines import DEGRADED, OUTAGE, Line, instant_of, overlay, tick_of
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
    lost = dict(_lost(together, alone, by_others))
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


def loses_service(alone: Spread, by_others: Spread, together: Spread) -> bool:
    """Return whether anything goes into OUTAGE only because the plan and others meet; names no reasons."""
    return any(impact == OUTAGE for _, line in _lost(together, alone, by_others) for _, _, impact in line)


def _lost(together: Spread, alone: Spread, by_others: Spread) -> Iterator[tuple[int, Line]]:
    """Yield each system that is worse off, with the stretches in which it is, at DEGRADED or worse."""
    known: dict[tuple[int, int, int], Line] = {}
    of_alone, of_others = alone.reached.get, by_others.reached.get
    for i, number in together.reached.items():
        key = (number, of_alone(i, 0), of_others(i, 0))
        line = known.get(key)
        if line is None:
            apart = overlay(alone.lines[key[1]], by_others.lines[key[2]])
            line = known[key] = tuple(_worse(together.lines[number], apart))
        if line:
            yield i, line


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
        for dependant in together.graph.dependants(i):
            if dependant in lost and dependant not in found:
                found[dependant] = None
                queue.append(dependant)
    return queue
