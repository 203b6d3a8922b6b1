"""Slots: never blocked, none better, and each says what it costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance.catalogue import Catalogue, Impact, Volume
from maintenance.clashes import find_clashes
from maintenance.forecast import forecast
from maintenance.harm import HOURS_PER_MONTH, ROUND_THE_CLOCK, Profile, Weights, harm_of
from maintenance.interventions import Plan
from maintenance.policies import Freeze, Policies, Scope
from maintenance.policy_clashes import find_policy_clashes
from maintenance.slots import find_slots, shifted
from maintenance.texts import Text
from tests.builders import a_catalogue, a_phase, a_plan, a_system, at
from tests.unit.slow_forecast import HORIZON, SlowForecast
from tests.unit.test_forecast_property import catalogues, plan_lists

NONE, REDUCED, DEGRADED, OUTAGE = Impact
HOUR = timedelta(hours=1)
PRESCRIPTIONS = Text.of("prescriptions")
#: Every hour differs from the next, so that a slot an hour off would show.
UNEVEN = Profile("uneven", tuple(float(1 + hour * 7 % 5) for hour in range(168)))


def pem(**rest: object) -> Catalogue:
    return a_catalogue(
        a_system("EXADATA"),
        a_system("PEM", "EXADATA", volume=Volume(PRESCRIPTIONS, 6_000_000)),
        timezone="Europe/Lisbon",
        **rest,
    )


def test_the_reference_case_harms_about_43_000_prescriptions() -> None:
    start, end = datetime(2019, 11, 30, 14, tzinfo=UTC), datetime(2019, 12, 1, 8, tzinfo=UTC)
    plan = shifted(a_plan("SPMS-2019-EXADATA", a_phase(0, (end - start) / HOUR, "EXADATA")), start)
    harm = harm_of(pem(), forecast(pem(), [plan]))
    assert {unit: round(value, -3) for unit, value in harm.items()} == {PRESCRIPTIONS: 43_000}


def test_the_same_hours_of_a_working_day_harm_eight_times_as_much() -> None:
    sunday, monday = (
        shifted(a_plan("P", a_phase(0, 2, "EXADATA")), datetime(2026, 6, d, 9, tzinfo=UTC)) for d in (7, 8)
    )
    harms = [harm_of(pem(), forecast(pem(), [plan]))[PRESCRIPTIONS] for plan in (sunday, monday)]
    assert harms[1] == pytest.approx(8 * harms[0])
    weights = Weights(profile=ROUND_THE_CLOCK)
    harms = [harm_of(pem(), forecast(pem(), [plan]), weights)[PRESCRIPTIONS] for plan in (sunday, monday)]
    assert harms == pytest.approx([6_000_000 / HOURS_PER_MONTH * 2] * 2)


def test_a_profile_is_read_in_wall_time() -> None:
    """08:00 in Lisbon is 07:00 UTC in summer: the office hour starts there."""
    plan = shifted(a_plan("P", a_phase(0, 1, "EXADATA")), datetime(2026, 6, 8, 7, tzinfo=UTC))
    before = shifted(plan, datetime(2026, 6, 8, 6, tzinfo=UTC))
    first, second = (harm_of(pem(), forecast(pem(), [p]))[PRESCRIPTIONS] for p in (before, plan))
    assert second == pytest.approx(8 * first)


def test_degraded_counts_a_part_and_reduced_redundancy_nothing() -> None:
    catalogue = a_catalogue(*(a_system(c, volume=Volume(Text.of(c), 720)) for c in "ABC"))
    plan = a_plan("P", a_phase(0, 1, ("A", OUTAGE), ("B", DEGRADED), ("C", REDUCED)))
    harm = harm_of(
        catalogue, forecast(catalogue, [plan]), Weights(profile=ROUND_THE_CLOCK, systems={"A": 2.0})
    )
    assert harm == {Text.of("A"): pytest.approx(2.0), Text.of("B"): pytest.approx(0.3)}


def test_units_are_never_summed() -> None:
    catalogue = a_catalogue(
        a_system("A"),
        a_system("S", "A", volume=Volume(PRESCRIPTIONS, 720)),
        a_system("T", "A", volume=Volume(Text.of("certificates"), 72)),
    )
    slots = find_slots(
        catalogue, a_plan("P", a_phase(0, 1, "A")), [], earliest=at(0), latest=at(24), now=at(0), count=1
    )
    assert {unit.in_language("en") for unit, _ in slots[0].harm} == {"prescriptions", "certificates"}


def test_the_best_slot_is_where_the_system_is_down_anyway() -> None:
    other = a_plan("P2", a_phase(5, 9, "EXADATA"))
    catalogue = a_catalogue(
        a_system("EXADATA"),
        a_system("APP"),
        a_system("PEM", "EXADATA", "APP", volume=Volume(PRESCRIPTIONS, 6_000_000)),
    )
    slots = find_slots(
        catalogue,
        a_plan("P1", a_phase(0, 2, "APP")),
        [other],
        earliest=at(0),
        latest=at(24),
        now=at(0),
        step=HOUR,
        count=3,
    )
    assert [s.start for s in slots] == [at(5), at(6), at(7)]
    assert all(s.score == 0 and s.alone[0][1] > 0 for s in slots)


def test_a_freeze_is_avoided_unless_blocked_starts_are_asked_for() -> None:
    policies = Policies(freezes=(Freeze("F", "Elections", at(0), at(20), Scope(systems=("PEM",))),))
    arguments = {"earliest": at(0), "latest": at(24), "now": at(-100), "step": HOUR, "policies": policies}
    plan = a_plan("P1", a_phase(0, 2, "EXADATA"))
    slots = find_slots(pem(), plan, [], count=50, **arguments)
    assert [s.start for s in slots] == [at(20), at(21), at(22)]
    shown = find_slots(pem(), plan, [], count=50, blocked=True, **arguments)
    assert len(shown) == 23
    assert sum(s.is_blocked for s in shown) == 20


def test_no_slot_ends_after_the_latest_date() -> None:
    arguments = {"earliest": at(0), "now": at(-100), "step": HOUR}
    plan = a_plan("P1", a_phase(0, 2, "EXADATA"))
    assert len(find_slots(pem(), plan, [], latest=at(2), **arguments)) == 1
    assert find_slots(pem(), plan, [], latest=at(1.9), **arguments) == ()


def slow_score(catalogue: Catalogue, plan: Plan, others: list[Plan], weights: Weights) -> float:
    """The harm added, hour by hour."""
    together, before = SlowForecast(catalogue, [plan, *others]), SlowForecast(catalogue, others)
    reach = catalogue.reached_from(plan.systems)
    volumes = {c: catalogue.systems[c].volume for c in reach if catalogue.systems[c].volume}
    volumes = volumes or dict.fromkeys(reach, Volume(Text.of("hours"), 720))
    monthly: dict[Text, int] = {}
    for volume in volumes.values():
        monthly[volume.unit] = monthly.get(volume.unit, 0) + volume.per_month
    total = 0.0
    for code, volume in volumes.items():
        for hour in range(HORIZON):
            factor = weights.profile.factor(at(hour))
            worse = weights.of_impact(together.impact[code, hour]) - weights.of_impact(
                before.impact[code, hour]
            )
            total += worse * factor * volume.per_month / 720 / monthly[volume.unit]
    return total


@settings(max_examples=60, deadline=None)
@given(catalogues(), plan_lists(), st.lists(st.integers(1, 9), min_size=7, max_size=7), st.booleans())
def test_slots_are_never_blocked_and_none_is_better(
    catalogue: Catalogue, plans: list[Plan], volumes: list[int], frozen: bool
) -> None:
    systems = [
        a_system(
            s.code,
            *s.needs,
            recovery=s.recovery,
            volume=Volume(Text.of("ab"[n % 2]), volumes[n] * 100) if n % 3 else None,
        )
        for n, s in enumerate(catalogue.systems.values())
    ]
    catalogue, weights = a_catalogue(*systems), Weights(profile=UNEVEN)
    plan, *others = plans
    policies = Policies(
        freezes=(Freeze("F", "Freeze", at(6), at(8), Scope(systems=("A", "B"))),) if frozen else ()
    )
    length = plan.end - plan.start
    starts = [at(hour) for hour in range(15) if at(hour) + length <= at(14)]
    wanted = []
    for start in starts:
        there = shifted(plan, start)
        if min(phase.start for phase in there.phases) < at(0):
            return  # the slow forecast begins at hour 0
        found = [
            *find_clashes(catalogue, there, others, now=at(-100)),
            *find_policy_clashes(catalogue, there, others, policies, now=at(-100)),
        ]
        if not any(clash.blocks for clash in found):
            wanted.append((slow_score(catalogue, there, others, weights), start))
    slots = find_slots(
        catalogue,
        plan,
        others,
        earliest=at(0),
        latest=at(14),
        now=at(-100),
        step=HOUR,
        count=4,
        policies=policies,
        weights=weights,
    )
    assert not any(slot.is_blocked for slot in slots)
    assert [slot.score for slot in slots] == pytest.approx(
        sorted(score for score, _ in wanted)[:4], abs=1e-12
    )
    starts_by_score = {start: score for score, start in wanted}
    assert all(slot.score == pytest.approx(starts_by_score[slot.start], abs=1e-12) for slot in slots)


def test_a_profile_of_ones_own() -> None:
    nights = Profile("nights", tuple(1.0 if h < 6 else 0.0 for _ in range(7) for h in range(24)))
    slots = find_slots(
        pem(),
        a_plan("P1", a_phase(0, 2, "EXADATA")),
        [],
        earliest=at(-1),
        latest=at(23),
        now=at(-100),
        step=HOUR,
        count=1,
        weights=Weights(profiles={"PEM": nights}),
    )
    assert slots[0].start == at(5)  # 06:00 in Lisbon
    assert slots[0].score == 0
