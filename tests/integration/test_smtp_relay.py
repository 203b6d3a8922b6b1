"""The way to a relay: its address, its certificate, its password, its rate."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from notifications.channels.pace import Pace
from notifications.channels.smtp import Envelope, SmtpTransport, read_relay
from notifications.errors import InvalidTransport
from notifications.retries import FailureClass, State
from tests.builders_mail import ANNOUNCED_AT, a_parcel
from tests.certificates import a_certificate
from tests.fakes.smtp import SmtpListener
from tests.relays import TAKEN, ends, open_transport, send


def test_nobody_listening_is_one_try_for_the_batch_and_safe_to_repeat():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        with open_transport(f"smtp://127.0.0.1:{taken.getsockname()[1]}?starttls=off") as transport:
            outcomes = send(transport, 1, 2)

    assert set(ends(outcomes).values()) == {(State.RETRY_WAIT, FailureClass.RETRY_SAFE)}


def test_mail_does_not_leave_unencrypted_unless_told_so():
    with (
        SmtpListener() as listener,
        open_transport(f"smtp://127.0.0.1:{listener.port}") as transport,
    ):
        outcomes = send(transport, 1, 2)

    assert set(ends(outcomes).values()) == {(State.CONFIG_ERROR, FailureClass.CONFIG)}
    assert listener.mails == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_certificate(tmp_path_factory.mktemp("tls"), "localhost", address="127.0.0.1")


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


def test_starttls_and_sign_in_with_a_certificate_that_is_trusted(certificate: Path, pipelining: bool):
    listener = SmtpListener(
        tls=server_side(certificate), require_tls=True, login=("janela", "p@ss"), pipelining=pipelining
    )
    with listener:
        address = f"smtp://janela:p%40ss@127.0.0.1:{listener.port}"
        with open_transport(f"{address}?cafile={certificate}") as transport:
            trusted = send(transport, 1, 2)
        with open_transport(address) as transport:
            untrusted = send(transport, 3)
        wrong = address.replace("p%40ss", "wrong") + f"?cafile={certificate}"
        with open_transport(wrong) as transport:
            refused = send(transport, 4)

    assert ends(trusted) == {1: TAKEN, 2: TAKEN}
    assert ends(untrusted) == {3: (State.CONFIG_ERROR, FailureClass.CONFIG)}
    assert ends(refused) == {4: (State.CONFIG_ERROR, FailureClass.CONFIG)}
    assert "wrong" not in refused[4].words


def test_texts_that_no_socket_takes_at_once_arrive_whole_encrypted_and_not(
    certificate: Path, pipelining: bool
):
    text = b"0123456789abcdef\r\n" * 400_000
    long = b"To: \x1eto\x1e\r\n\r\n" + text
    for tls in (None, server_side(certificate)):
        with SmtpListener(tls=tls, require_tls=tls is not None, pipelining=pipelining) as listener:
            options = f"?cafile={certificate}" if tls else "?starttls=off"
            with open_transport(f"smtp://127.0.0.1:{listener.port}{options}", 2) as transport:
                parcels = [a_parcel(n) for n in range(1, 13)]
                for place in (0, 1, 10):
                    parcels[place] = a_parcel(place + 1, message=long)
                outcomes = dict(transport.send(parcels, now=ANNOUNCED_AT))

        assert set(ends(outcomes).values()) == {TAKEN}
        assert listener.connections == 2
        assert len(listener.mails) == 12
        assert [mail.raw.endswith(b"\r\n\r\n" + text) for mail in listener.mails].count(True) == 3


def test_a_relay_gets_no_more_a_second_than_it_wants():
    waited: list[float] = []
    pace = Pace(5, clock=lambda: sum(waited), sleep=waited.append)
    for _ in range(3):
        pace.wait(10)
    Pace(0, sleep=waited.append).wait(1000)

    assert waited == [2.0, 2.0], "the first ten go at once, the next when two seconds have passed"
    assert read_relay("smtp://h?rate=5").rate == 5


def test_a_mail_that_became_useless_while_it_waited_for_the_rate_does_not_leave():
    behind_others = Pace(1, lambda seconds: 0.4)
    with SmtpListener() as listener:
        transport = SmtpTransport(read_relay(listener.url), Envelope("janela@example.org"), behind_others)
        parcels = [a_parcel(1, expires_at=ANNOUNCED_AT + timedelta(seconds=0.3)), a_parcel(2)]
        outcomes = dict(transport.send(parcels, now=ANNOUNCED_AT))
        transport.close()

    assert ends(outcomes) == {1: (State.EXPIRED, FailureClass.EXPIRED), 2: TAKEN}
    assert [mail.recipient for mail in listener.mails] == ["r2@example.org"]


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("smtp://relay.example.org", "relay.example.org", 587, "starttls"),
        ("smtp://relay.example.org:25?starttls=off", "relay.example.org", 25, "off"),
        ("smtps://relay.example.org", "relay.example.org", 465, "implicit"),
        ("smtp://[::1]:25", "::1", 25, "starttls"),
    ],
)
def test_the_relay_is_read_from_its_address(url: str, host: str, port: int, tls: str):
    relay = read_relay(url)

    assert (relay.host, relay.port, relay.tls) == (host, port, tls)


@pytest.mark.parametrize(
    "url",
    ["relay.example.org", "http://relay", "smtp://", "smtp://h:x", "smtp://h?tls=off", "smtps://h?starttls=off",
     "smtp://u:s3cret@h:99999", "smtp://h/path", "smtp://h?timeout=soon", "smtp://u:s3cretà@h",
     "smtp://u:s3cret%C3%A0@h", "smtp://ü:s3cret@h"],
)  # fmt: skip
def test_a_relay_that_cannot_be_read_is_refused_without_showing_the_password(url: str):
    with pytest.raises(InvalidTransport) as caught:
        read_relay(url)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("change", [{"host": "relay..example.org"}, {"password": "s3cretà"}])
def test_what_no_server_can_be_told_is_our_own_fault_and_leaves_no_doubt(
    certificate: Path, change: dict[str, str]
):
    with SmtpListener(tls=server_side(certificate), require_tls=True, login=("u", "p")) as listener:
        relay = read_relay(f"smtp://u:p@127.0.0.1:{listener.port}?cafile={certificate}")
        transport = SmtpTransport(replace(relay, **change), Envelope("janela@example.org"))
        outcomes = send(transport, 1, 2)
        transport.close()

    assert set(ends(outcomes).values()) == {(State.CONFIG_ERROR, FailureClass.CONFIG)}
    assert "s3cret" not in outcomes[1].words
    assert listener.mails == []
