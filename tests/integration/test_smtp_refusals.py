"""Relays that refuse: some readers for reasons of their own, or everybody, which is our own fault and nobody else's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy import select

from maintenance.database import Database
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import stopping
from notifications.channels.smtp import SmtpTransport
from notifications.models import SuppressionRow
from notifications.retries import FailureClass, State
from notifications.sending import drain
from tests.conftest import MovedClock
from tests.fakes.smtp import SmtpListener, refuse
from tests.invariants import assert_sound
from tests.ledgers import ScriptedTransport, addresses, delivery, failed, history, queue, states
from tests.relays import open_transport

READERS = addresses(60)


@pytest.fixture
def installation(any_database: Database, settings: Settings, clock: MovedClock) -> Runtime:
    return Runtime(settings, any_database, clock)


def refusing(stage: str, reply: str, readers: Iterable[str] = READERS) -> SmtpListener:
    """Return a relay that always refuses these readers, or everybody at MAIL."""
    keys = ["MAIL"] if stage == "mail" else readers
    return SmtpListener({key: [refuse(stage, reply)] * 999 for key in keys}, pipelining=True)


def drain_for(
    installation: Runtime, clock: MovedClock, transport: SmtpTransport | ScriptedTransport, length: timedelta
) -> None:
    """Look once a quarter of a minute, as an engine does."""
    until = clock.now + length
    while clock.now < until:
        drain(installation, transport)
        clock.move_on(seconds=15)


def stops(installation: Runtime) -> list[tuple[str, str]]:
    with installation.database.read() as session:
        return [(row.channel, row.words) for row in stopping.stops(session)]


def suppressed(installation: Runtime) -> list[str]:
    with installation.database.read() as session:
        return list(session.scalars(select(SuppressionRow.address)))


def test_two_readers_whose_lists_are_restricted_stop_nothing_and_are_not_suppressed(
    installation: Runtime, clock: MovedClock
) -> None:
    ids = queue(installation.database, READERS, now=clock.now)
    two = [READERS[7], READERS[31]]
    with (
        refusing("rcpt", "550 5.7.1 not allowed to write to this list", two) as listener,
        open_transport(listener.url) as transport,
    ):
        drain_for(installation, clock, transport, timedelta(hours=3))
        tries = {reader: listener.commands.count(f"RCPT {reader}") for reader in two}

        assert len({mail.recipient for mail in listener.mails}) == 58
        assert tries == dict.fromkeys(two, 5)
        assert_sound(installation.database)
        later = queue(installation.database, READERS[:2], now=clock.now, reference="INT-2")
        drain(installation, transport)

    assert states(installation.database, [ids[7], ids[31]]) == [State.FAILED_PERMANENT] * 2
    assert history(installation.database, ids[7]) == [("attempt", "retry_wait")] * 4 + [
        ("attempt", "failed_permanent")
    ]
    assert delivery(installation.database, ids[7]).failure == "refused"
    assert states(installation.database, later) == [State.ACCEPTED] * 2
    assert (stops(installation), suppressed(installation)) == ([], [])


@pytest.mark.parametrize("reply", ["550 5.7.1 Unable to relay", "550 Relaying denied", "554 5.1.0 rejected"])
def test_relay_that_refuses_every_reader_stops_the_channel_and_blames_nobody(
    installation: Runtime, clock: MovedClock, reply: str
) -> None:
    ids = queue(installation.database, READERS, now=clock.now)
    with refusing("rcpt", reply) as listener, open_transport(listener.url) as transport:
        drain_for(installation, clock, transport, timedelta(hours=1))
        tried = sum(command.startswith("RCPT") for command in listener.commands)

    assert stops(installation) == [("email", reply)]
    assert tried == 20, "two batches, the second to make sure"
    assert states(installation.database, ids).count(State.QUEUED) == 40
    assert set(states(installation.database, ids)) == {State.QUEUED, State.RETRY_WAIT}
    assert suppressed(installation) == []


@pytest.mark.parametrize("reply", ["550 5.4.5 Daily user sending quota exceeded", "550 5.1.0 rejected"])
def test_relay_that_refuses_our_sender_stops_the_channel_and_blames_nobody(
    installation: Runtime, clock: MovedClock, reply: str
) -> None:
    ids = queue(installation.database, READERS, now=clock.now)
    with refusing("mail", reply) as listener, open_transport(listener.url) as transport:
        drain_for(installation, clock, transport, timedelta(minutes=5))

    assert stops(installation) == [("email", reply)]
    assert set(states(installation.database, ids)) == {State.QUEUED, State.CONFIG_ERROR}
    assert suppressed(installation) == []


def test_refusals_with_a_success_between_are_the_readers_own(
    installation: Runtime, clock: MovedClock
) -> None:
    # Nine in a row, then one that goes through, and so on: half a directory of restricted lists.
    refused = [reader for number, reader in enumerate(READERS) if number % 10]
    queue(installation.database, READERS, now=clock.now)
    with (
        refusing("rcpt", "550 5.7.1 not allowed", refused) as listener,
        open_transport(listener.url) as transport,
    ):
        drain_for(installation, clock, transport, timedelta(minutes=2))

        assert len(listener.mails) == 6
    assert stops(installation) == []


def test_provider_that_sends_sms_to_no_number_is_left_alone_after_ten(
    installation: Runtime, clock: MovedClock
) -> None:
    queue(installation.database, READERS, now=clock.now, channel="sms")
    script = {reader: [failed(FailureClass.REFUSED, "21408")] * 99 for reader in READERS}
    provider = ScriptedTransport(channel="sms", batch_size=1, script=script)
    drain(installation, provider)

    assert len(provider.sent) == 10
    drain_for(installation, clock, provider, timedelta(minutes=1))
    assert stops(installation) == [("sms", "21408")]
    assert len(provider.sent) == 20
    assert suppressed(installation) == []


def test_relay_that_was_away_and_comes_back_refusing_everybody_ends_nobodys_message(
    installation: Runtime, clock: MovedClock
) -> None:
    ids = queue(installation.database, READERS, now=clock.now, useful_for=timedelta(days=2))
    away = [failed(FailureClass.TRANSIENT, "451 later")] * 6
    refusals = [failed(FailureClass.REFUSED, "550 5.7.1 no")] * 99
    transport = ScriptedTransport(script={reader: [*away, *refusals] for reader in READERS})
    drain_for(installation, clock, transport, timedelta(hours=3))

    assert [channel for channel, _ in stops(installation)] == ["email"]
    assert State.FAILED_PERMANENT not in states(installation.database, ids)
    assert suppressed(installation) == []
