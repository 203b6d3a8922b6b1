"""Work in, stretches of impact per system out: the rules of the forecast, without their reasons.

Systems are numbers of the `Graph`; what one goes through is a `Line`, known by its number in the
`LineStore`. A level with few systems that the work reaches is worked out one by one. One with many is
worked out together: systems whose needs go through the same lines are one kind, and each kind is worked
out once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np

from maintenance.arrays import Numbers, alike, ordered, spans, uncollected
from maintenance.catalogue import Catalogue, Impact
from maintenance.graph import Graph
from maintenance.interventions import Plan
from maintenance.line_store import LineStore
from maintenance.lines import Line, from_need, instant_of, lengthened, overlay, tick_of

#: A stretch of work on one system: start, end, impact, reference.
Job = tuple[int, int, int, str]

#: From so many systems of one level on, arrays are faster.
MANY = 150

_IMPACTS = np.array([*Impact], object)


@dataclass
class Spread:
    """What some work does to every system that it reaches."""

    graph: Graph
    store: LineStore
    #: The systems with an impact, in ascending order, and the number of each one's line.
    systems: Numbers
    numbers: Numbers
    #: System number -> the work on it.
    jobs: dict[int, list[Job]]
    #: For systems in circles: their lines as settled before anything was lengthened.
    unlengthened: dict[int, Line] = field(default_factory=dict)

    @cached_property
    def reached(self) -> dict[int, int]:
        """Return the number of each system's line, for systems with an impact, in ascending order."""
        return dict(zip(self.systems.tolist(), self.numbers.tolist(), strict=True))

    def line(self, i: int) -> Line:
        """Return what the system of this number goes through."""
        return self.store.line(self.reached.get(i, 0))

    def of(self, code: str) -> Line:
        """Return what a system goes through; nothing for one that is not reached or not known."""
        return self.line(self.graph.index.get(code, -1))

    def everywhere(self) -> Numbers:
        """Return the number of each system's line, 0 for one without an impact."""
        numbers = np.zeros(len(self.graph.codes) + 1, np.int64)
        numbers[self.systems] = self.numbers
        return numbers

    def windows(self) -> list[tuple[str, Impact, datetime, datetime]]:
        """Return every window as values: system, impact, start, end."""
        counts, where, flat = self.store.stretches(self.numbers)
        ticks, places = np.unique(flat[:, :2], return_inverse=True)
        starts, ends = np.fromiter(map(instant_of, ticks.tolist()), object)[places.reshape(-1, 2).T]
        columns = (
            self.graph.names[np.repeat(self.systems, counts)],
            _IMPACTS[flat[where, 2]],
            starts[where],
            ends[where],
        )
        with uncollected():
            return list(zip(*(column.tolist() for column in columns), strict=True))


def spread(catalogue: Catalogue, plans: Iterable[Plan], *, now: datetime | None = None) -> Spread:
    """Return what the work of all these plans together does, every system visited at most once."""
    return spread_jobs(catalogue.graph, jobs_of(catalogue.graph, plans, now))


def spread_jobs(graph: Graph, jobs: dict[int, list[Job]]) -> Spread:
    """Return what this work, by the systems' numbers, does."""
    return _Run(graph, jobs).finish()


def jobs_of(graph: Graph, plans: Iterable[Plan], now: datetime | None) -> dict[int, list[Job]]:
    """Return the work above NO-IMPACT on each known system, by the system's number."""
    jobs: dict[int, list[Job]] = {}
    ticks: dict[datetime, int] = {}
    index = graph.index
    for plan in plans:
        for phase in plan.phases:
            for work, start, end in phase.stretches(now):
                i = index.get(work.system)
                if i is None or not work.impact:
                    continue
                if start not in ticks:
                    ticks[start] = tick_of(start)
                if end not in ticks:
                    ticks[end] = tick_of(end)
                jobs.setdefault(i, []).append((ticks[start], ticks[end], work.impact.value, plan.reference))
    return jobs


def line_of(jobs: Iterable[Job]) -> Line:
    """Return what the work itself does to its system."""
    return overlay(*(((start, end, impact),) for start, end, impact, _ in jobs))


