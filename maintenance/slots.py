"""Candidate times for a piece of work, ranked by the harm they add to what other plans do already.

Nothing is guessed: of every candidate a lower bound of its harm is known at once, and the exact harm and
the clashes are worked out only for those whose bound is low enough to matter, best first.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from maintenance.catalogue import Catalogue, what_decides
from maintenance.clashes import Clash, clashes_between, in_order
from maintenance.forecast import hull
from maintenance.harm import Clock, Profile, Weights, counted_volumes, weighted_hours, weights_of
from maintenance.interventions import Plan
from maintenance.joint_losses import loses_service
from maintenance.lines import DEGRADED, clipped, tick_of
from maintenance.policies import Policies
from maintenance.policy_clashes import find_policy_clashes
from maintenance.propagation import Spread, spread
from maintenance.texts import Text
from maintenance.windows import Interval

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


def shifted(plan: Plan, start: datetime) -> Plan:
    """Return the plan begun at another time, every phase as long as it was and as far from the first."""
    by = start - plan.start
    return replace(
        plan,
        phases=tuple(
            replace(
                phase,
                start=phase.start + by,
                end=phase.end + by,
                local_start=None,
                local_end=None,
                started_at=None,
                ended_at=None,
            )
            for phase in plan.phases
        ),
    )


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
    search = _Search(catalogue, plan, list(others), earliest, latest, now, policies, weights or weights_of(catalogue))
    last = latest - (plan.end - plan.start)
    starts = [earliest + step * n for n in range((last - earliest) // step + 1)] if last >= earliest else []
    # Each start is met up to three times, every time with a better known score: bound, harm, all of it.
    heap = [(search.bound(start), start) for start in starts]
    heapq.heapify(heap)
    harmed: set[datetime] = set()
    found: list[Slot] = []
    while heap and len(found) < count:
        _, start = heapq.heappop(heap)
        if any(abs(start - better.start) < apart for better in found):
            continue
        if start in harmed:
            slot = search.slot(start)
            if blocked or not slot.is_blocked:
                found.append(slot)
            continue
        score = search.score(start, blocked)
        if score is not None:
            harmed.add(start)
            heapq.heappush(heap, (score, start))
    return tuple(found)


class _Search:
    """What is worked out once for all candidates."""

    def __init__(
        self,
        catalogue: Catalogue,
        plan: Plan,
        others: list[Plan],
        earliest: datetime,
        latest: datetime,
        now: datetime,
        policies: Policies | None,
        weights: Weights,
    ) -> None:
        self.plan, self.now, self.policies, self.weights = shifted(plan, plan.start), now, policies, weights
        self.whole = catalogue
        self.reach = catalogue.reached_from(plan.systems)
        self.catalogue = what_decides(catalogue, self.reach)
        self.tail = timedelta(microseconds=self.catalogue.graph.longest_tail)
        self.length = self.plan.end - self.plan.start
        hulls = [(h, other) for other in others if other.reference != plan.reference and (h := hull(other))]
        hulls.sort(key=lambda pair: pair[0])
        self.others = [other for _, other in hulls]
        self.starts = [h.start for h, _ in hulls]
        self.ends = [h.end for h, _ in hulls]
        self.longest = max((h.end - h.start for h, _ in hulls), default=timedelta(0))
        #: Others that can touch anything that matters here; the rest only share people.
        self.felt = {
            other.reference
            for other in others
            if any(code in self.catalogue.systems for code in other.systems)
        }
        self.known: dict[tuple[str, ...], Spread] = {}
        self.alone = spread(self.catalogue, [self.plan])
        # What any joint forecast could hit: where others take redundancy, more than the plan alone does.
        self.volumes = counted_volumes(self.catalogue, self.reach)
        self.monthly: dict[Text, float] = {}
        for volume in self.volumes.values():
            self.monthly[volume.unit] = self.monthly.get(volume.unit, 0.0) + volume.per_month
        margin = self.length + 2 * self.tail + timedelta(days=1)
        self.clocks: dict[Profile, Clock] = {}
        for code in self.volumes:
            profile = weights.profile_of(code)
            if profile not in self.clocks:
                begin = min(earliest, self.plan.start) - margin
                end = max(latest, self.plan.end) + margin
                self.clocks[profile] = Clock(profile, catalogue.timezone, begin, end)
        self.counted = [
            (
                code,
                volume.unit,
                weights.per_hour(self.catalogue.systems[code], volume),
                self.clocks[weights.profile_of(code)],
            )
            for code, volume in self.volumes.items()
        ]
        origin = tick_of(self.plan.start)
        #: Weighted scores by profile and distance from the start: the harm of the plan alone, anywhere.
        self.offsets = self._offsets(self.alone, origin)
        background = spread(self.catalogue, self._near(earliest, latest))
        self.background = self._background(background)

    def bound(self, start: datetime) -> float:
        """Return a score below which the candidate's cannot be.

        Together nothing is better than the worse of the plan alone and the others alone, so what is
        added is at least the plan's own harm less all that the others do meanwhile.
        """
        tick = tick_of(start)
        own = sum(factor * clock.at(tick + offset) for clock, offset, factor in self.offsets)
        ticks, sums = self.background
        if not ticks:
            return max(own, 0.0)
        end = tick + (self.length + self.tail) // timedelta(microseconds=1)
        theirs = _sum_at(ticks, sums, end) - _sum_at(ticks, sums, tick)
        # A little lower still: sums of many floats differ in the last digits.
        return max(own - theirs, 0.0) * (1 - 1e-9)

    def score(self, start: datetime, blocked: bool) -> float | None:
        """Return the candidate's exact score; None for one that others' work plainly blocks, unless wanted."""
        _, _, alone, before, together = self._spreads(start)
        if not blocked and together is not alone and loses_service(alone, before, together):
            return None
        return self._score(self._harm(start, together, before))

    def slot(self, start: datetime) -> Slot:
        """Return the candidate with its exact harm and its clashes."""
        plan, near, alone, before, together = self._spreads(start)
        harm, own = self._harm(start, together, before), self._harm(start, alone, None)
        clashes = [*clashes_between(self.catalogue, plan, near, (alone, before, together), now=self.now)]
        if self.policies:
            # The whole catalogue: how much is down at once is not a matter of what the work reaches.
            clashes += find_policy_clashes(self.whole, plan, self.others, self.policies, now=self.now)
        audiences = dict.fromkeys(
            audience
            for code in self.volumes
            if any(impact >= DEGRADED for _, _, impact in alone.of(code))
            for audience in self.catalogue.systems[code].audiences
        )
        return Slot(
            start,
            self._score(harm),
            tuple(harm.items()),
            tuple(own.items()),
            tuple(audiences),
            in_order(clashes),
        )

    def _spreads(self, start: datetime) -> tuple[Plan, list[Plan], Spread, Spread, Spread]:
        """Return the plan begun then, the others around it, and what it, they and all of them do."""
        plan = shifted(self.plan, start)
        around = hull(plan) or Interval(start, start)
        near = self._near(around.start, around.end)
        felt = [other for other in near if other.reference in self.felt]
        alone, before = self._alone(start), self._before(felt)
        together = spread(self.catalogue, [plan, *felt]) if felt else alone
        return plan, near, alone, before, together

    def _score(self, harm: dict[Text, float]) -> float:
        # Rounded, so that starts that harm equally come by time and not by the last digits of a sum.
        return round(sum(value / self.monthly[unit] for unit, value in harm.items()), 12)

    def _alone(self, start: datetime) -> Spread:
        """Return what the plan alone does from then on: the same as at any time, only then."""
        return spread(self.catalogue, [shifted(self.plan, start)])

    def _before(self, others: list[Plan]) -> Spread:
        """Return what these others do; many candidates have the same ones around them."""
        references = tuple(other.reference for other in others)
        if references not in self.known:
            self.known[references] = spread(self.catalogue, others)
        return self.known[references]

    def _harm(self, start: datetime, together: Spread, before: Spread | None) -> dict[Text, float]:
        """Return the harm that one spread adds to another; they differ only while the plan can matter."""
        first, last = tick_of(start), tick_of(start + self.length + self.tail)
        harm: dict[Text, float] = {}
        known: dict[tuple[int, int, int], float] = {}
        for code, unit, per_hour, clock in self.counted:
            i = together.graph.index[code]
            key = (together.reached.get(i, 0), before.reached.get(i, 0) if before else 0, id(clock))
            if not key[0]:
                continue
            if key not in known:
                after = clipped(together.line(i), first, last)
                already = clipped(before.line(i), first, last) if before else ()
                known[key] = weighted_hours(after, clock, self.weights) - weighted_hours(
                    already, clock, self.weights
                )
            if known[key]:
                harm[unit] = harm.get(unit, 0.0) + known[key] * per_hour
        return harm

    def _per_hour(self, code: str) -> float:
        """Return the score of an average hour in which the system is out."""
        volume = self.volumes[code]
        per_hour = self.weights.per_hour(self.catalogue.systems[code], volume)
        return per_hour / self.monthly[volume.unit] if self.monthly[volume.unit] else 0.0

    def _offsets(self, alone: Spread, origin: int) -> list[tuple[Clock, int, float]]:
        found: dict[tuple[Profile, int], float] = {}
        for code in self.volumes:
            profile, per_hour = self.weights.profile_of(code), self._per_hour(code)
            for start, end, impact in alone.of(code):
                weight = self.weights.of_impact(impact) * per_hour
                for tick, sign in ((end, 1), (start, -1)):
                    key = (profile, tick - origin)
                    found[key] = found.get(key, 0.0) + sign * weight
        return [
            (self.clocks[profile], offset, factor) for (profile, offset), factor in found.items() if factor
        ]

    def _background(self, others: Spread) -> tuple[list[int], list[float]]:
        """Return what the others do to the systems that count, summed up in time."""
        rates: dict[int, float] = {}
        for code in self.volumes:
            # The busiest hour for all: a bound may be too low, never too high.
            profile = self.weights.profile_of(code)
            most = max(profile.hours) * 168 / sum(profile.hours) * self._per_hour(code)
            for start, end, impact in others.of(code):
                weight = self.weights.of_impact(impact) * most
                rates[start] = rates.get(start, 0.0) + weight
                rates[end] = rates.get(end, 0.0) - weight
        ticks = sorted(rates)
        sums, total, rate = [0.0], 0.0, 0.0
        for tick, following in pairwise(ticks):
            rate += rates[tick]
            total += rate * (following - tick) / 3_600_000_000
            sums.append(total)
        return ticks, sums

    def _near(self, start: datetime, end: datetime) -> list[Plan]:
        """Return the others whose work can meet work between two instants, recoveries included."""
        first = bisect_left(self.starts, start - self.longest - self.tail)
        last = bisect_left(self.starts, end + self.tail)
        # The whole plan counts, checks after the outage too.
        return [self.others[n] for n in range(first, last) if self.ends[n] + self.tail > start]


def _sum_at(ticks: Sequence[int], sums: Sequence[float], tick: int) -> float:
    """Return a sum between its steps."""
    position = bisect_left(ticks, tick)
    if position == 0:
        return 0.0
    if position == len(ticks):
        return sums[-1]
    share = (tick - ticks[position - 1]) / (ticks[position] - ticks[position - 1])
    return sums[position - 1] + share * (sums[position] - sums[position - 1])
