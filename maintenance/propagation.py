"""Work in, stretches of impact per system out: the rules of the forecast, without their reasons.

Times are whole microseconds since 1970 here, impacts 0 to 3, systems numbers of the `Graph`. A
*line* is what one system goes through: `(start, end, impact)` in order, none touching an equal
neighbour. Equal lines are one object with one number, so that a thousand servers that go down
together are worked out once, and the work for a system is a look-up unless something new meets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from maintenance.catalogue import Catalogue, Impact
from maintenance.graph import Graph, NeedShape
from maintenance.interventions import Plan

Line = tuple[tuple[int, int, int], ...]
#: A stretch of work on one system: start, end, impact, reference.
Job = tuple[int, int, int, str]

REDUCED, DEGRADED, OUTAGE = Impact.REDUCED_REDUNDANCY.value, Impact.DEGRADED.value, Impact.OUTAGE.value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def tick_of(instant: datetime) -> int:
    """Return the microseconds since 1970 of an aware instant."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(tick: int) -> datetime:
    """Return the instant that `tick_of` was given, in UTC."""
    return _EPOCH + timedelta(microseconds=tick)


def need_impact(impacts: Sequence[int], at_least: int, otherwise: int) -> int:
    """Return what a need does to its system while its members are in these impacts.

    *Up* are members not in OUTAGE, *well* those below DEGRADED. Too few up: `otherwise`. Too few
    well: the milder of DEGRADED and `otherwise`. Not all well: REDUCED-REDUNDANCY. Else nothing.
    """
    up = well = 0
    for impact in impacts:
        if impact < OUTAGE:
            up += 1
            if impact < DEGRADED:
                well += 1
    if up < at_least:
        return otherwise
    if well < at_least:
        return min(DEGRADED, otherwise)
    return REDUCED if well < len(impacts) else 0


def overlay(*lines: Line) -> Line:
    """Return the worst of several lines at every instant."""
    given = [line for line in lines if line]
    if len(given) < 2:
        return given[0] if given else ()
    cuts = sorted({tick for line in given for start, end, _ in line for tick in (start, end)})
    rows = [_at_cuts(line, cuts) for line in given]
    return _joined(zip(cuts, cuts[1:], map(max, *rows), strict=False))


def lengthened(line: Line, recovery: int) -> Line:
    """Return the OUTAGE stretches of a line, each `recovery` longer, joined where they then meet."""
    return _joined_outages((start, end + recovery) for start, end, impact in line if impact == OUTAGE)


def _joined_outages(stretches: Iterable[tuple[int, int]]) -> Line:
    joined: list[tuple[int, int, int]] = []
    for start, end in stretches:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]), OUTAGE)
        else:
            joined.append((start, end, OUTAGE))
    return tuple(joined)


def _joined(stretches: Iterable[tuple[int, int, int]]) -> Line:
    """Return stretches in order as a line: nothing left out as 0, equal neighbours made one."""
    line: list[tuple[int, int, int]] = []
    for start, end, impact in stretches:
        if not impact:
            continue
        if line and line[-1][1] == start and line[-1][2] == impact:
            line[-1] = (line[-1][0], end, impact)
        else:
            line.append((start, end, impact))
    return tuple(line)


def _at_cuts(line: Line, cuts: Sequence[int]) -> list[int]:
    """Return the line's impact between each two of the cuts, which contain all its own."""
    impacts: list[int] = []
    stretches = iter(line)
    start, end, impact = next(stretches)
    for cut in cuts[:-1]:
        while cut >= end:
            start, end, impact = next(stretches, (cuts[-1], cuts[-1] + 1, 0))
        impacts.append(impact if cut >= start else 0)
    return impacts


def from_needs(needs: Sequence[NeedShape], members: Sequence[Line], recovery: int = 0) -> Line:
    """Return what the needs do to a system while their members, need after need, go through these lines."""
    cuts = sorted({tick for line in set(members) for start, end, _ in line for tick in (start, end)})
    if not cuts:
        return ()
    nothing = [0] * len(cuts)
    rows = {line: _at_cuts(line, cuts) if line else nothing for line in set(members)}
    worst: list[int] = []
    for impacts in zip(*(rows[line] for line in members), strict=False):
        position, here = 0, 0
        for count, at_least, otherwise in needs:
            here = max(here, need_impact(impacts[position : position + count], at_least, otherwise))
            position += count
        worst.append(here)
    line = _joined(zip(cuts, cuts[1:], worst, strict=False))
    return overlay(line, lengthened(line, recovery)) if recovery else line


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
                job = (ticks[start], ticks[end], work.impact.value, plan.reference)
                jobs.setdefault(i, []).append(job)
    return jobs


def line_of(jobs: Iterable[Job]) -> Line:
    """Return what the work itself does to its system."""
    return overlay(*(((start, end, impact),) for start, end, impact, _ in jobs))


