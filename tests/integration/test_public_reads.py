"""What the public pages read, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maintenance import public_reads
from maintenance.database import Database
from maintenance.errors import NotFound
from maintenance.lifecycle import RunState
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from maintenance.texts import Text
from tests.conftest import MovedClock
from tests.web import case


@pytest.fixture
def told(any_database: Database, settings: Settings, clock: MovedClock) -> Runtime:
    """Give an installation with the reference case announced."""
    runtime = Runtime(settings, any_database, clock)
    case.load_catalogue(runtime)
    case.announce(runtime)
    return runtime


def test_whole_life_is_read_as_it_was_told(told: Runtime, clock: MovedClock) -> None:
    clock.move_to(case.START)
    case.start_by_clock(told)
    case.step(told, "publish_update", text=Text.of("Half is done"))
    clock.move_on(hours=10)
    case.step(told, "complete", reason=Text.of("Done"))

    with told.database.read() as session:
        story = public_reads.whole_story(session, case.REFERENCE)
        (listed,) = public_reads.ended(session, limit=5)
        (recent,) = public_reads.told_of(session, ended_since=clock() - timedelta(days=1))
        assert public_reads.told_of(session, ended_since=clock() + timedelta(days=1)) == []
        by_reference = public_reads.told_by_reference(session, [case.REFERENCE, "NONE"])

    assert [v.step for v in story.versions] == [
        "InterventionCompleted",
        "InterventionStarted",
        "InterventionAnnounced",
    ]
    assert story.really == (case.START, case.START + timedelta(hours=10))
    assert [u.words for u in story.updates] == [Text.of("Half is done")]
    assert listed.version == recent.version == story.version
    assert listed.state is RunState.COMPLETED
    assert list(by_reference) == [case.REFERENCE]


def test_calendars_know_the_version_before_the_newest_and_forget_what_ended_long_ago(
    told: Runtime, clock: MovedClock
) -> None:
    case.step(told, "cancel", reason=Text.of("No parts"))

    with told.database.read() as session:
        (found,) = public_reads.for_calendars(session, ended_since=clock() - timedelta(days=1))
        assert public_reads.for_calendars(session, ended_since=clock() + timedelta(days=1)) == []

    assert [v.sequence for v in found.versions] == [1, 0]
    assert found.versions[0].windows == ()
    assert len(found.versions[1].windows) == 8


def test_history_is_read_page_by_page_latest_first(told: Runtime, clock: MovedClock) -> None:
    for number in range(3):
        reference = f"INT-{number}"
        case.announce(told, case.the_plan(reference=reference))
        clock.move_on(minutes=1)
        with told.database.write() as session:
            case.scheduling.cancel(session, reference, reason=Text.of("No"), by=case.SYSTEM, now=clock())

    with told.database.read() as session:
        pages = [
            [t.reference for t in public_reads.ended(session, limit=2, offset=offset)] for offset in (0, 2)
        ]

    assert pages == [["INT-2", "INT-1"], ["INT-0"]]


@pytest.mark.parametrize("reference", ["NONE", "DRAFT-1"])
def test_what_nobody_was_told_of_is_not_found(told: Runtime, clock: MovedClock, reference: str) -> None:
    with told.database.write() as session:
        plan = case.the_plan(reference="DRAFT-1")
        case.scheduling.draft(session, plan, by=case.SYSTEM, now=clock())

    with told.database.read() as session, pytest.raises(NotFound):
        public_reads.whole_story(session, reference)
