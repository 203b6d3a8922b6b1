"""What a plan breaks only together with others: redundancy that each alone would leave standing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from maintenance.arrays import Numbers, alike
from maintenance.catalogue import Impact
from maintenance.causes import explained
from maintenance.interventions import Plan, Window
from maintenance.lines import DEGRADED, OUTAGE, Line, instant_of, tick_of
from maintenance.propagation import Spread
from maintenance.sweeping import Counts, Stretches, swept

_APART = OUTAGE


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
    lost = _lost(together, alone, by_others)
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


def service_lost(together: Spread, alone: Spread, by_others: Spread) -> Numbers:
    """Return when anything is in OUTAGE only because the plan and others meet: the starts of such stretches."""
    _, _, stretches = _lost_by_kind(together, alone, by_others)
    starts: Numbers = stretches[stretches[:, 2] == OUTAGE, 0]
    return starts


def _lost(together: Spread, alone: Spread, by_others: Spread) -> dict[int, Line]:
    """Return each system that is worse off, with the stretches in which it is, at DEGRADED or worse."""
    kinds, rows, stretches = _lost_by_kind(together, alone, by_others)
    lines: dict[int, list[tuple[int, int, int]]] = {}
    for kind, (start, end, impact) in zip(rows.tolist(), stretches.tolist(), strict=True):
        lines.setdefault(kind, []).append((start, end, impact))
    hit = np.isin(kinds, rows)
    systems = zip(together.systems[hit].tolist(), kinds[hit].tolist(), strict=True)
    return {i: tuple(lines[kind]) for i, kind in systems}


def _lost_by_kind(together: Spread, alone: Spread, by_others: Spread) -> tuple[Numbers, Numbers, Stretches]:
    """Return the kind of each system of `together`, and what is lost: the stretches of each kind."""
    systems = together.systems
    numbers = together.numbers, alone.everywhere()[systems], by_others.everywhere()[systems]
    bound = max(len(spread.store) for spread in (together, alone, by_others))
    apart = np.column_stack(numbers[1:]).ravel()
    kinds, examples = alike(numbers[0], np.full(len(systems), 2), apart, bound)
    rows, stretches = [], []
    # What each does apart counts as impacts of its own, three above.
    for spread, of_systems, above in zip(
        (together, alone, by_others), numbers, (0, _APART, _APART), strict=True
    ):
        counts, where, flat = spread.store.stretches(of_systems[examples])
        rows.append(np.repeat(np.arange(len(examples)), counts))
        stretches.append(flat[where] + (0, 0, above))
    return kinds, *swept(np.concatenate(rows), np.concatenate(stretches), _worse)


def _worse(_: Numbers, counted: Counts) -> Numbers:
    """Return the impact together where it is worse than apart, at DEGRADED or worse."""
    lost = np.zeros(len(counted[0]), np.int64)
    for impact in (DEGRADED, OUTAGE):
        no_better = sum(
            counted[level + _APART] for level in range(impact, OUTAGE + 1) if level + _APART < len(counted)
        )
        here = (counted[impact] > 0) & (no_better == 0)
        lost[here] = impact
    return lost


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
