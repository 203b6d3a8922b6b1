"""What a mail server says, in as many lines and packets as it likes, and what that means."""

from __future__ import annotations

import pytest

from notifications.channels.smtp_replies import Reply, Stage, classify
from notifications.retries import FailureClass, State
from tests.fakes.smtp import WordyListener
from tests.relays import TAKEN, ends, open_transport, send


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


@pytest.mark.parametrize("packet", [1, 4096], ids=lambda size: f"packets-of-{size}")
@pytest.mark.parametrize(
    "then",
    [{"data": b""}, {"rset": b""}, {"rset": b"421 4.3.2 bye\r\n"}, {"data": b"421 4.3.2 bye\r\n"}],
    ids=["closes-at-data", "closes-at-rset", "421-to-rset", "421-to-data"],
)
def test_a_refusal_counts_whatever_the_server_says_or_does_after_it(packet: int, then: dict[str, bytes]):
    said = {"rcpt": b"550 5.1.1 no such user\r\n", **then}
    with (
        WordyListener(said, packet=packet, first_only=True) as listener,
        open_transport(listener.url) as transport,
    ):
        outcomes = send(transport, 1, 2)

    refused = (State.FAILED_PERMANENT, FailureClass.RECIPIENT_PERMANENT)
    assert ends(outcomes) == {1: refused, 2: TAKEN}
    assert listener.recipients[-1] == "r2@example.org"


def test_a_server_that_falls_silent_after_a_refusal_is_left_and_the_refusal_counts():
    # It never ends its reply to RSET.
    said = {"rcpt": b"550 5.1.1 no such user\r\n", "rset": b"250-well\r\n"}
    with (
        WordyListener(said, first_only=True) as listener,
        open_transport(listener.url + "&timeout=0.3&pipelining=off") as transport,
    ):
        outcomes = send(transport, 1, 2)

    assert ends(outcomes) == {1: (State.FAILED_PERMANENT, FailureClass.RECIPIENT_PERMANENT), 2: TAKEN}


def test_a_goodbye_said_while_idle_is_no_failed_try():
    said = {"idle": b"421 4.4.2 idle for too long\r\n"}
    with WordyListener(said, first_only=True) as listener, open_transport(listener.url) as transport:
        send(transport, 1)
        outcomes = send(transport, 2, 3)

    assert ends(outcomes) == {2: TAKEN, 3: TAKEN}
    assert listener.connections == 2


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
        (Reply(Stage.RCPT, 550, "5.1.3 bad syntax"), FailureClass.RECIPIENT_PERMANENT),
        (Reply(Stage.RCPT, 551, "5.1.6 moved, no forwarding address"), FailureClass.RECIPIENT_PERMANENT),
        (Reply(Stage.RCPT, 556, "5.1.10 null MX"), FailureClass.RECIPIENT_PERMANENT),
        (Reply(Stage.END, 550, "5.1.1 no such user"), FailureClass.RECIPIENT_PERMANENT),
        (Reply(Stage.DATA, 550, "5.1.10 no such user"), FailureClass.RECIPIENT_PERMANENT),
        # Of this reader alone as far as one can see, and nobody can say that the address is to blame.
        (Reply(Stage.RCPT, 550, "no such user here"), FailureClass.REFUSED),
        (Reply(Stage.RCPT, 550, "Relaying denied"), FailureClass.REFUSED),
        (Reply(Stage.RCPT, 501, "what address is that?"), FailureClass.REFUSED),
        (Reply(Stage.RCPT, 550, "5.7.1 not allowed to write to this list"), FailureClass.REFUSED),
        (Reply(Stage.RCPT, 550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup"), FailureClass.REFUSED),
        (Reply(Stage.RCPT, 550, "5.1.0 address rejected"), FailureClass.REFUSED),
        (Reply(Stage.RCPT, 550, "5.1.4 ambiguous"), FailureClass.REFUSED),
        (Reply(Stage.RCPT, 550, "5.2.0 no"), FailureClass.REFUSED),
        (Reply(Stage.END, 550, "5.1.0 sender rejected"), FailureClass.REFUSED),
        (Reply(Stage.END, 550, "5.1.2 bad domain"), FailureClass.REFUSED),
        # Routing and quotas pass.
        (Reply(Stage.RCPT, 550, "5.4.1 no route"), FailureClass.TRANSIENT),
        (Reply(Stage.RCPT, 550, "5.4.4 no host"), FailureClass.TRANSIENT),
        (Reply(Stage.END, 550, "5.4.5 Daily user sending quota exceeded"), FailureClass.TRANSIENT),
        (Reply(Stage.RCPT, 552, "mailbox full"), FailureClass.TRANSIENT),
        # Before any reader is named it can only be ours.
        (Reply(Stage.MAIL, 550, "5.4.5 Daily user sending quota exceeded"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 550, "5.1.0 sender rejected"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 550, "5.1.1 no such sender"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 550, "5.2.1 sender disabled"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 552, "5.2.2 your mailbox is full"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 550, "Sender rejected"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 452, "4.2.2 over quota"), FailureClass.TRANSIENT),
        (Reply(Stage.MAIL, 552, "too big"), FailureClass.CONTENT),
        (Reply(Stage.MAIL, 550, "5.2.3 too big"), FailureClass.CONTENT),
        (Reply(Stage.MAIL, 550, "5.6.1 no 8 bits"), FailureClass.CONTENT),
        (Reply(Stage.RCPT, 550, "5.1.8 sender domain does not exist"), FailureClass.CONFIG),
        (Reply(Stage.RCPT, 530, "5.7.0 authentication required"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 550, "5.1.8 sender domain does not exist"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 530, "5.7.0 Must issue a STARTTLS command first"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 530, "authentication required"), FailureClass.CONFIG),
        (Reply(Stage.MAIL, 552, "5.3.4 message too big"), FailureClass.CONTENT),
        (Reply(Stage.END, 550, "5.7.1 looks like spam"), FailureClass.CONFIG),
        (Reply(Stage.END, 552, "too big"), FailureClass.CONTENT),
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
