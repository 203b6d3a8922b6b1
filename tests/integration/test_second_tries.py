"""What the provider could not bring for a reason that passes goes out again; late reports on it change nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from maintenance.database import Database
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications.channels.sms_codes import RANKS, meaning, more_tries
from notifications.models import NoticeRow
from notifications.retries import FailureClass, State
from notifications.sending import drain, record_receipt
from tests.conftest import MovedClock
from tests.invariants import assert_sound
from tests.ledgers import HOUR, ScriptedTransport, delivery, failed, history, queue, states

S = State
NUMBER = "+351000000001"


@pytest.fixture
def installation(any_database: Database, settings: Settings, clock: MovedClock) -> Runtime:
    return Runtime(settings, any_database, clock)


@pytest.fixture
def twilio() -> ScriptedTransport:
    """Give a transport whose messages are P1, P2, …"""
    return ScriptedTransport(channel="sms", batch_size=1)


def report(runtime: Runtime, id_: int, message: str, status: str, code: int | None = None) -> bool:
    """Take Twilio's report on a message."""
    state, failure = meaning(status, code)
    with runtime.database.write() as session:
        return record_receipt(
            session,
            id_,
            provider_id=message,
            state=state,
            rank=RANKS[status],
            words=status,
            failure=failure,
            at=runtime.clock(),
            more_tries=more_tries(status, code),
        )


def bounce(runtime: Runtime, id_: int, failure: FailureClass = FailureClass.TRANSIENT) -> bool:
    """Take a mail that came back."""
    with runtime.database.write() as session:
        return record_receipt(
            session,
            id_,
            provider_id="",
            state=S.BOUNCED_SOFT,
            rank=4,
            words="mailbox full",
            failure=failure,
            at=runtime.clock(),
        )


def told(runtime: Runtime, transport: ScriptedTransport, **notice: object) -> int:
    [id_] = queue(runtime.database, [NUMBER], now=runtime.clock(), channel="sms", **notice)
    drain(runtime, transport)
    return id_


def state_of(runtime: Runtime, id_: int) -> State:
    [state] = states(runtime.database, [id_])
    return state


@pytest.mark.parametrize(("code", "more"), [(30003, 2), (30008, 1), (30500, 1), (30001, 0), (30410, 0)])
def test_message_that_did_not_arrive_goes_out_again_as_often_as_its_reason_allows(
    installation: Runtime, clock: MovedClock, twilio: ScriptedTransport, code: int, more: int
) -> None:
    id_ = told(installation, twilio)
    for number in range(1, more + 1):
        assert report(installation, id_, f"P{number}", "undelivered", code)
        row = delivery(installation.database, id_)
        assert (row.state, row.finished_at, row.receipt_rank) == (S.RETRY_WAIT, None, -1)
        assert timedelta(minutes=5) <= row.due_at - clock.now <= timedelta(minutes=18)
        clock.move_to(row.due_at)
        drain(installation, twilio)
        assert state_of(installation, id_) is S.ACCEPTED

    assert report(installation, id_, f"P{more + 1}", "undelivered", code)
    clock.move_on(hours=2)
    drain(installation, twilio)

    assert state_of(installation, id_) is S.UNDELIVERED
    assert len(twilio.sent) == more + 1
    assert [kind for kind, _ in history(installation.database, id_)] == ["attempt", "receipt"] * (more + 1)
    assert_sound(installation.database)


def test_tries_that_sent_nothing_do_not_count(installation: Runtime, clock: MovedClock) -> None:
    busy = failed(FailureClass.RETRY_SAFE, "429")
    transport = ScriptedTransport(channel="sms", batch_size=1, script={NUMBER: [busy, busy]})
    id_ = told(installation, transport)
    for _ in range(2):
        clock.move_on(minutes=2)
        drain(installation, transport)
    assert state_of(installation, id_) is S.ACCEPTED

    assert report(installation, id_, "P3", "undelivered", 30008)
    assert state_of(installation, id_) is S.RETRY_WAIT


