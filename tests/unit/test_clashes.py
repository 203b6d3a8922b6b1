"""Every kind of clash that needs no policy: a case just inside, a case just outside."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from maintenance.catalogue import Audience, Catalogue, Contingency, Impact
from maintenance.clashes import Clash, find_clashes, warnings_of
from maintenance.interventions import Person, Phase, PhaseKind, Plan
from maintenance.texts import Text
from maintenance.windows import resolve
from tests.builders import a_catalogue, a_need, a_phase, a_plan, a_system, at

NONE, REDUCED, DEGRADED, OUTAGE = Impact
HOUR = timedelta(hours=1)


def clashes(catalogue: Catalogue, plan: Plan, *others: Plan, kind: str) -> list[Clash]:
    return [c for c in find_clashes(catalogue, plan, others, now=at(-100)) if c.kind == kind]


def two_databases() -> Catalogue:
    return a_catalogue(
        a_system("A"), a_system("B"), a_system("S", a_need("A", "B", at_least=1)), a_system("T", "S")
    )


def test_redundancy_lost_by_two_plans_blocks_exactly_where_they_meet() -> None:
    found = clashes(
        two_databases(),
        a_plan("P1", a_phase(1, 4, "A")),
        a_plan("P2", a_phase(3, 6, "B")),
        kind="redundancy-lost",
    )
    assert [(c.severity, c.systems, c.start, c.end, c.plans) for c in found] == [
        ("block", ("S", "T"), at(3), at(4), ("P1", "P2"))
    ]
    assert (
        found[0].message == "Only together with P2 does this plan put S, T in OUTAGE; move one of the plans."
    )


def test_plans_that_touch_lose_no_redundancy() -> None:
    plans = a_plan("P1", a_phase(1, 3, "A")), a_plan("P2", a_phase(3, 6, "B"))
    assert clashes(two_databases(), *plans, kind="redundancy-lost") == []


def test_a_plan_that_only_meets_anothers_recovery_loses_redundancy_too() -> None:
    catalogue = a_catalogue(
        a_system("X"),
        a_system("A", "X", recovery=2 * HOUR),
        a_system("B"),
        a_system("S", a_need("A", "B", at_least=1)),
    )
    other = a_plan("P2", a_phase(0, 2, "X"))
    assert clashes(catalogue, a_plan("P1", a_phase(4, 5, "B")), other, kind="redundancy-lost") == []
    found = clashes(catalogue, a_plan("P1", a_phase(3, 5, "B")), other, kind="redundancy-lost")
    assert [(c.start, c.end, c.plans) for c in found] == [(at(3), at(4), ("P1", "P2"))]


def test_what_a_plan_takes_down_alone_is_no_loss_by_several() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("B"), a_system("S", "A", "B"))
    plans = a_plan("P1", a_phase(1, 4, "A")), a_plan("P2", a_phase(3, 6, "B"))
    assert clashes(catalogue, *plans, kind="redundancy-lost") == []


def test_redundancy_lost_to_degraded_only_warns() -> None:
    catalogue = a_catalogue(
        a_system("A"), a_system("B"), a_system("S", a_need("A", "B", at_least=1, otherwise=DEGRADED))
    )
    plans = a_plan("P1", a_phase(1, 4, "A")), a_plan("P2", a_phase(3, 6, "B"))
    assert [c.severity for c in clashes(catalogue, *plans, kind="redundancy-lost")] == ["warn"]


def test_a_circle_lost_as_a_whole_is_reported() -> None:
    catalogue = a_catalogue(
        a_system("A"), a_system("B"), a_system("S", "T", a_need("A", "B", at_least=1)), a_system("T", "S")
    )
    plans = a_plan("P1", a_phase(1, 4, "A")), a_plan("P2", a_phase(3, 6, "B"))
    assert [set(c.systems) for c in clashes(catalogue, *plans, kind="redundancy-lost")] == [{"S", "T"}]


@pytest.mark.parametrize(
    ("mine", "theirs", "severity"),
    [
        (a_phase(1, 4, "A"), a_phase(3, 6, "A"), "block"),
        (a_phase(1, 4, "A"), a_phase(4, 6, "A"), None),  # touching
        (a_phase(1, 4, "A"), a_phase(3, 6, "B"), None),
        (a_phase(1, 4, ("A", NONE)), a_phase(3, 6, "A"), "warn"),  # one only checks
    ],
)
def test_two_plans_on_one_system_at_once(mine: Phase, theirs: Phase, severity: str | None) -> None:
    found = clashes(two_databases(), a_plan("P1", mine), a_plan("P2", theirs), kind="same-system")
    assert [c.severity for c in found] == ([severity] if severity else [])
    if found:
        assert (found[0].start, found[0].end) == (at(3), at(4))


def test_a_draft_is_marked_in_the_sentence() -> None:
    plans = a_plan("P1", a_phase(1, 4, "A")), a_plan("P2", a_phase(3, 6, "A"), draft=True)
    assert "P2 (draft)" in clashes(two_databases(), *plans, kind="same-system")[0].message


def test_another_version_of_the_same_plan_is_no_clash() -> None:
    plans = a_plan("P1", a_phase(1, 4, "A")), a_plan("P1", a_phase(3, 6, "A"))
    assert clashes(two_databases(), *plans, kind="same-system") == []


@pytest.mark.parametrize(
    ("mine", "theirs", "severity"),
    [
        # I check S while the other takes down all that it needs
        (a_phase(3, 6, ("S", NONE)), a_phase(1, 4, "A", "B"), "block"),
        (a_phase(4, 6, ("S", NONE)), a_phase(1, 4, "A", "B"), None),
        (a_phase(3, 6, ("S", NONE)), a_phase(1, 4, "A"), None),  # one of two is left
        (a_phase(3, 6, "S"), a_phase(1, 4, "A", "B"), "warn"),  # down anyway by its own work
        # the other way round: I take down what the other needs
        (a_phase(1, 4, "A", "B"), a_phase(3, 6, ("S", NONE)), "block"),
        (a_phase(1, 3, "A", "B"), a_phase(3, 6, ("S", NONE)), None),
    ],
)
def test_what_work_needs_is_taken_down_meanwhile(mine: Phase, theirs: Phase, severity: str | None) -> None:
    found = clashes(two_databases(), a_plan("P1", mine), a_plan("P2", theirs), kind="needed-down")
    assert [(c.severity, c.systems, c.plans) for c in found] == (
        [(severity, ("S",), ("P1", "P2"))] if severity else []
    )
    if found:
        assert (found[0].start, found[0].end) == (at(3), at(4))


def test_only_the_plans_that_take_down_what_is_needed_are_named() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("S", "A"), a_system("Z"))
    plan = a_plan("P1", a_phase(1, 4, ("S", NONE)))
    others = a_plan("P2", a_phase(1, 4, "A")), a_plan("P3", a_phase(1, 4, "Z"))
    assert clashes(catalogue, plan, *others, kind="needed-down")[0].plans == ("P1", "P2")


@pytest.mark.parametrize(
    ("theirs", "who"),
    [
        ((Person("lead", "Ana", "DBA"),), ["Ana", "DBA"]),
        ((Person("lead", "Rui", "DBA"),), ["DBA"]),
        ((Person("lead", "Rui", "Network"),), []),
        ((Person("lead", "", ""),), []),
    ],
)
def test_people_and_teams_booked_twice(theirs: tuple[Person, ...], who: list[str]) -> None:
    plan = a_plan("P1", a_phase(1, 4, "A"), people=(Person("lead", "Ana", "DBA"), Person("dba", "", "")))
    other = a_plan("P2", a_phase(3, 6, "B"), people=theirs)
    found = clashes(two_databases(), plan, other, kind="booked-twice")
    assert [dict(c.values)["who"] for c in found] == who
    later = a_plan("P2", a_phase(4, 6, "B"), people=theirs)
    assert clashes(two_databases(), plan, later, kind="booked-twice") == []


@pytest.mark.parametrize(
    ("phases", "count"),
    [
        ([a_phase(1, 4, "A")], 1),
        ([a_phase(1, 4, ("A", DEGRADED))], 0),
        ([a_phase(1, 4, "A"), a_phase(4, 5, ("A", NONE), id="p2", kind=PhaseKind.VERIFICATION)], 0),
        (
            [a_phase(3, 4, "A"), a_phase(1, 3, ("A", NONE), id="p2", kind=PhaseKind.VERIFICATION)],
            1,
        ),  # before it
        ([a_phase(1, 4, "A"), a_phase(3, 5, ("A", NONE), id="p2", kind=PhaseKind.VERIFICATION)], 0),
    ],
)
def test_an_outage_wants_a_verification_that_follows(phases: list[Phase], count: int) -> None:
    found = clashes(two_databases(), a_plan("P1", *phases), kind="verification-missing")
    assert len(found) == count
    assert all("the outage of P1;" in clash.message for clash in found)


def test_an_affected_audience_without_contingency_text_is_named() -> None:
    told = Contingency("doctors", during=Text.of("Use paper."))
    only_before = Contingency("nurses", before=Text.of("Print lists."))
    catalogue = a_catalogue(
        a_system("A"),
        a_system("B"),
        a_system("S", "A", audiences=("doctors", "nurses"), contingency=(told, only_before)),
        a_system("R", a_need("A", "B", at_least=1), audiences=("doctors",)),
        audiences={code: Audience(code, Text.of(code)) for code in ("doctors", "nurses")},
    )
    plan = a_plan("P1", a_phase(1, 4, "A"))
    found = clashes(catalogue, plan, kind="contingency-missing")
    assert [(dict(c.values)["audience"], c.systems) for c in found] == [("nurses", ("S",))]
    # R is only notified when another plan takes its redundancy away.
    found = clashes(catalogue, plan, a_plan("P2", a_phase(3, 5, "B")), kind="contingency-missing")
    assert [(dict(c.values)["audience"], c.systems) for c in found] == [
        ("nurses", ("S",)),
        ("doctors", ("R",)),
    ]


def test_blocking_clashes_come_first() -> None:
    plans = a_plan("P1", a_phase(1, 4, "A")), a_plan("P2", a_phase(3, 6, "B"))
    found = find_clashes(two_databases(), plans[0], plans[1:], now=at(0))
    assert [c.severity for c in found] == sorted(c.severity for c in found)
    assert {c.kind for c in found} == {"redundancy-lost", "verification-missing"}


def lisbon(start: datetime, end: datetime | None) -> Plan:
    first = resolve(start, "Europe/Lisbon").instant
    last = resolve(end, "Europe/Lisbon").instant if end else first + timedelta(hours=18)
    phase = replace(a_phase(0, 1, "A"), start=first, end=last, local_start=start, local_end=end)
    return replace(a_plan("P1", phase), timezone="Europe/Lisbon")


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (datetime(2026, 3, 28, 22), datetime(2026, 3, 29, 0, 30), []),
        (datetime(2026, 3, 28, 22), datetime(2026, 3, 29, 6), [(("phases", 0), "really lasts 7h")]),
        (datetime(2026, 10, 24, 22), datetime(2026, 10, 25, 6), [(("phases", 0), "really lasts 9h")]),
        (datetime(2026, 10, 24, 22), None, [(("phases", 0), "ends at 2026-10-25 15:00 (UTC+0000)")]),
        (
            datetime(2026, 3, 29, 1, 30),
            datetime(2026, 3, 29, 4),
            [(("phases", 0, "start"), "read as 2026-03-29 02:30")],
        ),
        (
            datetime(2026, 10, 25, 1, 30),
            datetime(2026, 10, 25, 1, 45),
            [
                (("phases", 0, "start"), "exists twice"),
                (("phases", 0, "end"), "exists twice"),
            ],
        ),
    ],
)
def test_a_window_crossing_clock_change_keeps_its_real_length_and_says_so(start, end, words) -> None:
    found = warnings_of(lisbon(start, end))
    assert [problem.path for problem in found] == [path for path, _ in words]
    for problem, (_, part) in zip(found, words, strict=True):
        assert part in problem.message


def test_the_reference_case_has_no_clock_warning() -> None:
    assert warnings_of(lisbon(datetime(2019, 11, 30, 14), datetime(2019, 12, 1, 8))) == ()
