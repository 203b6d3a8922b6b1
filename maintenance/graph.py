"""The catalogue's needs as numbers: who feels whom, in an order in which each is settled once.

Systems are numbered so that what a system needs has a lower number than the system, circles apart.
A forecast then looks at each system that the work reaches exactly once, in the order of the numbers;
at 182,500 systems that is what makes it fast, and why names, objects and hashes stay out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_OUTAGE = 3

#: `at_least` and the impact otherwise, 0 to 3.
Rule = tuple[int, int]
#: A need as `build` reads it: members, at least, otherwise.
GivenNeed = tuple[Sequence[str], int, int]


@dataclass(slots=True)
class Graph:
    """Systems as numbers. Every list is indexed by the system's number."""

    codes: list[str] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)
    #: The members that must all be up, else the system is in OUTAGE. Several such needs are like one.
    hard: list[tuple[int, ...]] = field(default_factory=list)
    #: Other needs on two members: the position in `rules`, then the members.
    pairs: list[tuple[tuple[int, int, int], ...]] = field(default_factory=list)
    #: All other needs: the position in `rules`, then the members.
    groups: list[tuple[tuple[int, ...], ...]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    #: Equal for systems with equal needs and recovery: what is true for one is true for all. 0: no other is.
    alike: list[int] = field(default_factory=list)
    #: In microseconds, where there is one.
    recovery: dict[int, int] = field(default_factory=dict)
    #: Who names the system in a need, each once.
    dependants: list[tuple[int, ...]] = field(default_factory=list)
    #: For a system in a circle all of the circle, in order.
    circles: dict[int, tuple[int, ...]] = field(default_factory=dict)
    #: The longest that an impact can outlast the work it comes from, in microseconds.
    longest_tail: int = 0
    #: Lists of zeros, one longer than `codes`, lent to forecasts that are running.
    _spare: list[list[int]] = field(default_factory=list)

    def borrow(self) -> list[int]:
        """Return a list with a zero for each system and a last one for unknown systems.

        Give it back with `restore`: filling a fresh list would cost a small forecast more than its work.
        """
        try:
            return self._spare.pop()
        except IndexError:
            return [0] * (len(self.codes) + 1)

    def restore(self, state: list[int], touched: Iterable[int]) -> None:
        """Take back a list from `borrow`, of which only the numbers `touched` were written."""
        for i in touched:
            state[i] = 0
        self._spare.append(state)

    def needs(self, i: int) -> list[tuple[Rule, tuple[int, ...]]]:
        """Return the needs of a system: the rule and the members of each."""
        found = [(self.rules[need[0]], need[1:]) for need in (*self.pairs[i], *self.groups[i])]
        if hard := self.hard[i]:
            found.insert(0, ((len(hard), _OUTAGE), hard))
        return found


def build(
    codes: Sequence[str],
    needs_of: Callable[[str], Iterable[GivenNeed]],
    recovery_of: Callable[[str], int],
) -> Graph:
    """Return the graph of these systems; members that are not among them never fail.

    Needs are asked for again and again instead of being kept: memory is scarcer here than time.
    """
    before = {code: position for position, code in enumerate(codes)}
    needed = [
        tuple(dict.fromkeys(before[m] for of, _, _ in needs_of(code) for m in of if m in before))
        for code in codes
    ]
    order, circles = _components(needed)
    del needed, before
    graph = Graph(codes=[codes[position] for position in order])
    graph.index = {code: number for number, code in enumerate(graph.codes)}
    _set_needs(graph, needs_of, recovery_of)
    _set_dependants(graph)
    for positions in circles:
        circle = tuple(sorted(graph.index[codes[position]] for position in positions))
        graph.circles.update(dict.fromkeys(circle, circle))
    graph.longest_tail = _longest_tail(graph)
    return graph


def _set_needs(
    graph: Graph, needs_of: Callable[[str], Iterable[GivenNeed]], recovery_of: Callable[[str], int]
) -> None:
    number_of = graph.index.get
    unknown = len(graph.codes)
    rules: dict[Rule, int] = {}
    once: dict[Any, Any] = {(): ()}
    first: dict[object, int] = {}
    for code, number in graph.index.items():
        hard: dict[int, None] = {}
        pairs: list[tuple[int, ...]] = []
        groups: list[tuple[int, ...]] = []
        for of, at_least, otherwise in needs_of(code):
            # The numbers are the int objects of the index: one of its own in each place would cost memory.
            members = [n if (n := number_of(m)) is not None else unknown for m in of]
            if otherwise == _OUTAGE and at_least == len(of):
                hard.update(dict.fromkeys(members))
            else:
                need = (rules.setdefault((at_least, otherwise), len(rules)), *members)
                (pairs if len(of) == 2 else groups).append(need)
        # What is equal is kept once: a rack of servers, a fleet of devices.
        all_of, two_of, more_of = (once.setdefault(t, t) for t in (tuple(hard), tuple(pairs), tuple(groups)))
        graph.hard.append(all_of)
        graph.pairs.append(two_of)
        graph.groups.append(more_of)
        recovery = recovery_of(code)
        if recovery:
            graph.recovery[number] = recovery
        key = (id(all_of), id(two_of), id(more_of), recovery)
        before = first.setdefault(key, number)
        graph.alike.append(before + 1 if before != number else 0)
        if before != number:
            graph.alike[before] = before + 1
    graph.rules = list(rules)


def _set_dependants(graph: Graph) -> None:
    felt: dict[int, list[int]] = {}
    for number in graph.index.values():
        for member in dict.fromkeys(m for _, members in graph.needs(number) for m in members):
            felt.setdefault(member, []).append(number)
    graph.dependants = [tuple(felt.pop(number, ())) for number in range(len(graph.codes))]


def _longest_tail(graph: Graph) -> int:
    """Return the greatest sum of recoveries along a path; a circle adds its longest recovery once."""
    if not graph.recovery:
        return 0
    recovery = graph.recovery.get
    tails = [0] * (len(graph.codes) + 1)
    for i, dependants in enumerate(graph.dependants):
        circle = graph.circles.get(i)
        if circle is None:
            tails[i] += recovery(i, 0)
        elif circle[0] == i:
            reached = max(tails[j] for j in circle) + max(recovery(j, 0) for j in circle)
            for j in circle:
                tails[j] = reached
        for dependant in dependants:
            if circle is None or dependant not in circle:
                tails[dependant] = max(tails[dependant], tails[i])
    return max(tails)


def _components(needed: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Return all systems, what is needed before what needs it, and those that stand in circles together.

    Tarjan's strongly connected components without recursion: he finishes a component only after all
    that can be reached from it, which is exactly the order wanted.
    """
    count = len(needed)
    entered = [0] * count  # 1-based order of entering; 0: not yet
    lowest = [0] * count
    open_ = bytearray(count)
    stack: list[int] = []
    order: list[int] = []
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
                    order += component
                    if len(component) > 1 or node in needed[node]:
                        circles.append(component)
    return order, circles
