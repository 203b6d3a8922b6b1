"""Why a window is there: for each plan that causes it, one shortest chain to the work.

A `Reason` is a stretch of one impact with its chains. Reasons are worked out for the systems that are
asked about and for those which they need, not for all that the work reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from maintenance.catalogue import Impact
from maintenance.interventions import Window
from maintenance.lines import DEGRADED, OUTAGE, Line, instant_of, need_impact
from maintenance.propagation import Spread

#: Systems from the nearest need to the one worked on, then the reference.
Chain = tuple[str, ...]
#: Reference -> its shortest chain.
Chains = dict[str, Chain]
#: Start, end, impact, and the chains that explain it.
Reason = tuple[int, int, int, Chains]


def explained(spread: Spread, codes: Iterable[str] | None = None) -> tuple[Window, ...]:
    """Return the windows of these systems (of all: None) with their reasons, by start, system, impact."""
    graph = spread.graph
    asked = (
        list(spread.reached)
        if codes is None
        else [graph.index[c] for c in dict.fromkeys(codes) if graph.index.get(c) in spread.reached]
    )
    reasons = Reasons(spread)
    windows = [window for i in asked for window in _windows(graph.codes[i], reasons.of(i))]
    return tuple(sorted(windows, key=lambda w: (w.start, w.system, w.impact)))


def _windows(code: str, reasons: Sequence[Reason]) -> list[Window]:
    """Return neighbouring stretches of equal impact as one window each, their chains put together."""
    merged: list[Reason] = []
    for start, end, impact, chains in reasons:
        if merged and merged[-1][1] == start and merged[-1][2] == impact:
            merged[-1] = (merged[-1][0], end, impact, _shortest(merged[-1][3], chains))
        else:
            merged.append((start, end, impact, chains))
    return [
        Window(
            code,
            Impact(impact),
            instant_of(start),
            instant_of(end),
            tuple(sorted(chains.values(), key=_rank)),
        )
        for start, end, impact, chains in merged
    ]


def _rank(chain: Chain) -> tuple[int, Chain]:
    """Return what orders chains: the shorter first, then by codes."""
    return len(chain), chain


def _shortest(*many: Chains) -> Chains:
    """Return for each reference the best of its chains."""
    best: Chains = {}
    for chains in many:
        for reference, chain in chains.items():
            known = best.get(reference)
            if known is None or _rank(chain) < _rank(known):
                best[reference] = chain
    return best


@dataclass(slots=True)
class Reasons:
    """Answers why for one spread; what was worked out once is kept."""

    spread: Spread
    _known: dict[int, list[Reason]] = field(default_factory=dict)

    def of(self, i: int) -> list[Reason]:
        """Return the reasons of a system's whole line, in order, without gaps but where nothing is wrong."""
        if i not in self._known:
            for j in self._wanted(i):
                if j not in self._known:
                    self._explain(j)
        return self._known[i]

    def _wanted(self, i: int) -> list[int]:
        """Return the system and all that its reasons rest on, what is needed first."""
        reached, graph, found, stack = self.spread.reached, self.spread.graph, {i}, [i]
        while stack:
            for _, members in graph.needs(stack.pop()):
                for m in members:
                    if m not in found and m in reached and m not in self._known:
                        found.add(m)
                        stack.append(m)
        return sorted(found)

    def _explain(self, i: int) -> None:
        circle = self.spread.graph.circles.get(i)
        if circle is not None:
            self._explain_circle([j for j in circle if j in self.spread.reached])
            return
        line = self.spread.line(i)
        failing = self._failing(i, line, self._known)
        recovery = self.spread.graph.recovery(i)
        self._known[i] = _cut(line, [*self._own(i), *failing, *_tails(failing, recovery)])

    def _explain_circle(self, circle: Sequence[int]) -> None:
        """Explain a circle as it was settled: first without recovery, then with the lengthened outages."""
        graph, spread = self.spread.graph, self.spread
        first = {i: spread.unlengthened[i] for i in circle}
        own = {i: self._own(i) for i in circle}
        settled = self._spread_chains(first, own)
        base = {}
        for i in circle:
            recovery = graph.recovery(i)
            failing = self._failing(i, first[i], {**self._known, **settled}) if recovery else []
            base[i] = own[i] + _tails(failing, recovery)
        self._known.update(self._spread_chains({i: spread.line(i) for i in circle}, base))

    def _spread_chains(
        self, lines: Mapping[int, Line], base: Mapping[int, list[Reason]]
    ) -> dict[int, list[Reason]]:
        """Return reasons inside a circle: chains go round until none gets shorter."""
        reasons = {i: _cut(line, base[i]) for i, line in lines.items()}
        waiting = dict.fromkeys(lines)
        while waiting:
            i = next(iter(waiting))
            del waiting[i]
            found = _cut(lines[i], base[i] + self._failing(i, lines[i], {**self._known, **reasons}))
            if found != reasons[i]:
                reasons[i] = found
                waiting.update((d, None) for d in self.spread.graph.dependants(i) if d in lines)
        return reasons

    def _own(self, i: int) -> list[Reason]:
        """Return the work on the system itself: a chain of the reference alone."""
        return [(s, e, impact, {ref: (ref,)}) for s, e, impact, ref in self.spread.jobs.get(i, ())]

    def _failing(self, i: int, line: Line, known: Mapping[int, list[Reason]]) -> list[Reason]:
        """Return when needs fail at the system's impact, with chains through the members that count."""
        codes = self.spread.graph.codes
        found: list[Reason] = []
        for (at_least, otherwise), members in self.spread.graph.needs(i):
            told = {m: known[m] for m in members if m in known}
            for start, end, states in _slices(line, told):
                impacts = [states[m][0] if m in states else 0 for m in members]
                impact = need_impact(impacts, at_least, otherwise)
                if not impact or impact != _impact_at(line, start):
                    continue
                up = sum(state < OUTAGE for state in impacts)
                counted = OUTAGE if up < at_least else DEGRADED
                chains = _shortest(
                    *(
                        {ref: (codes[m], *chain) for ref, chain in state[1].items()}
                        for m, state in states.items()
                        if state[0] >= counted
                    )
                )
                found.append((start, end, impact, chains))
        return found


