"""The forecast's rules once more, hour by hour, slow and obvious: what the fast one is held against.

Nothing of `maintenance.propagation`, `causes` or `graph` is used here.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import timedelta
from itertools import count

from maintenance.catalogue import Catalogue, Impact, Need
from maintenance.interventions import Plan
from tests.builders import DAY

HOUR = timedelta(hours=1)
NONE, REDUCED, DEGRADED, OUTAGE = Impact
#: Every invented plan and all recoveries after it end before.
HORIZON = 60
State = dict[tuple[str, int], Impact]


def hour_of(instant):
    return (instant - DAY) // HOUR


class SlowForecast:
    """`impact[system, hour]`, and `because(window)` by walking from the window to the work."""

    def __init__(self, catalogue: Catalogue, plans: Iterable[Plan]) -> None:
        self.systems = dict(catalogue.systems)
        self.work: dict[tuple[str, int], dict[str, Impact]] = {}
        for plan in plans:
            for phase in plan.phases:
                for work in phase.work:
                    for hour in range(hour_of(phase.start), hour_of(phase.end)):
                        here = self.work.setdefault((work.system, hour), {})
                        here[plan.reference] = max(work.impact, here.get(plan.reference, NONE))
        #: As settled without the circle's own recoveries, and as it stands at the end.
        self.first: State = {}
        self.impact: State = {}
        for circle in self.circles():
            self.settle_circle(circle)

    def circles(self) -> list[set[str]]:
        needed = {c: {m for n in s.needs for m in n.of} for c, s in self.systems.items()}
        reach = {c: set(ms) for c, ms in needed.items()}
        for _ in self.systems:
            for c in self.systems:
                for m in list(reach[c]):
                    reach[c] |= reach.get(m, set())
        groups: list[set[str]] = []
        for c in self.systems:
            group = {c} | {d for d in reach[c] if c in reach.get(d, set())}
            if group not in groups:
                groups.append(group)
        # What is needed comes first: of two groups the one that reaches fewer systems.
        return sorted(groups, key=lambda group: len(set().union(*(reach[c] for c in group)) | group))

    def settle_circle(self, circle: set[str]) -> None:
        hours = range(HORIZON)
        for code in circle:
            for hour in hours:
                self.impact[code, hour] = max(self.work.get((code, hour), {}).values(), default=NONE)
        base = dict(self.impact)
        self.rise(circle, base)
        for code in circle:
            for hour in hours:
                self.first[code, hour] = self.impact[code, hour]
        longer = dict(base)
        for code in circle:
            for hour in hours:
                if self.from_needs(code, hour) == OUTAGE:
                    for after in range(hour, hour + self.systems[code].recovery // HOUR + 1):
                        longer[code, after] = OUTAGE
        self.impact.update(longer)
        self.rise(circle, longer)

    def rise(self, circle: set[str], base: State) -> None:
        changed = True
        while changed:
            changed = False
            for code in circle:
                for hour in range(HORIZON):
                    worst = max(base[code, hour], self.from_needs(code, hour))
                    if worst != self.impact[code, hour]:
                        self.impact[code, hour] = worst
                        changed = True

    def from_needs(self, code: str, hour: int) -> Impact:
        needs = self.systems[code].needs
        return max((self.of_need(need, hour, self.impact)[0] for need in needs), default=NONE)

    def of_need(self, need: Need, hour: int, state: State) -> tuple[Impact, list[str]]:
        """The impact, and the members that count for it."""
        out = [m for m in need.of if state[m, hour] == OUTAGE]
        bad = [m for m in need.of if state[m, hour] >= DEGRADED]
        if len(need.of) - len(out) < need.at_least:
            return need.otherwise, out
        if len(need.of) - len(bad) < need.at_least:
            return min(DEGRADED, need.otherwise), bad
        if bad:
            return REDUCED, bad
        return NONE, []

    def windows(self) -> list[tuple[str, Impact, int, int]]:
        found = []
        for code in self.systems:
            hour = 0
            while hour < HORIZON:
                end = hour
                while end < HORIZON and self.impact[code, end] == self.impact[code, hour]:
                    end += 1
                if self.impact[code, hour] != NONE:
                    found.append((code, self.impact[code, hour], hour, end))
                hour = end
        return sorted(found, key=lambda w: (w[2], w[0], w[1]))

    def because(self, code: str, start: int, end: int) -> tuple[tuple[str, ...], ...]:
        """Shortest chains first, so the first that comes to a plan is the one to name."""
        order = count()
        # (length, chain so far, tie, system, hour, as first settled?, needs only?)
        heap = [(0, (), next(order), code, hour, False, False) for hour in range(start, end)]
        seen, chains = set(), {}
        while heap:
            length, chain, _, system, hour, first, needs_only = heapq.heappop(heap)
            if (system, hour, first, needs_only) in seen:
                continue
            seen.add((system, hour, first, needs_only))
            circle = next(c for c in self.circles() if system in c)
            state = (
                {**self.impact, **{k: v for k, v in self.first.items() if k[0] in circle}}
                if first
                else self.impact
            )
            impact = state[system, hour]
            if not needs_only:
                for reference, own in self.work.get((system, hour), {}).items():
                    if own == impact:
                        chains.setdefault(reference, (*chain, reference))
            if not needs_only and not first and impact == OUTAGE:
                for back in range(1, self.systems[system].recovery // HOUR + 1):
                    if hour >= back and self.first_needs(system, hour - back) == OUTAGE:
                        heapq.heappush(heap, (length, chain, next(order), system, hour - back, True, True))
            for need in self.systems[system].needs:
                result, counted = self.of_need(need, hour, state)
                if result == impact or (needs_only and result == OUTAGE):
                    for m in counted:
                        inner = first and m in circle
                        heapq.heappush(heap, (length + 1, (*chain, m), next(order), m, hour, inner, False))
        return tuple(sorted(chains.values(), key=lambda c: (len(c), c)))

    def first_needs(self, system: str, hour: int) -> Impact:
        circle = next(c for c in self.circles() if system in c)
        state = {**self.impact, **{k: v for k, v in self.first.items() if k[0] in circle}}
        return max((self.of_need(n, hour, state)[0] for n in self.systems[system].needs), default=NONE)
