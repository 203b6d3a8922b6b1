"""What Twilio reports is believed when it is signed, and brings a delivery forward, never back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app import create_app
from maintenance.database import Base
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications.channels import transports
from notifications.models import SuppressionRow
from notifications.retries import State
from notifications.sending import drain
from tests import ledgers
from tests.builders_mail import ANNOUNCED_AT, a_text
from tests.fakes.twilio import AUTH_TOKEN, Callback, TwilioStandIn

NUMBER = "+351910000001"


@pytest.fixture
def stand_in() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as stand_in:
        yield stand_in
    assert stand_in.violations == []


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


INBOUND = "https://janela.example.org/hooks/twilio/inbound"


def suppressed(runtime: Runtime) -> list[tuple[str, str, str]]:
    with runtime.database.read() as session:
        rows = session.execute(
            select(SuppressionRow.channel, SuppressionRow.address, SuppressionRow.reason).order_by(
                SuppressionRow.id
            )
        )
        return [tuple(row) for row in rows]


def suppress(runtime: Runtime, reason: str, *, expires_at: datetime | None = None) -> None:
    with runtime.database.write() as session:
        session.add(
            SuppressionRow(
                channel="sms", address=NUMBER, reason=reason, at=ANNOUNCED_AT, expires_at=expires_at
            )
        )


@pytest.mark.parametrize(
    ("text", "opt_out_type"),
    [("STOP", ""), (" stop\n", ""), ("Unsubscribe", ""), ("QUIT", ""), ("parar", "STOP"), ("STOP", "STOP")],
)
def test_a_reader_who_answers_stop_gets_no_more_and_start_lifts_it(
    client: FlaskClient, through_twilio: Runtime, stand_in: TwilioStandIn, text: str, opt_out_type: str
):
    stop = stand_in.inbound(INBOUND, NUMBER, text, opt_out_type=opt_out_type)
    for _ in range(2):
        assert post(client, stop) == 200
        assert suppressed(through_twilio) == [("sms", NUMBER, "opt_out")]

    for word in ("START", "start"):
        assert post(client, stand_in.inbound(INBOUND, NUMBER, word)) == 200
        assert suppressed(through_twilio) == []


def test_what_is_queued_for_a_reader_who_answered_stop_does_not_leave(
    client: FlaskClient, through_twilio: Runtime, stand_in: TwilioStandIn
):
    ids = ledgers.queue(through_twilio.database, [NUMBER], now=through_twilio.clock(), channel="sms")
    post(client, stand_in.inbound(INBOUND, NUMBER, "STOP"))

    way = transports(through_twilio)["sms"]
    drain(through_twilio, way)
    way.close()

    assert ledgers.states(through_twilio.database, ids) == [State.SUPPRESSED]
    assert stand_in.messages == []


@pytest.mark.parametrize(
    ("number", "text", "opt_out_type"),
    [
        (NUMBER, "please stop", ""),
        (NUMBER, "HELP", ""),
        (NUMBER, "", ""),
        (NUMBER, "STOP", "HELP"),
        ("Janela", "STOP", ""),
        ("whatsapp:+351910000001", "STOP", ""),
        ("+0351910000001", "STOP", ""),
        ("+" + "1" * 16, "STOP", ""),
        ("", "STOP", ""),
    ],
)
def test_other_answers_change_nothing(
    client: FlaskClient,
    through_twilio: Runtime,
    stand_in: TwilioStandIn,
    number: str,
    text: str,
    opt_out_type: str,
):
    assert post(client, stand_in.inbound(INBOUND, number, text, opt_out_type=opt_out_type)) == 200
    assert suppressed(through_twilio) == []


@pytest.mark.parametrize("reason", ["hard_bounce", "operator", "complaint"])
def test_start_lifts_nothing_but_an_opt_out(
    client: FlaskClient, through_twilio: Runtime, stand_in: TwilioStandIn, reason: str
):
    suppress(through_twilio, reason)

    assert post(client, stand_in.inbound(INBOUND, NUMBER, "START")) == 200
    assert suppressed(through_twilio) == [("sms", NUMBER, reason)]


@pytest.mark.parametrize(
    ("reason", "lasts", "then"),
    [("hard_bounce", timedelta(days=30), "opt_out"), ("operator", None, "operator")],
)
def test_stop_outranks_what_would_run_out_and_nothing_else(
    client: FlaskClient,
    through_twilio: Runtime,
    stand_in: TwilioStandIn,
    reason: str,
    lasts: timedelta | None,
    then: str,
):
    suppress(through_twilio, reason, expires_at=lasts and through_twilio.clock() + lasts)

    assert post(client, stand_in.inbound(INBOUND, NUMBER, "STOP")) == 200
    assert suppressed(through_twilio) == [("sms", NUMBER, then)]


def test_forged_answers_of_readers_are_refused_and_change_nothing(
    client: FlaskClient, through_twilio: Runtime, stand_in: TwilioStandIn
):
    good = stand_in.inbound(INBOUND, NUMBER, "STOP")
    forged = stand_in.inbound(INBOUND, NUMBER, "STOP", token="guessed")
    elsewhere = stand_in.inbound("https://other.example.org/hooks/twilio/inbound", NUMBER, "STOP")
    other_number = replace(good, form=good.form | {"From": "+351910000002"})

    for callback in (forged, elsewhere, other_number, replace(good, headers={})):
        assert post(client, callback) == 403
    assert suppressed(through_twilio) == []
    assert client.get("/hooks/twilio/inbound").status_code == 405


def test_numbers_of_readers_who_answer_are_not_logged(
    client: FlaskClient, stand_in: TwilioStandIn, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level("INFO"):
        post(client, stand_in.inbound(INBOUND, NUMBER, "STOP"))

    assert "A reader answered STOP to an SMS: noted" in caplog.text
    assert NUMBER not in caplog.text
