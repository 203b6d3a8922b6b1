"""`make bench-planning`: what planning costs on an estate of 182,500 systems, and next to networkx.

Run as `python -m benchmarks.planning [--quick] [--only PART …]`, the parts being `forecasts`, `many_plans`,
`peer` and `tenth`. Prints what is wanted and what is measured with their ratios, then every figure, then one
line of JSON. Times are medians of wall-clock milliseconds; `spin_ms` is a fixed loop of plain Python that
says how fast the machine is now.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
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
PARTS = ("forecasts", "many_plans", "peer", "tenth")
#: What each figure should stay below, on two cores.
WANTED = {
    "forecast_server_ms": 5,
    "forecast_datacentre_ms": 250,
    "union_200_plans_ms": 250,
    "clash_check_ms": 100,
    "slots_ms": 2_000,
    "memory_mb": 300,
}


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
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def peak_mb() -> float:
    """Return the most memory that this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


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
        found[f"windows_as_values_{name}_ms"] = milliseconds(done.windows)
        found[f"reached_{name}"] = len(done.reached)
        look = partial(gc.collect, 0)
        kept = done.windows()
        # On top where somebody keeps the windows: the collector of circular garbage looks at each once.
        found[f"collector_{name}_ms"], _ = once(look)
        found[f"windows_{name}"] = len(kept)
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
        "slots_ms": milliseconds(lambda: slots_of(estate, plan, others), 3),
        "slot_candidates": 90 * 96,
    }


def slots_of(estate: Estate, plan: Plan, others: list[Plan]) -> object:
    """Return the ten best starts within 90 days, in quarter-hour steps."""
    earliest: datetime = START + timedelta(days=90)
    return find_slots(
        estate.catalogue, plan, others, earliest=earliest, latest=earliest + timedelta(days=90), now=START
    )


def next_to_a_tenth(estate: Estate) -> dict[str, float]:
    """Measure plans that reach about as much in a tenth of the estate as in the whole of it.

    Of the racks of each the one is taken whose outage reaches nearest to two thousand systems.
    """
    found: dict[str, float] = {}
    for name, one in (("whole", estate), ("tenth", a_tenth())):
        found[f"{name}_systems"] = len(one.catalogue.systems)
        some = [a_plan("P", codes, START, 4 * HOURS) for codes in list(one.racks.values())[:100]]
        reached = [len(spread(one.catalogue, [plan]).systems) for plan in some]
        nearest = min(range(len(some)), key=lambda n: abs(reached[n] - 2_000))
        found[f"{name}_reached"] = reached[nearest]
        took = milliseconds(partial(windows_as_values, one, [some[nearest]]))
        found[f"{name}_forecast_ms"] = took
        found[f"{name}_ms_per_1000_reached"] = took / reached[nearest] * 1000
    found["times_tenth_per_1000_reached"] = (
        found["whole_ms_per_1000_reached"] / found["tenth_ms_per_1000_reached"]
    )
    return found


def a_tenth() -> Estate:
    """Return a tenth of the estate."""
    return estate(0.1)


def ratios(found: dict[str, float]) -> None:
    """Print the figures that are wanted below something, and ours next to networkx's."""
    print(f"{'':32} {'measured':>12} {'wanted below':>14} {'ratio':>8}")
    for key, most in WANTED.items():
        if key in found:
            print(f"{key:32} {found[key]:>12,.2f} {most:>14,} {found[key] / most:>8.2f}")
    print(f"{'':32} {'networkx, ms':>12} {'ours, ms':>14} {'times':>8}")
    for name in ("server", "worst_server", "rack", "datacentre"):
        for what, ours in (("reach only", f"reach_{name}_ms"), ("forecast", f"forecast_{name}_ms")):
            theirs = found.get(f"networkx_{name}_ms")
            if theirs and ours in found:
                label = f"{name}, {what}"
                print(f"{label:32} {theirs:>12,.2f} {found[ours]:>14,.2f} {theirs / found[ours]:>8.2f}")


def main() -> None:
    """Print the tables and the line of JSON."""
    parser = argparse.ArgumentParser(description="Measure planning on an invented estate.")
    parser.add_argument("--quick", action="store_true", help="take a tenth of the estate")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="measure only these")
    asked = parser.parse_args()
    found: dict[str, float] = {"spin_ms": milliseconds(spin, 5), "memory_before_mb": memory_mb()}
    found["generate_ms"], made = once(lambda: estate(0.1 if asked.quick else 1.0))
    assert isinstance(made, Estate)
    found["systems"] = len(made.catalogue.systems)
    found["needs"] = sum(len(system.needs) for system in made.catalogue.systems.values())
    found["graph_build_ms"], _ = once(lambda: made.catalogue.graph)
    gc.collect()
    found["memory_mb"], found["memory_peak_of_import_mb"] = memory_mb(), peak_mb()
    # As a serving process does after loading: the estate lives as long as the process.
    gc.freeze()
    taken_down = cases(made)
    if "forecasts" in asked.only:
        found |= forecasts(made, taken_down)
    if "many_plans" in asked.only:
        found |= many_plans(made, plans(made, 10_000, 365, seed=11), taken_down["server"])
    if "peer" in asked.only:
        found |= peer(made, taken_down)
    if "tenth" in asked.only and not asked.quick:
        found |= next_to_a_tenth(made)
    for name in ("server", "rack", "datacentre"):
        if {"forecasts", "peer"} <= set(asked.only):
            found[f"times_networkx_{name}"] = found[f"networkx_{name}_ms"] / found[f"forecast_{name}_ms"]
    ratios(found)
    print()
    for key, value in found.items():
        print(f"{key:32} {value:>14,.3f}" if value != int(value) else f"{key:32} {int(value):>14,}")
    print(json.dumps({key: round(value, 4) for key, value in found.items()}))


if __name__ == "__main__":
    main()
