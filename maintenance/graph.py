"""The catalogue's needs as numbers: who feels whom, in an order in which each is settled once.

Systems are numbered so that what a system needs has a lower number than the system, circles apart.
A forecast then looks at each system that the work reaches exactly once, in the order of the numbers;
at 182,500 systems that is what makes it fast, and why names, objects and hashes stay out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

_OUTAGE = 3

#: `at_least` and the impact otherwise, 0 to 3.
Rule = tuple[int, int]
#: A system as `build` reads it: its code, its needs as (members, at_least, otherwise), its recovery.
Row = tuple[str, Sequence[tuple[Sequence[str], int, int]], int]


@dataclass(slots=True)
class Graph:
    """Systems as numbers. Every list is indexed by the system's number."""

    codes: list[str] = field(default_factory=list)
    index: dict[str, int] = field(default_factory=dict)
    #: The members that must all be up, else the system is in OUTAGE. Several such needs are like one.
    hard: list[tuple[int, ...]] = field(default_factory=list)
    #: All other needs: the position in `rules`, then the members.
    soft: list[tuple[tuple[int, ...], ...]] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    #: Equal for systems with equal needs and recovery: what is true for one is true for all.
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
        found = [(self.rules[need[0]], need[1:]) for need in self.soft[i]]
        if hard := self.hard[i]:
            found.insert(0, ((len(hard), _OUTAGE), hard))
        return found


def build(rows: Iterable[Row]) -> Graph:
    """Return the graph of these systems; members that are not among them never fail."""
    given = list(rows)
    before = {row[0]: position for position, row in enumerate(given)}
    needed = [
        tuple(dict.fromkeys(before[m] for of, _, _ in needs for m in of if m in before)) if needs else ()
        for _, needs, _ in given
    ]
    components = _components(needed)
    order = [position for component in components for position in component]
    graph = Graph(codes=[given[position][0] for position in order])
    # One int object for each number, shared by all the tuples: an int of its own in each place costs memory.
    graph.index = {code: number for number, code in enumerate(graph.codes)}
    _set_needs(graph, [given[position] for position in order])
    _set_dependants(graph, [[graph.index[given[m][0]] for m in needed[position]] for position in order])
    for component in components:
        if len(component) > 1 or component[0] in needed[component[0]]:
            circle = tuple(sorted(graph.index[given[position][0]] for position in component))
            graph.circles.update(dict.fromkeys(circle, circle))
    graph.longest_tail = _longest_tail(graph)
    return graph


def _set_needs(graph: Graph, rows: Iterable[Row]) -> None:
    number_of: Callable[[str], int | None] = graph.index.get
    unknown = len(graph.codes)
    rules: dict[Rule, int] = {}
    once: dict[object, object] = {}
    alike: dict[object, int] = {}
    for number, (_, needs, recovery) in enumerate(rows):
        hard: dict[int, None] = {}
        soft = []
        for of, at_least, otherwise in needs:
            members = [n if (n := number_of(m)) is not None else unknown for m in of]
            if otherwise == _OUTAGE and at_least == len(of):
                hard.update(dict.fromkeys(members))
            else:
                soft.append((rules.setdefault((at_least, otherwise), len(rules)), *members))
        all_of, some_of = tuple(hard), tuple(soft)
        graph.hard.append(once.setdefault(all_of, all_of))  # type: ignore[arg-type]
        graph.soft.append(once.setdefault(some_of, some_of))  # type: ignore[arg-type]
        graph.alike.append(alike.setdefault((all_of, some_of, recovery), len(alike)))
        if recovery:
            graph.recovery[number] = recovery
    graph.rules = list(rules)


def _set_dependants(graph: Graph, needed: Iterable[Sequence[int]]) -> None:
    felt: dict[int, list[int]] = {}
    for number, members in zip(graph.index.values(), needed, strict=True):
        for member in members:
            felt.setdefault(member, []).append(number)
    graph.dependants = [tuple(felt.get(number, ())) for number in range(len(graph.codes))]


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