def _slices(
    line: Line, told: Mapping[int, list[Reason]]
) -> Iterable[tuple[int, int, dict[int, tuple[int, Chains]]]]:
    """Yield the stretches of the line in which no member changes, with the impact and chains of each member."""
    ticks = {tick for start, end, _ in line for tick in (start, end)}
    ticks.update(tick for reasons in told.values() for reason in reasons for tick in reason[:2])
    cuts = sorted(ticks)
    for start, end in pairwise(cuts):
        states = {}
        for m, reasons in told.items():
            for reason in reasons:
                if reason[0] <= start < reason[1]:
                    states[m] = (reason[2], reason[3])
                    break
        if states and _impact_at(line, start):
            yield start, end, states


def _impact_at(line: Line, tick: int) -> int:
    for start, end, impact in line:
        if start <= tick < end:
            return impact
    return 0


def _tails(failing: Iterable[Reason], recovery: int) -> list[Reason]:
    """Return what the OUTAGE stretches from needs leave behind: the same chains, `recovery` longer."""
    if not recovery:
        return []
    return [(end, end + recovery, OUTAGE, chains) for _, end, impact, chains in failing if impact == OUTAGE]


def _cut(line: Line, given: Sequence[Reason]) -> list[Reason]:
    """Return the line in stretches of equal reasons, from those given at its impact."""
    reasons: list[Reason] = []
    for start, end, impact in line:
        here = [r for r in given if r[2] == impact and r[0] < end and start < r[1]]
        if len(here) == 1 and here[0][0] <= start and end <= here[0][1]:
            reasons.append((start, end, impact, here[0][3]))
            continue
        ticks = {start, end}
        ticks.update(tick for r in here for tick in r[:2] if start < tick < end)
        cuts = sorted(ticks)
        for a, b in pairwise(cuts):
            chains = _shortest(*(r[3] for r in here if r[0] <= a < r[1]))
            if reasons and reasons[-1][1] == a and reasons[-1][2] == impact and reasons[-1][3] == chains:
                reasons[-1] = (reasons[-1][0], b, impact, chains)
            else:
                reasons.append((a, b, impact, chains))
    return reasons
