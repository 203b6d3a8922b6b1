"""What a person decides about deliveries in doubt, and about addresses that get nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from app import cli
from maintenance.database import Database
from maintenance.errors import NotFound, StepRefused
from maintenance.lifecycle import Actor, Role
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import deciding, ledger, reach, sending, stopping, suppressions, upkeep
from notifications.deciding import Decision
from notifications.models import DeliveryEventRow, RecipientRow
from notifications.retries import FailureClass
from notifications.retries import State as S
from notifications.sending import drain
from tests.conftest import MovedClock
from tests.invariants import assert_sound
from tests.ledgers import (
    HOUR,
    ScriptedTransport,
    a_notice,
    addresses,
    deliveries_of,
    delivery,
    failed,
    history,
    queue,
    states,
)

CHIEF = Actor("chief@example.org", Role.APPROVER)
NUMBER = "+351000000001"


@pytest.fixture
def installation(any_database: Database, settings: Settings, clock: MovedClock) -> Runtime:
    return Runtime(settings, any_database, clock)


def decide(installation: Runtime, id_: int, decision: Decision, **more) -> S:
    with installation.database.write() as session:
        return deciding.decide(
            session,
            id_,
            decision,
            **{"by": CHIEF, "now": installation.clock(), "words": "she said so"} | more,
        )


def an_sms_in_doubt(installation: Runtime, clock: MovedClock, *, for_review: bool = True) -> int:
    """Leave an SMS behind of which nobody knows whether it left, with half a day until it is useless."""
    [id_] = queue(installation.database, [NUMBER], now=clock.now, channel="sms", useful_for=24 * HOUR)
    doubt = ScriptedTransport(channel="sms", batch_size=1, script={NUMBER: [failed(FailureClass.AMBIGUOUS)]})
    drain(installation, doubt)
    clock.move_on(hours=12)
    if for_review:
        with installation.database.write() as session:
            ledger.move(session, deciding.DeliveryRow.id == id_, S.NEEDS_REVIEW, kind="review", now=clock.now)
    return id_


@pytest.mark.parametrize("for_review", [True, False])
def test_sms_in_doubt_is_sent_again_when_a_person_says_so_and_not_before(
    installation: Runtime, clock: MovedClock, for_review: bool
) -> None:
    id_ = an_sms_in_doubt(installation, clock, for_review=for_review)
    again = ScriptedTransport(channel="sms", batch_size=1)
    with installation.database.write() as session:
        upkeep.reap(session, clock.now)
    assert drain(installation, again) == 0

    assert decide(installation, id_, Decision.AGAIN) is S.QUEUED
    assert drain(installation, again) == 1

    assert states(installation.database, [id_]) == [S.ACCEPTED]
    assert delivery(installation.database, id_).attempts == 2
    assert ("operator", "queued") in history(installation.database, id_)
    with installation.database.read() as session:
        event = session.scalars(select(DeliveryEventRow).where(DeliveryEventRow.kind == "operator")).one()
        assert event.detail == {"decision": "again", "by": "chief@example.org", "words": "she said so"}
        act = stopping.acts(session)[0]
        assert (act.kind, act.what, act.name, act.by) == ("again", "delivery", str(id_), "chief@example.org")
    assert_sound(installation.database)


def test_receipt_of_the_message_after_the_decision_counts(installation: Runtime, clock: MovedClock) -> None:
    id_ = an_sms_in_doubt(installation, clock)
    decide(installation, id_, Decision.AGAIN)
    drain(installation, ScriptedTransport(channel="sms", batch_size=1))

    with installation.database.write() as session:
        moved = sending.record_receipt(
            session,
            id_,
            provider_id="P1",
            state=S.DELIVERED,
            rank=4,
            words="delivered",
            failure=None,
            at=clock.now,
        )

    assert moved
    assert states(installation.database, [id_]) == [S.DELIVERED]


def test_what_a_person_found_out_stands_against_older_receipts(
    installation: Runtime, clock: MovedClock
) -> None:
    id_ = an_sms_in_doubt(installation, clock)
    assert decide(installation, id_, Decision.ARRIVED) is S.DELIVERED

    with installation.database.write() as session:
        assert not sending.record_receipt(
            session,
            id_,
            provider_id="P1",
            state=S.UNDELIVERED,
            rank=4,
            words="undelivered",
            failure=FailureClass.TRANSIENT,
            at=clock.now,
        )

    assert states(installation.database, [id_]) == [S.DELIVERED]
    assert drain(installation, ScriptedTransport(channel="sms", batch_size=1)) == 0


def test_what_did_not_arrive_counts_as_not_reached(installation: Runtime, clock: MovedClock) -> None:
    id_ = an_sms_in_doubt(installation, clock)

    assert decide(installation, id_, Decision.LOST) is S.UNDELIVERED
    with installation.database.read() as session:
        assert session.scalars(select(deciding.DeliveryRow.id).where(reach.reached())).all() == []


def test_mail_that_waits_is_taken_back_and_can_be_given_back(
    installation: Runtime, clock: MovedClock
) -> None:
    first, second = queue(installation.database, addresses(2), now=clock.now)

    assert decide(installation, first, Decision.TAKEN_BACK) is S.CANCELLED
    transport = ScriptedTransport()
    drain(installation, transport)
    assert [parcel.delivery_id for parcel in transport.sent] == [second]
    decide(installation, first, Decision.AGAIN)
    drain(installation, transport)

    assert states(installation.database, [first, second]) == [S.ACCEPTED, S.ACCEPTED]


def test_nobody_is_told_again_what_is_of_no_use_or_older_than_what_they_know(
    installation: Runtime, clock: MovedClock
) -> None:
    old = an_sms_in_doubt(installation, clock)
    queue(installation.database, [NUMBER], now=clock.now, channel="sms", kind="reminder")
    drain(installation, ScriptedTransport(channel="sms", batch_size=1))

    with pytest.raises(StepRefused, match="Newer news"):
        decide(installation, old, Decision.AGAIN)
    clock.move_on(hours=12)
    with pytest.raises(StepRefused, match="no use"):
        decide(installation, old, Decision.AGAIN)
    assert states(installation.database, [old]) == [S.NEEDS_REVIEW]


def test_only_what_fits_the_state_may_be_said_and_only_by_approvers(
    installation: Runtime, clock: MovedClock
) -> None:
    [waiting] = queue(installation.database, addresses(1), now=clock.now)
    for decision in (Decision.AGAIN, Decision.ARRIVED, Decision.LOST):
        with pytest.raises(StepRefused, match=f"Delivery {waiting} "):
            decide(installation, waiting, decision)
    with pytest.raises(StepRefused, match="approvers"):
        decide(installation, waiting, Decision.TAKEN_BACK, by=Actor("x@example.org", Role.PLANNER))
    with pytest.raises(NotFound):
        decide(installation, 99_999, Decision.TAKEN_BACK)
    drain(installation, ScriptedTransport())
    with pytest.raises(StepRefused, match="cannot be taken back"):
        decide(installation, waiting, Decision.TAKEN_BACK)

    assert states(installation.database, [waiting]) == [S.ACCEPTED]


def a_report(
    installation: Runtime, id_: int, provider_id: str, state: S, failure: FailureClass | None = None
) -> bool:
    with installation.database.write() as session:
        return sending.record_receipt(
            session,
            id_,
            provider_id=provider_id,
            state=state,
            rank=4,
            words=state.value,
            failure=failure,
            at=installation.clock(),
            more_tries=2,
        )


def test_late_report_on_the_message_before_the_decision_is_not_taken_for_the_one_after(
    installation: Runtime, clock: MovedClock
) -> None:
    id_ = an_sms_in_doubt(installation, clock)
    decide(installation, id_, Decision.AGAIN)
    again = ScriptedTransport(channel="sms", batch_size=1)

    assert not a_report(installation, id_, "OLD", S.UNDELIVERED, FailureClass.TRANSIENT)
    assert drain(installation, again) == 1, "it leaves all the same"
    assert not a_report(installation, id_, "OLD", S.UNDELIVERED, FailureClass.TRANSIENT)
    clock.move_on(hours=1)
    assert drain(installation, again) == 0, "and no third one follows"
    assert a_report(installation, id_, "P1", S.DELIVERED)

    assert states(installation.database, [id_]) == [S.DELIVERED]
    assert_sound(installation.database)


def test_message_before_the_decision_that_arrived_after_all_spares_the_one_after(
    installation: Runtime, clock: MovedClock
) -> None:
    id_ = an_sms_in_doubt(installation, clock)
    decide(installation, id_, Decision.AGAIN)

    assert a_report(installation, id_, "OLD", S.DELIVERED)
    assert drain(installation, ScriptedTransport(channel="sms", batch_size=1)) == 0
    assert states(installation.database, [id_]) == [S.DELIVERED]


def test_announcement_in_doubt_is_not_sent_again_after_a_cancellation_that_is_in_doubt_too(
    installation: Runtime, clock: MovedClock
) -> None:
    old = an_sms_in_doubt(installation, clock)
    with installation.database.write() as session:
        notice = a_notice(session, now=clock.now, kind="cancellation", sequence=1)
        [newer] = deliveries_of(session, notice, [NUMBER], channel="sms")
        ledger.move(session, deciding.DeliveryRow.id == newer, S.NEEDS_REVIEW, kind="review", now=clock.now)

    with pytest.raises(StepRefused, match="Newer news"):
        decide(installation, old, Decision.AGAIN)
    assert decide(installation, newer, Decision.AGAIN) is S.QUEUED


def test_what_was_overtaken_for_its_reader_is_not_sent_again(
    installation: Runtime, clock: MovedClock
) -> None:
    id_ = an_sms_in_doubt(installation, clock)
    with installation.database.write() as session:
        session.add(
            DeliveryEventRow(delivery_id=id_, at=clock.now, kind="overtaken", state=S.NEEDS_REVIEW, detail={})
        )

    with pytest.raises(StepRefused, match="Newer news"):
        decide(installation, id_, Decision.AGAIN)


def recipient_of(installation: Runtime, address: str) -> int:
    with installation.database.read() as session:
        return session.scalars(select(RecipientRow.id).where(RecipientRow.address == address)).one()


def test_address_that_came_back_gets_messages_again_once_a_person_lifts_that(
    installation: Runtime, clock: MovedClock
) -> None:
    [id_] = queue(installation.database, ["a@example.org"], now=clock.now)
    gone = ScriptedTransport(script={"a@example.org": [failed(FailureClass.RECIPIENT_PERMANENT)]})
    drain(installation, gone)
    reader = recipient_of(installation, "a@example.org")
    with installation.database.read() as session:
        [silent] = suppressions.silent(session, clock.now)
        assert (silent.address, silent.reason, silent.recipient) == ("a@example.org", "hard_bounce", reader)
    with pytest.raises(StepRefused, match="gets nothing more"):
        decide(installation, id_, Decision.AGAIN)

    with installation.database.write() as session:
        suppressions.lift(session, reader, words="mended", by=CHIEF, now=clock.now)
    decide(installation, id_, Decision.AGAIN)
    drain(installation, ScriptedTransport())

    assert states(installation.database, [id_]) == [S.ACCEPTED]
    with installation.database.read() as session:
        kinds = [(act.kind, act.what, act.words) for act in stopping.acts(session)]
        assert ("lifted", "recipient", "hard_bounce 2019-11-28: mended") in kinds


def test_address_that_a_person_took_off_gets_nothing_until_lifted(
    installation: Runtime, clock: MovedClock
) -> None:
    queue(installation.database, ["a@example.org"], now=clock.now)
    reader = recipient_of(installation, "a@example.org")
    with installation.database.write() as session:
        suppressions.silence(session, reader, words="asked us by telephone", by=CHIEF, now=clock.now)
    drain(installation, nothing := ScriptedTransport())

    assert nothing.sent == []
    with installation.database.write() as session:
        with pytest.raises(StepRefused, match="as it is"):
            suppressions.silence(session, reader, by=CHIEF, now=clock.now)
        suppressions.lift(session, reader, by=CHIEF, now=clock.now)
        with pytest.raises(StepRefused, match="Nothing keeps"):
            suppressions.lift(session, reader, by=CHIEF, now=clock.now + timedelta(seconds=1))


def command(runtime: Runtime, *words: str) -> Result:
    return CliRunner().invoke(cli, list(words), obj=runtime)


def test_commands_resend_settle_cancel_and_lift(runtime: Runtime, clock: MovedClock) -> None:
    id_ = an_sms_in_doubt(runtime, clock)
    with runtime.database.read() as session:
        notice = session.get_one(
            deciding.NoticeRow, session.get_one(deciding.DeliveryRow, id_).notice_id
        ).public_id

    refused = command(runtime, "deliveries", "resend")
    assert refused.exit_code == 2
    assert "Name deliveries" in refused.output
    done = command(runtime, "deliveries", "resend", "--notice", notice, "--reason", "asked")
    assert (done.exit_code, done.output) == (0, f"{id_}  queued\n")
    assert command(runtime, "deliveries", "resend", "--notice", notice).output.startswith("Nothing of it")
    [other] = queue(runtime.database, ["a@example.org"], now=clock.now, reference="INT-2")
    doubted = command(runtime, "deliveries", "cancel", str(id_)).output
    assert "may have left" in doubted, "what was in doubt once"
    half = command(runtime, "deliveries", "cancel", str(other), "99999")
    assert command(runtime, "deliveries", "cancel", str(other)).output == f"{other}  cancelled\n"
    assert half.exit_code != 0
    assert "cancelled\n" not in half.output
    assert command(runtime, "deliveries", "settle", str(id_)).exit_code == 2

    assert command(runtime, "suppressions", "add", "sms", NUMBER, "--reason", "x").exit_code == 0
    assert f"sms  {NUMBER}  operator  until lifted" in command(runtime, "suppressions", "list").output
    assert command(runtime, "suppressions", "lift", "sms", NUMBER).exit_code == 0
    assert command(runtime, "suppressions", "list").output == ""
    unknown = command(runtime, "suppressions", "lift", "sms", "+351000000009")
    assert unknown.exit_code != 0
    assert "The ledger knows no" in unknown.output
    acts = command(runtime, "deliveries", "acts").output
    assert "system  again delivery" in acts
    assert "lifted recipient" in acts
