"""The lines of one forecast: equal ones have one number, and what becomes of them is remembered.

A line is kept as bytes, its stretches' numbers one after the other: arrays are made of these and compared by
them. The tuple is made when somebody asks for it.

The same rules stand here twice, once for a few lines (through `lines`) and once for many at once
(`many_of_needs`, `many_worst`, through `sweep`); a property test holds both against the slow evaluation.
"""

from __future__ import annotations

from array import array
from itertools import chain, pairwise

import numpy as np

from maintenance.arrays import Numbers, distinct, spans
from maintenance.graph import Rule
from maintenance.lines import (
    DEGRADED,
    OUTAGE,
    REDUCED,
    Line,
    as_reduced,
    felt,
    from_need,
    joined,
    lengthened,
    overlay,
)
from maintenance.sweeping import Counts, Stretches, swept

#: Bytes of a stretch: three numbers of 64 bits.
_STRETCH = 24


class LineStore:
    """Lines by number; number 0 is the empty one."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules
        #: By number: the line as bytes, and as a tuple where it was wanted.
        self._packed: list[bytes] = [b""]
        self._lines: dict[int, Line] = {0: ()}
        self._numbers: dict[Line, int] = {(): 0}
        self._numbers_of_packed: dict[bytes, int] = {b"": 0}
        self._worse: dict[tuple[int, int], int] = {}
        self._needs: dict[tuple[int, ...], int] = {}
        self._longer: dict[tuple[int, int], int] = {}
        self._felt: dict[int, int] = {0: 0}
        self._reduced: dict[int, int] = {}
        #: The stretches of the first so many lines, as an array, and where a line's begin.
        self._flat = np.empty((0, 3), np.int64)
        self._begins = np.zeros(1, np.int64)

    def __len__(self) -> int:
        """Return how many lines there are; their numbers are those below."""
        return len(self._packed)

    def line(self, number: int) -> Line:
        """Return the line of a number."""
        line = self._lines.get(number)
        if line is None:
            values = iter(memoryview(self._packed[number]).cast("q"))
            line = self._lines[number] = tuple(zip(values, values, values, strict=True))
        return line

    def number(self, line: Line) -> int:
        """Return the number of a line."""
        number = self._numbers.get(line)
        if number is None:
            packed = array("q", chain.from_iterable(line)).tobytes()
            number = self._numbers_of_packed.get(packed)
            if number is None:
                number = self._added(packed)
            self._numbers[line] = number
            self._lines[number] = line
        return number

    def _added(self, packed: bytes) -> int:
        number = self._numbers_of_packed[packed] = len(self._packed)
        self._packed.append(packed)
        return number

    def worse(self, a: int, b: int) -> int:
        """Return the worst of two lines at every instant."""
        number = self._worse.get((a, b))
        if number is None:
            number = self.number(overlay(self.line(a), self.line(b)))
            self._worse[a, b] = self._worse[b, a] = number
        return number

    def felt(self, number: int) -> int:
        """Return what dependants feel of a line."""
        feel = self._felt.get(number)
        if feel is None:
            feel = self._felt[number] = self.number(felt(self.line(number)))
        return feel

    def longer(self, number: int, recovery: int) -> int:
        """Return a line whose OUTAGE, all of it from needs, lasts `recovery` longer."""
        longer = self._longer.get((number, recovery))
        if longer is None:
            line = self.line(number)
            longer = self._longer[number, recovery] = self.number(overlay(line, lengthened(line, recovery)))
        return longer

    def of_need(self, key: tuple[int, ...]) -> int:
        """Return the line that a need makes; the key is its rule and what is felt of its members, in order."""
        number = self._needs.get(key)
        if number is None:
            number = self._needs[key] = self._of_need(key)
        return number

    def _of_need(self, key: tuple[int, ...]) -> int:
        at_least, otherwise = self.rules[key[0]]
        sick = [feel for feel in key[1:] if feel]
        # Those that never fail are up at every instant: the others must give the rest.
        at_least -= len(key) - 1 - len(sick)
        if at_least <= 0:
            number = 0
            for feel in dict.fromkeys(sick):
                reduced = self._reduced.get(feel)
                if reduced is None:
                    reduced = self._reduced[feel] = self.number(as_reduced(self.line(feel)))
                number = self.worse(number, reduced) if number else reduced
            return number
        if len(set(sick)) == 1:  # all of them fail together
            line = self.line(sick[0])
            if otherwise < OUTAGE:
                line = joined((s, e, min(impact, otherwise)) for s, e, impact in line)
            return self.number(line)
        return self.number(from_need((at_least, otherwise), [self.line(feel) for feel in sick]))

    def stretches(self, numbers: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Return how many stretches each of these lines has, where they stand in the array, and the array.

        Its columns are start, end and impact.
        """
        known = len(self._begins) - 1
        if known < len(self):
            new = self._packed[known:]
            ends = np.cumsum(np.fromiter(map(len, new), np.int64, len(new)) // _STRETCH)
            self._begins = np.concatenate([self._begins, self._begins[-1] + ends])
            self._flat = np.concatenate([self._flat, np.frombuffer(b"".join(new), np.int64).reshape(-1, 3)])
        counts = self._begins[numbers + 1] - self._begins[numbers]
        return counts, spans(self._begins[numbers], counts), self._flat

    def many_felt(self, numbers: Numbers) -> Numbers:
        """Return what dependants feel of each of these lines."""
        kinds, examples = distinct(numbers, len(self))
        counts, where, flat = self.stretches(numbers[examples])
        rows, bad = np.repeat(np.arange(len(examples)), counts), flat[where, 2] >= DEGRADED
        return self._numbered(len(examples), rows[bad], flat[where[bad]])[kinds]

    def many_of_needs(self, rules: Numbers, sizes: Numbers, counts: Numbers, feels: Numbers) -> Numbers:
        """Return the lines that these needs make.

        Args:
            rules: Of each need, its rule,
            sizes: and how many members it has,
            counts: of which so many fail at some time,
            feels: and what is felt of these, one need after the other.
        """
        at_least, otherwise = (np.array(column) for column in zip(*self.rules, strict=True))

        def decide(rows: Numbers, counted: Counts) -> Numbers:
            least, worst = at_least[rules[rows]], otherwise[rules[rows]]
            up = sizes[rows] - counted[OUTAGE]
            well = up - counted[DEGRADED]
            milder = np.where(well < sizes[rows], REDUCED, 0)
            return np.where(up < least, worst, np.where(well < least, np.minimum(worst, DEGRADED), milder))

        rows, stretches = self._of_rows(counts, feels)
        return self._numbered(len(rules), *swept(rows, stretches, decide))

    def many_worst(self, recoveries: Numbers, works: Numbers, counts: Numbers, numbers: Numbers) -> Numbers:
        """Return what systems go through.

        Args:
            recoveries: Of each system, its recovery in microseconds,
            works: the line of the work on itself,
            counts: and how many of its needs fail at some time;
            numbers: the lines that these make, one system after the other.
        """

        def decide(_: Numbers, counted: Counts) -> Numbers:
            milder = np.where(counted[DEGRADED] > 0, DEGRADED, np.where(counted[REDUCED] > 0, REDUCED, 0))
            return np.where(counted[OUTAGE] > 0, OUTAGE, milder)

        rows, stretches = self._of_rows(counts, numbers)
        stretches[:, 1] += np.where(stretches[:, 2] == OUTAGE, recoveries[rows], 0)
        worked = np.flatnonzero(works)
        own_rows, own = self._of_rows(np.ones(len(worked), np.int64), works[worked])
        rows, stretches = np.concatenate([rows, worked[own_rows]]), np.concatenate([stretches, own])
        return self._numbered(len(works), *swept(rows, stretches, decide))

    def _of_rows(self, counts: Numbers, numbers: Numbers) -> tuple[Numbers, Stretches]:
        """Return the stretches of rows of lines, each with its row."""
        many, where, flat = self.stretches(numbers)
        rows = np.repeat(np.repeat(np.arange(len(counts)), counts), many)
        return rows, flat[where]

    def _numbered(self, count: int, rows: Numbers, stretches: Stretches) -> Numbers:
        """Return the number of each row's line; its stretches stand together, in order."""
        packed = np.ascontiguousarray(stretches).tobytes()
        begins = (np.searchsorted(rows, np.arange(count + 1)) * _STRETCH).tolist()
        known, numbers = self._numbers_of_packed.get, []
        for begin, end in pairwise(begins):
            line = packed[begin:end]
            number = known(line)
            numbers.append(self._added(line) if number is None else number)
        return np.array(numbers, np.int64)
