"""`make bench-planning`: what planning costs on an estate of 182,500 systems, and next to networkx.

Run as `python -m benchmarks.planning [--quick]`. Prints a table, then one line of JSON. Times are medians
of wall-clock milliseconds; `spin_ms` is a fixed loop of plain Python that says how fast the machine is now.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks.estate import START, Estate, a_plan, estate, plans
from maintenance.causes import explained
from maintenance.clashes import find_clashes
from maintenance.interventions import Plan
from maintenance.propagation import spread
from maintenance.slots import find_slots

HOURS = timedelta(hours=1)


def milliseconds(work: Callable[[], object], runs: int = 9) -> float:
    """Return the median of some runs; the first, which fills caches, is thrown away."""
    work()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def memory_mb() -> float:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def spin() -> None:
    """Do two million additions: 80 to 120 ms on an idle machine of our size."""
    total = 0
    for number in range(2_000_000):
        total += number


def once(work: Callable[[], object]) -> tuple[float, object]:
    """Return how long something took, and what came of it."""
    begun = time.perf_counter()
    made = work()
    return (time.perf_counter() - begun) * 1000, made


def servers_by_reach(estate: Estate) -> list[str]:
    """Return some servers, the one whose outage reaches least first."""
    some = estate.data_centre()[:600]
    reach = {c: len(spread(estate.catalogue, [a_plan("P", [c], START, 4 * HOURS)]).reached) for c in some}
    return sorted(some, key=lambda code: (reach[code], code))


def cases(estate: Estate) -> dict[str, list[str]]:
    """Return what is taken down, by name.

    Redundancy bears the loss of most servers, so `server` is one of which nine of ten reach less, and
    `worst_server` the one of six hundred that reaches most: a platform stands on it alone.
    """
    ordered = servers_by_reach(estate)
    return {
        "server": [ordered[len(ordered) * 9 // 10]],
        "worst_server": [ordered[-1]],
        "rack": estate.rack(),
        "datacentre": estate.data_centre(),
    }


def forecasts(estate: Estate, taken_down: dict[str, list[str]]) -> dict[str, float]:
    """Measure from the work to all merged windows as values, and the chains apart."""
    found: dict[str, float] = {}
    for name, codes in taken_down.items():
        plan = a_plan("P", codes, START, 4 * HOURS)
        found[f"forecast_{name}_ms"] = milliseconds(partial(windows_as_values, estate, [plan]))
        done = spread(estate.catalogue, [plan])
        found[f"reached_{name}"] = len(done.reached)
        found[f"windows_{name}"] = len(done.windows())
        # What a page shows: the reasons of one screen of systems.
        some = [done.graph.codes[i] for i in list(done.reached)[:50]]
        found[f"chains_of_50_{name}_ms"] = milliseconds(partial(explained, done, some))
        found[f"chains_{name}_ms"], _ = once(partial(explained, done))
    return found


def windows_as_values(estate: Estate, given: list[Plan]) -> object:
    """Return all merged windows of some plans."""
    return spread(estate.catalogue, given).windows()


def peer(estate: Estate, taken_down: dict[str, list[str]]) -> dict[str, float]:
    """Measure reachability with networkx, which knows neither k of n nor time."""
    import networkx as nx

    def graph() -> nx.DiGraph:
        built = nx.DiGraph()
        built.add_nodes_from(estate.catalogue.systems)
        built.add_edges_from(
            (member, system.code)
            for system in estate.catalogue.systems.values()
            for need in system.needs
            for member in need.of
        )
        return built

    before = memory_mb()
    build_ms, made = once(graph)
    found = {"networkx_build_ms": build_ms, "networkx_memory_mb": memory_mb() - before}

    def descendants(codes: list[str]) -> int:
        made.add_edges_from(("", code) for code in codes)  # type: ignore[attr-defined]
        reached = nx.descendants(made, "")
        made.remove_node("")  # type: ignore[attr-defined]
        return len(reached)

    for name, codes in taken_down.items():
        found[f"networkx_{name}_ms"] = milliseconds(partial(descendants, codes), 3)
        # Ours, for the same question: what could feel the work at all.
        found[f"reach_{name}_ms"] = milliseconds(partial(estate.catalogue.reached_from, codes), 3)
    return found


def many_plans(estate: Estate, others: list[Plan], codes: list[str]) -> dict[str, float]:
    """Measure the union of 200 plans of one month, the clash check and the search for slots."""
    catalogue, two_hundred = estate.catalogue, plans(estate, 200, 30)
    plan = a_plan("NEW", codes, START + timedelta(days=100), 4 * HOURS)
    return {
        "union_200_plans_ms": milliseconds(lambda: spread(catalogue, two_hundred).windows(), 5),
        "union_200_windows": len(spread(catalogue, two_hundred).windows()),
        "clash_check_ms": milliseconds(lambda: find_clashes(catalogue, plan, others, now=START), 5),
        "clashes_found": len(find_clashes(catalogue, plan, others, now=START)),
        "slots_ms": once(lambda: slots_of(estate, plan, others))[0],
        "slot_candidates": 90 * 96,
    }


def slots_of(estate: Estate, plan: Plan, others: list[Plan]) -> object:
    """Return the ten best starts within 90 days, in quarter-hour steps."""
    earliest: datetime = START + timedelta(days=90)
    return find_slots(
        estate.catalogue, plan, others, earliest=earliest, latest=earliest + timedelta(days=90), now=START
    )


def main() -> None:
    """Print the table and the line of JSON."""
    quick = "--quick" in sys.argv
    found: dict[str, float] = {"spin_ms": milliseconds(spin, 5), "memory_before_mb": memory_mb()}
    found["generate_ms"], made = once(lambda: estate(0.1 if quick else 1.0))
    assert isinstance(made, Estate)
    found["systems"] = len(made.catalogue.systems)
    found["needs"] = sum(len(system.needs) for system in made.catalogue.systems.values())
    found["graph_build_ms"], _ = once(lambda: made.catalogue.graph)
    gc.collect()
    found["memory_mb"] = memory_mb()
    # As a serving process does after loading: the estate lives as long as the process.
    gc.freeze()
    taken_down = cases(made)
    found |= forecasts(made, taken_down)
    found |= many_plans(made, plans(made, 10_000, 365, seed=11), taken_down["server"])
    found |= peer(made, taken_down)
    if not quick:
        tenth = estate(0.1)
        for name, codes in cases(tenth).items():
            if name in ("server", "rack"):
                plan = a_plan("P", codes, START, 4 * HOURS)
                found[f"tenth_reached_{name}"] = len(spread(tenth.catalogue, [plan]).reached)
                found[f"tenth_forecast_{name}_ms"] = milliseconds(partial(windows_as_values, tenth, [plan]))
        found["tenth_systems"] = len(tenth.catalogue.systems)
    for name in ("server", "rack", "datacentre"):
        found[f"times_networkx_{name}"] = found[f"networkx_{name}_ms"] / found[f"forecast_{name}_ms"]
    for key, value in found.items():
        print(f"{key:32} {value:>14,.3f}" if value != int(value) else f"{key:32} {int(value):>14,}")
    print(json.dumps({key: round(value, 4) for key, value in found.items()}))


if __name__ == "__main__":
    main()
