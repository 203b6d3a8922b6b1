"""What Twilio reports is believed when it is signed, and brings a delivery forward, never back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app import create_app
from maintenance.database import Base
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications.channels import transports
from notifications.retries import State
from tests import ledgers
from tests.builders_mail import ANNOUNCED_AT, a_text
from tests.fakes.twilio import AUTH_TOKEN, Callback, TwilioStandIn

NUMBER = "+351910000001"


@pytest.fixture
def stand_in() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def through_twilio(runtime: Runtime, settings: Settings, stand_in: TwilioStandIn) -> Runtime:
    """Give the installation, sending through the stand-in; behind a proxy that speaks https."""
    base = {name: settings[name] for name in ("DATABASE_URL", "INSTANCE", "SECRET_KEY", "PUBLIC_URL")}
    Base.metadata.create_all(runtime.database.engine)
    return replace(runtime, settings=Settings(base | stand_in.settings))


@pytest.fixture
def client(through_twilio: Runtime) -> FlaskClient:
    app = create_app(through_twilio)
    app.testing = True
    return app.test_client()


@pytest.fixture
def sent(through_twilio: Runtime, stand_in: TwilioStandIn) -> int:
    """Give a delivery whose SMS Twilio has taken."""
    (delivery_id,) = ledgers.queue(through_twilio.database, [NUMBER], now=ANNOUNCED_AT, channel="sms")
    way = transports(through_twilio)["sms"]
    ((_, outcome),) = way.send([a_text(delivery_id)], now=ANNOUNCED_AT)
    way.close()
    assert outcome.state is State.ACCEPTED
    return delivery_id


def post(client: FlaskClient, callback: Callback) -> int:
    return client.post(callback.path, data=callback.form, headers=callback.headers).status_code


def state_of(runtime: Runtime, delivery_id: int) -> State:
    (state,) = ledgers.states(runtime.database, [delivery_id])
    return state


def test_a_signed_report_settles_the_delivery(
    client: FlaskClient, through_twilio: Runtime, stand_in: TwilioStandIn, sent: int
):
    (message,) = stand_in.messages

    assert post(client, stand_in.callback(message, "delivered")) == 204
    row = ledgers.delivery(through_twilio.database, sent)
    assert (row.state, row.provider_id, row.outcome) == ("delivered", message["sid"], "delivered")


def test_reports_may_come_twice_late_and_out_of_order(
    client: FlaskClient, through_twilio: Runtime, stand_in: TwilioStandIn, sent: int
):
    (message,) = stand_in.messages
    for status in ("sent", "delivered", "queued", "delivered", "sending", "sent"):
        assert post(client, stand_in.callback(message, status)) == 204

    assert state_of(through_twilio, sent) is State.DELIVERED
    assert len(ledgers.history(through_twilio.database, sent)) == 6, "each is kept"


def test_a_report_that_comes_before_the_answer_to_the_send_is_taken(
    client: FlaskClient, through_twilio: Runtime, stand_in: TwilioStandIn, sent: int
):
    # The ledger's row is still as it was before sending: nobody has recorded the outcome yet.
    assert state_of(through_twilio, sent) is State.QUEUED
    assert post(client, stand_in.callback(stand_in.messages[0], "delivered")) == 204

    assert state_of(through_twilio, sent) is State.DELIVERED


@pytest.mark.parametrize(
    ("status", "code", "state", "words"),
    [
        ("undelivered", 30003, State.UNDELIVERED, "undelivered 30003: handset off or out of reach"),
        ("failed", 30036, State.EXPIRED, "failed 30036: its validity ran out in the queue"),
        ("failed", 21610, State.OPTED_OUT, "failed 21610: the reader answered STOP"),
    ],
)
def test_a_bad_end_says_why(
    client: FlaskClient,
    through_twilio: Runtime,
    stand_in: TwilioStandIn,
    sent: int,
    status: str,
    code: int,
    state: State,
    words: str,
):
    assert post(client, stand_in.callback(stand_in.messages[0], status, code)) == 204

    row = ledgers.delivery(through_twilio.database, sent)
    assert (row.state, row.outcome) == (state, words)


def test_forgeries_are_refused(
    client: FlaskClient, through_twilio: Runtime, stand_in: TwilioStandIn, sent: int
):
    (message,) = stand_in.messages
    good = stand_in.callback(message, "delivered")
    forged = stand_in.callback(message, "delivered", token="guessed")
    other_form = replace(good, form=good.form | {"MessageStatus": "failed"})
    other_delivery = replace(good, url=good.url.replace(f"/{sent}?", f"/{sent + 1}?"))
    no_signature = replace(good, headers={})

    for callback in (forged, other_form, other_delivery, no_signature):
        assert post(client, callback) == 403
    assert state_of(through_twilio, sent) is State.QUEUED


def test_twilios_signature_alone_does_not_open_another_delivery(
    client: FlaskClient, stand_in: TwilioStandIn, sent: int
):
    # Whoever has a Twilio account of their own with our token cannot be; but an old address could be replayed.
    message = stand_in.messages[0]
    address = message["form"]["StatusCallback"].replace(f"/{sent}?", f"/{sent + 1}?")
    elsewhere = {**message, "form": message["form"] | {"StatusCallback": address}}

    assert post(client, stand_in.callback(elsewhere, "delivered", token=AUTH_TOKEN)) == 403


def test_only_posts_are_answered(client: FlaskClient, stand_in: TwilioStandIn, sent: int):
    assert client.get(stand_in.callback(stand_in.messages[0], "delivered").path).status_code == 405


def test_a_status_that_twilio_has_invented_since_changes_nothing(
    client: FlaskClient, through_twilio: Runtime, stand_in: TwilioStandIn, sent: int
):
    assert post(client, stand_in.callback(stand_in.messages[0], "teleported")) == 204
    assert state_of(through_twilio, sent) is State.QUEUED


def test_without_a_token_nothing_is_believed(settings: Settings, runtime: Runtime):
    client = create_app(runtime).test_client()

    assert client.post("/hooks/twilio/1?s=", data={"MessageStatus": "delivered"}).status_code == 403
