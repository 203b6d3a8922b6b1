"""Candidate times for a piece of work, ranked by the harm they add to what other plans do already.

Nothing is guessed: of every candidate a lower bound of its harm is known at once, and the exact harm and
the clashes are worked out only for those whose bound is low enough to matter, best first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from maintenance.candidates import Harm, Search
from maintenance.candidates import shifted as shifted
from maintenance.catalogue import Catalogue
from maintenance.clashes import Clash
from maintenance.harm import Weights, weights_of
from maintenance.interventions import Plan
from maintenance.policies import Policies
from maintenance.texts import Text

STEP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Slot:
    """One candidate start: what it adds, and what stands against it."""

    start: datetime
    #: What ranks it: the share of a month's volume that it harms, added over the units.
    score: float
    #: Harm added, per unit.
    harm: tuple[tuple[Text, float], ...]
    #: What the same work would harm if nothing else went on: more than `harm` where others are down anyway.
    alone: tuple[tuple[Text, float], ...]
    #: Audiences of the systems that go down or get slow.
    audiences: tuple[str, ...]
    clashes: tuple[Clash, ...]

    @property
    def is_blocked(self) -> bool:
        """Return whether an approver would have to override a clash."""
        return any(clash.blocks for clash in self.clashes)


def find_slots(
    catalogue: Catalogue,
    plan: Plan,
    others: Iterable[Plan],
    *,
    earliest: datetime,
    latest: datetime,
    now: datetime,
    count: int = 10,
    step: timedelta = STEP,
    policies: Policies | None = None,
    weights: Weights | None = None,
    blocked: bool = False,
    apart: timedelta = timedelta(0),
) -> tuple[Slot, ...]:
    """Return the starts that harm least, the best first, equal ones by time.

    Args:
        catalogue: What needs what.
        plan: The work; only its phases' lengths and distances count.
        others: Every other plan.
        earliest: The first start that is looked at.
        latest: The end of the search: the last phase with an impact is over by then.
        now: When the plan would be announced.
        count: How many slots are wanted.
        step: The distance of candidates.
        policies: What clashes besides plans.
        weights: What counts how much.
        blocked: Whether starts that a clash blocks are among them, or left out.
        apart: How far from each better slot: a quarter of an hour later is seldom another night.
    """
    search = Search(
        catalogue, plan, list(others), earliest, latest, now, policies, weights or weights_of(catalogue)
    )
    last = latest - (plan.end - plan.start)
    starts = [earliest + step * n for n in range((last - earliest) // step + 1)] if last >= earliest else []
    # Each start is met up to three times, every time with a better known score: bound, harm, all of it.
    heap = list(zip(search.bounds(starts), starts, strict=True))
    heapq.heapify(heap)
    harmed: dict[datetime, Harm] = {}
    found: list[Slot] = []
    at_once = 16
    while heap and len(found) < count:
        _, start = heapq.heappop(heap)
        if any(abs(start - better.start) < apart for better in found):
            continue
        if start in harmed:
            slot = _slot(search, start, harmed[start])
            if blocked or not slot.is_blocked:
                found.append(slot)
            continue
        some, at_once = [start], min(2 * at_once, 256)
        while heap and len(some) < at_once and heap[0][1] not in harmed:
            some.append(heapq.heappop(heap)[1])
        for start, harm in search.harms(some, blocked).items():
            harmed[start] = harm
            heapq.heappush(heap, (search.score(harm), start))
    return tuple(found)


def _slot(search: Search, start: datetime, harm: Harm) -> Slot:
    """Return the candidate with its harm and its clashes."""
    return Slot(
        start,
        search.score(harm),
        tuple((unit, amount) for unit, amount in harm.items() if amount),
        search.alone_from(start),
        search.audiences,
        search.clashes(start),
    )