def test_late_reports_on_the_message_of_before_are_kept_and_change_nothing(
    installation: Runtime, clock: MovedClock, twilio: ScriptedTransport
) -> None:
    id_ = told(installation, twilio)
    report(installation, id_, "P1", "undelivered", 30003)
    late = [("undelivered", 30003), ("sent", None), ("failed", 30005)]

    assert not any(report(installation, id_, "P1", *words) for words in late)
    assert state_of(installation, id_) is S.RETRY_WAIT
    clock.move_on(minutes=10)
    drain(installation, twilio)
    assert not any(report(installation, id_, "P1", *words) for words in late)
    row = delivery(installation.database, id_)
    assert (row.state, row.provider_id, row.receipt_rank) == (S.ACCEPTED, "P2", -1)
    assert len(history(installation.database, id_)) == 2 + 3 + 1 + 3

    assert report(installation, id_, "P2", "delivered")
    assert not report(installation, id_, "P1", "undelivered", 30003)
    assert state_of(installation, id_) is S.DELIVERED
    assert len(twilio.sent) == 2
    assert_sound(installation.database)


def test_message_that_arrived_after_all_settles_it_before_the_second_try(
    installation: Runtime, clock: MovedClock, twilio: ScriptedTransport
) -> None:
    id_ = told(installation, twilio)
    report(installation, id_, "P1", "undelivered", 30003)

    assert report(installation, id_, "P1", "delivered")
    clock.move_on(hours=1)
    drain(installation, twilio)

    row = delivery(installation.database, id_)
    assert (row.state, row.finished_at is None) == (S.DELIVERED, False)
    assert len(twilio.sent) == 1
    assert_sound(installation.database)


def test_what_no_second_try_would_bring_in_time_ends_as_undelivered(
    installation: Runtime, twilio: ScriptedTransport
) -> None:
    id_ = told(installation, twilio, useful_for=timedelta(minutes=5))

    assert report(installation, id_, "P1", "undelivered", 30003)
    assert state_of(installation, id_) is S.UNDELIVERED


def test_what_a_newer_version_tells_better_is_not_tried_again(
    installation: Runtime, twilio: ScriptedTransport
) -> None:
    id_ = told(installation, twilio)
    with installation.database.write() as session:
        session.scalars(select(NoticeRow)).one().state = "superseded"

    assert report(installation, id_, "P1", "undelivered", 30003)
    assert state_of(installation, id_) is S.UNDELIVERED


@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize("kind", ["cancellation", "start", "reminder"])
def test_old_news_is_not_tried_again_once_its_reader_has_newer_or_is_to_get_it(
    installation: Runtime, clock: MovedClock, twilio: ScriptedTransport, kind: str, is_sent: bool
) -> None:
    announcement = told(installation, twilio)
    clock.move_on(minutes=1)
    sequence = 0 if kind == "reminder" else 1
    if is_sent:
        told(installation, twilio, kind=kind, sequence=sequence)
    else:
        queue(installation.database, [NUMBER], now=clock.now, channel="sms", kind=kind, sequence=sequence)

    assert report(installation, announcement, "P1", "undelivered", 30003)
    assert state_of(installation, announcement) is S.UNDELIVERED


@pytest.mark.parametrize("status", ["partially_delivered", "canceled"])
def test_what_arrived_in_part_or_was_called_off_is_not_tried_again(
    installation: Runtime, twilio: ScriptedTransport, status: str
) -> None:
    id_ = told(installation, twilio)

    assert report(installation, id_, "P1", status, 30003)
    assert state_of(installation, id_) is S.UNDELIVERED


def test_mail_that_came_back_for_a_reason_that_passes_goes_out_twice_more(
    installation: Runtime, clock: MovedClock
) -> None:
    transport = ScriptedTransport()
    [id_] = queue(installation.database, ["full@example.org"], now=clock.now, useful_for=24 * HOUR)
    drain(installation, transport)
    for _ in range(2):
        assert bounce(installation, id_)
        assert not bounce(installation, id_), "the same report, read twice"
        assert state_of(installation, id_) is S.RETRY_WAIT
        clock.move_on(minutes=20)
        drain(installation, transport)
        assert state_of(installation, id_) is S.ACCEPTED

    assert bounce(installation, id_)
    assert state_of(installation, id_) is S.BOUNCED_SOFT
    assert len(transport.sent) == 3
    assert_sound(installation.database)


def test_mail_that_came_back_for_a_policy_is_not_tried_again(
    installation: Runtime, clock: MovedClock
) -> None:
    [id_] = queue(installation.database, ["strict@example.org"], now=clock.now)
    drain(installation, ScriptedTransport())

    assert bounce(installation, id_, FailureClass.CONFIG)
    assert state_of(installation, id_) is S.BOUNCED_SOFT
