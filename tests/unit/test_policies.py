"""What policies have against a plan: for each kind a case just inside and one just outside."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from maintenance.catalogue import Catalogue, Impact, Kind
from maintenance.clashes import Clash
from maintenance.interventions import InterventionClass, Plan
from maintenance.policies import (
    DownAtOnce,
    DowntimeBudget,
    Freeze,
    HolidayCalendar,
    MaintenanceHours,
    NoticeClass,
    NoticePolicy,
    Policies,
    Scope,
    WeeklyHours,
    notice_class,
)
from maintenance.policy_clashes import find_policy_clashes
from maintenance.texts import Text
from maintenance.windows import Interval
from tests.builders import a_catalogue, a_need, a_phase, a_plan, a_system, at

NONE, REDUCED, DEGRADED, OUTAGE = Impact
HOUR = timedelta(hours=1)
LONG_BEFORE = at(-1000)
A, S = Scope(systems=("A",)), Scope(systems=("S",))


def estate() -> Catalogue:
    return a_catalogue(
        a_system("A"),
        a_system("B"),
        a_system("S", "A", tags=("national",)),
        a_system("T", "B", tags=("national",)),
    )


def clashes(plan: Plan, *others: Plan, now: datetime = LONG_BEFORE, **policies: object) -> list[Clash]:
    given = Policies(**policies)  # type: ignore[arg-type]
    return list(find_policy_clashes(estate(), plan, others, given, now=now))


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(), True),
        (Scope(systems=("X",)), True),
        (Scope(systems=("Y",)), False),
        (Scope(kinds=(Kind.SERVICE,)), True),
        (Scope(kinds=(Kind.SERVER,)), False),
        (Scope(tags=("national",)), True),
        (Scope(groups=("Prescrição",)), True),
        (Scope(groups=("Outro",)), False),
        (Scope(systems=("Y",), tags=("national",)), True),
    ],
)
def test_a_scope_covers_what_any_of_its_names_fits(scope: Scope, covered: bool) -> None:
    system = a_system("X", tags=("national",), group=Text.of({"pt": "Prescrição", "en": "Prescribing"}))
    assert scope.covers(system) is covered


@pytest.mark.parametrize(
    ("start", "end", "scope", "found"),
    [
        (3, 6, A, [("freeze", ("A",), at(3), at(4))]),
        (4, 6, A, []),  # begins as the work ends
        (0, 1, A, []),
        (3, 6, S, [("freeze-downstream", ("S",), at(3), at(4))]),
        (4, 6, S, []),
        (3, 6, Scope(systems=("B", "T")), []),
        (0, 6, Scope(), [("freeze", ("A",), at(1), at(4)), ("freeze-downstream", ("S",), at(1), at(4))]),
    ],
)
def test_a_freeze_forbids_work_and_what_it_takes_down(start, end, scope, found) -> None:
    freeze = Freeze("F", "Elections", at(start), at(end), scope)
    got = clashes(a_plan("P1", a_phase(1, 4, "A")), freezes=(freeze,))
    assert [(c.kind, c.systems, c.start, c.end) for c in got] == found
    assert all(c.blocks and "Elections" in c.message for c in got)


def test_a_freeze_does_not_forbid_what_only_costs_redundancy() -> None:
    catalogue = a_catalogue(a_system("A"), a_system("B"), a_system("S", a_need("A", "B", at_least=1)))
    freeze = Freeze("F", "Elections", at(0), at(9), S)
    assert (
        find_policy_clashes(catalogue, a_plan("P", a_phase(1, 4, "A")), (), Policies((freeze,)), now=at(0))
        == ()
    )


@pytest.mark.parametrize(
    ("start", "end", "outside"),
    [
        # 6 June 2026 is a Saturday; agreed are Saturday 22:00 to 04:00, Lisbon, which is UTC+1
        (21, 27, None),
        (20.9, 27, 20.9),
        (21, 27.25, 27),
        (12, 14, 12),
    ],
)
def test_work_stays_in_the_maintenance_hours(start: float, end: float, outside: float | None) -> None:
    hours = MaintenanceHours(A, "Europe/Lisbon", (WeeklyHours(5, time(22), time(4)),))
    found = clashes(a_plan("P1", a_phase(start, end, "A")), hours=(hours,))
    assert [(c.kind, c.start) for c in found] == (
        [("outside-hours", at(outside))] if outside is not None else []
    )
    assert clashes(a_plan("P1", a_phase(start, end, "B")), hours=(hours,)) == []


def test_hours_that_follow_one_another_are_one_stretch() -> None:
    hours = MaintenanceHours(A, "UTC", (WeeklyHours(5, time(20), time(0)), WeeklyHours(6, time(0), time(6))))
    assert clashes(a_plan("P1", a_phase(21, 29, "A")), hours=(hours,)) == []


def test_maintenance_hours_keep_their_wall_time_over_a_clock_change() -> None:
    hours = MaintenanceHours(A, "Europe/Lisbon", (WeeklyHours(6, time(0), time(6)),))
    night = Interval(datetime(2026, 10, 25, 0, tzinfo=UTC), datetime(2026, 10, 25, 5, tzinfo=UTC))
    assert hours.within(night) == (
        Interval(datetime(2026, 10, 24, 23, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC)),
    )


@pytest.mark.parametrize(
    ("hours_before", "emergency", "found"),
    [
        (49, False, NoticeClass.SCHEDULED),
        (48, False, NoticeClass.SCHEDULED),
        (47.9, False, NoticeClass.SHORT_NOTICE),
        (24.1, False, NoticeClass.SHORT_NOTICE),
        (24, False, NoticeClass.EMERGENCY),  # GOCDB: more than 24 hours
        (100, True, NoticeClass.EMERGENCY),
    ],
)
def test_the_class_of_a_notice_is_computed(hours_before: float, emergency: bool, found: NoticeClass) -> None:
    plan = a_plan("P1", a_phase(0, 4, "A"))
    if emergency:
        plan = replace(plan, intervention_class=InterventionClass.EMERGENCY)
    assert notice_class(plan, at(-hours_before)) is found


@pytest.mark.parametrize(
    ("hours_before", "impact", "systems"),
    [(72, OUTAGE, ()), (71.9, OUTAGE, ("A", "S")), (71.9, DEGRADED, ())],
)
def test_an_outage_wants_its_notice(hours_before: float, impact: Impact, systems: tuple[str, ...]) -> None:
    policy = NoticePolicy(timedelta(hours=72), impact=OUTAGE)
    found = clashes(a_plan("P1", a_phase(0, 4, ("A", impact))), now=at(-hours_before), notices=(policy,))
    assert [c.systems for c in found] == ([systems] if systems else [])
    if found:
        assert found[0].blocks
        assert "2d 23h 54min" in found[0].message


def test_an_emergency_only_warns_and_a_policy_can_be_for_one_audience() -> None:
    emergency = replace(a_plan("P1", a_phase(0, 4, "A")), intervention_class=InterventionClass.EMERGENCY)
    policy = NoticePolicy(timedelta(hours=72))
    assert [c.severity for c in clashes(emergency, now=at(-1), notices=(policy,))] == ["warn"]
    nobody = NoticePolicy(timedelta(hours=72), audience="doctors")
    assert clashes(emergency, now=at(-1), notices=(nobody,)) == []


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (
            datetime(2019, 11, 30, 14),
            datetime(2019, 12, 1, 0),
            ["2019-12-01"],
        ),  # Restauração da Independência
        (datetime(2019, 11, 30, 14), datetime(2019, 11, 30, 23), []),
        (datetime(2019, 11, 30, 14), datetime(2019, 12, 1, 8), ["2019-12-01"]),
        (datetime(2019, 12, 2, 0), datetime(2019, 12, 2, 8), []),
    ],
)
def test_work_on_a_public_holiday_is_told(start: datetime, end: datetime, days: list[str]) -> None:
    phase = replace(a_phase(0, 1, "A"), start=start.replace(tzinfo=UTC), end=end.replace(tzinfo=UTC))
    calendar = HolidayCalendar("PT", timezone="Europe/Lisbon")
    # Lisbon is UTC in winter: a plan until midnight does not touch the holiday.
    wanted = [] if end == datetime(2019, 12, 1) else days
    assert [dict(c.values)["day"] for c in clashes(a_plan("P1", phase), holidays=(calendar,))] == wanted


def test_an_operator_has_days_of_its_own() -> None:
    calendar = HolidayCalendar(dates=((date(2026, 6, 6), "Inauguration"),))
    assert [
        dict(c.values)["name"] for c in clashes(a_plan("P1", a_phase(1, 4, "A")), holidays=(calendar,))
    ] == ["Inauguration"]
    assert clashes(a_plan("P1", a_phase(24, 28, "A")), holidays=(calendar,)) == []


@pytest.mark.parametrize(("end", "found"), [(4, 0), (4.25, 1)])
def test_a_budget_counts_what_other_plans_spent_in_the_month(end: float, found: int) -> None:
    budget = DowntimeBudget(S, timedelta(hours=5))
    earlier = a_plan("P2", a_phase(-48, -46, "A"))
    last_month = a_plan("P3", a_phase(-240, -230, "A"))
    got = clashes(a_plan("P1", a_phase(1, end, "A")), earlier, last_month, budgets=(budget,))
    assert [(c.kind, c.systems) for c in got] == [("over-budget", ("S",))] * found
    yearly = DowntimeBudget(S, timedelta(hours=5), per="year")
    assert len(clashes(a_plan("P1", a_phase(1, end, "A")), earlier, last_month, budgets=(yearly,))) == 1


def test_too_many_national_systems_at_once_are_stopped_only_where_the_plan_adds_one() -> None:
    limit = DownAtOnce(Scope(tags=("national",)), 1)
    mine, other = a_plan("P1", a_phase(1, 4, "A")), a_plan("P2", a_phase(3, 6, "B"))
    found = clashes(mine, other, down_at_once=(limit,))
    assert [(c.severity, set(c.systems), c.start, c.end, c.plans) for c in found] == [
        ("block", {"S", "T"}, at(3), at(4), ("P1", "P2"))
    ]
    assert clashes(mine, a_plan("P2", a_phase(4, 6, "B")), down_at_once=(limit,)) == []
    assert clashes(mine, other, down_at_once=(DownAtOnce(Scope(tags=("national",)), 2),)) == []
    # What others do without it is not its clash.
    both = a_plan("P2", a_phase(1, 4, "A", "B"))
    assert clashes(mine, both, down_at_once=(limit,)) == []
