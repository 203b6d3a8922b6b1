"""The catalogue's needs as arrays of numbers: who feels whom, in an order in which each is settled once.

Systems are numbered level by level: what a system needs stands on a lower level, circles apart. Systems
that nobody needs, most of an estate, share the last one. A forecast goes through the levels that the work
reaches and works out all of a level together; at 182,500 systems that is what makes it fast, and why
names, objects and hashes stay out of it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from maintenance.arrays import Numbers, spans

_OUTAGE = 3

#: `at_least` and the impact otherwise, 0 to 3.
Rule = tuple[int, int]
#: A need as `build` reads it: members, at least, otherwise.
GivenNeed = tuple[Sequence[str], int, int]


def _none() -> Numbers:
    return np.zeros(1, np.int32)


@dataclass(slots=True)
class Graph:
    """Systems as numbers.

    A list of lists is two arrays: the lists one after the other, and where each begins (`…_from`, with the
    end of the last one).
    """

    #: By number, and again as an array, from which very many are taken at once.
    codes: list[str] = field(default_factory=list)
    names: Numbers = field(default_factory=lambda: np.empty(0, object))
    index: dict[str, int] = field(default_factory=dict)
    #: The first number of each level, and one more than the last system's.
    levels: list[int] = field(default_factory=list)
    #: By system: its needs.
    needs_from: Numbers = field(default_factory=_none)
    #: By need: its position in `rules`. A need that all members be up is as many needs of one member, rule 0.
    need_rules: Numbers = field(default_factory=_none)
    #: By need: its members; one that is not known has the number after the last.
    members_from: Numbers = field(default_factory=_none)
    members: Numbers = field(default_factory=_none)
    rules: list[Rule] = field(default_factory=lambda: [(1, _OUTAGE)])
    #: The four arrays of needs again, in which single numbers are found faster.
    views: tuple[memoryview, ...] = ()
    #: By system: its position in `recoveries`, which are microseconds; the first is none.
    recovery_of: Numbers = field(default_factory=_none)
    recoveries: list[int] = field(default_factory=lambda: [0])
    #: By system: who names it in a need, each once, in ascending order.
    dependants_from: Numbers = field(default_factory=_none)
    dependants_of: Numbers = field(default_factory=_none)
    #: For a system in a circle all of the circle, in order.
    circles: dict[int, tuple[int, ...]] = field(default_factory=dict)
    #: The longest that an impact can outlast the work it comes from, in microseconds.
    longest_tail: int = 0
    #: Arrays of zeros, one longer than `codes`, lent to forecasts that are running.
    _spare: list[Numbers] = field(default_factory=list)

    def borrow(self) -> Numbers:
        """Return an array with a zero for each system and a last one for unknown systems.

        Give it back with `restore`: filling a fresh one would cost a small forecast more than its work.
        """
        try:
            return self._spare.pop()
        except IndexError:
            return np.zeros(len(self.codes) + 1, np.int32)

    def restore(self, state: Numbers, touched: Numbers) -> None:
        """Take back an array from `borrow`, of which only the numbers `touched` were written."""
        state[touched] = 0
        self._spare.append(state)

    def needs(self, i: int) -> list[tuple[Rule, tuple[int, ...]]]:
        """Return the needs of a system: the rule and the members of each."""
        all_of: list[int] = []
        found: list[tuple[Rule, tuple[int, ...]]] = []
        needs_from, rules, members_from, of = self.views
        for need in range(needs_from[i], needs_from[i + 1]):
            members = of[members_from[need] : members_from[need + 1]].tolist()
            if rule := rules[need]:
                found.append((self.rules[rule], tuple(members)))
            else:
                all_of += members
        return [((len(all_of), _OUTAGE), tuple(all_of)), *found] if all_of else found

    def recovery(self, i: int) -> int:
        """Return the recovery of a system in microseconds."""
        return self.recoveries[int(self.recovery_of[i])]

    def dependants(self, i: int) -> list[int]:
        """Return who names the system in a need."""
        found: list[int] = self.dependants_of[self.dependants_from[i] : self.dependants_from[i + 1]].tolist()
        return found

    def reach(self, start: Iterable[int]) -> list[int]:
        """Return these systems and all that could feel work on them, nearest first."""
        seen = bytearray(len(self.codes))
        marks = np.frombuffer(seen, np.uint8)
        begins, dependants = self.dependants_from, self.dependants_of
        now = np.fromiter(dict.fromkeys(start), np.int64)
        found: list[int] = []
        while len(now):
            marks[now] = 1
            found += now.tolist()
            felt = dependants[spans(begins[now], begins[now + 1] - begins[now])]
            felt = felt[marks[felt] == 0]
            # Each once, where it stands first.
            _, first = np.unique(felt, return_index=True)
            now = felt[np.sort(first)]
        return found


def build(
    codes: Sequence[str],
    needs_of: Callable[[str], Iterable[GivenNeed]],
    recovery_of: Callable[[str], int],
) -> Graph:
    """Return the graph of these systems; members that are not among them never fail."""
    graph = Graph()
    count = len(codes)
    needs_from, recovery = _read(graph, codes, needs_of, recovery_of)
    sizes = np.diff(graph.members_from)
    owners = np.repeat(np.repeat(np.arange(count, dtype=np.int32), np.diff(needs_from)), sizes)
    known = graph.members < count
    # Each dependant once: who is needed and who needs it make one number, which is sorted.
    edges = graph.members[known].astype(np.int64) * count + owners[known]
    edges.sort()
    edges = edges[np.diff(edges, prepend=-1) > 0]
    sources, targets = ((edges // max(count, 1)).astype(np.int32), (edges % max(count, 1)).astype(np.int32))
    del owners, known, edges
    gains = np.array(graph.recoveries)[recovery]
    level, graph.longest_tail = _levels(np.arange(count), sources, targets, gains)
    circles = _circles(sources, targets, np.flatnonzero(level < 0))
    if circles:
        circle_of = np.arange(count)
        for circle in circles:
            circle_of[circle] = circle[0]
            gains[circle[0]] = gains[circle].max()
        level, graph.longest_tail = _levels(circle_of, sources, targets, gains)
    level[np.bincount(sources, minlength=count) == 0] = level.max(initial=0) + 1
    order = np.argsort(level, kind="stable")
    number = np.full(count + 1, count, np.int32)
    number[order] = np.arange(count)
    graph.levels = [*(np.flatnonzero(np.diff(level[order], prepend=-1))).tolist(), count]
    # Copies, so that they stand side by side in memory: windows name a hundred thousand of them at once.
    graph.codes = [code[:1] + code[1:] for code in np.fromiter(codes, object, count)[order]]
    graph.names = np.fromiter(graph.codes, object, count)
    graph.index = {code: i for i, code in enumerate(graph.codes)}
    graph.recovery_of = recovery[order]
    _renumber(graph, needs_from, order, number)
    sources, targets = number[sources], number[targets]
    by_source = np.lexsort((targets, sources))
    graph.dependants_of = targets[by_source]
    graph.dependants_from = _begins(np.bincount(sources, minlength=count))
    for positions in circles:
        members = tuple(sorted(number[positions].tolist()))
        graph.circles.update(dict.fromkeys(members, members))
    return graph


def _begins(counts: Numbers) -> Numbers:
    """Return where each list begins, and the end of the last, from how long they are."""
    begins = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=begins[1:])
    return begins


def _read(
    graph: Graph,
    codes: Sequence[str],
    needs_of: Callable[[str], Iterable[GivenNeed]],
    recovery_of: Callable[[str], int],
) -> tuple[Numbers, Numbers]:
    """Fill in the needs, systems still numbered as given; return where each system's begin, and its recovery."""
    position, unknown = {code: number for number, code in enumerate(codes)}.get, len(codes)
    rules: dict[Rule, int] = {}
    recoveries: dict[int, int] = {0: 0}
    counts, sizes, needed, members = array("i"), array("i"), array("i"), array("i")
    recovery = array("i")
    for code in codes:
        already = len(needed)
        all_of: dict[int, None] = {}
        for of, at_least, otherwise in needs_of(code):
            if otherwise == _OUTAGE and at_least == len(of):
                all_of.update((position(m, unknown), None) for m in of)
                continue
            needed.append(rules.setdefault((at_least, otherwise), len(rules) + 1))
            sizes.append(len(of))
            members.extend([position(m, unknown) for m in of])
        for member in all_of:
            needed.append(0)
            sizes.append(1)
            members.append(member)
        counts.append(len(needed) - already)
        lasting = recovery_of(code)
        recovery.append(recoveries.setdefault(lasting, len(recoveries)))
    graph.rules, graph.recoveries = [*graph.rules, *rules], list(recoveries)
    graph.need_rules, graph.members = np.array(needed, np.int32), np.array(members, np.int32)
    graph.members_from = _begins(np.array(sizes, np.int32))
    return _begins(np.array(counts, np.int32)), np.array(recovery, np.int32)


