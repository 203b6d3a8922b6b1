"""What is worked out once for all candidate times of a piece of work, and for many candidates at once.

Candidates that are looked at together are laid end to end on one long axis of time, each with the other
plans around it and so far from the next that nothing of one outlasts the gap: then one forecast answers
for all of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from maintenance.arrays import Numbers
from maintenance.catalogue import Catalogue, what_decides
from maintenance.clashes import Clash, clashes_between, in_order
from maintenance.forecast import hull
from maintenance.harm import Amounts, Clock, Profile, Weights, counted_volumes
from maintenance.interventions import Plan
from maintenance.joint_losses import service_lost
from maintenance.lines import DEGRADED, tick_of
from maintenance.policies import Policies
from maintenance.policy_clashes import find_policy_clashes
from maintenance.propagation import Job, Spread, jobs_of, spread, spread_jobs
from maintenance.texts import Text

#: Harm per unit.
Harm = dict[Text, float]
#: The work of some plans by system, in microseconds.
Jobs = dict[int, list[Job]]

_MICROSECOND = timedelta(microseconds=1)


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


@dataclass(frozen=True, slots=True)
class _Sums:
    """Harm summed up in time: at each tick the sum so far and the rate from there on."""

    clock: Clock
    ticks: Numbers
    hours: Amounts
    sums: Amounts
    rates: Amounts

    def at(self, ticks: Numbers) -> Amounts:
        """Return the harm until each instant."""
        position = np.searchsorted(self.ticks, ticks, side="right") - 1
        found = self.sums[position] + self.rates[position] * (self.clock.at(ticks) - self.hours[position])
        return np.where(position < 0, 0.0, found)


class Search:
    """The work, the other plans, and what of the catalogue decides about them."""

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
        reach = catalogue.reached_from(plan.systems)
        self.catalogue = what_decides(catalogue, reach)
        self.tail = timedelta(microseconds=self.catalogue.graph.longest_tail)
        self.length = self.plan.end - self.plan.start
        hulls = [(h, other) for other in others if other.reference != plan.reference and (h := hull(other))]
        hulls.sort(key=lambda pair: pair[0])
        self.others = [other for _, other in hulls]
        self.starts = [h.start for h, _ in hulls]
        self.ends = [h.end for h, _ in hulls]
        self.longest = max((h.end - h.start for h, _ in hulls), default=timedelta(0))
        #: Of each other plan its work on what matters here; some only share people.
        self.jobs = [jobs_of(self.catalogue.graph, [other], None) for other in self.others]
        self.alone = spread(self.catalogue, [self.plan])
        # What any joint forecast could hit: where others take redundancy, more than the plan alone does.
        self.volumes = counted_volumes(self.catalogue, reach)
        self._set_rates(earliest, latest)
        self.own = self._summed(self.alone)
        self.background = self._summed(spread(self.catalogue, self._plans(self._near(earliest, latest))))
        self.audiences = tuple(
            dict.fromkeys(
                audience
                for code in self.volumes
                if any(impact >= DEGRADED for _, _, impact in self.alone.of(code))
                for audience in self.catalogue.systems[code].audiences
            )
        )

    def _set_rates(self, earliest: datetime, latest: datetime) -> None:
        """Set by system what an average hour of OUTAGE harms, of which unit, in which profile."""
        self.units = list(dict.fromkeys(volume.unit for volume in self.volumes.values()))
        profiles = list(dict.fromkeys(self.weights.profile_of(code) for code in self.volumes))
        margin = self.length + 2 * self.tail + timedelta(days=1)
        begin, end = min(earliest, self.plan.start) - margin, max(latest, self.plan.end) + margin
        self.clocks = [Clock(profile, self.whole.timezone, begin, end) for profile in profiles]
        count = len(self.catalogue.graph.codes)
        self.per_hour = np.zeros(count)
        self.unit_of, self.profile_of = np.zeros(count, np.int64), np.zeros(count, np.int64)
        monthly = np.zeros(len(self.units))
        positions: dict[Profile, int] = {profile: n for n, profile in enumerate(profiles)}
        for code, volume in self.volumes.items():
            i, unit = self.catalogue.graph.index[code], self.units.index(volume.unit)
            self.per_hour[i] = self.weights.per_hour(self.catalogue.systems[code], volume)
            self.unit_of[i], self.profile_of[i] = unit, positions[self.weights.profile_of(code)]
            monthly[unit] += volume.per_month
        self.monthly = dict(zip(self.units, monthly.tolist(), strict=True))
        self.shares = (
            self.per_hour / np.where(monthly > 0, monthly, np.inf)[self.unit_of]
            if self.units
            else self.per_hour
        )
        self.of_impact = np.array([self.weights.of_impact(impact) for impact in range(4)])

    def bounds(self, starts: Sequence[datetime]) -> list[float]:
        """Return for each start a score below which the candidate's cannot be.

        Together nothing is better than the worse of the plan alone and the others alone, so what is
        added is at least the plan's own harm less all that the others do meanwhile.
        """
        ticks = np.array([tick_of(start) for start in starts], np.int64)
        origin, last = tick_of(self.plan.start), (self.length + self.tail) // _MICROSECOND
        found = np.zeros(len(ticks))
        for own in self.own:
            factors = np.diff(own.rates, prepend=0.0)
            for tick, factor in zip(own.ticks.tolist(), factors.tolist(), strict=True):
                found -= factor * own.clock.at(ticks + (tick - origin))
        for theirs in self.background:
            found -= theirs.at(ticks + last) - theirs.at(ticks)
        # A little lower still: sums of many floats differ in the last digits.
        bounds: list[float] = (np.maximum(found, 0.0) * (1 - 1e-9)).tolist()
        return bounds

    def score(self, harm: Harm) -> float:
        """Return what ranks a candidate: the shares of a month's volumes."""
        # Rounded, so that starts that harm equally come by time and not by the last digits of a sum.
        return round(sum(value / self.monthly[unit] for unit, value in harm.items() if value), 12)

    def harms(self, starts: Sequence[datetime], blocked: bool) -> dict[datetime, Harm]:
        """Return the harm that each start adds; without those that others' work plainly blocks, unless wanted."""
        before, tail = (self.longest + self.tail) // _MICROSECOND, self.tail // _MICROSECOND
        length = self.length // _MICROSECOND
        apart = before + length + self.longest // _MICROSECOND + 3 * tail + 1
        own = jobs_of(self.catalogue.graph, [self.plan], None)
        begins = np.array([tick_of(start) - before for start in starts])
        mine: Jobs = {}
        theirs: Jobs = {}
        for place, start in enumerate(starts):
            _lay(mine, own, place * apart + before - tick_of(self.plan.start))
            for n in self._near(start, start + self.length):
                _lay(theirs, self.jobs[n], place * apart - int(begins[place]))
        graph = self.catalogue.graph
        together = spread_jobs(graph, {i: mine.get(i, []) + theirs.get(i, []) for i in mine.keys() | theirs})
        without = spread_jobs(graph, theirs)
        counted = [
            self._harm_by_place(each, begins, apart, before, before + length + tail)
            for each in (together, without)
        ]
        added = counted[0] - counted[1]
        # What only the last digits of two sums make is nothing.
        added[np.abs(added) < 1e-12 * np.array(list(self.monthly.values()))] = 0.0
        lost = (
            set()
            if blocked
            else set((service_lost(together, spread_jobs(graph, mine), without) // apart).tolist())
        )
        return {
            start: dict(zip(self.units, added[place].tolist(), strict=True))
            for place, start in enumerate(starts)
            if place not in lost
        }

    def _harm_by_place(self, of: Spread, begins: Numbers, apart: int, first: int, last: int) -> Amounts:
        """Return the harm in each place, per unit, between two ticks of it; each begins at a real instant."""
        systems, stretches = self._counted(of)
        places = stretches[:, 0] // apart
        real = begins[places]
        starts = np.maximum(stretches[:, 0] - places * apart, first) + real
        ends = np.maximum(np.minimum(stretches[:, 1] - places * apart, last) + real, starts)
        harm = np.zeros((len(begins), len(self.units)))
        for position, clock in enumerate(self.clocks):
            here = self.profile_of[systems] == position
            hours = clock.at(ends[here]) - clock.at(starts[here])
            amounts = hours * self.of_impact[stretches[here, 2]] * self.per_hour[systems[here]]
            np.add.at(harm, (places[here], self.unit_of[systems[here]]), amounts)
        return harm

    def _counted(self, of: Spread) -> tuple[Numbers, Numbers]:
        """Return the stretches of the systems that count, each with its system."""
        counts = self.per_hour[of.systems] > 0
        systems = of.systems[counts]
        many, where, flat = of.store.stretches(of.numbers[counts])
        return np.repeat(systems, many), flat[where]

    def _summed(self, of: Spread) -> list[_Sums]:
        """Return the score of what a spread does, summed up in time, by profile."""
        systems, stretches = self._counted(of)
        rates = self.of_impact[stretches[:, 2]] * self.shares[systems]
        found = []
        for position, clock in enumerate(self.clocks):
            here = self.profile_of[systems] == position
            if not here.any():
                continue
            ticks = np.concatenate([stretches[here, 0], stretches[here, 1]])
            ticks, places = np.unique(ticks, return_inverse=True)
            changes = np.bincount(places, np.concatenate([rates[here], -rates[here]]))
            hours, rate = clock.at(ticks), np.cumsum(changes, dtype=np.float64)
            sums = np.concatenate([[0.0], np.cumsum(rate[:-1] * np.diff(hours))])
            found.append(_Sums(clock, ticks, hours, sums, rate))
        return found

    def alone_from(self, start: datetime) -> tuple[tuple[Text, float], ...]:
        """Return what the work would harm from then on if nothing else went on."""
        by = tick_of(start) - tick_of(self.plan.start)
        last = (self.length + self.tail) // _MICROSECOND
        begins = np.array([by])
        first = tick_of(self.plan.start)
        harm = self._harm_by_place(self.alone, begins, 1 << 62, first, first + last)[0].tolist()
        return tuple((unit, amount) for unit, amount in zip(self.units, harm, strict=True) if amount)

    def clashes(self, start: datetime) -> tuple[Clash, ...]:
        """Return what stands against the candidate."""
        plan = shifted(self.plan, start)
        around = hull(plan)
        near = self._near(around.start, around.end) if around else []
        felt = self._plans([n for n in near if self.jobs[n]])
        alone, before = spread(self.catalogue, [plan]), spread(self.catalogue, felt)
        together = spread(self.catalogue, [plan, *felt]) if felt else alone
        spreads = alone, before, together
        clashes = [*clashes_between(self.catalogue, plan, self._plans(near), spreads, now=self.now)]
        if self.policies:
            # The whole catalogue: how much is down at once is not a matter of what the work reaches.
            clashes += find_policy_clashes(self.whole, plan, self.others, self.policies, now=self.now)
        return in_order(clashes)

    def _plans(self, positions: Sequence[int]) -> list[Plan]:
        return [self.others[n] for n in positions]

    def _near(self, start: datetime, end: datetime) -> list[int]:
        """Return the positions of the others whose work can meet work between two instants, recoveries included."""
        first = bisect_left(self.starts, start - self.longest - self.tail)
        last = bisect_left(self.starts, end + self.tail)
        # The whole plan counts, checks after the outage too.
        return [n for n in range(first, last) if self.ends[n] + self.tail > start]


def _lay(jobs: Jobs, some: Jobs, by: int) -> None:
    """Add some work to other work, so much later."""
    for i, each in some.items():
        jobs.setdefault(i, []).extend(
            (start + by, end + by, impact, name) for start, end, impact, name in each
        )
