"""The fast forecast against the slow one, on estates and plans that nobody would think of."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maintenance import propagation
from maintenance.catalogue import Catalogue, Impact, Need
from maintenance.causes import explained
from maintenance.forecast import forecast
from maintenance.interventions import Plan, Window
from maintenance.propagation import spread
from tests.builders import a_catalogue, a_phase, a_plan, a_system, at
from tests.unit.slow_forecast import SlowForecast, hour_of

CODES = "ABCDEFG"
ABOVE_NONE = st.sampled_from([Impact.REDUCED_REDUNDANCY, Impact.DEGRADED, Impact.OUTAGE])


@st.composite
def needs(draw: st.DrawFn, code: str, allowed: str) -> Need:
    of = draw(
        st.lists(st.sampled_from([c for c in allowed if c != code]), min_size=1, max_size=3, unique=True)
    )
    return Need(tuple(of), draw(st.integers(1, len(of))), draw(ABOVE_NONE | st.just(Impact.OUTAGE)))


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """Any needs between a few systems: about half of them stand in circles."""
    circles = draw(st.booleans())
    systems = []
    for position, code in enumerate(CODES):
        allowed = CODES if circles else CODES[:position]
        of = draw(st.lists(needs(code, allowed), max_size=2)) if len(allowed) else []
        systems.append(a_system(code, *of, recovery=timedelta(hours=draw(st.sampled_from([0, 0, 1, 3])))))
    return a_catalogue(*draw(st.permutations(systems)))


@st.composite
def phases(draw: st.DrawFn):
    start = draw(st.integers(0, 8))
    length = draw(st.integers(1, 5))
    work = draw(st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from(Impact)), min_size=1, max_size=2))
    return a_phase(start, start + length, *work)


@st.composite
def plan_lists(draw: st.DrawFn) -> list[Plan]:
    return [
        a_plan(f"P{number}", *draw(st.lists(phases(), min_size=1, max_size=2)))
        for number in range(1, draw(st.integers(1, 4)) + 1)
    ]


@pytest.fixture(params=[1, 3, 1_000], ids=["all together", "three or more together", "one by one"])
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """From how many systems of a level on arrays are used: it may decide about nothing but speed."""
    monkeypatch.setattr(propagation, "MANY", request.param)


#: The fixture is the same for all examples.
FIXED = [HealthCheck.function_scoped_fixture]


def plain(windows: tuple[Window, ...]) -> list[tuple[str, Impact, int, int]]:
    return [(w.system, w.impact, hour_of(w.start), hour_of(w.end)) for w in windows]


@pytest.mark.usefixtures("many")
@settings(max_examples=150, deadline=None, suppress_health_check=FIXED)
@given(catalogues(), plan_lists())
def test_windows_and_causes_are_those_of_the_slow_evaluation(catalogue: Catalogue, plans: list[Plan]) -> None:
    slow = SlowForecast(catalogue, plans)
    windows = forecast(catalogue, plans)
    assert plain(windows) == slow.windows()
    assert [w.because for w in windows] == [
        slow.because(w.system, hour_of(w.start), hour_of(w.end)) for w in windows
    ]


@settings(max_examples=150, deadline=None)
@given(catalogues(), plan_lists())
def test_plans_named_give_the_same_impact_alone(catalogue: Catalogue, plans: list[Plan]) -> None:
    for window in forecast(catalogue, plans):
        named = [plan for plan in plans if plan.reference in window.references]
        alone = [w for w in forecast(catalogue, named) if w.system == window.system]
        assert any(
            w.impact == window.impact and w.start <= window.start and window.end <= w.end for w in alone
        )


@settings(max_examples=50, deadline=None)
@given(catalogues(), plan_lists(), st.lists(st.sampled_from(CODES), unique=True))
def test_asking_for_some_systems_gives_the_same_reasons(
    catalogue: Catalogue, plans: list[Plan], codes: list[str]
) -> None:
    together = spread(catalogue, plans)
    assert explained(together, codes) == tuple(w for w in explained(together) if w.system in codes)


@settings(max_examples=50, deadline=None)
@given(catalogues(), plan_lists())
def test_more_work_never_makes_anything_better(catalogue: Catalogue, plans: list[Plan]) -> None:
    fewer, more = SlowForecast(catalogue, plans[:-1]), spread(catalogue, plans)
    for (code, hour), impact in fewer.impact.items():
        tick = (at(hour).timestamp()) * 1_000_000
        assert impact <= max((i for start, end, i in more.of(code) if start <= tick < end), default=0)