def _renumber(graph: Graph, needs_from: Numbers, order: Numbers, number: Numbers) -> None:
    """Bring the needs into the order of the systems' numbers."""
    counts = np.diff(needs_from)[order]
    needs = spans(needs_from[order], counts)
    sizes = np.diff(graph.members_from)[needs]
    graph.members = number[graph.members[spans(graph.members_from[needs], sizes)]]
    graph.needs_from, graph.members_from = _begins(counts), _begins(sizes)
    graph.need_rules = graph.need_rules[needs]
    graph.views = tuple(
        each.data for each in (graph.needs_from, graph.need_rules, graph.members_from, graph.members)
    )


def _levels(circle_of: Numbers, sources: Numbers, targets: Numbers, gains: Numbers) -> tuple[Numbers, int]:
    """Return each system's level, and the greatest sum of gains along a path; a circle counts as one.

    What needs nothing is on level 0; take it away, and what then needs nothing is on level 1, and so on.
    What is left over stands in circles, or upon them: level -1.
    """
    count = len(circle_of)
    sources, targets = circle_of[sources], circle_of[targets]
    apart = sources != targets
    sources, targets = sources[apart], targets[apart]
    order = np.argsort(sources, kind="stable")
    targets = targets[order]
    begins = _begins(np.bincount(sources, minlength=count))
    lacking = np.bincount(targets, minlength=count)
    level = np.full(count, -1, np.int64)
    tails = gains.copy()
    now, depth = np.flatnonzero(lacking == 0), 0
    while len(now):
        level[now] = depth
        counts = begins[now + 1] - begins[now]
        told = targets[spans(begins[now], counts)]
        np.maximum.at(tails, told, np.repeat(tails[now], counts) + gains[told])
        told, times = np.unique(told, return_counts=True)
        lacking[told] -= times
        now, depth = told[lacking[told] == 0], depth + 1
    return level[circle_of], int(tails.max(initial=0))


