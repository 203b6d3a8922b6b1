"""Mail through a real listener that misbehaves as told; each test runs plain and pipelined."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from notifications.channels.pace import Pace
from notifications.channels.parcels import Outcome
from notifications.channels.smtp import Envelope, SmtpTransport, read_relay
from notifications.channels.smtp_replies import Reply, Stage, classify
from notifications.errors import InvalidTransport
from notifications.retries import FailureClass, State
from tests.builders_mail import ANNOUNCED_AT, a_parcel
from tests.fakes.smtp import Answer, SmtpListener, WordyListener, closing, drop, late, refuse

TAKEN = (State.ACCEPTED, None)


@pytest.fixture(params=["plain", "pipelined"])
def pipelining(request: pytest.FixtureRequest) -> bool:
    return request.param == "pipelined"


@contextmanager
def open_transport(url: str, connections: int = 1, **envelope: str) -> Iterator[SmtpTransport]:
    transport = SmtpTransport(
        read_relay(url), Envelope("janela@example.org", **envelope), connections=connections
    )
    yield transport
    transport.close()


def send(transport: SmtpTransport, *delivery_ids: int) -> dict[int, Outcome]:
    parcels = [a_parcel(delivery_id) for delivery_id in delivery_ids]
    outcomes = list(transport.send(parcels, now=ANNOUNCED_AT))
    if transport.batch_size <= 10:
        assert [delivery_id for delivery_id, _ in outcomes] == list(delivery_ids), "in order"
    assert sorted(delivery_id for delivery_id, _ in outcomes) == list(delivery_ids), "one outcome each"
    return dict(outcomes)


def ends(outcomes: dict[int, Outcome]) -> dict[int, tuple[State, FailureClass | None]]:
    return {delivery_id: (outcome.state, outcome.failure) for delivery_id, outcome in outcomes.items()}


def test_a_batch_travels_on_one_connection_and_says_under_what_name_it_is_kept(pipelining: bool):
    with SmtpListener(pipelining=pipelining) as listener, open_transport(listener.url) as transport:
        outcomes = send(transport, *range(1, 11)) | send(transport, 11)

    assert set(ends(outcomes).values()) == {TAKEN}
    assert outcomes[1].provider_id == "Q000001"
    assert listener.connections == 1
    assert [mail.recipient for mail in listener.mails] == [f"r{n}@example.org" for n in range(1, 12)]
    assert listener.mails[2].message["Message-ID"] == "<n0tice000001.3.3@janela.example.org>"
    assert listener.mails[2].message["To"] == "Reader 3 <r3@example.org>"
    assert "A PEM estará indisponível." in listener.mails[2].text


@pytest.mark.parametrize(
    ("answer", "state", "failure"),
    [
        (refuse("mail", "451 4.3.0 later"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (refuse("mail", "553 5.7.1 not your sender"), State.CONFIG_ERROR, FailureClass.CONFIG),
        (refuse("rcpt", "450 4.2.0 greylisted"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (refuse("rcpt", "550 5.1.1 no such user"), State.FAILED_PERMANENT, FailureClass.RECIPIENT_PERMANENT),
        (refuse("rcpt", "554 5.7.1 relay access denied"), State.CONFIG_ERROR, FailureClass.CONFIG),
        (refuse("data", "451 4.3.0 later"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (refuse("end", "452 4.3.1 disk full"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (refuse("end", "554 5.6.0 not readable"), State.FAILED_PERMANENT, FailureClass.CONTENT),
        (closing("mail"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (closing("rcpt"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (closing("end"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (drop("mail"), State.RETRY_WAIT, FailureClass.RETRY_SAFE),
        (drop("rcpt"), State.RETRY_WAIT, FailureClass.RETRY_SAFE),
        (drop("data"), State.RETRY_WAIT, FailureClass.RETRY_SAFE),
        # Only from the final full stop on can the server have it.
        (drop("end"), State.AMBIGUOUS, FailureClass.AMBIGUOUS),
        (drop("end", accepted=True), State.AMBIGUOUS, FailureClass.AMBIGUOUS),
    ],
    ids=lambda value: f"{value.stage}-{value.reply[:3] or 'drop'}" if isinstance(value, Answer) else "",
)
def test_what_befalls_one_mail_is_its_own_and_its_neighbours_arrive(
    pipelining: bool, answer: Answer, state: State, failure: FailureClass
):
    # At MAIL the listener does not know for whom it is: its answer goes to whatever comes first.
    at_mail = answer.stage == "mail"
    script = {"MAIL" if at_mail else "r2@example.org": [answer]}
    with SmtpListener(script, pipelining) as listener, open_transport(listener.url) as transport:
        outcomes = send(transport, 2, 3) if at_mail else send(transport, 1, 2, 3)

    assert ends(outcomes) == {**({} if at_mail else {1: TAKEN}), 2: (state, failure), 3: TAKEN}
    assert len(listener.sent_to("r2@example.org")) == int(answer.accepted)
    assert len(listener.sent_to("r3@example.org")) == 1


def test_a_reply_that_comes_too_late_is_ambiguous_not_repeated(pipelining: bool):
    script = {"r1@example.org": [late(3)]}
    with SmtpListener(script, pipelining) as listener:
        with open_transport(listener.url + "&timeout=0.3") as transport:
            outcomes = send(transport, 1, 2)

        assert ends(outcomes) == {1: (State.AMBIGUOUS, FailureClass.AMBIGUOUS), 2: TAKEN}
        assert len(listener.sent_to("r1@example.org")) == 1


def test_a_server_that_wants_a_text_for_nobody_gets_an_empty_one_and_nobody_gets_it():
    script = {"r2@example.org": [refuse("rcpt", "550 5.1.1 no such user")]}
    listener = SmtpListener(script, pipelining=True, data_for_nobody=True)
    with listener, open_transport(listener.url) as transport:
        outcomes = send(transport, 1, 2, 3)

    assert ends(outcomes) == {
        1: TAKEN,
        2: (State.FAILED_PERMANENT, FailureClass.RECIPIENT_PERMANENT),
        3: TAKEN,
    }
    assert [mail.recipient for mail in listener.mails] == ["r1@example.org", "r3@example.org"]


def test_a_connection_closed_while_idle_is_replaced_without_a_failed_try(pipelining: bool):
    with SmtpListener(pipelining=pipelining) as listener, open_transport(listener.url) as transport:
        send(transport, 1)
        for conversation in listener._servers:
            listener._loop.call_soon_threadsafe(conversation.transport.close)
        outcomes = send(transport, 2)

        assert ends(outcomes) == {2: TAKEN}
        assert listener.connections == 2


def test_a_batch_takes_as_many_connections_as_it_has_tens_and_keeps_them(pipelining: bool):
    with SmtpListener(pipelining=pipelining) as listener, open_transport(listener.url, 3) as transport:
        assert transport.batch_size == 30
        few = send(transport, *range(1, 11))
        assert listener.connections == 1
        many = send(transport, *range(11, 41)) | send(transport, *range(41, 71))

        assert set(ends(few | many).values()) == {TAKEN}
        assert listener.connections == 3
    assert sorted(mail.recipient for mail in listener.mails) == sorted(
        f"r{n}@example.org" for n in range(1, 71)
    )


@pytest.mark.parametrize(
    ("answer", "state", "failure"),
    [
        (refuse("rcpt", "550 5.1.1 no"), State.FAILED_PERMANENT, FailureClass.RECIPIENT_PERMANENT),
        (refuse("data", "451 4.3.0 later"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (refuse("end", "452 4.3.1 disk full"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (closing("rcpt"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (closing("end"), State.RETRY_WAIT, FailureClass.TRANSIENT),
        (drop("rcpt"), State.RETRY_WAIT, FailureClass.RETRY_SAFE),
        (drop("end", accepted=True), State.AMBIGUOUS, FailureClass.AMBIGUOUS),
        (late(3), State.AMBIGUOUS, FailureClass.AMBIGUOUS),
    ],
    ids=lambda value: f"{value.stage}-{value.reply[:3] or 'drop'}" if isinstance(value, Answer) else "",
)
def test_what_befalls_one_connection_stops_no_other(
    pipelining: bool, answer: Answer, state: State, failure: FailureClass
):
    listener = SmtpListener({"r15@example.org": [answer]}, pipelining)
    with listener, open_transport(listener.url + "&timeout=0.7", 3) as transport:
        outcomes = send(transport, *range(1, 31))
        later = send(transport, *range(31, 61))

    assert ends(outcomes) == {n: (state, failure) if n == 15 else TAKEN for n in range(1, 31)}
    assert set(ends(later).values()) == {TAKEN}
    arrived = [mail.recipient for mail in listener.mails]
    assert len(arrived) == len(set(arrived)) == 59 + int(answer.accepted)


def test_connections_closed_while_idle_are_replaced_without_a_failed_try(pipelining: bool):
    with SmtpListener(pipelining=pipelining) as listener, open_transport(listener.url, 3) as transport:
        send(transport, *range(1, 31))
        for conversation in listener._servers[:2]:
            listener._loop.call_soon_threadsafe(conversation.transport.close)
        outcomes = send(transport, *range(31, 61))

    assert set(ends(outcomes).values()) == {TAKEN}
    assert len(listener.mails) == 60


def test_a_batch_that_is_left_in_the_middle_leaves_no_connection_in_the_middle_of_a_mail(pipelining: bool):
    with SmtpListener(pipelining=pipelining) as listener, open_transport(listener.url, 2) as transport:
        batch = transport.send([a_parcel(n) for n in range(1, 21)], now=ANNOUNCED_AT)
        next(batch)
        batch.close()
        outcomes = send(transport, *range(21, 41))

    assert set(ends(outcomes).values()) == {TAKEN}
    assert all(len(listener.sent_to(f"r{n}@example.org")) == 1 for n in range(21, 41))


@pytest.mark.parametrize("packet", [1, 7, 4096], ids=lambda size: f"packets-of-{size}")
def test_a_reply_is_the_same_in_many_lines_and_in_many_packets(packet: int):
    said = {
        "mail": b"250-2.1.0 a sender\r\n250-as good\r\n250 as any\r\n",
        "rcpt": b"251\r\n",
        "data": b"354-go\r\n354 on\r\n",
        "end": b"250-2.0.0 Ok:\r\n250 queued as Q-0007\r\n",
    }
    with WordyListener(said, packet=packet) as listener, open_transport(listener.url) as transport:
        outcomes = send(transport, 1, 2, 3)

    assert set(ends(outcomes).values()) == {TAKEN}
    assert {(o.words, o.provider_id) for o in outcomes.values()} == {
        ("250 2.0.0 Ok: queued as Q-0007", "Q-0007")
    }
    assert listener.recipients == [f"r{n}@example.org" for n in (1, 2, 3)]


@pytest.mark.parametrize("packet", [5, 4096], ids=lambda size: f"packets-of-{size}")
@pytest.mark.parametrize(
    ("stage", "reply", "failure"),
    [
        (
            "rcpt",
            b"550-5.1.1 no such\r\n550-5.1.1 user\r\n550 5.1.1 here\r\n",
            FailureClass.RECIPIENT_PERMANENT,
        ),
        ("mail", b"HTTP/1.1 400 Bad Request\r\n", FailureClass.UNKNOWN),
        ("end", b"450 4.2.0 \xe7a suffit\r\n", FailureClass.TRANSIENT),
    ],
)
def test_a_refusal_in_many_lines_or_in_no_words_at_all_is_understood(
    packet: int, stage: str, reply: bytes, failure: FailureClass
):
    with WordyListener({stage: reply}, packet=packet) as listener, open_transport(listener.url) as transport:
        outcomes = send(transport, 1, 2)

    assert {outcome.failure for outcome in outcomes.values()} == {failure}


def test_a_server_that_never_ends_its_reply_is_left():
    endless = {"rcpt": b"250-and\r\n" * 10_000}
    with WordyListener(endless, first_only=True) as listener, open_transport(listener.url) as transport:
        outcomes = send(transport, 1, 2)

    assert ends(outcomes) == {1: (State.RETRY_WAIT, FailureClass.RETRY_SAFE), 2: TAKEN}


def test_what_a_server_said_before_it_closed_still_counts():
    # The first mail is taken, the second's sender too; then it is gone.
    said = {"end": b"250 2.0.0 queued as Q-1\r\n250 ok\r\n", "idle": b"250 ok\r\n"}
    with WordyListener(said, first_only=True) as listener, open_transport(listener.url) as transport:
        outcomes = send(transport, 1, 2, 3)

    assert ends(outcomes) == {1: TAKEN, 2: (State.RETRY_WAIT, FailureClass.RETRY_SAFE), 3: TAKEN}


def test_a_goodbye_said_while_idle_is_no_failed_try():
    said = {"idle": b"421 4.4.2 idle for too long\r\n"}
    with WordyListener(said, first_only=True) as listener, open_transport(listener.url) as transport:
        send(transport, 1)
        outcomes = send(transport, 2, 3)

    assert ends(outcomes) == {2: TAKEN, 3: TAKEN}
    assert listener.connections == 2


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
    path = tmp_path_factory.mktemp("tls") / "relay.pem"
    subprocess.run(  # fixed arguments
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", path, "-out", path.with_suffix(".crt"), "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.with_suffix(".crt"), certificate)
    return context


def test_starttls_and_sign_in_with_a_certificate_that_is_trusted(certificate: Path, pipelining: bool):
    listener = SmtpListener(
        tls=server_side(certificate), require_tls=True, login=("janela", "p@ss"), pipelining=pipelining
    )
    with listener:
        address = f"smtp://janela:p%40ss@127.0.0.1:{listener.port}"
        with open_transport(f"{address}?cafile={certificate.with_suffix('.crt')}") as transport:
            trusted = send(transport, 1, 2)
        with open_transport(address) as transport:
            untrusted = send(transport, 3)
        wrong = address.replace("p%40ss", "wrong") + f"?cafile={certificate.with_suffix('.crt')}"
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
            options = f"?cafile={certificate.with_suffix('.crt')}" if tls else "?starttls=off"
            with open_transport(f"smtp://127.0.0.1:{listener.port}{options}", 2) as transport:
                parcels = [a_parcel(n) for n in range(1, 13)]
                for place in (0, 1, 10):
                    parcels[place] = a_parcel(place + 1, message=long)
                outcomes = dict(transport.send(parcels, now=ANNOUNCED_AT))

        assert set(ends(outcomes).values()) == {TAKEN}
        assert listener.connections == 2
        assert len(listener.mails) == 12
        assert [mail.raw.endswith(b"\r\n\r\n" + text) for mail in listener.mails].count(True) == 3


def test_an_address_that_cannot_be_written_to_costs_its_neighbours_nothing():
    with SmtpListener() as listener, open_transport(listener.url) as transport:
        parcels = [a_parcel(1, "joão@example.org"), a_parcel(2)]
        outcomes = dict(transport.send(parcels, now=ANNOUNCED_AT))

    assert ends(outcomes) == {1: (State.FAILED_PERMANENT, FailureClass.RECIPIENT_PERMANENT), 2: TAKEN}


def test_a_mail_with_a_hole_is_refused_and_not_in_doubt():
    with SmtpListener() as listener, open_transport(listener.url) as transport:
        parcels = [a_parcel(1, message=b"To: \x1eto\x1e\r\nX: \x1enext-release\x1e\r\n\r\n"), a_parcel(2)]
        outcomes = dict(transport.send(parcels, now=ANNOUNCED_AT))

    assert ends(outcomes) == {1: (State.FAILED_PERMANENT, FailureClass.CONTENT), 2: TAKEN}


def test_bounces_come_back_to_an_address_of_each_delivery_when_asked_for():
    with SmtpListener() as listener, open_transport(listener.url, verp_key="secret") as transport:
        send(transport, 7)

    assert listener.mails[0].sender == "janela+7.689926d2afe7bc696838@example.org"
    assert listener.mails[0].message["From"] == "Janela <janela@example.org>"


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (Reply(Stage.RCPT, 421, "4.7.0 slow down"), FailureClass.TRANSIENT),
        (Reply(Stage.RCPT, 450, "4.7.1 greylisted"), FailureClass.TRANSIENT),
        (Reply(Stage.RCPT, 452, "4.2.2 over quota"), FailureClass.TRANSIENT),
        # Mailbox full as a permanent error: the person is not given up for it.
        (Reply(Stage.RCPT, 552, "5.2.2 over quota"), FailureClass.TRANSIENT),
        (Reply(Stage.RCPT, 550, "5.1.10 RESOLVER.ADR.RecipientNotFound"), FailureClass.RECIPIENT_PERMANENT),
        (Reply(Stage.RCPT, 550, "5.1.2 bad domain"), FailureClass.RECIPIENT_PERMANENT),
        (Reply(Stage.RCPT, 550, "5.2.1 disabled"), FailureClass.RECIPIENT_PERMANENT),
        (Reply(Stage.RCPT, 550, "no such user here"), FailureClass.RECIPIENT_PERMANENT),
        (Reply(Stage.RCPT, 550, "5.7.1 blocked by policy"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 550, "5.1.8 sender domain does not exist"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 530, "5.7.0 Must issue a STARTTLS command first"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 530, "authentication required"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 552, "5.3.4 message too big"), FailureClass.CONTENT),
        (Reply(Stage.END, 550, "5.7.1 looks like spam"), FailureClass.CONFIG),
        (Reply(Stage.END, 554, "refused"), FailureClass.CONTENT),
        (Reply(Stage.LOGIN, 535, "5.7.8 bad credentials"), FailureClass.CONFIG),
        (Reply(Stage.LOGIN, 454, "4.7.0 temporary failure"), FailureClass.TRANSIENT),
        (Reply(Stage.CONNECT, 554, "no SMTP service here"), FailureClass.CONFIG),
        (Reply(Stage.DATA, 500, "what?"), FailureClass.UNKNOWN),
        (Reply(Stage.MAIL, -1, "HTTP/1.1 400 Bad Request"), FailureClass.UNKNOWN),
    ],
    ids=str,
)
def test_the_table_of_replies_blames_whom_it_should(reply: Reply, failure: FailureClass):
    assert classify(reply) is failure


def test_a_relay_gets_no_more_a_second_than_it_wants():
    waited: list[float] = []
    pace = Pace(5, clock=lambda: sum(waited), sleep=waited.append)
    for _ in range(3):
        pace.wait(10)
    Pace(0, sleep=waited.append).wait(1000)

    assert waited == [2.0, 2.0], "the first ten go at once, the next when two seconds have passed"
    assert read_relay("smtp://h?rate=5").rate == 5


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
     "smtp://u:s3cret@h:99999", "smtp://h/path", "smtp://h?timeout=soon"],
)  # fmt: skip
def test_a_relay_that_cannot_be_read_is_refused_without_showing_the_password(url: str):
    with pytest.raises(InvalidTransport) as caught:
        read_relay(url)

    assert "s3cret" not in str(caught.value)
