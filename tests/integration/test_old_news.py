"""What was still to be told of the night when newer news of it came: the reader gets the newer, and not the older after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import select

from maintenance import scheduling
from maintenance.database import Database
from maintenance.interventions import Plan
from maintenance.models import EventRow
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from maintenance.texts import Text
from notifications import jobs, stopping
from notifications.channels.parcels import Outcome
from notifications.models import DeliveryRow, EventProblem, NoticeRow, RecipientRow
from notifications.planning import plan_notices
from notifications.retries import FailureClass, State
from notifications.sending import drain
from tests.builders import a_phase, a_plan, a_system, at
from tests.conftest import MovedClock
from tests.invariants import assert_sound
from tests.ledgers import ScriptedTransport, a_reader, failed, firsts
from tests.lives import APPROVER, PLANNER, announced, import_systems

ONE_PHASE = a_plan("W", a_phase(14, 18, "DB"))
TWO_AT_ONCE = a_plan("W", a_phase(14, 18, "DB"), a_phase(14, 20, "NET", id="p2"))
GREY = [failed(FailureClass.TRANSIENT, "451 greylisted")]


@pytest.fixture
def runtime(any_database: Database, settings: Settings) -> Runtime:
    """Give each kind of database with readers of two systems, who know nothing yet."""
    with any_database.write() as session:
        import_systems(
            session, a_system("PEM", "DB", public=True), a_system("DB"), a_system("NET", public=True)
        )
        a_reader(session, "pem@example.org", "PEM")
        a_reader(session, "net@example.org", "NET")
    return Runtime(settings, any_database, MovedClock(at(8)))


def clock_of(runtime: Runtime) -> MovedClock:
    return cast(MovedClock, runtime.clock)


def begun(runtime: Runtime, plan: Plan, *, is_announced: bool = True) -> None:
    """Announce the plan and start it; its readers have the announcement unless it expired before."""
    with runtime.database.write() as session:
        announced(session, plan)
    if is_announced:
        jobs.tell(runtime)
        drain(runtime, ScriptedTransport())
    clock_of(runtime).move_to(at(14))
    with runtime.database.write() as session:
        assert scheduling.start_due(session, at(14))
    jobs.tell(runtime)
    if not is_announced:
        with runtime.database.write() as session:
            session.execute(
                DeliveryRow.__table__.update()
                .where(DeliveryRow.notice_id.in_(select(NoticeRow.id).where(NoticeRow.kind != "start")))
                .values(state="expired", finished_at=at(14))
            )


def verify(runtime: Runtime, **which: tuple[str, ...]) -> None:
    with runtime.database.write() as session:
        scheduling.verify(session, "W", by=PLANNER, now=runtime.clock(), **which)


def extend(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        scheduling.extend(
            session, "W", phase="p1", by_length=timedelta(hours=3), by=PLANNER, now=runtime.clock()
        )


def go_on(runtime: Runtime, transport: ScriptedTransport, minutes: int = 20) -> None:
    """Let time pass in which everything that is due is done."""
    for _ in range(minutes):
        jobs.tell(runtime)
        jobs.keep_up(runtime)
        drain(runtime, transport)
        clock_of(runtime).move_on(minutes=1)


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


@pytest.mark.parametrize(("step", "newer"), [(verify, "restored"), (extend, "extension")])
def test_start_that_a_server_puts_off_is_not_tried_again_after_newer_news(
    runtime: Runtime, step: Callable[[Runtime], None], newer: str
) -> None:
    begun(runtime, ONE_PHASE)
    transport = ScriptedTransport(script={"pem@example.org": GREY * 3})
    go_on(runtime, transport, minutes=2)
    assert told(runtime, "start") == {"pem@example.org": "retry_wait"}

    step(runtime)
    go_on(runtime, transport)

    assert [parcel.kind for parcel in transport.sent] == ["start", "start", newer, newer]
    assert told(runtime, "start") == {"pem@example.org": "superseded"}
    assert told(runtime, newer) == {"pem@example.org": "accepted"}
    assert_sound(runtime.database)


def test_restoration_closes_an_extension_that_has_not_left(runtime: Runtime) -> None:
    begun(runtime, ONE_PHASE)
    drain(runtime, ScriptedTransport())
    extend(runtime)
    transport = ScriptedTransport(script={"pem@example.org": GREY * 2})
    go_on(runtime, transport, minutes=1)

    verify(runtime)
    go_on(runtime, transport)

    assert told(runtime, "extension") == {"pem@example.org": "superseded"}
    assert [parcel.kind for parcel in transport.sent] == ["extension", "restored", "restored"]


def test_words_about_the_moment_are_not_sent_after_everything_is_back(runtime: Runtime) -> None:
    begun(runtime, ONE_PHASE)
    drain(runtime, ScriptedTransport())
    with runtime.database.write() as session:
        scheduling.publish_update(session, "W", text=Text.of("Two more hours."), by=PLANNER, now=at(14))
    transport = ScriptedTransport(script={"pem@example.org": GREY * 2})
    go_on(runtime, transport, minutes=1)

    verify(runtime)
    go_on(runtime, transport)

    assert told(runtime, "update") == {"pem@example.org": "superseded"}
    assert [parcel.kind for parcel in transport.sent] == ["update", "restored", "restored"]


def test_reader_who_never_heard_of_the_work_is_told_of_its_extension_as_news_and_not_that_it_began(
    runtime: Runtime,
) -> None:
    begun(runtime, ONE_PHASE, is_announced=False)
    extend(runtime)
    jobs.tell(runtime)
    transport = ScriptedTransport()
    go_on(runtime, transport)

    assert [parcel.kind for parcel in transport.sent] == ["extension"]
    assert firsts(runtime.database, "extension") == {"pem@example.org": True}


def test_reader_who_never_heard_of_the_work_is_told_nothing_once_it_is_over(runtime: Runtime) -> None:
    begun(runtime, ONE_PHASE, is_announced=False)
    verify(runtime)
    transport = ScriptedTransport()
    go_on(runtime, transport)

    assert transport.sent == []
    assert told(runtime, "start") == {"pem@example.org": "superseded"}


@pytest.mark.parametrize("step", [verify, extend])
def test_end_of_one_phase_leaves_the_start_of_another_alone(
    runtime: Runtime, step: Callable[..., None]
) -> None:
    begun(runtime, TWO_AT_ONCE)
    if step is verify:
        verify(runtime, systems=("DB",))
    else:
        extend(runtime)

    jobs.tell(runtime)

    assert told(runtime, "start") == {"pem@example.org": "superseded", "net@example.org": "queued"}


def test_start_of_a_phase_is_closed_for_those_alone_whose_system_is_back_before_the_others(
    runtime: Runtime,
) -> None:
    begun(runtime, a_plan("W", a_phase(14, 18, "DB", "NET")))
    verify(runtime, systems=("DB",))

    jobs.tell(runtime)

    assert told(runtime, "restored") == {"pem@example.org": "queued"}
    assert told(runtime, "start") == {"pem@example.org": "superseded", "net@example.org": "queued"}


class InMidBatch(ScriptedTransport):
    """Somebody takes a step while the first batch goes out."""

    def __init__(self, step: Callable[[], None], outcome: Outcome | BaseException) -> None:
        super().__init__(script={"pem@example.org": [outcome]})
        self.steps = [step]

    def send(self, parcels, *, now):
        while self.steps:
            self.steps.pop()()
        yield from super().send(parcels, now=now)


@pytest.mark.parametrize(
    ("outcome", "ends"), [(Outcome(State.ACCEPTED), "accepted"), (GREY[0], "superseded")]
)
@pytest.mark.parametrize(("step", "newer"), [(verify, "restored"), (extend, "extension")])
def test_start_under_way_as_newer_news_is_told_ends_as_it_does_and_is_not_tried_again(
    runtime: Runtime, step: Callable[[Runtime], None], newer: str, outcome: Outcome, ends: str
) -> None:
    begun(runtime, ONE_PHASE)

    def tell_newer() -> None:
        clock_of(runtime).move_on(seconds=1)
        step(runtime)
        jobs.tell(runtime)
        assert told(runtime, "start") == {"pem@example.org": "sending"}

    transport = InMidBatch(tell_newer, outcome)
    go_on(runtime, transport)

    assert [parcel.kind for parcel in transport.sent] == ["start", newer]
    assert told(runtime, "start") == {"pem@example.org": ends}
    assert_sound(runtime.database)


def test_start_that_a_person_held_up_tells_nobody_whom_an_extension_told(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        announced(session, ONE_PHASE)
    go_on(runtime, ScriptedTransport(), minutes=1)
    clock_of(runtime).move_to(at(14))
    with runtime.database.write() as session:
        assert scheduling.start_due(session, at(14))
    plan_notices(runtime.database, at(14))
    with runtime.database.write() as session:
        name = session.scalars(select(NoticeRow.public_id).where(NoticeRow.kind == "start")).one()
        stopping.pause(session, name, by=APPROVER, now=at(14))
    extend(runtime)
    jobs.tell(runtime)
    with runtime.database.write() as session:
        stopping.resume(session, name, by=APPROVER, now=at(14))

    jobs.tell(runtime)

    assert told(runtime, "start") == {"pem@example.org": "superseded"}
    assert told(runtime, "extension") == {"pem@example.org": "queued"}


def test_start_whose_event_is_dealt_with_after_the_end_of_its_phase_is_not_told(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        announced(session, ONE_PHASE)
    go_on(runtime, ScriptedTransport(), minutes=1)
    clock_of(runtime).move_to(at(14))
    with runtime.database.write() as session:
        assert scheduling.start_due(session, at(14))
        event = session.scalars(select(EventRow).where(EventRow.kind == "InterventionStarted")).one()
        session.add(EventProblem(event_id=event.id, failures=1, problem="?", retry_at=at(14.5)))
    clock_of(runtime).move_to(at(14.25))
    verify(runtime)
    transport = ScriptedTransport()

    go_on(runtime, transport)

    assert [parcel.kind for parcel in transport.sent] == ["restored"]
    with runtime.database.read() as session:
        start = session.scalars(select(NoticeRow).where(NoticeRow.kind == "start")).one()
        assert start.state == "superseded"