def _circles(sources: Numbers, targets: Numbers, left: Numbers) -> list[list[int]]:
    """Return the systems that stand in circles together; those of two or more are among `left`."""
    circles: list[list[int]] = []
    if len(left):
        place = np.full(int(max(sources.max(), targets.max())) + 1, -1)
        place[left] = np.arange(len(left))
        inside = (place[sources] >= 0) & (place[targets] >= 0)
        needed: list[list[int]] = [[] for _ in left]
        edges = zip(place[sources[inside]].tolist(), place[targets[inside]].tolist(), strict=True)
        for source, target in edges:
            needed[target].append(source)
        circles = [left[component].tolist() for component in _components(needed)]
    found = {i for circle in circles for i in circle}
    return circles + [[i] for i in sources[sources == targets].tolist() if i not in found]


def _components(needed: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the systems that stand in circles of two or more together.

    Tarjan's strongly connected components without recursion.
    """
    count = len(needed)
    entered = [0] * count  # 1-based order of entering; 0: not yet
    lowest = [0] * count
    open_ = bytearray(count)
    stack: list[int] = []
    circles: list[list[int]] = []
    clock = 0
    for root in range(count):
        if entered[root]:
            continue
        clock += 1
        entered[root] = lowest[root] = clock
        stack.append(root)
        open_[root] = 1
        path = [(root, iter(needed[root]))]
        while path:
            node, rest = path[-1]
            for member in rest:
                if not entered[member]:
                    clock += 1
                    entered[member] = lowest[member] = clock
                    stack.append(member)
                    open_[member] = 1
                    path.append((member, iter(needed[member])))
                    break
                if open_[member]:
                    lowest[node] = min(lowest[node], entered[member])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                if lowest[node] == entered[node]:
                    position = len(stack) - 1
                    while stack[position] != node:
                        position -= 1
                    component = stack[position:]
                    del stack[position:]
                    for member in component:
                        open_[member] = 0
                    if len(component) > 1:
                        circles.append(component)
    return circles
