"""Mail through a real listener that misbehaves as told; each test runs plain and pipelined."""

from __future__ import annotations

import pytest

from notifications.retries import FailureClass, State
from tests.builders_mail import ANNOUNCED_AT, a_parcel
from tests.fakes.smtp import Answer, SmtpListener, closing, drop, late, refuse
from tests.relays import TAKEN, ends, open_transport, send


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
        (refuse("rcpt", "554 5.7.1 relay access denied"), State.RETRY_WAIT, FailureClass.REFUSED),
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


@pytest.mark.parametrize("stage", ["rcpt", "data"])
def test_a_server_that_refuses_and_hangs_up_is_understood_and_costs_no_other_mail_a_try(
    pipelining: bool, stage: str
):
    hanging_up = closing(stage, "550 5.1.1 no such user")
    script = {f"r{n}@example.org": [hanging_up] for n in (2, 3, 5)}
    with SmtpListener(script, pipelining) as listener, open_transport(listener.url) as transport:
        outcomes = send(transport, *range(1, 6))

    refused = (State.FAILED_PERMANENT, FailureClass.RECIPIENT_PERMANENT)
    assert ends(outcomes) == {1: TAKEN, 2: refused, 3: refused, 4: TAKEN, 5: refused}
    assert [mail.recipient for mail in listener.mails] == ["r1@example.org", "r4@example.org"]


def test_a_server_that_hangs_up_on_our_sender_is_understood(pipelining: bool):
    script = {"MAIL": [closing("mail", "550 5.7.1 not your sender")] * 2}
    with SmtpListener(script, pipelining) as listener, open_transport(listener.url) as transport:
        outcomes = send(transport, 1, 2, 3)

    ours = (State.CONFIG_ERROR, FailureClass.CONFIG)
    assert ends(outcomes) == {1: ours, 2: ours, 3: TAKEN}


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


def test_a_relay_that_grants_two_of_eight_connections_gets_the_whole_batch_on_them(pipelining: bool):
    with (
        SmtpListener(pipelining=pipelining, granted=2) as listener,
        open_transport(listener.url, 8) as transport,
    ):
        outcomes = send(transport, *range(1, 81))
        later = send(transport, *range(81, 161))

        assert set(ends(outcomes | later).values()) == {TAKEN}
        assert listener.connections == 3, "asked once for more than it grants, not in every round"
    arrived = [mail.recipient for mail in listener.mails]
    assert len(arrived) == len(set(arrived)) == 160


def test_granted_connections_that_break_leave_the_rest_to_one_more_try_and_the_batch_ends(pipelining: bool):
    script = {"r1@example.org": [drop("rcpt")], "r11@example.org": [drop("rcpt")]}
    with (
        SmtpListener(script, pipelining, granted=2) as listener,
        open_transport(listener.url, 8) as transport,
    ):
        outcomes = send(transport, *range(1, 81))

    lost = (State.RETRY_WAIT, FailureClass.RETRY_SAFE)
    assert ends(outcomes) == {n: lost if n in (1, 11) else TAKEN for n in range(1, 81)}


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
