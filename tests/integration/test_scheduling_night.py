"""The night: starting, overrunning, extending, restoring, closing, breaking off."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from maintenance import scheduling
from maintenance.database import Database
from maintenance.errors import StepRefused
from maintenance.events import Event, InterventionStarted, ServiceRestored, UpdatePublished
from maintenance.lifecycle import RunState
from maintenance.models import EventRow, VersionRow
from maintenance.queries import (
    counted,
    event_of,
    gates_in_force,
    get_intervention,
    pending,
    plan_of,
)
from maintenance.runtime import Runtime
from maintenance.standing import current_windows
from maintenance.texts import Text
from tests.builders import a_phase, a_plan, a_system, at
from tests.lives import APPROVER, PLANNER, announced, current, hour, import_systems, running, told

WORK = a_plan("W", a_phase(14, 18, "DB"))
TWO_PHASES = a_plan("W", a_phase(14, 18, "DB"), a_phase(18, 20, "NET", id="p2"))


@pytest.fixture
def database(runtime: Runtime) -> Database:
    """Give a database with PEM, which needs DB and takes half an hour to recover, and NET."""
    with runtime.database.write() as session:
        pem = a_system("PEM", "DB", recovery=timedelta(minutes=30))
        import_systems(session, pem, a_system("DB"), a_system("NET"))
    return runtime.database


def events(database: Database, reference: str = "W") -> list[Event]:
    """Return what the log says of an intervention since it was announced."""
    with database.read() as session:
        rows = session.scalars(select(EventRow).where(EventRow.reference == reference).order_by(EventRow.id))
        kinds = [event_of(row) for row in rows]
    after = next(n for n, event in enumerate(kinds) if event.kind == "InterventionAnnounced")
    return kinds[after + 1 :]


def shown(database: Database, now: float, **more: bool) -> list[tuple[str, float, float, bool]]:
    """Return the windows that pages show at that hour: system, start, end, whether it overruns."""
    with database.read() as session:
        return [
            (s.window.system, hour(s.window.start), round(hour(s.window.end), 2), s.overrun)
            for s in current_windows(session, at(now), **more)
        ]


# -- start


def test_the_clock_starts_what_is_due_and_nothing_else(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        announced(session, a_plan("LATER", a_phase(16, 18, "NET")))

        assert scheduling.start_due(session, at(13.9)) == []
        assert scheduling.start_due(session, at(14)) == ["W"]
        assert scheduling.start_due(session, at(14)) == []

        assert get_intervention(session, "W").run_state == RunState.RUNNING
        assert get_intervention(session, "LATER").run_state == RunState.ANNOUNCED
        assert plan_of(current(session, "W")).phase("p1").started_at == at(14)
    assert events(database) == [
        InterventionStarted(at=at(14), by="system", reference="W", sequence=1, phase="p1")
    ]


def test_a_tick_that_starts_nothing_writes_nothing(database: Database) -> None:
    with database.write() as session:
        running(session, WORK, now=at(14))
        before = get_intervention(session, "W").lock_version

    with database.write() as session:
        assert scheduling.start_due(session, at(15)) == []
        assert get_intervention(session, "W").lock_version == before


def test_a_process_that_was_down_catches_up_with_planned_starts(database: Database) -> None:
    with database.write() as session:
        announced(session, TWO_PHASES)

        assert scheduling.start_due(session, at(25)) == ["W"]

        plan = plan_of(current(session, "W"))
        assert [phase.started_at for phase in plan.phases] == [at(14), at(18)]
        assert current(session, "W").sequence == 2
        assert get_intervention(session, "W").run_state == RunState.RUNNING


def test_a_later_phase_starts_by_the_clock_while_the_first_is_open(database: Database) -> None:
    with database.write() as session:
        running(session, TWO_PHASES, now=at(14))

        assert scheduling.start_due(session, at(18)) == ["W"]

        assert all(phase.is_open for phase in plan_of(current(session, "W")).phases)


def test_one_that_cannot_be_read_does_not_keep_the_others_from_starting(database: Database) -> None:
    with database.write() as session:
        announced(session, a_plan("SPOILT", a_phase(9, 10, "NET")))
        announced(session, WORK)
        # Past the guard, as a mishap in the database would.
        session.execute(update(VersionRow).where(VersionRow.id == 1).values(content={"title": "?"}))
        session.expire_all()

        assert scheduling.start_due(session, at(14)) == ["W"]


def test_a_start_by_hand_counts_from_now(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        scheduling.start(session, "W", reason=Text.of("Pronto mais cedo"), by=PLANNER, now=at(13.5))

        assert told(session, "W") == [
            ("DB", "OUTAGE", 13.5, 18, ("W",)),
            ("PEM", "OUTAGE", 13.5, 18.5, ("W",)),
        ]
    assert [event.reason for event in events(database)] == ["Pronto mais cedo"]


def test_a_held_start_waits_and_counts_from_the_release(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        scheduling.hold(session, "W", reason="Cópia de segurança por acabar", by=PLANNER, now=at(13))

        assert scheduling.start_due(session, at(14)) == []
        assert [w.held for w in current_windows(session, at(14))] == [True, True]
        with pytest.raises(StepRefused, match="is held"):
            scheduling.start(session, "W", by=PLANNER, now=at(14))

        scheduling.release(session, "W", by=PLANNER, now=at(14.5))
        assert scheduling.start_due(session, at(15)) == ["W"]
        assert told(session, "W")[0] == ("DB", "OUTAGE", 14.5, 18, ("W",))
        assert gates_in_force(get_intervention(session, "W")) == []
    assert [event.kind for event in events(database)] == ["StartHeld", "StartReleased", "InterventionStarted"]


def test_a_start_held_past_its_end_is_left_to_a_person(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        scheduling.hold(session, "W", reason="Avaria", by=PLANNER, now=at(13))
        scheduling.release(session, "W", by=PLANNER, now=at(19))

        assert scheduling.start_due(session, at(19)) == []
        with pytest.raises(StepRefused, match="move the intervention or extend the phase"):
            scheduling.start(session, "W", by=PLANNER, now=at(19))
        scheduling.move(session, "W", start=at(38).replace(tzinfo=None), by=APPROVER, now=at(19))
        assert get_intervention(session, "W").run_state == RunState.ANNOUNCED


def test_a_phase_held_past_its_end_can_be_extended_and_started(database: Database) -> None:
    with database.write() as session:
        running(session, TWO_PHASES, now=at(14))
        scheduling.hold(session, "W", reason="Avaria", by=PLANNER, now=at(15))
        scheduling.verify(session, "W", by=PLANNER, now=at(18))
        scheduling.release(session, "W", by=PLANNER, now=at(21))
        scheduling.extend(session, "W", phase="p2", until=at(23), by=PLANNER, now=at(21))
        scheduling.start(session, "W", by=PLANNER, now=at(21))

        assert told(session, "W")[-1] == ("NET", "OUTAGE", 21, 23, ("W",))


def test_gates_of_other_kinds_hold_too_and_are_cleared_by_kind(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        scheduling.hold(
            session, "W", reason="2 de 3 sítios prontos", kind="readiness", by=PLANNER, now=at(12)
        )
        scheduling.hold(session, "W", reason="Avaria", by=PLANNER, now=at(13))
        with pytest.raises(StepRefused, match="held already"):
            scheduling.hold(session, "W", reason="Outra vez", by=PLANNER, now=at(13))
        scheduling.release(session, "W", by=PLANNER, now=at(13.5))

        assert scheduling.start_due(session, at(14)) == []
        with pytest.raises(StepRefused, match="readiness"):
            scheduling.release(session, "W", by=PLANNER, now=at(14))
        scheduling.release(session, "W", kind="readiness", by=PLANNER, now=at(14))
        assert scheduling.start_due(session, at(14)) == ["W"]


def test_a_version_on_its_way_is_withdrawn_when_the_work_begins(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        scheduling.edit(session, "W", a_plan("W", a_phase(15, 19, "DB")), by=PLANNER, now=at(9))
        scheduling.start_due(session, at(14))

        assert pending(get_intervention(session, "W")) is None
    assert [event.kind for event in events(database)] == [
        "InterventionDrafted",
        "InterventionWithdrawn",
        "InterventionStarted",
    ]


# -- overrun and extension


def test_an_open_phase_past_its_end_shows_as_overrun_with_what_it_takes_down(database: Database) -> None:
    with database.write() as session:
        running(session, WORK, now=at(14))

    assert shown(database, 17.99) == [("DB", 14, 18, False), ("PEM", 14, 18.5, False)]
    assert shown(database, 18) == [("DB", 14, 18, True), ("PEM", 14, 18.5, True)]
    assert shown(database, 20) == [("DB", 14, 20, True), ("PEM", 14, 20.5, True)]


def test_nothing_overruns_where_nothing_has_begun(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        scheduling.hold(session, "W", reason="Avaria", by=PLANNER, now=at(13))

    assert shown(database, 20) == [("DB", 14, 18, False), ("PEM", 14, 18.5, False)]


def test_an_extension_moves_the_end_and_pushes_what_was_to_follow(database: Database) -> None:
    with database.write() as session:
        running(session, TWO_PHASES, now=at(14))
        scheduling.extend(
            session, "W", by_length=timedelta(hours=2), reason=Text.of("Discos"), by=PLANNER, now=at(17)
        )

        assert told(session, "W") == [
            ("DB", "OUTAGE", 14, 20, ("W",)),
            ("PEM", "OUTAGE", 14, 20.5, ("W",)),
            ("NET", "OUTAGE", 20, 22, ("W",)),
        ]
        assert scheduling.start_due(session, at(18)) == []
        assert scheduling.start_due(session, at(20)) == ["W"]
    assert shown(database, 19)[0] == ("DB", 14, 20, False)


@pytest.mark.parametrize(
    ("until", "length"),
    [
        (None, None),
        (at(20), timedelta(hours=2)),
        (at(18), None),
        (at(18.4), None),
        (None, timedelta(minutes=20)),
    ],
)
def test_an_extension_must_end_later_than_planned_and_than_now(
    database: Database, until: object, length: object
) -> None:
    with database.write() as session:
        running(session, WORK, now=at(14))

        with pytest.raises(StepRefused):
            scheduling.extend(session, "W", until=until, by_length=length, by=PLANNER, now=at(18.5))  # type: ignore[arg-type]


# -- service restored, completion


def test_restoring_service_ends_windows_now_recovery_included(database: Database) -> None:
    with database.write() as session:
        running(session, WORK, now=at(14))
        scheduling.verify(session, "W", reason=Text.of("Tudo de volta"), by=PLANNER, now=at(17))

        assert get_intervention(session, "W").run_state == RunState.VERIFYING
        assert told(session, "W") == [("DB", "OUTAGE", 14, 17, ("W",)), ("PEM", "OUTAGE", 14, 17.5, ("W",))]
    assert events(database)[-1] == ServiceRestored(
        at=at(17), by=PLANNER.name, reason="Tudo de volta", reference="W", sequence=2, phases=("p1",)
    )


def test_service_restored_after_an_overrun_keeps_the_real_end(database: Database) -> None:
    with database.write() as session:
        running(session, WORK, now=at(14))
        scheduling.verify(session, "W", by=PLANNER, now=at(19))

        assert told(session, "W")[0] == ("DB", "OUTAGE", 14, 19, ("W",))
        plan = plan_of(current(session, "W"))
        assert (plan.phase("p1").end, plan.phase("p1").ended_at) == (at(18), at(19))


def test_single_systems_come_back_while_the_phase_goes_on(database: Database) -> None:
    with database.write() as session:
        running(session, a_plan("W", a_phase(14, 18, "DB", "NET")), now=at(14))
        scheduling.verify(session, "W", systems=["NET"], by=PLANNER, now=at(16))

        assert get_intervention(session, "W").run_state == RunState.RUNNING
        assert told(session, "W") == [
            ("DB", "OUTAGE", 14, 18, ("W",)),
            ("NET", "OUTAGE", 14, 16, ("W",)),
            ("PEM", "OUTAGE", 14, 18.5, ("W",)),
        ]
    assert shown(database, 20) == [("DB", 14, 20, True), ("NET", 14, 16, False), ("PEM", 14, 20.5, True)]


def test_restoring_one_phase_with_another_to_come_keeps_it_running(database: Database) -> None:
    with database.write() as session:
        running(session, a_plan("W", a_phase(14, 18, "DB"), a_phase(20, 21, "NET", id="p2")), now=at(14))
        scheduling.verify(session, "W", by=PLANNER, now=at(18))

        assert get_intervention(session, "W").run_state == RunState.RUNNING
        assert scheduling.start_due(session, at(20)) == ["W"]
        scheduling.verify(session, "W", by=PLANNER, now=at(21))
        assert get_intervention(session, "W").run_state == RunState.VERIFYING


def test_an_early_completion_shortens_windows_and_drops_what_was_to_come(database: Database) -> None:
    with database.write() as session:
        running(session, TWO_PHASES, now=at(14))
        scheduling.complete(session, "W", reason=Text.of("Feito"), by=PLANNER, now=at(16))

        assert get_intervention(session, "W").run_state == RunState.COMPLETED
        assert told(session, "W") == [("DB", "OUTAGE", 14, 16, ("W",)), ("PEM", "OUTAGE", 14, 16.5, ("W",))]
        assert scheduling.start_due(session, at(18)) == []
    assert shown(database, 20) == [("DB", 14, 16, False), ("PEM", 14, 16.5, False)]


def test_completion_after_restoration_changes_no_times(database: Database) -> None:
    with database.write() as session:
        running(session, WORK, now=at(14))
        scheduling.verify(session, "W", by=PLANNER, now=at(17))
        before = told(session, "W")
        scheduling.complete(session, "W", by=PLANNER, now=at(20))

        assert told(session, "W") == before


# -- cancellation, move, update


def test_cancelling_before_the_start_leaves_no_windows(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        scheduling.cancel(session, "W", reason=Text.of("Sem peças"), by=APPROVER, now=at(10))

        assert get_intervention(session, "W").run_state == RunState.CANCELLED
        assert (current(session, "W").sequence, told(session, "W")) == (1, [])
        assert counted(session) == []
        assert scheduling.start_due(session, at(14)) == []
    assert shown(database, 14) == []


def test_breaking_off_ends_windows_now_and_keeps_what_was_down(database: Database) -> None:
    with database.write() as session:
        running(session, TWO_PHASES, now=at(14))
        shown_before = scheduling.preview_cancel(session, "W", now=at(15))
        scheduling.cancel(session, "W", by=APPROVER, now=at(15))

        assert told(session, "W") == [("DB", "OUTAGE", 14, 15, ("W",)), ("PEM", "OUTAGE", 14, 15.5, ("W",))]
        assert [hour(w.end) for w in shown_before.windows] == [15, 15.5]
        assert [row.run_state for row, _ in counted(session)] == [RunState.CANCELLED]
    assert shown(database, 16) == [("DB", 14, 15, False), ("PEM", 14, 15.5, False)]


def test_giving_up_what_nobody_was_told_publishes_nothing(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, WORK, by=PLANNER, now=at(8))

        assert scheduling.cancel(session, "W", by=APPROVER, now=at(9)) is None

        row = get_intervention(session, "W")
        assert (row.run_state, [v.review_state for v in row.versions]) == ("cancelled", ["withdrawn"])
        kinds = session.scalars(select(EventRow.kind).where(EventRow.reference == "W").order_by(EventRow.id))
        assert list(kinds) == ["InterventionDrafted", "InterventionWithdrawn", "InterventionAbandoned"]


def test_a_move_publishes_new_times_and_asks_for_a_new_look_at_what_is_on_its_way(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        scheduling.edit(session, "W", a_plan("W", a_phase(15, 19, "DB")), by=PLANNER, now=at(9))
        scheduling.submit(session, "W", by=PLANNER, now=at(9))
        scheduling.approve(session, "W", by=APPROVER, now=at(9))
        scheduling.move(session, "W", start=at(38).replace(tzinfo=None), by=APPROVER, now=at(10))

        assert told(session, "W") == [("DB", "OUTAGE", 38, 42, ("W",)), ("PEM", "OUTAGE", 38, 42.5, ("W",))]
        version = pending(get_intervention(session, "W"))
        assert version is not None
        assert (version.review_state, version.approved_by) == ("draft", None)
        with pytest.raises(StepRefused, match="is past"):
            scheduling.move(session, "W", start=at(9).replace(tzinfo=None), by=APPROVER, now=at(10))


def test_an_update_is_words_without_a_version(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        update = scheduling.publish_update(
            session, "W", text=Text.of({"pt": "Corre bem."}), by=PLANNER, now=at(10)
        )

        assert current(session, "W").sequence == 0
        assert get_intervention(session, "W").updates == [update]
        with pytest.raises(StepRefused, match="Write what readers"):
            scheduling.publish_update(session, "W", text=Text.of(""), by=PLANNER, now=at(10))
    assert events(database) == [
        UpdatePublished(at=at(10), by=PLANNER.name, reference="W", sequence=0, update=update.public_id)
    ]


def test_steps_out_of_turn_say_why(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)

        with pytest.raises(StepRefused, match="possible while the intervention is running; it is announced"):
            scheduling.extend(session, "W", until=at(20), by=PLANNER, now=at(10))
        scheduling.start_due(session, at(14))
        with pytest.raises(StepRefused, match="possible while the intervention is announced; it is running"):
            scheduling.move(session, "W", start=at(38).replace(tzinfo=None), by=APPROVER, now=at(15))
        scheduling.complete(session, "W", by=PLANNER, now=at(18))
        with pytest.raises(StepRefused, match="it is completed"):
            scheduling.cancel(session, "W", by=APPROVER, now=at(19))


def test_a_preview_of_a_move_shows_the_new_windows_and_saves_nothing(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)

        moved = scheduling.preview_move(session, "W", at(38).replace(tzinfo=None), now=at(10))

        assert [(w.system, hour(w.start)) for w in moved.windows] == [("DB", 38), ("PEM", 38)]
        assert current(session, "W").sequence == 0
