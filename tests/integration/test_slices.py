"""A notice that is fanned out in slices: what comes in between finds it half done, and nobody is lost or told twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import cast

import pytest
from sqlalchemy import select, update

from maintenance import scheduling
from maintenance.database import Database
from maintenance.interventions import InterventionClass
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from maintenance.texts import NO_TEXT, Text
from notifications import fanout, jobs, stopping
from notifications.fanout import fan_out_due
from notifications.models import DeliveryRow, MessageRow, NoticeRow, RecipientRow
from notifications.planning import plan_notices
from notifications.queries import troubles
from notifications.retries import FailureClass
from notifications.sending import drain
from tests.builders import a_phase, a_plan, a_system, at
from tests.conftest import MovedClock
from tests.invariants import assert_sound, half_fanned_out
from tests.ledgers import ScriptedTransport, a_reader, failed, firsts
from tests.lives import APPROVER, announced, import_systems

WORK = a_plan("W", a_phase(14, 18, "DB"))
READERS = [f"r{number}@example.org" for number in range(6)]


@pytest.fixture
def runtime(any_database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Give six readers, told two by two, and an address that was in the directory before them; it is morning."""
    monkeypatch.setattr(fanout, "SIZES", (2, 2))
    with any_database.write() as session:
        import_systems(session, a_system("PEM", "DB", public=True), a_system("DB"), a_system("NET"))
        a_reader(session, "back@example.org", "PEM").scope_id = None
        for address in READERS:
            a_reader(session, address, "PEM")
    return Runtime(settings, any_database, MovedClock(at(8)))


def clock_of(runtime: Runtime) -> MovedClock:
    return cast(MovedClock, runtime.clock)


