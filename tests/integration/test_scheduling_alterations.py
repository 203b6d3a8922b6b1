"""Plans that alter one another's windows, and people who take steps at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from maintenance import scheduling
from maintenance.catalogue import Impact
from maintenance.database import Database
from maintenance.errors import JanelaError, StepRefused
from maintenance.events import InterventionAltered, InterventionAnnounced
from maintenance.importing import import_catalogue
from maintenance.lifecycle import SYSTEM, RunState
from maintenance.models import EventRow
from maintenance.queries import (
    event_of,
    get_intervention,
    list_interventions,
    stale_windows,
    windows_of,
)
from maintenance.standing import current_windows
from maintenance.texts import Text
from tests.builders import a_catalogue, a_need, a_phase, a_plan, a_system, at
from tests.lives import (
    APPROVER,
    MORNING,
    PLANNER,
    announced,
    current,
    hour,
    import_pair,
    import_systems,
    running,
    told,
)

FIRST = a_plan("FIRST", a_phase(14, 18, "A"))
SECOND = a_plan("SECOND", a_phase(16, 20, "B"))


@pytest.fixture
def database(any_database: Database) -> Database:
    """Give each kind of database with a service S that needs one of the servers A and B."""
    with any_database.write() as session:
        import_pair(session)
    return any_database


def of_service(windows: list[tuple[str, str, float, float, tuple[str, ...]]]) -> list[tuple[object, ...]]:
    return [rest for system, *rest in windows if system == "S"]  # type: ignore[misc]


def test_announcing_the_second_plan_tells_the_readers_of_the_first_too(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        assert of_service(told(session, "FIRST")) == [["REDUCED-REDUNDANCY", 14, 18, ("FIRST",)]]
        scheduling.draft(session, SECOND, by=PLANNER, now=MORNING)
        scheduling.announce_directly(
            session, "SECOND", reason=Text.of("Urgente"), override="Agreed.", by=APPROVER, now=at(9)
        )

        both = ["OUTAGE", 16, 18, ("FIRST", "SECOND")]
        assert of_service(told(session, "FIRST")) == [["REDUCED-REDUNDANCY", 14, 16, ("FIRST",)], both]
        assert of_service(told(session, "SECOND")) == [both, ["REDUCED-REDUNDANCY", 18, 20, ("SECOND",)]]
        assert [v.sequence for v in get_intervention(session, "FIRST").versions] == [0, 1]
        version = current(session, "FIRST")
        assert (version.step, version.reason) == ("InterventionAltered", {"und": "Urgente"})
        assert version.content == get_intervention(session, "FIRST").versions[0].content

        *_, lead, altered = session.scalars(select(EventRow).order_by(EventRow.id))
        assert event_of(lead) == InterventionAnnounced(
            at=at(9),
            by=APPROVER.name,
            reason="Urgente",
            reference="SECOND",
            sequence=0,
            altered=(("FIRST", 1),),
            override="Agreed.",
            overridden=("Only together with FIRST does this plan put S in OUTAGE; move one of the plans.",),
        )
        assert event_of(altered) == InterventionAltered(
            at=at(9),
            by=APPROVER.name,
            reason="Urgente",
            reference="FIRST",
            sequence=1,
            because_of="SECOND",
        )


def test_the_preview_shows_what_the_announcement_then_does(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        before = windows_of(current(session, "FIRST"))
        shown = scheduling.preview(session, SECOND, now=at(9))
        announced(session, SECOND)

        assert shown.windows == windows_of(current(session, "SECOND"))
        assert [(c.reference, c.before, c.after) for c in shown.altered] == [
            ("FIRST", before, windows_of(current(session, "FIRST")))
        ]


def test_plans_that_do_not_meet_leave_each_other_alone(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        announced(session, a_plan("SECOND", a_phase(19, 20, "B")))

        assert current(session, "FIRST").sequence == 0


def test_windows_that_touch_are_told_as_one(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        announced(session, a_plan("SECOND", a_phase(18, 20, "B")))

        joined = ["REDUCED-REDUNDANCY", 14, 20, ("FIRST", "SECOND")]
        assert of_service(told(session, "FIRST")) == [joined]
        assert of_service(told(session, "SECOND")) == [joined]


def test_a_neighbours_neighbour_is_in_the_window_that_both_join(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        announced(session, a_plan("THIRD", a_phase(20, 24, "A")))
        announced(session, a_plan("SECOND", a_phase(18, 20, "B")))

        joined = ["REDUCED-REDUNDANCY", 14, 24, ("FIRST", "THIRD", "SECOND")]
        assert [of_service(told(session, r)) for r in ("FIRST", "SECOND", "THIRD")] == [[joined]] * 3


def test_moving_away_gives_the_other_its_windows_back(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        announced(session, SECOND)
        shown = scheduling.preview_move(session, "SECOND", at(40).replace(tzinfo=None), now=at(9))
        scheduling.move(session, "SECOND", start=at(40).replace(tzinfo=None), by=APPROVER, now=at(9))

        assert of_service(told(session, "FIRST")) == [["REDUCED-REDUNDANCY", 14, 18, ("FIRST",)]]
        assert current(session, "FIRST").sequence == 2
        assert [change.reference for change in shown.altered] == ["FIRST"]


def test_cancelling_gives_the_other_its_windows_back(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        announced(session, SECOND)
        shown = scheduling.preview_cancel(session, "SECOND", now=at(9))
        scheduling.cancel(session, "SECOND", by=APPROVER, now=at(9))

        assert of_service(told(session, "FIRST")) == [["REDUCED-REDUNDANCY", 14, 18, ("FIRST",)]]
        assert [change.after for change in shown.altered] == [windows_of(current(session, "FIRST"))]


def test_an_early_end_is_told_to_the_readers_of_the_other(database: Database) -> None:
    with database.write() as session:
        running(session, FIRST, now=at(14))
        announced(session, SECOND, now=at(14))
        scheduling.verify(session, "FIRST", by=PLANNER, now=at(15))

        assert of_service(told(session, "SECOND")) == [["REDUCED-REDUNDANCY", 16, 20, ("SECOND",)]]


def test_an_extension_into_another_plan_is_told_to_its_readers(database: Database) -> None:
    with database.write() as session:
        announced(session, a_plan("SECOND", a_phase(19, 20, "B")))
        running(session, FIRST, now=at(14))
        version = scheduling.extend(session, "FIRST", until=at(19.5), by=PLANNER, now=at(17))

        assert version.step == "InterventionExtended"
        assert of_service(told(session, "SECOND"))[0] == ["OUTAGE", 19, 19.5, ("FIRST", "SECOND")]


def test_what_is_completed_is_never_altered(database: Database) -> None:
    with database.write() as session:
        running(session, FIRST, now=at(14))
        scheduling.complete(session, "FIRST", by=PLANNER, now=at(18))
        number = current(session, "FIRST").sequence
        announced(session, SECOND, now=at(18))

        assert current(session, "FIRST").sequence == number
        # It counted all the same: what was down at 16:00 was down together.
        assert of_service(told(session, "SECOND"))[0] == ["OUTAGE", 16, 18, ("FIRST", "SECOND")]


def test_a_recovery_reaches_plans_that_begin_after_all_work(any_database: Database) -> None:
    with any_database.write() as session:
        import_systems(
            session,
            a_system("S", a_need("A", "B", at_least=1), a_need("C"), recovery=timedelta(hours=2)),
            *(a_system(code) for code in "ABC"),
        )
        announced(session, a_plan("FIRST", a_phase(14, 18, "A")))
        announced(session, a_plan("THIRD", a_phase(20, 21, "C")))
        announced(session, a_plan("SECOND", a_phase(14, 18, "B")))

        joined = ["OUTAGE", 14, 23, ("FIRST", "SECOND", "THIRD")]
        assert [of_service(told(session, r)) for r in ("FIRST", "SECOND", "THIRD")] == [[joined]] * 3


def test_a_plan_hidden_behind_worse_work_counts_again_when_that_ends(database: Database) -> None:
    with database.write() as session:
        running(session, a_plan("WORSE", a_phase(8, 18, "A")), now=at(8))
        announced(session, a_plan("HIDDEN", a_phase(14, 16, ("A", Impact.DEGRADED))))
        assert told(session, "HIDDEN") == []
        scheduling.verify(session, "WORSE", by=PLANNER, now=at(10))

        assert told(session, "HIDDEN")[0] == ("A", "DEGRADED", 14, 16, ("HIDDEN",))
        assert scheduling.start_due(session, at(14)) == ["HIDDEN"]


def test_a_plan_hidden_behind_worse_work_is_started_by_the_clock(database: Database) -> None:
    with database.write() as session:
        announced(session, a_plan("WORSE", a_phase(14, 18, "A")))
        announced(session, a_plan("HIDDEN", a_phase(15, 16, ("A", Impact.DEGRADED))))

        assert told(session, "HIDDEN") == []
        assert scheduling.start_due(session, at(15)) == ["WORSE", "HIDDEN"]


# -- what pages show


def test_a_window_of_two_plans_is_shown_once_with_both_causes(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        announced(session, SECOND)

        shown = [s.window for s in current_windows(session, at(9)) if s.window.system == "S"]
        assert [(w.impact.code, hour(w.start), hour(w.end), w.references) for w in shown] == [
            ("REDUCED-REDUNDANCY", 14, 16, ("FIRST",)),
            ("OUTAGE", 16, 18, ("FIRST", "SECOND")),
            ("REDUCED-REDUNDANCY", 18, 20, ("SECOND",)),
        ]


def test_planners_see_what_drafts_would_add(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        scheduling.draft(session, SECOND, by=PLANNER, now=MORNING)

        readers = current_windows(session, at(9))
        planners = current_windows(session, at(9), drafts=True)
        assert all(not s.draft for s in readers)
        assert [s for s in planners if not s.draft] == readers
        added = [(s.window.system, s.window.impact.code, hour(s.window.start)) for s in planners if s.draft]
        assert ("S", "OUTAGE", 16) in added
        assert ("B", "OUTAGE", 16) in added
        clashing = scheduling.preview(session, a_plan("X", a_phase(16, 17, "A")), now=at(9))
        assert clashing.windows


def test_an_overrun_shows_what_it_does_together_with_others(database: Database) -> None:
    with database.write() as session:
        running(session, FIRST, now=at(14))
        announced(session, a_plan("SECOND", a_phase(19, 22, "B")), now=at(15))
        scheduling.start_due(session, at(19))

        shown = [s for s in current_windows(session, at(20)) if s.window.system == "S" and s.overrun]
        assert [(s.window.impact.code, hour(s.window.start)) for s in shown] == [("OUTAGE", 19)]


# -- the catalogue changes under announced plans


def test_a_changed_catalogue_lists_stale_windows_and_sends_nothing(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        changed = a_catalogue(a_system("S", "A"), a_system("A"), a_system("B"))
        report = import_catalogue(session, changed, prune=False, by=SYSTEM, now=at(9))

        (stale,) = stale_windows(session)
        assert report.announced_windows_that_would_change == (stale,)
        assert stale.reference == "FIRST"
        assert [w.impact.code for w in stale.before if w.system == "S"] == ["REDUCED-REDUNDANCY"]
        assert [w.impact.code for w in stale.after if w.system == "S"] == ["OUTAGE"]
        assert current(session, "FIRST").sequence == 0


def test_another_plans_step_does_not_tell_a_catalogue_change(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        changed = a_catalogue(a_system("S", "A"), a_system("A"), a_system("B"))
        import_catalogue(session, changed, prune=False, by=SYSTEM, now=at(9))
        announced(session, SECOND, now=at(9))

        assert current(session, "FIRST").sequence == 0


def test_announcing_the_plan_anew_publishes_the_windows_of_the_new_catalogue(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)
        changed = a_catalogue(a_system("S", "A"), a_system("A"), a_system("B"))
        import_catalogue(session, changed, prune=False, by=SYSTEM, now=at(9))
        scheduling.edit(session, "FIRST", FIRST, by=PLANNER, now=at(9))
        scheduling.announce_directly(session, "FIRST", override="Agreed.", by=APPROVER, now=at(9))

        assert of_service(told(session, "FIRST")) == [["OUTAGE", 14, 18, ("FIRST",)]]
        assert current(session, "FIRST").catalogue_version == 2
        assert stale_windows(session) == []


# -- at the same time


def at_once(*steps: Callable[[], object]) -> list[object]:
    """Take steps in threads that begin together; returns what each gave back, or the error it met."""
    gate = threading.Barrier(len(steps))
    results: list[object] = [None] * len(steps)

    def run(index: int, step: Callable[[], object]) -> None:
        gate.wait()
        try:
            results[index] = step()
        except JanelaError as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(steps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_announcements_at_once_see_each_others_windows(database: Database) -> None:
    with database.write() as session:
        for plan in (FIRST, SECOND):
            scheduling.draft(session, plan, by=PLANNER, now=MORNING)

    def announce(reference: str) -> Callable[[], None]:
        def step() -> None:
            with database.write() as session:
                scheduling.announce_directly(session, reference, override="Agreed.", by=APPROVER, now=at(9))

        return step

    at_once(announce("FIRST"), announce("SECOND"))

    with database.read() as session:
        both = ["OUTAGE", 16, 18, ("FIRST", "SECOND")]
        assert both in of_service(told(session, "FIRST"))
        assert both in of_service(told(session, "SECOND"))
        sequences = sorted(current(session, r).sequence or 0 for r in ("FIRST", "SECOND"))
        assert sequences == [0, 1]


def test_of_two_people_who_approve_at_once_one_is_refused(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, FIRST, by=PLANNER, now=MORNING)
        scheduling.submit(session, "FIRST", by=PLANNER, now=MORNING)

    def approve() -> None:
        with database.write() as session:
            # Both have read the row before either has the lock.
            get_intervention(session, "FIRST")
            scheduling.approve(session, "FIRST", by=APPROVER, now=at(9))

    results = at_once(approve, approve)

    assert sorted(type(result).__name__ for result in results) == ["NoneType", "StepRefused"]


def test_a_person_and_the_clock_start_a_phase_once(database: Database) -> None:
    with database.write() as session:
        announced(session, FIRST)

    def by_hand() -> None:
        with database.write() as session:
            scheduling.start(session, "FIRST", by=PLANNER, now=at(14))

    def by_clock() -> None:
        with database.write() as session:
            scheduling.start_due(session, at(14))

    results = at_once(by_hand, by_clock, by_clock)

    assert all(result is None or isinstance(result, StepRefused) for result in results)
    with database.read() as session:
        assert [v.sequence for v in get_intervention(session, "FIRST").versions] == [0, 1]
        assert get_intervention(session, "FIRST").run_state == RunState.RUNNING


def test_two_people_who_draft_at_once_get_two_references(database: Database) -> None:
    def draft() -> str:
        with database.write() as session:
            return scheduling.draft(
                session, a_plan("", a_phase(14, 18, "A")), by=PLANNER, now=at(9)
            ).reference

    results = at_once(draft, draft, draft)

    assert sorted(map(str, results)) == ["INT-2026-0001", "INT-2026-0002", "INT-2026-0003"]
    with database.read() as session:
        assert len(list_interventions(session)) == 3
