"""The catalogue's needs as numbers: who feels whom, in an order in which each is settled once.

Systems are numbered so that what a system needs has a lower number than the system, circles apart.
A forecast then looks at each system that the work reaches exactly once, in the order of the numbers;
at 182,500 systems that is what makes it fast, and why names, objects and hashes stay out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

#: One need: how many members, how many must be up, the impact otherwise (0 to 3).
NeedShape = tuple[int, int, int]
#: The needs of a system without their names, and its recovery in microseconds.
Shape = tuple[tuple[NeedShape, ...], int]


@dataclass(slots=True)
class Graph:
    """Systems as numbers. Every list is indexed by the system's number."""

    codes: list[str] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)
    #: Takes the members of all needs, one need after the other, out of a list of states; None: no needs.
    pick: list[Callable[[Sequence[Any]], Any] | None] = field(default_factory=list)
    #: Position in `shapes`.
    shape: list[int] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
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

    def members(self, i: int) -> list[tuple[NeedShape, tuple[int, ...]]]:
        """Return the needs of a system, each with its members' numbers."""
        pick = self.pick[i]
        if pick is None:
            return []
        numbers: tuple[int, ...] = pick.__reduce__()[1]  # type: ignore[assignment]
        needs, _ = self.shapes[self.shape[i]]
        found, position = [], 0
        for need in needs:
            found.append((need, numbers[position : position + need[0]]))
            position += need[0]
        return found


#: A system as `build` reads it: its code, its needs as (members, at_least, otherwise), its recovery.
Row = tuple[str, Sequence[tuple[Sequence[str], int, int]], int]


def build(rows: Iterable[Row]) -> Graph:
    """Return the graph of these systems; members that are not among them never fail."""
    given = list(rows)
    before = {row[0]: position for position, row in enumerate(given)}
    needed = [
        [before[m] for m in dict.fromkeys(m for of, _, _ in needs for m in of) if m in before]
        for _, needs, _ in given
    ]
    graph = Graph()
    components = _components(needed)
    order = [position for component in components for position in component]
    graph.codes = [given[position][0] for position in order]
    # The numbers are shared by everything below: an int of its own in each place would cost memory.
    numbers = range(len(order))
    graph.index = dict(zip(graph.codes, numbers, strict=True))
    number_of = [0] * len(order)
    for number in graph.index.values():
        number_of[order[number]] = number
    shapes: dict[Shape, int] = {}
    felt: list[list[int]] = [[] for _ in order]
    unknown = len(order)
    for number in graph.index.values():
        _, needs, recovery = given[order[number]]
        flat = [graph.index.get(m, unknown) for of, _, _ in needs for m in of]
        graph.pick.append(itemgetter(*flat) if flat else None)
        shape = (tuple((len(of), at_least, otherwise) for of, at_least, otherwise in needs), recovery)
        graph.shape.append(shapes.setdefault(shape, len(shapes)))
        for member in needed[order[number]]:
            felt[number_of[member]].append(number)
    graph.shapes = list(shapes)
    graph.dependants = [tuple(numbers) for numbers in felt]
    for component in components:
        if len(component) > 1 or component[0] in needed[component[0]]:
            circle = tuple(sorted(number_of[position] for position in component))
            graph.circles.update(dict.fromkeys(circle, circle))
    graph.longest_tail = _longest_tail(graph)
    return graph


def _longest_tail(graph: Graph) -> int:
    """Return the greatest sum of recoveries along a path; a circle adds its longest recovery once."""
    if not any(recovery for _, recovery in graph.shapes):
        return 0
    tails = [0] * (len(graph.codes) + 1)
    for i, dependants in enumerate(graph.dependants):
        circle = graph.circles.get(i)
        if circle is None:
            tails[i] += graph.shapes[graph.shape[i]][1]
        elif circle[0] == i:
            longest = max(graph.shapes[graph.shape[j]][1] for j in circle)
            reached = max(tails[j] for j in circle) + longest
            for j in circle:
                tails[j] = reached
        for dependant in dependants:
            if circle is None or dependant not in circle:
                tails[dependant] = max(tails[dependant], tails[i])
    return max(tails)


def _components(needed: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the circles, and every other system alone, what is needed before what needs it.

    Tarjan's strongly connected components without recursion: he finishes a component only after all
    that can be reached from it, which is exactly the order wanted.
    """
    count = len(needed)
    entered = [0] * count  # 1-based order of entering; 0: not yet
    lowest = [0] * count
    open_ = bytearray(count)
    stack: list[int] = []
    components: list[list[int]] = []
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
                    component = []
                    while True:
                        member = stack.pop()
                        open_[member] = 0
                        component.append(member)
                        if member == node:
                            break
                    components.append(component)
    return components