def announce(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        announced(session, WORK)
    plan_notices(runtime.database, runtime.clock())


def told(runtime: Runtime, kind: str = "announcement", reference: str = "W") -> dict[str, str]:
    """Return the state of each delivery of the notices of a kind by its address."""
    with runtime.database.read() as session:
        rows = session.execute(
            select(RecipientRow.address, DeliveryRow.state)
            .join(DeliveryRow, DeliveryRow.recipient_id == RecipientRow.id)
            .join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
            .where(NoticeRow.kind == kind, NoticeRow.reference == reference)
            .order_by(DeliveryRow.id)
        ).all()
    assert len(dict(rows)) == len(rows), "told twice"
    return dict(rows)


def the_notice(runtime: Runtime, kind: str = "announcement", reference: str = "W") -> NoticeRow:
    with runtime.database.read() as session:
        return session.scalars(
            select(NoticeRow).where(NoticeRow.kind == kind, NoticeRow.reference == reference)
        ).one()


def after_the_first(act: Callable[[], object]) -> Callable[[int], None]:
    """Return what acts once, after the first slice."""
    left = [act]

    def after_slice(made: int) -> None:
        if left:
            left.pop()()

    return after_slice


def test_first_readers_are_written_to_while_the_others_are_looked_up(runtime: Runtime) -> None:
    announce(runtime)
    transport = ScriptedTransport()

    def send() -> None:
        drain(runtime, transport)
        assert sorted(parcel.recipient for parcel in transport.sent) == READERS[:2]
        assert the_notice(runtime).state == "planned"
        with runtime.database.read() as session:
            assert session.scalars(half_fanned_out()).all() == [the_notice(runtime).public_id]

    assert fan_out_due(runtime, after_the_first(send)) == 6

    assert the_notice(runtime).state == "fanned_out"
    drain(runtime, transport)
    assert sorted(parcel.recipient for parcel in transport.sent) == READERS
    with runtime.database.read() as session:
        assert len(session.scalars(select(MessageRow)).all()) == 1
    assert_sound(runtime.database)


def test_newer_version_between_slices_closes_what_was_made_and_no_more_is(runtime: Runtime) -> None:
    announce(runtime)

    def move() -> None:
        drain(runtime, ScriptedTransport(script={READERS[1]: [failed(FailureClass.TRANSIENT)]}))
        with runtime.database.write() as session:
            scheduling.move(
                session, "W", start=at(16).replace(tzinfo=None), reason=NO_TEXT, by=APPROVER, now=at(8)
            )
        plan_notices(runtime.database, runtime.clock())

    fan_out_due(runtime, after_the_first(move))

    assert the_notice(runtime).state == "superseded"
    assert told(runtime).keys() == set(READERS[:2])
    assert told(runtime, "change").keys() == set(READERS)
    assert firsts(runtime.database, "change") == {address: address != READERS[0] for address in READERS}
    assert_sound(runtime.database, settled=False)


def test_cancelled_between_slices_it_is_called_off_for_those_who_heard_of_it(runtime: Runtime) -> None:
    announce(runtime)

    def cancel() -> None:
        drain(runtime, ScriptedTransport())
        with runtime.database.write() as session:
            scheduling.cancel(session, "W", reason=Text.of("Adiada."), by=APPROVER, now=at(8))
        plan_notices(runtime.database, runtime.clock())

    fan_out_due(runtime, after_the_first(cancel))
    runtime.clock.move_on(seconds=1)  # type: ignore[attr-defined]
    drain(runtime, ScriptedTransport())

    assert told(runtime) == told(runtime, "cancellation") == dict.fromkeys(READERS[:2], "accepted")
    assert_sound(runtime.database)


def test_paused_between_slices_it_goes_on_when_it_is_resumed(runtime: Runtime) -> None:
    announce(runtime)
    name = the_notice(runtime).public_id

    def stop(act: Callable[..., None]) -> None:
        with runtime.database.write() as session:
            act(session, name, by=APPROVER, now=runtime.clock())

    assert fan_out_due(runtime, after_the_first(lambda: stop(stopping.pause))) == 2
    assert fan_out_due(runtime) == 0
    assert drain(runtime, ScriptedTransport()) == 0
    stop(stopping.resume)
    assert fan_out_due(runtime) == 4

    assert sorted(told(runtime)) == READERS
    assert_sound(runtime.database, settled=False)


def test_directory_that_changes_between_slices_tells_whoever_is_in_it_at_the_end(runtime: Runtime) -> None:
    announce(runtime)

    def change() -> None:
        with runtime.database.write() as session:
            rows = {row.address: row for row in session.scalars(select(RecipientRow))}
            rows["back@example.org"].scope_id = rows["r0@example.org"].scope_id
            rows["r3@example.org"].scope_id = a_reader(session, "net@example.org", "NET").scope_id
            rows["r4@example.org"].scope_id = None
            rows["r5@example.org"].scope_id = a_reader(
                session, "new@example.org", "PEM", language="en"
            ).scope_id

    assert fan_out_due(runtime, after_the_first(change)) == 6

    assert told(runtime).keys() == {
        *READERS[:3],
        "r5@example.org",
        "back@example.org",
        "new@example.org",
    }
    with runtime.database.read() as session:
        assert sorted(session.scalars(select(MessageRow.language))) == ["en", "pt"]
        assert troubles(session, at(8)) == []
    assert_sound(runtime.database, settled=False)


def test_who_comes_back_between_slices_is_told_although_nobody_else_is_left(runtime: Runtime) -> None:
    announce(runtime)

    def change() -> None:
        with runtime.database.write() as session:
            rows = {row.address: row for row in session.scalars(select(RecipientRow))}
            rows["back@example.org"].scope_id = rows["r0@example.org"].scope_id
            for address in READERS[2:]:
                rows[address].scope_id = None

    assert fan_out_due(runtime, after_the_first(change)) == 3
    assert told(runtime).keys() == {*READERS[:2], "back@example.org"}


def test_notice_that_expires_between_slices_says_of_the_others_that_it_was_too_late(runtime: Runtime) -> None:
    announce(runtime)

    def wait() -> None:
        drain(runtime, ScriptedTransport())
        clock_of(runtime).move_to(the_notice(runtime).expires_at)

    assert fan_out_due(runtime, after_the_first(wait)) == 6
    jobs.keep_up(runtime)
    assert drain(runtime, ScriptedTransport()) == 0

    assert the_notice(runtime).state == "fanned_out"
    assert told(runtime) == dict.fromkeys(READERS[:2], "accepted") | dict.fromkeys(READERS[2:], "expired")
    assert_sound(runtime.database)


def test_more_urgent_notice_that_comes_between_slices_goes_first(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        announced(session, a_plan("NIGHT", a_phase(9, 11, "DB")))
    jobs.tell(runtime)
    clock_of(runtime).move_to(at(9))
    with runtime.database.write() as session:
        assert scheduling.start_due(session, at(9))
    jobs.tell(runtime)
    announce(runtime)
    urgent = the_notice(runtime).id
    news: list[str] = []

    def extend() -> None:
        if not news:
            news.append("sent")
            with runtime.database.write() as session:
                scheduling.extend(session, "NIGHT", until=at(12), by=APPROVER, now=at(9))

    planned, made = jobs.tell(runtime, extend)

    assert (planned, made) == (1, 12)
    with runtime.database.read() as session:
        order = session.scalars(
            select(NoticeRow.kind)
            .join(DeliveryRow, DeliveryRow.notice_id == NoticeRow.id)
            .where(NoticeRow.id >= urgent)
            .order_by(DeliveryRow.id)
        ).all()
    assert order == ["announcement"] * 2 + ["extension"] * 6 + ["announcement"] * 4


def test_start_between_slices_goes_first_and_leaves_nobody_to_be_told_twice(runtime: Runtime) -> None:
    clock_of(runtime).move_to(at(14.25))
    plan = replace(a_plan("E", a_phase(14, 18, "DB")), intervention_class=InterventionClass.EMERGENCY)
    with runtime.database.write() as session:
        announced(session, plan, now=at(14.25))
    plan_notices(runtime.database, runtime.clock())
    order: list[str] = []

    def look(made: int) -> None:
        if not order:
            drain(runtime, ScriptedTransport(script={READERS[1]: [failed(FailureClass.TRANSIENT)]}))
            with runtime.database.write() as session:
                assert scheduling.start_due(session, runtime.clock())
            plan_notices(runtime.database, runtime.clock())
        order.append(
            " ".join(f"{kind}:{len(told(runtime, kind, 'E'))}" for kind in ("announcement", "start"))
        )

    fan_out_due(runtime, look)

    assert order[:4] == [
        "announcement:2 start:0",
        "announcement:2 start:2",
        "announcement:2 start:4",
        "announcement:2 start:6",
    ]
    assert told(runtime, "start", "E") == dict.fromkeys(READERS, "queued")
    assert told(runtime, "announcement", "E") == {
        READERS[0]: "accepted",
        **dict.fromkeys(READERS[1:], "superseded"),
    }
    assert_sound(runtime.database, settled=False)


def test_notice_that_fails_between_slices_goes_on_where_it_was(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(runtime)
    render = fanout._render

    def break_down() -> None:
        monkeypatch.setattr(fanout, "_render", None)

    assert fan_out_due(runtime, after_the_first(break_down)) == 2
    assert the_notice(runtime).failures == 1
    monkeypatch.setattr(fanout, "_render", render)
    clock_of(runtime).move_on(minutes=1)
    assert fan_out_due(runtime) == 4

    assert sorted(told(runtime)) == READERS
    assert (the_notice(runtime).state, the_notice(runtime).problem) == ("fanned_out", "")


def test_follower_waits_until_its_lead_has_told_the_last(runtime: Runtime) -> None:
    announce(runtime)
    with runtime.database.write() as session:
        announced(session, a_plan("OTHER", a_phase(20, 22, "DB")))
    plan_notices(runtime.database, runtime.clock())
    lead, follower = the_notice(runtime).id, the_notice(runtime, reference="OTHER").id
    with runtime.database.write() as session:
        # More urgent than its lead, and due before: all the same.
        session.execute(
            update(NoticeRow).where(NoticeRow.id == follower).values(lead_notice_id=lead, priority=0)
        )

    assert fan_out_due(runtime) == 6

    assert sorted(told(runtime)) == READERS
    assert told(runtime, reference="OTHER") == {}
    assert the_notice(runtime, reference="OTHER").state == "fanned_out"


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)  # SQLite has one writer
def test_two_processes_that_fan_out_the_same_notice_tell_everybody_once(runtime: Runtime) -> None:
    announce(runtime)
    together = Barrier(2, timeout=30)

    def fan_out(_: int) -> int:
        return fan_out_due(runtime, after_the_first(together.wait))

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(fan_out, range(2)))

    assert sum(made) == 6
    assert sorted(told(runtime)) == READERS
    notice = the_notice(runtime)
    assert (notice.state, notice.failures) == ("fanned_out", 0)
    with runtime.database.read() as session:
        assert Counter(session.scalars(select(MessageRow.notice_id))) == {notice.id: 1}
    assert_sound(runtime.database, settled=False)