class _Run:
    """One evaluation: the numbers of lines seen so far and what met what."""

    def __init__(self, graph: Graph, jobs: dict[int, list[Job]]) -> None:
        self.graph = graph
        self.jobs = jobs
        self.lines: list[Line] = [()]
        self.numbers: dict[Line, int] = {(): 0}
        #: Whether dependants can feel the line: one that is never worse than REDUCED-REDUNDANCY ends here.
        self.felt: list[bool] = [False]
        #: Shape -> states of the members -> number of the line.
        self.known: dict[int, dict[object, int]] = {}
        self.reached: dict[int, int] = {}
        self.unlengthened: dict[int, Line] = {}

    def finish(self) -> Spread:
        """Work through what the jobs reach, in the order of the numbers."""
        graph, reached, felt, jobs, known = self.graph, self.reached, self.felt, self.jobs, self.known
        pick, shape, dependants, circles = graph.pick, graph.shape, graph.dependants, graph.circles
        state = graph.borrow()
        # The marks say who is still to be looked at; `find` passes over the others at the speed of memory.
        waiting = bytearray(len(graph.codes))
        for i in jobs:
            waiting[i] = 1
        i = waiting.find(1)
        while i >= 0:
            if i in circles:
                for j, number in self._settle(circles[i], state):
                    waiting[j] = 0
                    if number:
                        state[j] = reached[j] = number
                        if felt[number]:
                            for dependant in dependants[j]:
                                waiting[dependant] = dependant not in circles[i]
                i = waiting.find(1, i + 1)
                continue
            take = pick[i]
            number = 0
            if take is not None:
                key = take(state)
                of_shape = known.get(shape[i])
                if of_shape is None:
                    of_shape = known[shape[i]] = {}
                found = of_shape.get(key)
                if found is None:
                    found = of_shape[key] = self._meet(shape[i], key)
                number = found
            if i in jobs:
                number = self._number(overlay(line_of(jobs[i]), self.lines[number]))
            if number:
                state[i] = reached[i] = number
                if felt[number]:
                    for dependant in dependants[i]:
                        waiting[dependant] = 1
            i = waiting.find(1, i + 1)
        graph.restore(state, reached)
        return Spread(graph, self.lines, reached, jobs, self.unlengthened)

    def _number(self, line: Line) -> int:
        number = self.numbers.get(line)
        if number is None:
            number = self.numbers[line] = len(self.lines)
            self.lines.append(line)
            self.felt.append(any(impact >= DEGRADED for _, _, impact in line))
        return number

    def _meet(self, shape: int, key: int | tuple[int, ...]) -> int:
        """Return the number of the line that comes from the needs of a shape, members in these states."""
        needs, recovery = self.graph.shapes[shape]
        states = key if isinstance(key, tuple) else (key,)
        return self._number(from_needs(needs, [self.lines[state] for state in states], recovery))

    def _settle(self, circle: Sequence[int], state: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield each system of a circle with the number of its line.

        Settle from nothing upwards without recovery; lengthen each one's OUTAGE from needs by its own
        recovery; settle once more, adding none. So a circle ends by itself: if each recovery counted
        again on the way round, its systems would hold each other down for ever.
        """
        work = {i: line_of(self.jobs.get(i, ())) for i in circle}
        settled = self._fixed_point(circle, work, state)
        self.unlengthened.update(settled)
        base = {}
        for i in circle:
            recovery = self.graph.shapes[self.graph.shape[i]][1]
            longer = lengthened(self._needs_line(i, settled, state), recovery) if recovery else ()
            base[i] = overlay(work[i], longer)
        again = self._fixed_point(circle, base, state) if base != work else settled
        for i in circle:
            yield i, self._number(again[i])

    def _fixed_point(
        self, circle: Sequence[int], base: dict[int, Line], state: Sequence[int]
    ) -> dict[int, Line]:
        """Return the mildest lines that hold the base and what the needs make of the lines themselves."""
        lines = dict(base)
        waiting = dict.fromkeys(circle)
        while waiting:
            i = next(iter(waiting))
            del waiting[i]
            line = overlay(base[i], self._needs_line(i, lines, state))
            if line != lines[i]:
                lines[i] = line
                waiting.update((d, None) for d in self.graph.dependants[i] if d in lines)
        return lines

    def _needs_line(self, i: int, inside: dict[int, Line], state: Sequence[int]) -> Line:
        take = self.graph.pick[i]
        needs = self.graph.shapes[self.graph.shape[i]][0]
        numbers = [m for _, members in self.graph.members(i) for m in members]
        if take is None:
            return ()
        return from_needs(needs, [inside[m] if m in inside else self.lines[state[m]] for m in numbers])
