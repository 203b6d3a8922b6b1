"""The rules of the forecast, one by one, on systems with a letter each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from maintenance.catalogue import Impact
from maintenance.forecast import forecast, touching, windows_by
from maintenance.interventions import Window, Work
from maintenance.lines import need_impact
from maintenance.propagation import spread
from tests.builders import a_catalogue, a_need, a_phase, a_plan, a_system, at

NONE, REDUCED, DEGRADED, OUTAGE = Impact
HOUR = timedelta(hours=1)


def told(
    windows: tuple[Window, ...], code: str
) -> list[tuple[float, float, Impact, tuple[tuple[str, ...], ...]]]:
    """The windows of one system, with their hours of the day."""
    return [
        ((w.start - at(0)) / HOUR, (w.end - at(0)) / HOUR, w.impact, w.because)
        for w in windows
        if w.system == code
    ]


@pytest.mark.parametrize(
    ("members", "at_least", "otherwise", "impact"),
    [
        # all of one
        ([NONE], 1, OUTAGE, NONE),
        ([REDUCED], 1, OUTAGE, NONE),  # reduced redundancy of a member is not felt
        ([DEGRADED], 1, OUTAGE, DEGRADED),
        ([OUTAGE], 1, OUTAGE, OUTAGE),
        # 2 of 3
        ([OUTAGE, NONE, NONE], 2, OUTAGE, REDUCED),
        ([DEGRADED, NONE, NONE], 2, OUTAGE, REDUCED),
        ([OUTAGE, DEGRADED, NONE], 2, OUTAGE, DEGRADED),  # two up, one of them well
        ([DEGRADED, DEGRADED, NONE], 2, OUTAGE, DEGRADED),
        ([OUTAGE, OUTAGE, NONE], 2, OUTAGE, OUTAGE),
        # milder otherwise
        ([OUTAGE], 1, DEGRADED, DEGRADED),
        ([OUTAGE], 1, REDUCED, REDUCED),
        ([DEGRADED], 1, REDUCED, REDUCED),  # the milder of DEGRADED and otherwise
        ([DEGRADED], 1, DEGRADED, DEGRADED),
    ],
)
def test_a_need_has_the_impact_of_the_rule(members, at_least, otherwise, impact) -> None:
    assert need_impact(members, at_least, otherwise) == impact


def test_two_plans_harmless_alone_take_down_a_redundant_need_exactly_while_both_run() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("B"), a_system("S", a_need("A", "B", at_least=1)))
    first, second = a_plan("P1", a_phase(1, 4, "A")), a_plan("P2", a_phase(3, 6, "B"))
    for alone in (first, second):
        assert [w[2] for w in told(forecast(catalogue, [alone]), "S")] == [REDUCED]
    assert told(forecast(catalogue, [first, second]), "S") == [
        (1, 3, REDUCED, (("A", "P1"),)),
        (3, 4, OUTAGE, (("A", "P1"), ("B", "P2"))),
        (4, 6, REDUCED, (("B", "P2"),)),
    ]


def test_plans_that_only_touch_leave_redundancy() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("B"), a_system("S", a_need("A", "B", at_least=1)))
    plans = [a_plan("P1", a_phase(1, 3, "A")), a_plan("P2", a_phase(3, 6, "B"))]
    assert told(forecast(catalogue, plans), "S") == [(1, 6, REDUCED, (("A", "P1"), ("B", "P2")))]


def test_an_outage_from_needs_lasts_the_recovery_longer_and_work_on_the_system_itself_does_not() -> None:
    catalogue = a_catalogue(a_system("A", recovery=5 * HOUR), a_system("S", "A", recovery=HOUR))
    windows = forecast(catalogue, [a_plan("P1", a_phase(1, 4, "A"))])
    assert told(windows, "A") == [(1, 4, OUTAGE, (("P1",),))]
    assert told(windows, "S") == [(1, 5, OUTAGE, (("A", "P1"),))]


def test_recoveries_add_up_along_a_chain() -> None:
    catalogue = a_catalogue(
        a_system("A"), a_system("B", "A", recovery=HOUR), a_system("C", "B", recovery=2 * HOUR)
    )
    windows = forecast(catalogue, [a_plan("P1", a_phase(1, 2, "A"))])
    assert told(windows, "C") == [(1, 5, OUTAGE, (("B", "A", "P1"),))]


def test_what_is_degraded_needs_no_recovery() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("S", a_need("A", otherwise=DEGRADED), recovery=HOUR))
    assert told(forecast(catalogue, [a_plan("P1", a_phase(1, 4, "A"))]), "S") == [
        (1, 4, DEGRADED, (("A", "P1"),))
    ]


def test_a_tail_of_recovery_meets_other_work_and_both_are_named() -> None:
    """A is worked on until 2 and S recovers until 4; B, its spare's need, goes down at 3."""
    catalogue = a_catalogue(
        a_system("A"),
        a_system("B"),
        a_system("S", "A", recovery=2 * HOUR),
        a_system("T", a_need("S", "B", at_least=1)),
    )
    plans = [a_plan("P1", a_phase(1, 2, "A")), a_plan("P2", a_phase(3, 6, "B"))]
    assert told(forecast(catalogue, plans), "T") == [
        (1, 3, REDUCED, (("S", "A", "P1"),)),
        (3, 4, OUTAGE, (("B", "P2"), ("S", "A", "P1"))),
        (4, 6, REDUCED, (("B", "P2"),)),
    ]


