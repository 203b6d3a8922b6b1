"""What each step makes of a plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from maintenance import steps
from maintenance.catalogue import Impact
from maintenance.documents import plan_document, plan_from_document
from maintenance.errors import InvalidTime, StepRefused
from maintenance.interventions import Phase, PhaseKind, Plan
from tests.builders import a_phase, a_plan, at


def lisbon_plan(*phases: dict[str, object]) -> Plan:
    """Return a plan in Lisbon time from the phases of a document; each works on DB unless it says."""
    filled = [{"kind": "outage", "work": [{"system": "DB", "impact": "OUTAGE"}], **phase} for phase in phases]
    return plan_from_document({"reference": "W", "title": "W", "timezone": "Europe/Lisbon", "phases": filled})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def begun(plan: Plan, hour: float, phase: str = "p1") -> Plan:
    return steps.begun(plan, phase, at(hour))


def times(phase: Phase) -> tuple[datetime, datetime]:
    return phase.start, phase.end


# -- move


def test_moving_keeps_the_distance_between_phases() -> None:
    plan = a_plan("W", a_phase(14, 18, "DB"), a_phase(18, 20, "APP", id="p2"))

    after = steps.moved(plan, at(38).replace(tzinfo=None))

    assert times(after.phase("p1")) == (at(38), at(42))
    assert times(after.phase("p2")) == (at(42), at(44))


def test_moving_is_counted_from_the_first_phase_with_an_impact() -> None:
    preparation = a_phase(10, 14, ("DB", Impact.NO_IMPACT), id="p0", kind=PhaseKind.PREPARATION)
    plan = a_plan("W", preparation, a_phase(14, 18, "DB"))

    after = steps.moved(plan, at(15).replace(tzinfo=None))

    assert times(after.phase("p0")) == (at(11), at(15))
    assert times(after.phase("p1")) == (at(15), at(19))


def test_moving_across_a_clock_change_keeps_the_time_on_the_wall() -> None:
    plan = lisbon_plan({"start": "2026-03-21T14:00", "end": "2026-03-21T18:00"})  # WET, UTC+0

    after = steps.moved(plan, datetime(2026, 3, 29, 14, 0))  # WEST, UTC+1

    assert times(after.phase("p1")) == (utc("2026-03-29T13:00"), utc("2026-03-29T17:00"))


def test_moving_onto_a_clock_change_keeps_a_length_given_as_a_duration() -> None:
    plan = lisbon_plan(
        {"start": "2026-03-21T23:00", "duration": "PT6H"},
        {"start": "2026-03-21T23:00", "end": "2026-03-22T05:00", "work": []},
    )

    after = steps.moved(plan, datetime(2026, 3, 28, 23, 0))

    assert after.phase("p1").end - after.phase("p1").start == timedelta(hours=6)
    assert after.phase("p2").end - after.phase("p2").start == timedelta(hours=5)


def test_moving_a_short_phase_into_the_skipped_hour_is_refused() -> None:
    plan = lisbon_plan({"start": "2026-03-22T01:30", "end": "2026-03-22T02:00"})

    with pytest.raises(InvalidTime, match="p1 would have no length"):
        steps.moved(plan, datetime(2026, 3, 29, 1, 30))  # 01:30 means 02:30 that night


# -- extend


def test_extending_pushes_what_was_to_follow_and_nothing_else() -> None:
    plan = begun(
        a_plan(
            "W",
            a_phase(14, 18, "DB"),
            a_phase(18, 20, "APP", id="p2"),
            a_phase(17, 19, "NET", id="p3"),
            a_phase(20, 22, ("DB", Impact.NO_IMPACT), id="p4", kind=PhaseKind.VERIFICATION),
        ),
        14,
    )

    after = steps.extended(plan, "p1", at(19.5))

    assert [times(phase) for phase in after.phases] == [
        (at(14), at(19.5)),
        (at(19.5), at(21.5)),
        (at(17), at(19)),
        (at(21.5), at(23.5)),
    ]


def test_extending_does_not_push_a_phase_that_has_begun_or_was_called_off() -> None:
    plan = begun(a_plan("W", a_phase(14, 18, "DB"), a_phase(18, 20, "APP", id="p2")), 14)
    early = begun(plan, 17, "p2")
    called_off = plan.with_phases({"p2": replace(plan.phase("p2"), ended_at=at(16))})

    assert times(steps.extended(early, "p1", at(19)).phase("p2")) == (at(18), at(20))
    assert times(steps.extended(called_off, "p1", at(19)).phase("p2")) == (at(18), at(20))


@pytest.mark.parametrize(
    ("phase", "until"),
    [
        ({"start": "2026-10-24T22:00", "end": "2026-10-25T00:30"}, "2026-10-25T00:30"),  # 01:30, first
        ({"start": "2026-10-24T22:00", "end": "2026-10-25T00:30"}, "2026-10-25T01:30"),  # 01:30, second
        ({"start": "2026-10-24T22:00", "duration": "PT2H"}, "2026-10-25T01:30"),
        ({"start": "2026-03-28T22:00", "end": "2026-03-29T00:30"}, "2026-03-29T01:30"),  # 02:30
    ],
)
def test_an_extended_plan_is_read_back_from_its_document_with_the_same_times(
    phase: dict[str, object], until: str
) -> None:
    plan = lisbon_plan(phase, {"start": phase["start"], "duration": "PT1H"})
    follower = replace(
        plan.phase("p2"), start=plan.phase("p1").end, end=plan.phase("p1").end + timedelta(hours=1)
    )
    plan = plan.with_phases({"p2": replace(follower, local_start=None, local_end=None)})

    after = steps.extended(plan, "p1", utc(until))

    again = plan_from_document(plan_document(after))
    assert [times(p) for p in again.phases] == [
        (plan.phase("p1").start, utc(until)),
        (utc(until), utc(until) + timedelta(hours=1)),
    ]


def test_the_open_phase_is_the_one_extended_unless_another_is_named() -> None:
    plan = begun(a_plan("W", a_phase(14, 18, "DB"), a_phase(18, 20, "APP", id="p2")), 14)
    both = begun(plan, 17, "p2")

    assert steps.to_extend(plan).id == "p1"
    assert steps.to_extend(plan, "p2").id == "p2"
    assert steps.to_extend(both, "p2").id == "p2"
    with pytest.raises(StepRefused, match="Several phases are open; name one: p1, p2"):
        steps.to_extend(both)
    with pytest.raises(StepRefused, match="No phase is open"):
        steps.to_extend(a_plan("W", a_phase(14, 18, "DB")))
    with pytest.raises(StepRefused, match="p9 cannot be extended; those that can are: p1, p2"):
        steps.to_extend(both, "p9")


# -- start


@pytest.mark.parametrize(
    ("now", "released", "expected"),
    [
        (13.99, None, {}),
        (14, None, {"p1": 14}),  # a half-open interval begins at its start
        (15, None, {"p1": 14}),  # noticed late: it began when it was planned
        (19, None, {"p1": 14, "p2": 18}),  # a process that was down catches up with both
        (25, None, {"p1": 14, "p2": 18}),
        (15, 13, {"p1": 14}),  # held and released before the start: as planned
        (15, 14.5, {"p1": 14.5}),  # held past the start: from the release
        (18.5, 18.2, {"p2": 18.2}),  # held past its end: the first is for a person
    ],
)
def test_the_clock_begins_what_is_due(now: float, released: float | None, expected: dict[str, float]) -> None:
    plan = a_plan("W", a_phase(14, 18, "DB"), a_phase(18, 20, "APP", id="p2"))

    due = steps.due_phases(plan, at(now), None if released is None else at(released))

    assert {phase.id: started for phase, started in due} == {i: at(hour) for i, hour in expected.items()}


def test_the_clock_never_begins_a_phase_without_impact_or_one_that_began() -> None:
    plan = a_plan("W", a_phase(14, 18, ("DB", Impact.NO_IMPACT)), a_phase(14, 18, "DB", id="p2"))

    assert [phase.id for phase, _ in steps.due_phases(plan, at(15))] == ["p2"]
    assert steps.due_phases(begun(plan, 14, "p2"), at(15)) == ()


def test_by_hand_the_next_phase_begins_unless_one_is_named() -> None:
    plan = a_plan("W", a_phase(18, 20, "APP", id="p2"), a_phase(14, 18, "DB"))

    assert steps.next_to_start(plan).id == "p1"
    assert steps.next_to_start(begun(plan, 14)).id == "p2"
    assert steps.next_to_start(plan, "p2").id == "p2"
    with pytest.raises(StepRefused, match="p1 cannot be started; those that can are: p2"):
        steps.next_to_start(begun(plan, 14), "p1")
    with pytest.raises(StepRefused, match="No phase is left to start"):
        steps.next_to_start(begun(begun(plan, 14), 18, "p2"))


# -- service restored


def open_plan() -> Plan:
    plan = a_plan("W", a_phase(14, 18, "DB", "APP"), a_phase(14, 20, "NET", id="p2"))
    return begun(begun(plan, 14), 14, "p2")


def test_all_open_phases_are_restored_unless_some_are_named() -> None:
    everything = steps.restored(open_plan(), (), (), at(17))
    one = steps.restored(open_plan(), ["p2"], (), at(17))

    assert everything.phases == ("p1", "p2")
    assert steps.is_restored(everything.plan)
    assert one.phases == ("p2",)
    assert one.plan.phase("p1").is_open
    assert not steps.is_restored(one.plan)


def test_service_returns_system_by_system() -> None:
    first = steps.restored(open_plan(), (), ["APP"], at(16))
    second = steps.restored(first.plan, (), ["DB", "NET"], at(17))

    assert (first.phases, first.systems) == ((), ("APP",))
    assert [work.ended_at for work in first.plan.phase("p1").work] == [None, at(16)]
    assert first.plan.phase("p1").is_open
    assert (second.phases, second.systems) == (("p1", "p2"), ())
    assert second.plan.phase("p1").ended_at == at(17)
    assert [work.ended_at for work in second.plan.phase("p1").work] == [at(17), at(16)]


def test_a_phase_still_to_come_keeps_service_from_being_restored() -> None:
    plan = begun(a_plan("W", a_phase(14, 18, "DB"), a_phase(20, 22, "DB", id="p2")), 14)

    assert not steps.is_restored(steps.restored(plan, (), (), at(17)).plan)


@pytest.mark.parametrize(
    ("phases", "systems", "sentence"),
    [
        (["p3"], [], "p3 cannot be restored; open phases are: p1, p2."),
        ([], ["PEM"], "PEM cannot be restored; open systems are: DB, APP, NET."),
        (["p2"], ["DB"], "DB cannot be restored; open systems are: NET."),
    ],
)
def test_only_what_is_open_can_be_restored(phases: list[str], systems: list[str], sentence: str) -> None:
    with pytest.raises(StepRefused) as refused:
        steps.restored(open_plan(), phases, systems, at(17))

    assert str(refused.value) == sentence


def test_nothing_open_means_nothing_to_restore() -> None:
    with pytest.raises(StepRefused, match="No phase is open"):
        steps.restored(a_plan("W", a_phase(14, 18, "DB")), (), (), at(17))


# -- the end


def test_at_the_end_open_phases_end_now_and_those_to_come_count_for_no_time() -> None:
    plan = begun(
        a_plan("W", a_phase(14, 18, "DB"), a_phase(16, 17, "NET", id="p2"), a_phase(20, 22, "APP", id="p3")),
        14,
    )

    after = steps.ended(plan, at(17))

    assert [(w.system, start, end) for p in after.phases for w, start, end in p.stretches(at(30))] == [
        ("DB", at(14), at(17))  # p2 was held past its start and never began
    ]
    assert steps.is_restored(after)


def test_ending_twice_keeps_the_first_end() -> None:
    plan = begun(a_plan("W", a_phase(14, 18, "DB")), 14)

    once = steps.ended(plan, at(17))

    assert steps.ended(once, at(19)) == once


# -- ids


def test_an_id_that_was_published_and_taken_out_is_not_used_again() -> None:
    plan = a_plan("W", a_phase(14, 18, "DB"), a_phase(18, 20, "APP", id="p2"))

    assert [phase.id for phase in steps.with_unused_ids(plan, {"p2", "p3"}).phases] == ["p1", "p4"]
    assert steps.with_unused_ids(plan, set()) == plan


def test_removed_phases_are_remembered_from_version_to_version() -> None:
    p1, p2, p3 = (a_phase(14, 18, "DB", id=f"p{n}") for n in (1, 2, 3))
    first = a_plan("W", p1, p2, p3)
    second = replace(a_plan("W", p1, p2), removed_phases=steps.removed_phases(first, a_plan("W", p1, p2)))

    assert second.removed_phases == (p3,)
    assert steps.removed_phases(second, a_plan("W", p1)) == (p3, p2)


def test_checks_begin_when_service_is_back_and_end_with_everything_else() -> None:
    check = a_phase(18, 20, ("DB", Impact.NO_IMPACT), id="p2", kind=PhaseKind.VERIFICATION)
    preparation = a_phase(10, 14, ("DB", Impact.NO_IMPACT), id="p0", kind=PhaseKind.PREPARATION)
    plan = begun(a_plan("W", preparation, a_phase(14, 18, "DB"), check), 14)

    back = steps.checked(steps.restored(plan, (), (), at(17)).plan, at(17))
    over = steps.ended(back, at(19))

    assert [phase.started_at for phase in back.phases] == [None, at(14), at(17)]
    assert steps.is_restored(back)
    assert not steps.is_overrun(back, at(30))
    assert [phase.ended_at for phase in over.phases] == [None, at(17), at(19)]


def test_real_times_have_no_fractions_of_a_second() -> None:
    plan = begun(a_plan("W", a_phase(14, 18, "DB")), 14)
    exact = steps.begun(a_plan("W", a_phase(14, 18, "DB")), "p1", at(14) + timedelta(microseconds=7))

    later = at(17) + timedelta(microseconds=9)
    assert exact == plan
    assert steps.ended(plan, later) == steps.ended(plan, at(17))
    assert steps.restored(plan, (), (), later) == steps.restored(plan, (), (), at(17))
