"""Webhooks to a real HTTP server that misbehaves as told."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from notifications import endpoints
from notifications.channels import webhook
from notifications.channels.chat import ChatTransport
from notifications.channels.parcels import Outcome, Parcel
from notifications.channels.webhook import WebhookTransport, message_id, outcome_of
from notifications.endpoint_guard import Network, Resolver, read_networks, system_resolver
from notifications.retries import FailureClass, State
from tests.builders_mail import a_parcel
from tests.certificates import a_certificate
from tests.fakes.receiver import Answer, Receiver

HERE = read_networks("127.0.0.0/8")
SECRET = endpoints.new_secret()
#: The library refuses signatures that are not of the present.
NOW = datetime.now(UTC)


def a_hook(url: str, delivery_id: int = 1) -> Parcel:
    return a_parcel(delivery_id, url, message=json.dumps({"type": "webhook.test", "text": "à"}).encode())


def known(*secrets: str) -> object:
    def ask(addresses: Collection[str], now: datetime) -> Mapping[str, tuple[str, ...]]:
        return dict.fromkeys(addresses, secrets)

    return ask


def a_transport(
    *secrets: str,
    allowed: tuple[Network, ...] = HERE,
    resolver: Resolver = system_resolver,
    context: ssl.SSLContext | None = None,
    seconds: float = 10,
) -> WebhookTransport:
    return WebhookTransport(
        known(*(secrets or (SECRET,))),  # type: ignore[arg-type]
        allowed=allowed,
        resolver=resolver,
        context=context,
        total_seconds=seconds,
    )


def post(transport: WebhookTransport, *parcels: Parcel, now: datetime | None = None) -> dict[int, Outcome]:
    # The library's check refuses what was signed more than five minutes ago by the machine's own clock.
    return dict(transport.send(parcels, now=now or datetime.now(UTC)))


def test_a_receiver_can_check_who_sent_it_with_the_librarys_own_check() -> None:
    with Receiver() as receiver:
        [outcome] = post(a_transport(), a_hook(receiver.url)).values()

    [got] = receiver.received
    assert Webhook(SECRET).verify(got.body, got.headers) == {"type": "webhook.test", "text": "à"}
    assert got.headers["content-type"] == "application/json; charset=utf-8"
    assert (outcome.state, outcome.provider_id) == (State.ACCEPTED, got.headers["webhook-id"])
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoints.new_secret()).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body + b" ", got.headers)


def test_after_a_rotation_both_secrets_fit() -> None:
    newer = endpoints.new_secret()
    with Receiver() as receiver:
        post(a_transport(newer, SECRET), a_hook(receiver.url))

    [got] = receiver.received
    for secret in (newer, SECRET):
        Webhook(secret).verify(got.body, got.headers)


def test_a_second_try_carries_the_same_id_and_a_time_of_its_own() -> None:
    with Receiver([Answer(503)]) as receiver:
        transport = a_transport()
        began = datetime.now(UTC)
        post(transport, a_hook(receiver.url), now=began)
        post(transport, a_hook(receiver.url), now=began + timedelta(minutes=1))

    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == message_id(a_hook(receiver.url))
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 60


@pytest.mark.parametrize(
    ("status", "state", "failure"),
    [
        (200, State.ACCEPTED, None),
        (204, State.ACCEPTED, None),
        (299, State.ACCEPTED, None),
        (301, State.RETRY_WAIT, FailureClass.TRANSIENT),
        (400, State.RETRY_WAIT, FailureClass.TRANSIENT),
        (401, State.RETRY_WAIT, FailureClass.TRANSIENT),
        (404, State.RETRY_WAIT, FailureClass.TRANSIENT),
        (410, State.FAILED_PERMANENT, FailureClass.RECIPIENT_PERMANENT),
        (429, State.RETRY_WAIT, FailureClass.TRANSIENT),
        (500, State.RETRY_WAIT, FailureClass.TRANSIENT),
        (503, State.RETRY_WAIT, FailureClass.TRANSIENT),
        (999, State.RETRY_WAIT, FailureClass.TRANSIENT),
    ],
)
def test_what_an_answer_means(status: int, state: State, failure: FailureClass | None) -> None:
    with Receiver([Answer(status)]) as receiver:
        [outcome] = post(a_transport(), a_hook(receiver.url)).values()

    assert (outcome.state, outcome.failure) == (state, failure)
    assert str(status) in outcome.words


@pytest.mark.parametrize(
    ("asked", "honoured"),
    [
        ("120", timedelta(seconds=120)),
        (
            format_datetime(NOW.replace(microsecond=0) + timedelta(minutes=2), usegmt=True),
            timedelta(minutes=2),
        ),
        ("31536000", timedelta(hours=1)),
        ("9" * 5000, timedelta(hours=1)),
        ("Fri, 31 Dec 9999 23:59:59 -2359", timedelta(hours=1)),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        (f"Fri, 31 Dec 2100 23:59:59 +{'9' * 40}", None),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), timedelta(0)),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
    ids=[
        "seconds",
        "date",
        "a year",
        "5,000 digits",
        "last day",
        "no year",
        "no zone",
        "past",
        "words",
        "negative",
        "nothing",
    ],
)
def test_a_wait_that_is_asked_for_is_honoured_up_to_an_hour(asked: str, honoured: timedelta | None) -> None:
    with Receiver([Answer(429, {"Retry-After": asked})]) as receiver:
        [outcome] = post(a_transport(), a_hook(receiver.url), now=NOW.replace(microsecond=0)).values()

    assert outcome.retry_after == honoured


def nine_good_and_a_bad(asked: str) -> dict[int, Outcome]:
    """Return what came of a batch whose fourth receiver asks for that wait."""
    with Receiver([Answer(503, {"Retry-After": asked})]) as bad, Receiver() as good:
        hooks = [a_hook(bad.url if id_ == 4 else good.url, id_) for id_ in range(1, 11)]
        outcomes = post(a_transport(), *hooks)
    taken = {id_ for id_, outcome in outcomes.items() if outcome.state is State.ACCEPTED}
    assert taken == {1, 2, 3, 5, 6, 7, 8, 9, 10}
    return outcomes


@pytest.mark.parametrize("asked", ["9" * 5000, "Mon, 01 Jan 0001 00:00:00 +2359"], ids=["digits", "date"])
def test_a_receiver_that_asks_for_an_absurd_wait_spoils_no_outcome_of_its_neighbours(asked: str) -> None:
    assert nine_good_and_a_bad(asked)[4].failure is FailureClass.TRANSIENT


def test_a_receiver_over_which_the_code_stumbles_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(text: str, now: datetime) -> timedelta | None:
        return timedelta(seconds=int(text) / 0) if text else None

    monkeypatch.setattr(webhook, "_waiting_time", stumble)
    bad = nine_good_and_a_bad("7")[4]

    assert bad.failure is FailureClass.TRANSIENT
    assert "ZeroDivisionError" in bad.words


def test_a_redirect_is_not_followed() -> None:
    with Receiver() as elsewhere, Receiver([Answer(307, {"Location": elsewhere.url})]) as receiver:
        [outcome] = post(a_transport(), a_hook(receiver.url)).values()

    assert len(receiver.received) == 1
    assert elsewhere.received == []
    assert "redirect" in outcome.words


def test_a_silent_and_a_dripping_receiver_are_given_up_and_hold_up_nobody() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, Receiver([Answer(drips=True)]) as dripping, Receiver() as good:
        outcomes = post(
            a_transport(seconds=0.3),
            a_hook(f"http://127.0.0.1:{silent.getsockname()[1]}/", 1),
            a_hook(dripping.url, 2),
            a_hook(good.url, 3),
        )

    assert next(iter(outcomes)) == 3
    assert {id_: outcome.failure for id_, outcome in outcomes.items()} == {
        1: FailureClass.TRANSIENT,
        2: FailureClass.TRANSIENT,
        3: None,
    }


def test_a_receiver_that_is_down_is_tried_again_and_stops_no_channel() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    [outcome] = post(a_transport(), a_hook(f"http://127.0.0.1:{port}/")).values()

    # RETRY_SAFE of a whole batch would leave the channel alone, and with it every other receiver.
    assert outcome.failure is FailureClass.TRANSIENT


def test_nothing_reaches_this_machine_unless_the_settings_name_it() -> None:
    with Receiver() as receiver:
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
            hook = a_hook(f"https://{host}:{receiver.port}/")
            [outcome] = post(a_transport(allowed=()), hook).values()
            assert outcome.failure is FailureClass.TRANSIENT, host
            assert "internet" in outcome.words or "host" in outcome.words

    assert receiver.received == []


def test_a_name_is_resolved_once_and_the_connection_goes_to_the_address_that_was_checked() -> None:
    asked = []

    def changing(host: str, port: int) -> list[str]:
        asked.append(host)
        # What was allowed the first time leads to the neighbour the second.
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with Receiver() as receiver:
        hook = a_hook(f"http://hooks.example.org:{receiver.port}/x?y=1")
        [outcome] = post(a_transport(resolver=changing), hook).values()

    assert outcome.state is State.ACCEPTED
    assert asked == ["hooks.example.org"]
    [got] = receiver.received
    assert (got.path, got.headers["host"]) == ("/x?y=1", f"hooks.example.org:{receiver.port}")


@pytest.mark.parametrize("answers", [["93.184.216.34", "127.0.0.1"], ["169.254.169.254"], ["::1"], []])
def test_a_name_with_an_address_that_is_closed_is_not_called_at_all(answers: list[str]) -> None:
    with Receiver() as receiver:
        hook = a_hook(f"https://hooks.example.org:{receiver.port}/")
        transport = a_transport(allowed=(), resolver=lambda host, port: answers)
        [outcome] = post(transport, hook).values()

    assert outcome.failure is FailureClass.TRANSIENT
    assert receiver.received == []


def test_secrets_that_cannot_be_read_leave_no_doubt_since_nothing_was_sent() -> None:
    def away(addresses: Collection[str], now: datetime) -> Mapping[str, tuple[str, ...]]:
        raise OSError("the database is away")

    with Receiver() as receiver:
        hooks = [a_hook(receiver.url, 1), a_hook(receiver.url, 2)]
        webhooks = post(WebhookTransport(away, allowed=HERE), *hooks)
        chats = dict(ChatTransport(away).send(hooks, now=NOW))

    assert [outcome.failure for outcome in webhooks.values()] == [FailureClass.TRANSIENT] * 2
    assert [outcome.failure for outcome in chats.values()] == [FailureClass.TRANSIENT] * 2
    assert receiver.received == []


def test_an_address_that_is_registered_no_more_is_not_called() -> None:
    with Receiver() as receiver:
        transport = WebhookTransport(lambda addresses, now: {}, allowed=HERE)
        [outcome] = post(transport, a_hook(receiver.url)).values()

    assert outcome.failure is FailureClass.CONTENT
    assert receiver.received == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a certificate for hooks.example.org, and its key beside it."""
    return a_certificate(tmp_path_factory.mktemp("tls"), "hooks.example.org")


@pytest.mark.parametrize(
    ("host", "words"), [("hooks.example.org", "204"), ("other.example.org", "certificate is not trusted")]
)
def test_the_certificate_must_be_the_names_whatever_address_it_led_to(
    certificate: Path, host: str, words: str
) -> None:
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(certificate, certificate.with_suffix(".key"))
    asked_for = []
    server_side.sni_callback = lambda _, name, __: asked_for.append(name)
    with Receiver(tls=server_side) as receiver:
        transport = a_transport(
            resolver=lambda host, port: ["127.0.0.1"], context=ssl.create_default_context(cafile=certificate)
        )
        [outcome] = post(transport, a_hook(f"https://{host}:{receiver.port}/")).values()

    assert words in outcome.words
    assert asked_for == [host]
    assert len(receiver.received) == (1 if words == "204" else 0)


def test_an_answer_without_a_phrase_is_still_one() -> None:
    assert outcome_of(799, "msg").words == "HTTP 799"