def test_outages_that_recovery_joins_are_one_window_with_both_causes() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("S", "A", recovery=HOUR))
    plans = [a_plan("P1", a_phase(1, 2, "A")), a_plan("P2", a_phase(3, 4, "A"))]
    windows = forecast(catalogue, plans)
    assert [w[:2] for w in told(windows, "A")] == [(1, 2), (3, 4)]
    assert told(windows, "S") == [(1, 5, OUTAGE, (("A", "P1"), ("A", "P2")))]


def test_a_circle_ends_although_each_waits_for_the_other() -> None:
    """S and T need each other. Each one's recovery counts once, not again on every way round."""
    catalogue = a_catalogue(
        a_system("S", "T", recovery=HOUR), a_system("T", "S", "A", recovery=2 * HOUR), a_system("A")
    )
    windows = forecast(catalogue, [a_plan("P1", a_phase(1, 4, "A"))])
    assert told(windows, "T") == [(1, 6, OUTAGE, (("A", "P1"),))]
    assert told(windows, "S") == [(1, 6, OUTAGE, (("T", "A", "P1"),))]


def test_a_circle_without_work_stays_up() -> None:
    catalogue = a_catalogue(a_system("S", "T"), a_system("T", "S"), a_system("A"))
    assert forecast(catalogue, [a_plan("P1", a_phase(1, 4, "A"))])[0].system == "A"
    assert len(forecast(catalogue, [a_plan("P1", a_phase(1, 4, "A"))])) == 1


def test_only_members_that_make_the_need_fail_at_that_impact_are_named() -> None:
    """One of two suffices: A's outage alone would leave redundancy; DEGRADED comes from B, felt because A is out."""
    catalogue = a_catalogue(
        a_system("A"),
        a_system("B"),
        a_system("C"),
        a_system("S", a_need("A", "B", at_least=1), a_need("C", otherwise=REDUCED)),
    )
    plans = [
        a_plan("P1", a_phase(1, 4, "A")),
        a_plan("P2", a_phase(1, 4, ("B", DEGRADED))),
        a_plan("P3", a_phase(1, 4, "C")),
    ]
    assert told(forecast(catalogue, plans), "S") == [(1, 4, DEGRADED, (("A", "P1"), ("B", "P2")))]


def test_one_shortest_chain_for_each_plan_and_ties_go_by_code() -> None:
    catalogue = a_catalogue(
        a_system("A"),
        a_system("Y", "A"),
        a_system("X", "A"),
        a_system("S", "Y", "X"),
        a_system("U", "S", "X"),
    )
    windows = forecast(catalogue, [a_plan("P1", a_phase(1, 4, "A"))])
    assert told(windows, "S")[0][3] == (("X", "A", "P1"),)
    assert told(windows, "U")[0][3] == (("X", "A", "P1"),)


def test_work_on_the_system_itself_is_a_chain_of_the_reference_alone() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("S", "A"))
    plans = [a_plan("P1", a_phase(1, 4, "A")), a_plan("P2", a_phase(2, 3, "S"))]
    assert told(forecast(catalogue, plans), "S") == [(1, 4, OUTAGE, (("P2",), ("A", "P1")))]


