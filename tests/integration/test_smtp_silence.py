"""Relays that are slow, or fall silent: a batch ends before its lease does, and nobody sends it a second time."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import pytest

from maintenance.runtime import Runtime, utc_now
from notifications import claims, jobs
from notifications.channels.smtp import Envelope, SmtpTransport, read_relay
from notifications.retries import FailureClass, State
from notifications.sending import drain
from tests.fakes.smtp import Answer, SmtpListener, WordyListener, late
from tests.ledgers import addresses, delivery, history, queue, states
from tests.relays import TAKEN, ends, open_transport, send

DOUBT = (State.AMBIGUOUS, FailureClass.AMBIGUOUS)
NOT_BEGUN = (State.RETRY_WAIT, FailureClass.RETRY_SAFE)


def always(answer: Answer, count: int) -> dict[str, list[Answer]]:
    return {f"r{n}@example.org": [answer] * 20 for n in range(1, count + 1)}


def test_a_relay_silent_at_two_rounds_of_mails_gets_no_more_of_the_batch(pipelining: bool):
    listener = SmtpListener(always(late(30), 20), pipelining)
    with listener, open_transport(f"{listener.url}&timeout=0.4", 2) as transport:
        outcomes = ends(send(transport, *range(1, 21)))

    in_doubt = [n for n, end in outcomes.items() if end == DOUBT]
    assert set(in_doubt) == {1, 11, 2, 13}, "the first of each connection, in two rounds"
    assert {n for n, end in outcomes.items() if end == NOT_BEGUN} == set(range(1, 21)) - set(in_doubt)


def test_a_relay_that_answers_again_after_a_silence_gets_the_rest(pipelining: bool):
    silences = {f"r{n}@example.org": [late(30)] for n in (1, 3)}
    listener = SmtpListener(silences, pipelining)
    with listener, open_transport(f"{listener.url}&timeout=0.4") as transport:
        outcomes = ends(send(transport, *range(1, 11)))

    assert outcomes == {n: DOUBT if n in (1, 3) else TAKEN for n in range(1, 11)}


def test_what_a_slow_relay_was_not_asked_in_time_is_given_back_and_not_in_doubt(pipelining: bool):
    listener = SmtpListener(always(late(0.25), 10), pipelining)
    with listener, open_transport(listener.url, longest_send=0.9) as transport:
        outcomes = list(ends(send(transport, *range(1, 11))).values())

    taken, doubts = outcomes.count(TAKEN), outcomes.count(DOUBT)
    assert 0 < taken < 9
    assert doubts <= 1, "the one that it was about to answer"
    assert outcomes == [TAKEN] * taken + [DOUBT] * doubts + [NOT_BEGUN] * (10 - taken - doubts)


@pytest.mark.parametrize("stage", ["hello", "ehlo"])
def test_a_relay_that_greets_without_an_end_is_left(stage: str):
    slow = {stage: b"220-a word after the other\r\n" * 20 + b"220 PIPELINING\r\n"}
    listener = WordyListener(slow, packet=10, pause=0.05)
    with listener, open_transport(listener.url, longest_send=0.5) as transport:
        outcomes = ends(send(transport, 1, 2))

    assert outcomes == {1: NOT_BEGUN, 2: NOT_BEGUN}
    assert listener.recipients == []


def test_live_sender_with_a_silent_relay_is_not_taken_for_dead(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=3))
    runtime = Runtime(runtime.settings, runtime.database, utc_now)
    ids = queue(runtime.database, addresses(10), now=utc_now())
    script = {address: [late(30)] * 20 for address in addresses(10)}
    with SmtpListener(script, pipelining=True) as listener:
        relay = read_relay(f"{listener.url}&timeout=0.5")
        transport = SmtpTransport(relay, Envelope("janela@example.org"), longest_send=2)
        sender = Thread(target=drain, args=(runtime, transport))
        sender.start()
        while sender.is_alive():
            jobs.keep_up(runtime)
            sender.join(0.1)
        transport.close()

    told = {kind for id_ in ids for kind, _ in history(runtime.database, id_)}
    assert "lease_expired" not in told
    assert all(delivery(runtime.database, id_).attempts == 1 for id_ in ids)
    assert set(states(runtime.database, ids)) == {State.AMBIGUOUS, State.RETRY_WAIT}
