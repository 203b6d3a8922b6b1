"""What a status page says about systems at an instant."""

from __future__ import annotations

import pytest

from maintenance.catalogue import Catalogue, Impact
from maintenance.interventions import Window
from maintenance.status import (
    ShownWindow,
    SystemState,
    grouped,
    next_boundary,
    overall,
    state_of,
    states_at,
)
from maintenance.texts import Text
from tests.builders import a_catalogue, a_system, at

OUTAGE, DEGRADED, REDUCED = Impact.OUTAGE, Impact.DEGRADED, Impact.REDUCED_REDUNDANCY


def shown(
    start: float, end: float, impact: Impact = OUTAGE, *, system: str = "PEM", **flags: bool
) -> ShownWindow:
    return ShownWindow(Window(system, impact, at(start), at(end), (("INT-1",),)), **flags)


def pem_at(hour: float, *windows: ShownWindow) -> SystemState:
    return state_of(a_system("PEM", public=True), windows, at(hour))


@pytest.mark.parametrize(
    ("hour", "impact"),
    [
        (13.99, Impact.NO_IMPACT),
        (14, OUTAGE),  # the start belongs to the window
        (31.99, OUTAGE),
        (32, Impact.NO_IMPACT),  # the end does not
    ],
)
def test_system_is_down_from_the_start_to_just_before_the_end(hour: float, impact: Impact) -> None:
    assert pem_at(hour, shown(14, 32)).impact is impact


def test_worst_of_several_windows_is_the_state() -> None:
    state = pem_at(15, shown(14, 18, REDUCED), shown(14, 16, DEGRADED))

    assert state.impact is DEGRADED
    assert [w.window.impact for w in state.now] == [DEGRADED, REDUCED]
    assert state.until == at(16)


def test_touching_and_worsening_windows_are_one_stretch() -> None:
    state = pem_at(15, shown(12, 14, OUTAGE), shown(14, 16, DEGRADED), shown(16, 18, OUTAGE))

    assert (state.since, state.until) == (at(12), at(18))


def test_stretch_does_not_leap_over_a_gap() -> None:
    state = pem_at(15, shown(10, 13), shown(14, 16), shown(17, 18))

    assert (state.since, state.until) == (at(14), at(16))
    assert [w.window.start for w in state.to_come] == [at(17)]


def test_overrunning_work_has_no_known_end() -> None:
    state = pem_at(33, shown(14, 33.001, overrun=True))

    assert state.impact is OUTAGE
    assert state.is_overrun
    assert (state.since, state.until) == (at(14), None)


def test_held_work_has_not_begun_and_is_still_to_come() -> None:
    state = pem_at(15, shown(14, 16, held=True))

    assert state.impact is Impact.NO_IMPACT
    assert len(state.to_come) == 1


def test_windows_of_other_systems_do_not_count() -> None:
    assert pem_at(15, shown(14, 16, system="DEM")).impact is Impact.NO_IMPACT


def test_only_public_systems_in_use_are_shown_in_catalogue_order() -> None:
    catalogue = a_catalogue(
        a_system("Z", public=True),
        a_system("HIDDEN"),
        a_system("A", public=True),
        a_system("OLD", public=True, retired=True),
    )

    assert [s.system.code for s in states_at(catalogue, [shown(0, 9, system="A")], at(1))] == ["Z", "A"]
    assert [s.impact for s in states_at(catalogue, [shown(0, 9, system="A")], at(1))] == [
        Impact.NO_IMPACT,
        OUTAGE,
    ]


def test_groups_come_as_they_first_appear_and_systems_without_one_last() -> None:
    prescribing, records = Text.of("Prescribing"), Text.of("Records")
    catalogue: Catalogue = a_catalogue(
        a_system("X", public=True),
        a_system("PEM", public=True, group=prescribing),
        a_system("RSE", public=True, group=records),
        a_system("DEM", public=True, group=prescribing),
    )

    groups = grouped(states_at(catalogue, [shown(0, 9, DEGRADED, system="DEM")], at(1)))

    assert [(g.name, [s.system.code for s in g.states]) for g in groups] == [
        (prescribing, ["PEM", "DEM"]),
        (records, ["RSE"]),
        (Text(), ["X"]),
    ]
    assert [g.impact for g in groups] == [DEGRADED, Impact.NO_IMPACT, Impact.NO_IMPACT]


def test_overall_names_what_is_down_and_when_the_last_is_back() -> None:
    catalogue = a_catalogue(*(a_system(code, public=True) for code in ("A", "B", "C", "D")))
    windows = [
        shown(0, 9, system="A"),
        shown(0, 11, system="B"),
        shown(0, 10, DEGRADED, system="C"),
        shown(0, 20, REDUCED, system="D"),
    ]

    said = overall(states_at(catalogue, windows, at(1)))

    assert said.impact is OUTAGE
    assert [s.system.code for s in said.down] == ["A", "B"]
    assert [s.system.code for s in said.degraded] == ["C"]
    assert said.until == at(11)


def test_reduced_redundancy_alone_is_said_to_work() -> None:
    said = overall([pem_at(1, shown(0, 9, REDUCED))])

    assert said.impact is Impact.NO_IMPACT
    assert said.until is None


def test_overall_end_is_unknown_as_soon_as_one_overruns() -> None:
    catalogue = a_catalogue(a_system("A", public=True), a_system("B", public=True))
    windows = [shown(0, 9, system="A"), shown(0, 1.001, system="B", overrun=True)]

    said = overall(states_at(catalogue, windows, at(1)))

    assert said.until is None
    assert said.is_overrun


@pytest.mark.parametrize(
    ("hour", "expected"),
    [(0, at(2)), (2, at(3)), (3, at(4)), (4, None)],
)
def test_next_boundary_is_the_next_start_or_end(hour: float, expected: object) -> None:
    assert next_boundary([shown(2, 4), shown(3, 4)], at(hour)) == expected


def test_end_of_an_overrun_is_no_boundary() -> None:
    assert next_boundary([shown(0, 5.001, overrun=True)], at(5)) is None
