"""An announcement that comes to its readers only when the start did: paused, put off, or raced."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event, current_thread
from typing import Any

import pytest
from sqlalchemy import select

from maintenance import scheduling
from maintenance.database import Database
from maintenance.interventions import InterventionClass
from maintenance.models import EventRow
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import claims, fanout, jobs, slices, stopping
from notifications.models import DeliveryRow, EventProblem, NoticeRow, RecipientRow
from notifications.planning import plan_notices
from tests.builders import a_phase, a_plan, a_system, at
from tests.conftest import MovedClock
from tests.invariants import assert_sound
from tests.ledgers import a_reader
from tests.lives import APPROVER, announced, import_systems

WORK = a_plan("E", a_phase(14, 18, "DB"), a_phase(20, 22, "NET", id="2"))


@pytest.fixture
def runtime(any_database: Database, settings: Settings) -> Runtime:
    """Give each kind of database with an emergency that was announced a quarter of an hour after its start."""
    with any_database.write() as session:
        import_systems(session, a_system("PEM", "DB", public=True), a_system("DB"), a_system("NET"))
        a_reader(session, "pem@example.org", "PEM")
        a_reader(session, "both@example.org", "PEM", "NET")
        announced(session, replace(WORK, intervention_class=InterventionClass.EMERGENCY), now=at(14.25))
    return Runtime(settings, any_database, MovedClock(at(14.25)))


def told(runtime: Runtime, kind: str) -> dict[str, str]:
    """Return the state of each delivery of the notices of a kind by its address."""
    with runtime.database.read() as session:
        return dict(
            session.execute(
                select(RecipientRow.address, DeliveryRow.state)
                .join(DeliveryRow, DeliveryRow.recipient_id == RecipientRow.id)
                .join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
                .where(NoticeRow.kind == kind)
            ).all()
        )


def the_announcement(runtime: Runtime) -> NoticeRow:
    with runtime.database.read() as session:
        return session.scalars(select(NoticeRow).where(NoticeRow.kind == "announcement")).one()


def paused(runtime: Runtime) -> Callable[[], None]:
    """Have a person pause it; return what resumes it."""
    plan_notices(runtime.database, runtime.clock())
    name = the_announcement(runtime).public_id
    with runtime.database.write() as session:
        stopping.pause(session, name, by=APPROVER, now=runtime.clock())

    def resume() -> None:
        with runtime.database.write() as session:
            stopping.resume(session, name, by=APPROVER, now=runtime.clock())

    return resume


def put_off(runtime: Runtime) -> Callable[[], None]:
    """Have its fan-out fail once."""
    plan_notices(runtime.database, runtime.clock())
    with runtime.database.write() as session:
        row = session.get_one(NoticeRow, the_announcement(runtime).id)
        row.failures, row.problem, row.retry_at = 1, "broken", runtime.clock() + timedelta(seconds=30)
    return lambda: None


def planned_late(runtime: Runtime) -> Callable[[], None]:
    """Have the planning of its event fail once."""
    with runtime.database.write() as session:
        event = session.scalars(select(EventRow).where(EventRow.kind == "InterventionAnnounced")).one()
        problem = EventProblem(event_id=event.id, failures=1, problem="broken")
        problem.retry_at = runtime.clock() + timedelta(seconds=30)
        session.add(problem)
    return lambda: None


@pytest.mark.parametrize("held_up", [paused, put_off, planned_late])
def test_announcement_that_was_held_up_beyond_the_start_tells_only_whom_the_start_did_not_tell_all(
    runtime: Runtime, held_up: Callable[[Runtime], Callable[[], None]]
) -> None:
    release = held_up(runtime)
    with runtime.database.write() as session:
        assert scheduling.start_due(session, runtime.clock())
    jobs.tell(runtime)
    assert told(runtime, "start") == {"pem@example.org": "queued", "both@example.org": "queued"}
    assert told(runtime, "announcement") == {}

    runtime.clock.move_on(minutes=2)  # type: ignore[attr-defined]
    release()
    jobs.tell(runtime)

    assert told(runtime, "announcement") == {"pem@example.org": "superseded", "both@example.org": "queued"}
    assert_sound(runtime.database, settled=False)


def test_announcement_that_a_sender_took_and_did_not_begin_with_is_not_sent_after_the_start(
    runtime: Runtime,
) -> None:
    jobs.tell(runtime)
    with runtime.database.write() as session:
        taken = claims.claim(session, "email", owner="o", limit=10, now=runtime.clock())
        assert scheduling.start_due(session, runtime.clock())

    jobs.tell(runtime)

    assert told(runtime, "announcement") == {"pem@example.org": "superseded", "both@example.org": "leased"}
    with runtime.database.write() as session:
        ids = [found.id for found in taken]
        begun = claims.mark_sending(session, ids, owner="o", transport="smtp", now=runtime.clock())
        claims.release(session, ids, owner="o")
    assert len(begun) == 1
    assert told(runtime, "announcement") == {"pem@example.org": "superseded", "both@example.org": "sending"}


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)  # SQLite has one writer
def test_two_processes_that_fan_out_announcement_and_start_at_once_see_each_other(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_notices(runtime.database, runtime.clock())
    with runtime.database.write() as session:
        assert scheduling.start_due(session, runtime.clock())
    plan_notices(runtime.database, runtime.clock())
    with runtime.database.read() as session:
        ids = dict(session.execute(select(NoticeRow.kind, NoticeRow.id)).all())
    written, go_on = Event(), Event()
    insert = slices.insert_deliveries

    def stalling(*arguments: Any) -> int:
        made = insert(*arguments)
        if current_thread().name.startswith("first"):
            written.set()
            assert go_on.wait(30)
        return made

    monkeypatch.setattr(slices, "insert_deliveries", stalling)
    with (
        ThreadPoolExecutor(1, thread_name_prefix="first") as first,
        ThreadPoolExecutor(1, thread_name_prefix="second") as second,
    ):
        announcing = first.submit(fanout._go_on, runtime, fanout._Course(ids["announcement"]))
        assert written.wait(30)
        starting = second.submit(fanout._go_on, runtime, fanout._Course(ids["start"]))
        _wait_for_a_lock(runtime)
        go_on.set()
        assert announcing.result(30) == 2
        assert starting.result(30) == 0, "what it was rendered for has changed"
    jobs.tell(runtime)

    assert told(runtime, "start") == {"pem@example.org": "queued", "both@example.org": "queued"}
    assert told(runtime, "announcement") == {"pem@example.org": "superseded", "both@example.org": "queued"}


def _wait_for_a_lock(runtime: Runtime) -> None:
    """Return when a session of this database waits for an advisory lock."""
    pause = Event()
    for _ in range(300):
        with runtime.database.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ).scalar_one()
        if found:
            return
        pause.wait(0.1)
    raise AssertionError("nobody waited for the lock")
