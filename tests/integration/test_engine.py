"""The engine: who leads, that ticks survive failures, that everything due is done by itself; and `jobs.tick`."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import select

from maintenance.database import Database
from maintenance.models import InterventionRow
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import jobs
from notifications.engine import LEAD, Engine, Tick, take_lead
from notifications.models import NoticeRow
from notifications.retries import State
from tests.builders import a_phase, a_plan, a_system, at
from tests.conftest import MovedClock
from tests.ledgers import HOUR, ScriptedTransport, a_reader, addresses, delivery, queue, states
from tests.lives import announced, import_systems

WORK = a_plan("W", a_phase(14, 18, "DB"))


@pytest.fixture
def runtime(any_database: Database, settings: Settings) -> Runtime:
    """Give each kind of database with PEM, which needs DB, and a reader of it; it is morning."""
    with any_database.write() as session:
        import_systems(session, a_system("PEM", "DB", public=True), a_system("DB"))
        a_reader(session, "a@example.org", "PEM")
    return Runtime(settings, any_database, MovedClock(at(8)))


def clock_of(runtime: Runtime) -> MovedClock:
    assert isinstance(runtime.clock, MovedClock)
    return runtime.clock


def until(happened: Callable[[], bool]) -> None:
    """Wait until something has happened; a test that waits in vain is stopped after a while."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def test_one_look_starts_plans_fans_out_and_sends(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        announced(session, WORK)
    transport = ScriptedTransport()

    looked = jobs.tick(runtime, {"email": transport})
    assert (looked.notices, looked.deliveries, looked.tries) == (2, 1, 1)
    clock_of(runtime).move_to(at(14))
    looked = jobs.tick(runtime, {"email": transport})

    assert looked.started == ("W",)
    assert [parcel.kind for parcel in transport.sent] == ["announcement", "start"]
    assert jobs.tick(runtime, {"email": transport}).tries == 0


def test_process_that_was_down_catches_up_and_sends_nothing_too_late(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        announced(session, WORK)
    transport = ScriptedTransport()
    jobs.tick(runtime, {"email": transport})

    clock_of(runtime).move_to(at(15))
    jobs.tick(runtime, {"email": transport})

    assert [parcel.kind for parcel in transport.sent] == ["announcement", "start"]
    with runtime.database.read() as session:
        reminder = session.scalars(select(NoticeRow).where(NoticeRow.kind == "reminder")).one()
        assert reminder.state in ("expired", "superseded")
        assert session.scalars(select(InterventionRow.run_state)).one() == "running"


def test_engine_does_all_that_is_due_by_itself(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        announced(session, WORK)
    queue(runtime.database, addresses(250), now=at(8), reference="OTHER")
    transport = ScriptedTransport()
    engine = Engine(runtime, {"email": transport})

    engine.start()
    until(lambda: len(transport.sent) >= 251)
    engine.stop()

    assert len({parcel.delivery_id for parcel in transport.sent}) == len(transport.sent) == 251


def test_what_is_announced_in_this_process_does_not_wait_for_the_next_tick(runtime: Runtime) -> None:
    settings = Settings({"TICK_SECONDS": "3600", "SECRET_KEY": "for-tests-only"})
    transport = ScriptedTransport()
    engine = Engine(Runtime(settings, runtime.database, runtime.clock), {"email": transport})
    engine.start()
    # The first ticks are over when the lead is taken and nothing runs any more.
    time.sleep(0.5)

    with runtime.database.write() as session:
        announced(session, WORK)
    until(lambda: [parcel.kind for parcel in transport.sent] == ["announcement"])
    engine.stop()


def test_announcements_made_while_others_are_told_do_not_wait_for_the_next_tick(runtime: Runtime) -> None:
    settings = Settings({"TICK_SECONDS": "3600", "SECRET_KEY": "for-tests-only"})
    transport = ScriptedTransport()
    engine = Engine(Runtime(settings, runtime.database, runtime.clock), {"email": transport})
    engine.start()
    time.sleep(0.5)

    references = {f"W{number}" for number in range(10)}
    for reference in references:
        with runtime.database.write() as session:
            announced(session, a_plan(reference, a_phase(14, 18, "DB")))
    until(lambda: {parcel.reference for parcel in transport.sent} == references)
    engine.stop()


def test_look_that_is_asked_for_while_it_is_under_way_is_taken_once_more() -> None:
    begun, may_end, looks = Event(), Event(), []

    def look() -> None:
        looks.append(1)
        begun.set()
        may_end.wait(60)

    tick = Tick("look", look)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tick)
        begun.wait(60)
        tick()  # by this thread, which does not wait
        tick()
        assert len(looks) == 1
        may_end.set()
        first.result(60)

    assert len(looks) == 2


def test_tick_that_fails_is_not_the_last(runtime: Runtime) -> None:
    ids = queue(runtime.database, addresses(1), now=at(8), useful_for=24 * HOUR)
    failures = []

    class Moody(MovedClock):
        def __call__(self):
            if len(failures) < 5:
                failures.append(1)
                raise OSError("no time")
            return super().__call__()

    engine = Engine(Runtime(runtime.settings, runtime.database, Moody(at(8))), {"email": ScriptedTransport()})
    engine.start()
    until(lambda: states(runtime.database, ids) == [State.ACCEPTED])
    engine.stop()

    assert delivery(runtime.database, ids[0]).attempts == 1


def test_of_two_processes_one_leads_until_it_falls_silent(any_database: Database) -> None:
    def leads(owner: str, now) -> bool:
        with any_database.write() as session:
            return take_lead(session, "scheduler", owner=owner, now=now)

    assert leads("first", at(8))
    assert not leads("second", at(8) + timedelta(seconds=1))
    assert leads("first", at(8) + LEAD / 2)
    assert not leads("second", at(8) + LEAD)
    assert leads("second", at(8) + LEAD / 2 + LEAD)
    assert not leads("first", at(8) + LEAD / 2 + LEAD)
    assert timedelta(seconds=30) > LEAD


def test_urgent_channel_does_not_wait_for_a_slow_one(runtime: Runtime) -> None:
    queue(runtime.database, addresses(1), now=at(8))
    queue(runtime.database, ["+351000000001"], now=at(8), channel="sms")
    sms = ScriptedTransport(channel="sms", batch_size=1)

    class Waiting(ScriptedTransport):
        def send(self, parcels, *, now):
            until(lambda: bool(sms.sent))
            yield from super().send(parcels, now=now)

    mail = Waiting()
    engine = Engine(runtime, {"email": mail, "sms": sms})
    engine.start()
    until(lambda: bool(mail.sent))
    engine.stop()

    assert len(sms.sent) == 1
