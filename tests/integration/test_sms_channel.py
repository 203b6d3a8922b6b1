"""SMS through a stand-in for Twilio that misbehaves as told."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from maintenance.settings import Settings
from notifications.channels.pace import Pace
from notifications.channels.parcels import Outcome
from notifications.channels.sms import Account, TwilioTransport, is_from_twilio, read_account
from notifications.channels.sms_codes import CODES, RANKS, meaning
from notifications.errors import InvalidTransport
from notifications.retries import FailureClass, State
from tests.builders_mail import ANNOUNCED_AT, a_text
from tests.certificates import a_certificate
from tests.fakes.twilio import AUTH_TOKEN, Answer, TwilioStandIn, refused

NUMBER = "+351910000001"


@pytest.fixture
def stand_in() -> Iterator[TwilioStandIn]:
    """Give a stand-in; whatever a test does with it, both sides speak as Twilio describes."""
    with TwilioStandIn() as stand_in:
        yield stand_in
    assert stand_in.violations == []


def settings(stand_in: TwilioStandIn, tmp_path: Path, **changes: str) -> Settings:
    return Settings(
        {"SECRET_KEY": "k", "PUBLIC_URL": "https://janela.example.org", "INSTANCE": str(tmp_path)}
        | stand_in.settings
        | changes
    )


def send(account: Account, **parcel: object) -> Outcome:
    transport = TwilioTransport(account)
    ((delivery_id, outcome),) = transport.send([a_text(**parcel)], now=ANNOUNCED_AT)  # type: ignore[arg-type]
    transport.close()
    assert delivery_id == 1
    return outcome


def test_a_text_goes_out_once_with_its_callback_and_its_validity(stand_in: TwilioStandIn, tmp_path: Path):
    outcome = send(read_account(settings(stand_in, tmp_path)))

    assert (outcome.state, outcome.provider_id) == (State.ACCEPTED, f"SM{1:032x}")
    (message,) = stand_in.messages
    callback = message["form"].pop("StatusCallback")
    assert message["form"] == {
        "To": NUMBER,
        "From": "Janela",
        "Body": "PEM indisponivel sab 30/11 14:00 a dom 1/12 08:00.",
        "ValidityPeriod": "36000",
    }
    assert callback.startswith("https://janela.example.org/hooks/twilio/1?s=")
    assert callback.endswith("#rc=5&rp=all")


def test_a_text_is_dropped_by_the_carrier_before_it_becomes_useless(stand_in: TwilioStandIn, tmp_path: Path):
    account = read_account(settings(stand_in, tmp_path))
    send(account, expires_at=ANNOUNCED_AT + timedelta(minutes=30))
    too_late = send(account, expires_at=ANNOUNCED_AT + timedelta(seconds=4))

    (validity,) = (int(message["form"]["ValidityPeriod"]) for message in stand_in.messages)
    assert 1700 < validity <= 1800
    assert (too_late.state, too_late.failure) == (State.EXPIRED, FailureClass.EXPIRED)


def test_the_wait_for_a_rate_is_taken_off_what_is_left_of_its_use(stand_in: TwilioStandIn, tmp_path: Path):
    behind_others = Pace(1, lambda seconds: 0.4)
    transport = TwilioTransport(read_account(settings(stand_in, tmp_path)), behind_others)
    in_time, late = (ANNOUNCED_AT + timedelta(seconds=seconds) for seconds in (60, 5.3))
    outcomes = [
        outcome
        for expires_at in (in_time, late)
        for _, outcome in transport.send([a_text(expires_at=expires_at)], now=ANNOUNCED_AT)
    ]
    transport.close()

    assert [outcome.failure for outcome in outcomes] == [None, FailureClass.EXPIRED]
    (request,) = stand_in.requests
    assert int(request["ValidityPeriod"]) < 60


def test_a_text_without_words_is_refused_and_not_in_doubt(stand_in: TwilioStandIn, tmp_path: Path):
    outcome = send(read_account(settings(stand_in, tmp_path)), message=b" \n")

    assert (outcome.state, outcome.failure) == (State.FAILED_PERMANENT, FailureClass.CONTENT)
    assert stand_in.requests == []


def test_a_messaging_service_replaces_the_sender_and_privacy_is_asked_for(
    stand_in: TwilioStandIn, tmp_path: Path
):
    service = "MG" + "0" * 32
    given = settings(stand_in, tmp_path, TWILIO_MESSAGING_SERVICE=service, TWILIO_RETENTION="discard")
    send(read_account(given))

    form = stand_in.messages[0]["form"]
    assert form["MessagingServiceSid"] == service
    assert "From" not in form
    assert (form["ContentRetention"], form["AddressRetention"]) == ("discard", "obfuscate")


def test_an_address_that_twilio_cannot_reach_is_not_given_as_callback(tmp_path: Path):
    with TwilioStandIn() as stand_in:
        local = settings(stand_in, tmp_path, PUBLIC_URL="http://127.0.0.1:8000", TWILIO_API_URL="")

    assert read_account(local).callback_url == ""


@pytest.mark.parametrize(
    ("answer", "state", "failure"),
    [
        (refused(429, 20429, Retry_After="7"), State.RETRY_WAIT, FailureClass.RETRY_SAFE),
        (refused(429, None), State.RETRY_WAIT, FailureClass.RETRY_SAFE),
        (refused(400, 21211), State.FAILED_PERMANENT, FailureClass.RECIPIENT_PERMANENT),
        (refused(400, 21610), State.OPTED_OUT, FailureClass.OPT_OUT),
        (refused(400, 21617), State.FAILED_PERMANENT, FailureClass.CONTENT),
        (refused(400, 21611), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (refused(400, 21408), State.RETRY_WAIT, FailureClass.REFUSED),
        (refused(400, 21612), State.RETRY_WAIT, FailureClass.REFUSED),
        (refused(401, 20003), State.CONFIG_ERROR, FailureClass.CONFIG),
        (refused(403, None), State.CONFIG_ERROR, FailureClass.CONFIG),
        (refused(400, 99999), State.RETRY_WAIT, FailureClass.UNKNOWN),
        # Of all these Twilio may have sent the message.
        (refused(500, 20500), State.AMBIGUOUS, FailureClass.AMBIGUOUS),
        (Answer(500, 20500), State.AMBIGUOUS, FailureClass.AMBIGUOUS),
        (Answer(503, None, body=b"<html>", accepted=False), State.AMBIGUOUS, FailureClass.AMBIGUOUS),
        (Answer(201, body=b"not JSON"), State.AMBIGUOUS, FailureClass.AMBIGUOUS),
        (Answer(drop=True), State.AMBIGUOUS, FailureClass.AMBIGUOUS),
        (Answer(seconds=0.6), State.AMBIGUOUS, FailureClass.AMBIGUOUS),
    ],
    ids=lambda value: f"{value.status}-{value.code}" if isinstance(value, Answer) else "",
)
def test_what_twilio_says_decides_whether_it_may_be_repeated(
    tmp_path: Path, answer: Answer, state: State, failure: FailureClass
):
    with TwilioStandIn({NUMBER: [answer]}) as stand_in:
        outcome = send(replace(read_account(settings(stand_in, tmp_path)), timeout_seconds=0.3))
        requests = len(stand_in.requests)

    assert (outcome.state, outcome.failure) == (state, failure)
    assert requests == 1, "the SDK repeats nothing by itself"
    assert stand_in.violations == []
    assert outcome.retry_after == (timedelta(seconds=7) if answer.headers else None)


@pytest.mark.parametrize(
    ("asked", "honoured"),
    [
        ("86399", timedelta(seconds=86399)),
        ("31536000", timedelta(hours=24)),
        ("9" * 5000, timedelta(hours=24)),
        ("soon", None),
    ],
    ids=["seconds", "a year", "5,000 digits", "words"],
)
def test_a_wait_that_is_asked_for_is_honoured_up_to_a_day_and_never_makes_a_refusal_doubtful(
    tmp_path: Path, asked: str, honoured: timedelta | None
):
    with TwilioStandIn({NUMBER: [refused(429, 20429, Retry_After=asked)]}) as stand_in:
        outcome = send(read_account(settings(stand_in, tmp_path)))

    assert (outcome.failure, outcome.retry_after) == (FailureClass.RETRY_SAFE, honoured)


def test_nobody_listening_is_safe_to_repeat(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        with TwilioStandIn() as stand_in:
            account = read_account(settings(stand_in, tmp_path))
        outcome = send(replace(account, api_url=f"http://127.0.0.1:{taken.getsockname()[1]}"))

    assert (outcome.state, outcome.failure) == (State.RETRY_WAIT, FailureClass.RETRY_SAFE)


@pytest.mark.parametrize(
    ("is_trusted", "answer", "failure", "taken"),
    [
        (False, Answer(), FailureClass.CONFIG, 0),
        (True, Answer(garbles=True), FailureClass.AMBIGUOUS, 1),
        (True, Answer(), None, 1),
    ],
    ids=["an untrusted certificate", "an answer that is not encrypted", "a good answer"],
)
def test_trouble_with_the_encryption_is_safe_to_repeat_only_before_the_request(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_trusted: bool,
    answer: Answer,
    failure: FailureClass | None,
    taken: int,
):
    certificate = a_certificate(tmp_path, "api.example.org", address="127.0.0.1")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
    if is_trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with TwilioStandIn({NUMBER: [answer]}, tls=tls) as stand_in:
        outcome = send(read_account(settings(stand_in, tmp_path)))

    assert outcome.failure is failure, outcome.words
    assert len(stand_in.messages) == taken


@pytest.mark.parametrize(
    "missing", ["TWILIO_API_KEY", "TWILIO_API_SECRET", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"]
)
def test_half_a_configuration_is_refused_by_name(missing: str, tmp_path: Path):
    with TwilioStandIn() as stand_in:
        given = settings(stand_in, tmp_path, **{missing: ""})

    with pytest.raises(InvalidTransport, match=missing):
        read_account(given)


def test_a_callback_is_believed_with_either_token_while_it_is_being_rotated(
    stand_in: TwilioStandIn, tmp_path: Path
):
    send(read_account(settings(stand_in, tmp_path)))
    callback = stand_in.callback(stand_in.messages[0], "delivered")
    signature = callback.headers["X-Twilio-Signature"]

    for tokens, believed in [(AUTH_TOKEN, True), (f"new {AUTH_TOKEN}", True), ("new", False), ("", False)]:
        assert is_from_twilio(tokens, callback.url, callback.form, signature) is believed
    assert not is_from_twilio(
        AUTH_TOKEN, callback.url, callback.form | {"MessageStatus": "failed"}, signature
    )
    assert not is_from_twilio(AUTH_TOKEN, callback.url.replace("/1?", "/2?"), callback.form, signature)


@pytest.mark.parametrize(
    ("status", "code", "state", "failure"),
    [
        ("queued", None, State.ACCEPTED, None),
        ("sent", None, State.ACCEPTED, None),
        ("delivered", None, State.DELIVERED, None),
        ("read", None, State.DELIVERED, None),
        ("undelivered", 30003, State.UNDELIVERED, FailureClass.TRANSIENT),
        ("undelivered", 30005, State.FAILED_PERMANENT, FailureClass.RECIPIENT_PERMANENT),
        ("failed", 30036, State.EXPIRED, FailureClass.EXPIRED),
        ("failed", 21610, State.OPTED_OUT, FailureClass.OPT_OUT),
        ("failed", 30410, State.UNDELIVERED, FailureClass.AMBIGUOUS),
        ("failed", 12345, State.UNDELIVERED, FailureClass.UNKNOWN),
        ("canceled", None, State.UNDELIVERED, FailureClass.UNKNOWN),
        ("a status of next year", None, State.ACCEPTED, None),
    ],
)
def test_a_status_means_what_twilio_says_it_does(
    status: str, code: int | None, state: State, failure: FailureClass | None
):
    assert meaning(status, code) == (state, failure)


def test_what_is_not_as_twilio_describes_it_is_noted_whichever_side_said_it(tmp_path: Path):
    with TwilioStandIn() as stand_in:
        account = read_account(settings(stand_in, tmp_path))
        transport = TwilioTransport(account)
        dict(transport.send([a_text()], now=ANNOUNCED_AT))
        (message,) = stand_in.messages
        assert transport.look_up(message["sid"]) is not None
        assert stand_in.violations == []

        stand_in.take(message["form"] | {"Colour": "blue"})
        message["resource"]["status"] = "teleported"
        transport.look_up(message["sid"])
        transport.close()

    request, look_up = stand_in.violations
    assert request.startswith("request: ")
    assert "Colour" in request
    assert look_up.startswith("look-up: $.status: 'teleported' is not one of")


def test_every_status_of_twilios_description_has_a_rank():
    from tests.fakes.twilio import _SPEC

    described = set(_SPEC["components"]["schemas"]["message_enum_status"]["enum"])
    assert described - {"receiving", "received"} == set(RANKS)  # those two are of incoming messages
    assert all(CODES[code][1] for code in CODES)
