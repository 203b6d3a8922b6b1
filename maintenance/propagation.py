"""Work in, stretches of impact per system out: the rules of the forecast, without their reasons.

Systems are numbers of the `Graph`; what one goes through is a `Line`. Equal lines are one object with
one number, and what comes of lines that meet is remembered by their numbers: a thousand servers that go
down together are worked out once, and most systems cost a few look-ups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from maintenance.catalogue import Catalogue
from maintenance.graph import Graph
from maintenance.interventions import Plan
from maintenance.lines import (
    OUTAGE,
    Line,
    as_reduced,
    felt,
    from_need,
    joined,
    lengthened,
    overlay,
    tick_of,
)

#: A stretch of work on one system: start, end, impact, reference.
Job = tuple[int, int, int, str]


@dataclass(slots=True)
class Spread:
    """What some work does to every system that it reaches."""

    graph: Graph
    #: The lines that occur; the first is the empty one.
    lines: list[Line]
    #: System number -> position in `lines`, only for systems with an impact, in ascending order.
    reached: dict[int, int]
    #: System number -> the work on it.
    jobs: dict[int, list[Job]]
    #: For systems in circles: their lines as settled before anything was lengthened.
    unlengthened: dict[int, Line] = field(default_factory=dict)

    def line(self, i: int) -> Line:
        """Return what the system of this number goes through."""
        return self.lines[self.reached.get(i, 0)]

    def of(self, code: str) -> Line:
        """Return what a system goes through; nothing for one that is not reached or not known."""
        return self.line(self.graph.index.get(code, -1))

    def windows(self) -> list[tuple[str, int, int, int]]:
        """Return every window as plain values: system, impact, start, end."""
        codes, lines = self.graph.codes, self.lines
        return [(codes[i], w[2], w[0], w[1]) for i, number in self.reached.items() for w in lines[number]]


def spread(catalogue: Catalogue, plans: Iterable[Plan], *, now: datetime | None = None) -> Spread:
    """Return what the work of all these plans together does, every system visited at most once."""
    return _Run(catalogue.graph, jobs_of(catalogue.graph, plans, now)).finish()


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
    """One evaluation: the numbers of the lines seen so far, and what came of those that met."""

    def __init__(self, graph: Graph, jobs: dict[int, list[Job]]) -> None:
        self.graph = graph
        self.jobs = jobs
        self.lines: list[Line] = [()]
        self.numbers: dict[Line, int] = {(): 0}
        self.worse: dict[tuple[int, int], int] = {}
        self.some: dict[tuple[int, ...], int] = {}
        self.longer: dict[tuple[int, int], int] = {}
        self.felt: dict[int, int] = {0: 0}
        self.reduced: dict[int, int] = {}
        self.reached: dict[int, int] = {}
        self.unlengthened: dict[int, Line] = {}

    def finish(self) -> Spread:
        """Work through what the jobs reach, in the order of the numbers."""
        graph, reached, jobs, worse, some = self.graph, self.reached, self.jobs, self.worse, self.some
        hard, pairs, groups, alike = graph.hard, graph.pairs, graph.groups, graph.alike
        dependants, circles = graph.dependants, graph.circles
        #: For each system the number of what its dependants feel.
        state = graph.borrow()
        known: dict[int, int] = {}
        # The marks say who is still to be looked at; `find` passes over the others at the speed of memory.
        waiting = bytearray(len(graph.codes))
        for i in jobs:
            waiting[i] = 1
        i = waiting.find(1)
        while i >= 0:
            if i in circles:
                self._visit_circle(circles[i], state, waiting)
                i = waiting.find(1, i + 1)
                continue
            # From here on once for each system that is reached: written out for speed.
            number = known.get(alike[i], -1) if alike[i] else -1
            if number < 0:
                number = 0
                for m in hard[i]:
                    feel = state[m]
                    if feel and feel != number:
                        number = (worse.get((number, feel)) or self._worse(number, feel)) if number else feel
                for rule, a, b in pairs[i]:
                    one, other = state[a], state[b]
                    if one or other:
                        key = (rule, one, other)
                        feel = some.get(key) or self._some(key)
                        if feel != number:
                            number = (
                                (worse.get((number, feel)) or self._worse(number, feel)) if number else feel
                            )
                if groups[i]:
                    number = self._groups(groups[i], state, number)
                if number and i in graph.recovery:
                    number = self._longer(number, graph.recovery[i])
                if alike[i]:
                    known[alike[i]] = number
            if i in jobs:
                number = self._number(overlay(line_of(jobs[i]), self.lines[number]))
            if number:
                reached[i] = number
                if dependants[i] and (feel := self._felt(number)):
                    state[i] = feel
                    for dependant in dependants[i]:
                        waiting[dependant] = 1
            i = waiting.find(1, i + 1)
        graph.restore(state, reached)
        return Spread(graph, self.lines, reached, jobs, self.unlengthened)

    def _groups(self, needs: Iterable[tuple[int, ...]], state: Sequence[int], number: int) -> int:
        """Return the number of the worst of a line and of what these needs make."""
        for need in needs:
            states = [state[m] for m in need[1:]]
            if any(states):
                key = (need[0], *sorted(states))
                feel = self.some.get(key) or self._some(key)
                if number and feel != number:
                    number = self.worse.get((number, feel)) or self._worse(number, feel)
                else:
                    number = feel
        return number

    def _number(self, line: Line) -> int:
        """Return the number of a line; equal lines have one."""
        number = self.numbers.get(line)
        if number is None:
            number = self.numbers[line] = len(self.lines)
            self.lines.append(line)
        return number

    def _worse(self, a: int, b: int) -> int:
        number = self._number(overlay(self.lines[a], self.lines[b]))
        self.worse[a, b] = self.worse[b, a] = number
        return number

    def _felt(self, number: int) -> int:
        feel = self.felt.get(number)
        if feel is None:
            feel = self.felt[number] = self._number(felt(self.lines[number]))
        return feel

    def _longer(self, number: int, recovery: int) -> int:
        longer = self.longer.get((number, recovery))
        if longer is None:
            line = self.lines[number]
            longer = self._number(overlay(line, lengthened(line, recovery)))
            self.longer[number, recovery] = longer
        return longer

    def _some(self, key: tuple[int, ...]) -> int:
        """Return the number of the line that a need makes; the key is its rule and its members' states."""
        at_least, otherwise = self.graph.rules[key[0]]
        sick = [state for state in key[1:] if state]
        # Those that never fail are up at every instant: the others must give the rest.
        at_least -= len(key) - 1 - len(sick)
        if at_least <= 0:
            number = 0
            for state in dict.fromkeys(sick):
                reduced = self.reduced.get(state)
                if reduced is None:
                    reduced = self.reduced[state] = self._number(as_reduced(self.lines[state]))
                number = self.worse.get((number, reduced)) or self._worse(number, reduced)
        elif len(set(sick)) == 1:  # all of them fail together
            line = self.lines[sick[0]]
            if otherwise < OUTAGE:
                line = joined((s, e, min(impact, otherwise)) for s, e, impact in line)
            number = self._number(line)
        else:
            number = self._number(from_need((at_least, otherwise), [self.lines[state] for state in sick]))
        self.some[key] = number
        return number

    def _visit_circle(self, circle: Sequence[int], state: list[int], waiting: bytearray) -> None:
        """Settle a circle as a whole and tell those outside it."""
        for j, line in self._settle(circle, state):
            waiting[j] = 0
            if line:
                self.reached[j] = self._number(line)
                state[j] = self._felt(self.reached[j])
        for j in circle:
            if state[j]:
                for dependant in self.graph.dependants[j]:
                    waiting[dependant] |= dependant not in circle

    def _settle(self, circle: Sequence[int], state: Sequence[int]) -> Iterator[tuple[int, Line]]:
        """Yield each system of a circle with its line.

        Settle from nothing upwards without recovery; lengthen each one's OUTAGE from needs by its own
        recovery; settle once more, adding none. So a circle ends by itself: if each recovery counted
        again on the way round, its systems would hold each other down for ever.
        """
        work = {i: line_of(self.jobs.get(i, ())) for i in circle}
        settled = self._fixed_point(work, state)
        self.unlengthened.update(settled)
        base = dict(work)
        for i in circle:
            if recovery := self.graph.recovery.get(i):
                base[i] = overlay(work[i], lengthened(self._needs_line(i, settled, state), recovery))
        again = self._fixed_point(base, state) if base != work else settled
        yield from again.items()

    def _fixed_point(self, base: dict[int, Line], state: Sequence[int]) -> dict[int, Line]:
        """Return the mildest lines that hold the base and what the needs make of the lines themselves."""
        lines = dict(base)
        waiting = dict.fromkeys(lines)
        while waiting:
            i = next(iter(waiting))
            del waiting[i]
            line = overlay(base[i], self._needs_line(i, lines, state))
            if line != lines[i]:
                lines[i] = line
                waiting.update((d, None) for d in self.graph.dependants[i] if d in lines)
        return lines

    def _needs_line(self, i: int, inside: dict[int, Line], state: Sequence[int]) -> Line:
        return overlay(
            *(
                from_need(rule, [inside[m] if m in inside else self.lines[state[m]] for m in members])
                for rule, members in self.graph.needs(i)
            )
        )


def needs_line(spread: Spread, i: int) -> Line:
    """Return what a system's needs alone do to it, recovery and the work on itself left out."""
    return overlay(
        *(from_need(rule, [spread.line(m) for m in members]) for rule, members in spread.graph.needs(i))
    )