def test_work_without_impact_and_unknown_systems_make_no_window() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("S", a_need("GONE"), a_need("A")))
    plan = a_plan("P1", a_phase(1, 4, ("A", NONE), "ELSEWHERE"))
    assert forecast(catalogue, [plan]) == ()


def test_what_is_retired_feels_nothing() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("S", "A", retired=True))
    assert {w.system for w in forecast(catalogue, [a_plan("P1", a_phase(1, 4, "A"))])} == {"A"}


def test_a_phase_open_past_its_end_keeps_its_impact_until_just_after_now() -> None:
    phase = replace(a_phase(1, 4, "A"), started_at=at(1))
    plan = a_plan("P1", phase)
    catalogue = a_catalogue(a_system("A"))
    assert forecast(catalogue, [plan], now=at(3))[0].end == at(4)
    assert forecast(catalogue, [plan], now=at(6))[0].end == at(6) + timedelta(seconds=1)
    assert forecast(catalogue, [plan])[0].end == at(4)


def test_what_really_happened_counts_instead_of_the_plan() -> None:
    phase = replace(
        a_phase(1, 6),
        work=(Work("A", OUTAGE, ended_at=at(3)), Work("B", OUTAGE)),
        started_at=at(2),
        ended_at=at(5),
    )
    windows = forecast(a_catalogue(a_system("A"), a_system("B")), [a_plan("P1", phase)])
    assert [(w.system, w.start, w.end) for w in windows] == [("A", at(2), at(3)), ("B", at(2), at(5))]


def test_windows_come_by_start_then_system_then_impact() -> None:
    catalogue = a_catalogue(a_system("B"), a_system("A"), a_system("C"))
    windows = forecast(catalogue, [a_plan("P1", a_phase(2, 4, "A", "B"), a_phase(1, 3, "C"))])
    assert [w.system for w in windows] == ["C", "A", "B"]


def test_the_windows_of_a_plan_are_those_that_name_it() -> None:
    catalogue = a_catalogue(
        a_system("A"), a_system("B"), a_system("S", a_need("A", "B", at_least=1)), a_system("Z")
    )
    plan = a_plan("P1", a_phase(1, 4, "A"))
    others = [a_plan("P2", a_phase(3, 6, "B")), a_plan("P3", a_phase(1, 4, "Z"))]
    assert [(w.system, w.impact) for w in windows_by(catalogue, plan, others)] == [
        ("A", OUTAGE),
        ("S", REDUCED),
        ("S", OUTAGE),
    ]


def test_others_touch_a_plan_through_the_longest_recovery_and_through_one_another() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("S", "A", recovery=2 * HOUR))
    plan = a_plan("P1", a_phase(10, 12, "A"))
    near, far = a_plan("NEAR", a_phase(6, 8, "A")), a_plan("FAR", a_phase(5, 7.5, "A"))
    joined, apart = a_plan("JOINED", a_phase(3, 5, "A")), a_plan("APART", a_phase(0, 0.5, "A"))
    assert touching(catalogue, plan, [near]) == [near]
    assert touching(catalogue, plan, [far]) == []
    assert touching(catalogue, plan, [near, joined, apart, plan]) == [joined, near]


def test_only_what_the_work_reaches_is_visited_and_scratch_memory_is_given_back_clean() -> None:
    catalogue = a_catalogue(*(a_system(f"S{n}", *([f"S{n - 1}"] if n else [])) for n in range(50)))
    plan = a_plan("P1", a_phase(1, 4, "S47"))
    assert spread(catalogue, [plan]).windows() == [
        (code, OUTAGE, at(1), at(4)) for code in ("S47", "S48", "S49")
    ]
    state = catalogue.graph.borrow()
    assert not any(state)


def test_a_deep_chain_needs_no_deep_stack() -> None:
    catalogue = a_catalogue(*(a_system(f"S{n}", *([f"S{n + 1}"] if n < 3000 else [])) for n in range(3001)))
    windows = forecast(catalogue, [a_plan("P1", a_phase(1, 4, "S3000"))])
    assert len(windows) == 3001
