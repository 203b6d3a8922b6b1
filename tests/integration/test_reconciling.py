"""A message in doubt is looked for at the provider; nothing is sent again for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import channels
from notifications.channels.parcels import Transport
from notifications.channels.sms import TwilioTransport, read_account
from notifications.reconciling import AT_ONCE, ask_providers
from notifications.retries import State
from notifications.sending import send_due
from tests import ledgers
from tests.conftest import MovedClock
from tests.fakes.twilio import Answer, TwilioStandIn, refused
from tests.invariants import assert_sound

NUMBER = "+351910000001"
#: The provider took it, and its answer was lost.
LOST_ANSWER = Answer(500, 20500)


@pytest.fixture
def stand_in() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as stand_in:
        yield stand_in
    assert stand_in.violations == []


@pytest.fixture
def through_twilio(runtime: Runtime, settings: Settings, stand_in: TwilioStandIn) -> Runtime:
    base = {name: settings[name] for name in ("DATABASE_URL", "INSTANCE", "SECRET_KEY", "PUBLIC_URL")}
    return replace(runtime, settings=Settings(base | stand_in.settings))


@pytest.fixture
def ways(through_twilio: Runtime) -> Iterator[Mapping[str, Transport]]:
    ways = channels.transports(through_twilio)
    yield ways
    for way in ways.values():
        way.close()


def tell(runtime: Runtime, ways: Mapping[str, Transport], clock: MovedClock) -> int:
    (delivery_id,) = ledgers.queue(runtime.database, [NUMBER], now=clock(), channel="sms")
    send_due(runtime, ways)
    return delivery_id


def state_of(runtime: Runtime, delivery_id: int) -> State:
    (state,) = ledgers.states(runtime.database, [delivery_id])
    return state


def test_messages_that_nobody_knows_do_not_keep_others_from_being_asked_about(
    through_twilio: Runtime, ways: Mapping[str, Transport], stand_in: TwilioStandIn, clock: MovedClock
) -> None:
    stand_in.clock = clock
    unknown = [f"+3519200000{number:02}" for number in range(AT_ONCE)]
    for number in unknown:
        stand_in.answer_next(number, refused(503, 20503))
        ledgers.queue(through_twilio.database, [number], now=clock(), channel="sms")
        send_due(through_twilio, ways)
        # Doubts in a row make the channel rest.
        clock.move_on(minutes=6)
    stand_in.answer_next(NUMBER, LOST_ANSWER)
    delivery_id = tell(through_twilio, ways, clock)

    for _ in range(2):
        clock.move_on(minutes=2)
        ask_providers(through_twilio, ways)

    assert state_of(through_twilio, delivery_id) is State.ACCEPTED


def test_a_message_whose_answer_was_lost_is_found_and_not_sent_again(
    through_twilio: Runtime, ways: Mapping[str, Transport], stand_in: TwilioStandIn, clock: MovedClock
):
    stand_in.answer_next(NUMBER, LOST_ANSWER)
    delivery_id = tell(through_twilio, ways, clock)
    assert state_of(through_twilio, delivery_id) is State.AMBIGUOUS
    assert ask_providers(through_twilio, ways) == 0, "the answer may still come by itself"

    clock.move_on(minutes=2)
    stand_in.messages[0]["resource"]["status"] = "delivered"

    assert ask_providers(through_twilio, ways) == 1
    row = ledgers.delivery(through_twilio.database, delivery_id)
    assert (row.state, row.provider_id) == ("delivered", stand_in.messages[0]["sid"])
    assert len(stand_in.messages) == 1


def test_a_message_that_the_provider_does_not_know_stays_in_doubt(
    through_twilio: Runtime, ways: Mapping[str, Transport], stand_in: TwilioStandIn, clock: MovedClock
):
    stand_in.answer_next(NUMBER, refused(500, 20500))
    delivery_id = tell(through_twilio, ways, clock)
    clock.move_on(minutes=2)

    assert ask_providers(through_twilio, ways) == 0
    assert state_of(through_twilio, delivery_id) is State.AMBIGUOUS
    assert ledgers.history(through_twilio.database, delivery_id)[-1] == ("asked", "ambiguous")
    assert stand_in.messages == []


def test_the_same_words_sent_for_another_delivery_are_not_mistaken_for_it(
    through_twilio: Runtime, ways: Mapping[str, Transport], stand_in: TwilioStandIn, clock: MovedClock
):
    first = tell(through_twilio, ways, clock)
    stand_in.answer_next(NUMBER, refused(500, 20500))
    second = tell(through_twilio, ways, clock)
    clock.move_on(minutes=2)
    ask_providers(through_twilio, ways)

    assert state_of(through_twilio, first) is State.ACCEPTED
    assert state_of(through_twilio, second) is State.AMBIGUOUS


def test_a_receipt_that_never_came_is_asked_for(
    through_twilio: Runtime, ways: Mapping[str, Transport], stand_in: TwilioStandIn, clock: MovedClock
):
    delivery_id = tell(through_twilio, ways, clock)
    stand_in.messages[0]["resource"].update(status="undelivered", error_code=30005)
    clock.move_on(minutes=10)
    assert ask_providers(through_twilio, ways) == 0, "most receipts come by themselves"

    clock.move_on(minutes=11)

    assert ask_providers(through_twilio, ways) == 1
    row = ledgers.delivery(through_twilio.database, delivery_id)
    assert (row.state, row.outcome) == ("failed_permanent", "undelivered 30005: number unknown")


def test_a_message_that_did_not_arrive_goes_out_again_also_when_the_provider_had_to_be_asked(
    through_twilio: Runtime, ways: Mapping[str, Transport], stand_in: TwilioStandIn, clock: MovedClock
):
    stand_in.clock = clock
    delivery_id = tell(through_twilio, ways, clock)
    stand_in.messages[0]["resource"].update(status="undelivered", error_code=30003)
    clock.move_on(minutes=21)
    ask_providers(through_twilio, ways)
    assert state_of(through_twilio, delivery_id) is State.RETRY_WAIT

    # The answer to the second is lost, and the first is not taken for it.
    stand_in.answer_next(NUMBER, LOST_ANSWER)
    clock.move_on(minutes=10)
    send_due(through_twilio, ways)
    assert state_of(through_twilio, delivery_id) is State.AMBIGUOUS
    stand_in.messages[1]["resource"]["status"] = "delivered"
    clock.move_on(minutes=2)
    ask_providers(through_twilio, ways)

    row = ledgers.delivery(through_twilio.database, delivery_id)
    assert (row.state, row.provider_id) == ("delivered", stand_in.messages[1]["sid"])
    assert len(stand_in.messages) == 2
    assert_sound(through_twilio.database)


def test_nobody_is_asked_twice_within_a_short_time_nor_for_ever(
    through_twilio: Runtime, ways: Mapping[str, Transport], clock: MovedClock
):
    delivery_id = tell(through_twilio, ways, clock)
    clock.move_on(minutes=21)
    for _ in range(3):
        ask_providers(through_twilio, ways)
    asked = len(ledgers.history(through_twilio.database, delivery_id))
    clock.move_on(hours=48)
    ask_providers(through_twilio, ways)

    assert asked == 2, "one try, one question"
    assert len(ledgers.history(through_twilio.database, delivery_id)) == asked


def test_a_provider_that_does_not_answer_changes_nothing(
    through_twilio: Runtime, ways: Mapping[str, Transport], stand_in: TwilioStandIn, clock: MovedClock
):
    stand_in.answer_next(NUMBER, LOST_ANSWER)
    delivery_id = tell(through_twilio, ways, clock)
    clock.move_on(minutes=2)
    account = replace(read_account(through_twilio.settings), api_secret="wrong")
    deaf: dict[str, Transport] = {"sms": TwilioTransport(account)}

    assert ask_providers(through_twilio, deaf) == 0
    deaf["sms"].close()
    assert state_of(through_twilio, delivery_id) is State.AMBIGUOUS


def test_the_outbox_cannot_be_asked(runtime: Runtime):
    assert {channels.inquirer_of(way) for way in channels.transports(runtime).values()} == {None}
