"""The breaker stops a channel, and those who run the installation hear of it by another way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maintenance.database import Database
from maintenance.lifecycle import Actor, Role
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import alarms, stopping
from notifications.channels.outbox import OutboxTransport, find_items
from notifications.retries import FailureClass
from notifications.sending import drain
from tests.conftest import MovedClock
from tests.ledgers import ScriptedTransport, addresses, failed, queue

CHIEF = Actor("chief@example.org", Role.APPROVER)
NUMBER = "+351000000001"


@pytest.fixture
def installation(any_database: Database, tmp_path, clock: MovedClock) -> Runtime:
    settings = Settings(
        {
            "SECRET_KEY": "for-tests-only",
            "INSTANCE": str(tmp_path),
            "ONCALL": f"night@example.org {NUMBER}",
            "PUBLIC_URL": "https://janela.example.org",
            "LOCALES": "en pt",
        }
    )
    return Runtime(settings, any_database, clock)


def stop_mail(installation: Runtime, clock: MovedClock) -> None:
    """Let the relay refuse our password until the breaker stops the channel."""
    queue(installation.database, addresses(30), now=clock.now)
    script = {address: [failed(FailureClass.CONFIG, "535 wrong")] * 99 for address in addresses(30)}
    transport = ScriptedTransport(script=script)
    until = clock.now + timedelta(minutes=2)
    while clock.now < until:
        drain(installation, transport)
        clock.move_on(seconds=15)


def test_operators_are_told_once_by_another_way_than_the_one_that_stopped(
    installation: Runtime, clock: MovedClock
) -> None:
    mail, sms = ScriptedTransport(), ScriptedTransport(channel="sms", batch_size=1)
    ways = {"email": mail, "sms": sms}
    assert alarms.raise_alarms(installation, ways) == 0
    stop_mail(installation, clock)

    assert alarms.raise_alarms(installation, ways) == 1
    assert alarms.raise_alarms(installation, ways) == 0

    assert mail.sent == []
    [told] = sms.sent
    assert told.recipient == NUMBER
    assert "the channel email is stopped" in told.message.decode()
    assert "535 wrong" in told.message.decode()
    with installation.database.read() as session:
        act = stopping.acts(session)[0]
    assert (act.kind, act.name, act.by, act.words) == ("told", "email", "breaker", "1 of 1 (sms)")


def test_alarm_that_reached_nobody_is_raised_again_and_a_new_stop_is_told_anew(
    installation: Runtime, clock: MovedClock
) -> None:
    stop_mail(installation, clock)
    deaf = ScriptedTransport(channel="sms", batch_size=1, script={NUMBER: [OSError("no network")]})

    assert alarms.raise_alarms(installation, {"sms": deaf}) == 0
    assert alarms.raise_alarms(installation, {"sms": deaf}) == 0, "not at once"
    assert len(deaf.sent) == 1
    clock.move_on(seconds=30)
    assert alarms.raise_alarms(installation, {"sms": deaf}) == 1
    with installation.database.write() as session:
        stopping.resume(session, "email", by=CHIEF, now=clock.now)
    assert alarms.raise_alarms(installation, {"sms": deaf}) == 0
    clock.move_on(minutes=1)
    stop_mail(installation, clock)

    assert alarms.raise_alarms(installation, {"sms": deaf}) == 1


def test_where_only_mail_is_known_mail_is_tried(installation: Runtime, clock: MovedClock) -> None:
    settings = Settings({"SECRET_KEY": "for-tests-only", "ONCALL": "night@example.org", "LOCALES": "en"})
    stop_mail(installation, clock)
    mail = ScriptedTransport()

    assert alarms.raise_alarms(Runtime(settings, installation.database, clock), {"email": mail}) == 1

    [told] = mail.sent
    assert told.recipient == "night@example.org"
    assert "the channel email is stopped" in told.subject


def test_what_a_person_stopped_raises_no_alarm(installation: Runtime, clock: MovedClock) -> None:
    with installation.database.write() as session:
        stopping.pause(session, "email", by=CHIEF, now=clock.now)

    assert alarms.raise_alarms(installation, {"sms": ScriptedTransport(channel="sms")}) == 0


def test_alarm_in_doubt_rings_no_telephone_again_and_again(installation: Runtime, clock: MovedClock) -> None:
    stop_mail(installation, clock)
    doubt = [failed(FailureClass.AMBIGUOUS)] * 9
    sms = ScriptedTransport(channel="sms", batch_size=1, script={NUMBER: doubt})

    for _ in range(5):
        alarms.raise_alarms(installation, {"sms": sms})
        clock.move_on(minutes=5)

    assert len(sms.sent) == 1


def test_alarm_that_stays_in_the_outbox_is_recorded_as_that(
    installation: Runtime, clock: MovedClock, tmp_path
) -> None:
    stop_mail(installation, clock)
    kept = OutboxTransport("sms", tmp_path)
    alarms.raise_alarms(installation, {"sms": kept})

    with installation.database.read() as session:
        assert stopping.acts(session)[0].words == "1 of 1 (outbox)"
    [item] = find_items(tmp_path)
    assert (item.reference, item.kind) == ("ALARM", "alarm")
