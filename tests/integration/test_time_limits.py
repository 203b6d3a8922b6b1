"""Far sides that never come to an end: whatever travels, it is done with before its lease runs out."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from maintenance.settings import Settings
from notifications import claims, paces
from notifications.channels import chat, sms, webhook
from notifications.channels.chat import ChatTransport
from notifications.channels.parcels import LONGEST_SEND, Transport
from notifications.channels.sms import TwilioTransport, read_account
from notifications.channels.smtp import Envelope, SmtpTransport, read_relay
from notifications.channels.time_limits import within
from notifications.channels.webhook import WebhookTransport
from notifications.retries import FailureClass
from notifications.shards import SHARE, TIME_LIMIT
from tests.builders_mail import ANNOUNCED_AT, a_parcel, a_text
from tests.fakes import receiver, twilio
from tests.fakes.twilio import TwilioStandIn

NUMBER = "+351910000001"


def failure(transport: Transport, parcel) -> FailureClass | None:
    ((_, outcome),) = transport.send([parcel], now=ANNOUNCED_AT)
    transport.close()
    return outcome.failure


def test_no_batch_lasts_as_long_as_its_lease() -> None:
    assert timedelta(seconds=LONGEST_SEND) <= claims.LEASE - timedelta(minutes=1)
    assert SHARE + timedelta(seconds=LONGEST_SEND) < TIME_LIMIT < claims.LEASE
    assert paces.LONGEST_WAIT <= LONGEST_SEND / 2, "what waits for a rate has as much time left to go out"
    assert paces.LONGEST_WAIT + sms.TOTAL_TIMEOUTS * sms.TIMEOUT_SECONDS <= LONGEST_SEND
    assert ChatTransport.batch_size * chat.WRITE_SECONDS <= LONGEST_SEND
    # One address of each family; those of a batch are posted at once.
    longest_post = webhook.RESOLVE_SECONDS + 2 * webhook.CONNECT_SECONDS + webhook.TOTAL_SECONDS
    assert longest_post <= LONGEST_SEND


@pytest.mark.parametrize(("rate", "size"), [("0", 20), ("0.01", 1), ("0.1", 3), ("100", 20)])
def test_no_batch_is_larger_than_what_its_rate_lets_through_meanwhile(rate: str, size: int) -> None:
    relay = read_relay(f"smtp://relay.example.org?rate={rate}")

    assert SmtpTransport(relay, Envelope("janela@example.org"), connections=2).batch_size == size


def test_provider_of_sms_that_answers_letter_by_letter_leaves_a_doubt_and_not_a_waiting_thread(
    tmp_path: Path,
) -> None:
    endless = twilio.Answer(drips=True)
    with TwilioStandIn({NUMBER: [endless]}) as stand_in:
        known = {"SECRET_KEY": "k", "INSTANCE": str(tmp_path), "PUBLIC_URL": "https://janela.example.org"}
        account = replace(read_account(Settings(known | stand_in.settings)), timeout_seconds=0.1)

        assert failure(TwilioTransport(account), a_text()) is FailureClass.AMBIGUOUS
        assert failure(TwilioTransport(account), a_text(2)) is None


@pytest.mark.skipif(importlib.util.find_spec("apprise") is None, reason="the extra `chat` is not installed")
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_chat_room_that_answers_letter_by_letter_is_left() -> None:
    with receiver.Receiver([receiver.Answer(drips=True)]) as dripping:
        address = f"mmost://127.0.0.1:{dripping.port}/abcdefghijklmnopqrstuvwx"
        transport = ChatTransport(lambda rooms, now: dict.fromkeys(rooms, (address,)), write_seconds=0.5)

        assert failure(transport, a_parcel(1, "room")) is FailureClass.TRANSIENT


def test_name_that_nobody_resolves_holds_up_no_webhook() -> None:
    asked = Event()

    def silent(host: str, port: int) -> list[str]:
        asked.wait(20)
        return []

    hook = "https://hooks.example.org/"
    transport = WebhookTransport(
        lambda hooks, now: dict.fromkeys(hooks, ("whsec_c2VjcmV0",)), resolver=silent, resolve_seconds=0.2
    )

    assert failure(transport, a_parcel(1, hook)) is FailureClass.TRANSIENT
    assert not asked.is_set()
    asked.set()


def test_what_comes_too_late_is_handed_to_who_puts_it_away() -> None:
    begun, put_away, goes_on = Event(), Event(), Event()

    def slow() -> str:
        begun.set()
        goes_on.wait(20)
        return "a connection"

    found: list[str] = []
    with pytest.raises(TimeoutError):
        within(0.05, slow, too_late=lambda late: (found.append(late), put_away.set()))
    assert begun.is_set()
    goes_on.set()

    assert put_away.wait(10)
    assert found == ["a connection"]
    assert within(10, lambda: "in time") == "in time"
    with pytest.raises(ValueError, match="its own"):
        within(10, lambda: int("its own"))