class _Run:
    """One evaluation: the systems still to be looked at, and what was found of the others."""

    def __init__(self, graph: Graph, jobs: dict[int, list[Job]]) -> None:
        self.graph = graph
        self.jobs = jobs
        self.store = LineStore(graph.rules)
        self.worked: dict[tuple[tuple[int, ...], ...], int] = {}
        self.waiting = bytearray(len(graph.codes))
        #: By system the number of what its dependants feel; an array, and the same as a view for single ones.
        self.state = graph.borrow()
        self.feels = self.state.data
        self.needs_from, self.rules, self.members_from, self.members = graph.views
        self.dependants_from, self.dependants = graph.dependants_from.data, graph.dependants_of.data
        self.recovery = graph.recovery_of.data
        self.found: list[tuple[Numbers, Numbers]] = []
        self.unlengthened: dict[int, Line] = {}

    def finish(self) -> Spread:
        """Work through what the jobs reach, level by level."""
        graph, waiting = self.graph, self.waiting
        for i in self.jobs:
            waiting[i] = 1
        i = waiting.find(1)
        while i >= 0:
            end = graph.levels[bisect_right(graph.levels, i)]
            if waiting.count(1, i, end) < MANY:
                self._visit_each(i, end)
            else:
                self._visit_all(i, end)
            i = waiting.find(1, end)
        none = np.zeros(0, np.int64)
        systems = np.concatenate([none, *(systems for systems, _ in self.found)])
        numbers = np.concatenate([none, *(numbers for _, numbers in self.found)])
        if graph.circles:
            order = np.argsort(systems)
            systems, numbers = systems[order], numbers[order]
        graph.restore(self.state, systems)
        return Spread(graph, self.store, systems, numbers, self.jobs, self.unlengthened)

    def _visit_each(self, first: int, end: int) -> None:
        """Work out the systems of a level that wait, one by one."""
        systems, numbers = [], []
        i = first
        while i >= 0:
            if i in self.graph.circles:
                self._visit_circle(self.graph.circles[i])
            elif number := self._visit(i):
                systems.append(i)
                numbers.append(number)
                if feel := self.store.felt(number):
                    self.feels[i] = feel
                    for dependant in self.dependants[self.dependants_from[i] : self.dependants_from[i + 1]]:
                        self.waiting[dependant] = 1
            i = self.waiting.find(1, i + 1, end)
        self.found.append((np.array(systems, np.int64), np.array(numbers, np.int64)))

    def _visit(self, i: int) -> int:
        """Return the number of a system's line."""
        store, feels, members, members_from = self.store, self.feels, self.members, self.members_from
        number = 0
        for need in range(self.needs_from[i], self.needs_from[i + 1]):
            if rule := self.rules[need]:
                states = [feels[m] for m in members[members_from[need] : members_from[need + 1]]]
                feel = store.of_need((rule, *sorted(states))) if any(states) else 0
            else:
                feel = feels[members[members_from[need]]]
            if feel and feel != number:
                number = store.worse(number, feel) if number else feel
        if number and (recovery := self.recovery[i]):
            number = store.longer(number, self.graph.recoveries[recovery])
        if i in self.jobs:
            own = self._work(i)
            number = store.worse(number, own) if number else own
        return number

    def _work(self, i: int) -> int:
        """Return the number of the line that the work on a system makes; most of a plan's work is alike."""
        key = tuple(job[:3] for job in self.jobs[i])
        number = self.worked.get(key)
        if number is None:
            number = self.worked[key] = self.store.number(line_of(self.jobs[i]))
        return number

    def _visit_all(self, first: int, end: int) -> None:
        """Work out all systems of a level that wait together."""
        graph, marks = self.graph, np.frombuffer(self.waiting, bool)
        systems = np.flatnonzero(marks[first:end]) + first
        here: Collection[int] = range(first, end)
        if graph.circles:
            inside = np.array([i in graph.circles for i in systems.tolist()])
            for i in systems[inside].tolist():
                if self.waiting[i]:
                    self._visit_circle(graph.circles[i])
            systems = systems[~inside]
            here = set(systems.tolist())
        numbers = self._all_worst(systems, here)
        systems, numbers = systems[numbers > 0], numbers[numbers > 0]
        self.found.append((systems, numbers))
        begins = graph.dependants_from
        counts = begins[systems + 1] - begins[systems]
        needed = counts > 0
        feels = self.store.many_felt(numbers[needed])
        self.state[systems[needed]] = feels
        telling = systems[needed][feels > 0]
        marks[graph.dependants_of[spans(begins[telling], begins[telling + 1] - begins[telling])]] = True

    def _all_worst(self, systems: Numbers, here: Collection[int]) -> Numbers:
        """Return the numbers of these systems' lines; `here` holds them and none that has work and is not one."""
        graph = self.graph
        counts = graph.needs_from[systems + 1] - graph.needs_from[systems]
        made = self._all_needs(spans(graph.needs_from[systems], counts))
        failing = made > 0
        owners = np.repeat(np.arange(len(systems)), counts)[failing]
        # In order and each once, so that systems with equal lines in another order are alike.
        owners, made = ordered(owners, made[failing], len(self.store), once=True)
        counts = np.bincount(owners, minlength=len(systems))
        works = np.zeros(len(systems), np.int64)
        worked_on = [i for i in self.jobs if i in here]
        works[np.searchsorted(systems, worked_on)] = [self._work(i) for i in worked_on]
        bound = len(self.store)
        recovery = graph.recovery_of[systems]
        kinds, examples = alike(recovery * bound + works, counts, made, bound)
        some = spans((np.cumsum(counts) - counts)[examples], counts[examples])
        recoveries = np.array(graph.recoveries)[recovery[examples]]
        return self.store.many_worst(recoveries, works[examples], counts[examples], made[some])[kinds]

    def _all_needs(self, needs: Numbers) -> Numbers:
        """Return the numbers of the lines that these needs make."""
        graph, state = self.graph, self.state
        begins, rules = graph.members_from[needs], graph.need_rules[needs]
        # Of one member that must be up: what is felt of it.
        made = state[graph.members[begins]].astype(np.int64)
        others = np.flatnonzero(rules)
        sizes = graph.members_from[needs[others] + 1] - begins[others]
        feels = state[graph.members[spans(begins[others], sizes)]]
        owners = np.repeat(np.arange(len(others)), sizes)
        sick = feels > 0
        bound = len(self.store)
        owners, feels = ordered(owners[sick], feels[sick], bound)
        counts = np.bincount(owners, minlength=len(others))
        made[others] = 0
        failing = np.flatnonzero(counts)
        others, sizes, counts = others[failing], sizes[failing], counts[failing]
        heads = rules[others] * (int(sizes.max(initial=0)) + 1) + sizes
        kinds, examples = alike(heads, counts, feels, bound)
        some = spans((np.cumsum(counts) - counts)[examples], counts[examples])
        of_kinds = self.store.many_of_needs(
            rules[others[examples]], sizes[examples], counts[examples], feels[some]
        )
        made[others] = of_kinds[kinds]
        return made

    def _visit_circle(self, circle: Sequence[int]) -> None:
        """Settle a circle as a whole and tell those outside it."""
        systems, numbers = [], []
        for j, line in self._settle(circle):
            self.waiting[j] = 0
            if line:
                systems.append(j)
                numbers.append(self.store.number(line))
                self.feels[j] = self.store.felt(numbers[-1])
        self.found.append((np.array(systems, np.int64), np.array(numbers, np.int64)))
        for j in circle:
            if self.feels[j]:
                for dependant in self.graph.dependants(j):
                    self.waiting[dependant] |= dependant not in circle

    def _settle(self, circle: Sequence[int]) -> Iterator[tuple[int, Line]]:
        """Yield each system of a circle with its line.

        Settle from nothing upwards without recovery; lengthen each one's OUTAGE from needs by its own
        recovery; settle once more, adding none. So a circle ends by itself: if each recovery counted
        again on the way round, its systems would hold each other down for ever.
        """
        work = {i: line_of(self.jobs.get(i, ())) for i in circle}
        settled = self._fixed_point(work)
        self.unlengthened.update(settled)
        base = dict(work)
        for i in circle:
            if recovery := self.graph.recovery(i):
                base[i] = overlay(work[i], lengthened(self._needs_line(i, settled), recovery))
        again = self._fixed_point(base) if base != work else settled
        yield from again.items()

    def _fixed_point(self, base: dict[int, Line]) -> dict[int, Line]:
        """Return the mildest lines that hold the base and what the needs make of the lines themselves."""
        lines = dict(base)
        waiting = dict.fromkeys(lines)
        while waiting:
            i = next(iter(waiting))
            del waiting[i]
            line = overlay(base[i], self._needs_line(i, lines))
            if line != lines[i]:
                lines[i] = line
                waiting.update((d, None) for d in self.graph.dependants(i) if d in lines)
        return lines

    def _needs_line(self, i: int, inside: dict[int, Line]) -> Line:
        return overlay(
            *(
                from_need(
                    rule, [inside[m] if m in inside else self.store.line(self.feels[m]) for m in members]
                )
                for rule, members in self.graph.needs(i)
            )
        )


def needs_line(spread: Spread, i: int) -> Line:
    """Return what a system's needs alone do to it, recovery and the work on itself left out."""
    return overlay(
        *(from_need(rule, [spread.line(m) for m in members]) for rule, members in spread.graph.needs(i))
    )
