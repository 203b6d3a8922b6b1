"""`janela doctor`: what a sender could not use shows before the night."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from app import cli, create_runtime
from maintenance import schema
from maintenance.lifecycle import Actor, Role
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import stopping
from notifications.models import DeliveryRow, NoticeRow
from notifications.retries import FailureClass, State
from notifications.sending import drain
from tests.conftest import MovedClock
from tests.ledgers import ScriptedTransport, addresses, failed, queue


def examine_with(settings: Settings, clock: MovedClock, happens: Callable[[Runtime], object]) -> Result:
    """Run the doctor on an installation in which that has happened."""
    runtime = create_runtime(settings, clock=clock)
    schema.upgrade(runtime.database)
    try:
        happens(runtime)
        return CliRunner().invoke(cli, ["doctor"], obj=runtime)
    finally:
        runtime.database.dispose()


def examine(settings: Settings, clock: MovedClock, **values: str) -> Result:
    """Run the doctor on an installation with these settings."""
    given = {"DATABASE_URL": settings["DATABASE_URL"], "INSTANCE": settings["INSTANCE"], **values}
    runtime = create_runtime(Settings(given), clock=clock)
    schema.upgrade(runtime.database)
    try:
        return CliRunner().invoke(cli, ["doctor"], obj=runtime)
    finally:
        runtime.database.dispose()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SMTP_URL", "ftp://x", "JANELA_SMTP_URL cannot be read; it looks like smtp://"),
        ("SMTP_URL", "smtp://relay.example.org?speed=9", "JANELA_SMTP_URL needs a host, and knows only"),
        ("MAIL_FROM", "Janela", "JANELA_MAIL_FROM must look like"),
        ("MAIL_FROM", "Janela <janela@example.org", "JANELA_MAIL_FROM must look like"),
        ("LOCALES", "pt xx", "JANELA_LOCALES offers “xx”"),
        ("LOCALES", "../../etc", "JANELA_LOCALES offers “../../etc”"),
    ],
)
def test_doctor_fails_with_a_sentence(
    settings: Settings, clock: MovedClock, name: str, value: str, says: str
) -> None:
    result = examine(settings, clock, **{name: value})

    assert result.exit_code == 1
    [failed] = [line for line in result.output.splitlines() if "FAIL" in line]
    assert says in failed


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"SMTP_URL": "smtps://user:secret@relay.example.org", "GUEST_LIST": "*"},
        {"MAIL_FROM": "janela@example.org", "LOCALES": "pt-PT en"},
    ],
)
def test_doctor_passes_what_a_sender_can_use(
    settings: Settings, clock: MovedClock, values: dict[str, str]
) -> None:
    result = examine(settings, clock, **values)

    assert result.exit_code == 0, result.output
    assert "FAIL" not in result.output
    assert "secret" not in result.output


def test_doctor_fails_while_the_breaker_holds_a_channel_and_says_how_it_goes_on(
    settings: Settings, clock: MovedClock
) -> None:
    def refused(runtime: Runtime) -> None:
        queue(runtime.database, addresses(30), now=clock.now)
        answers = {name: [failed(FailureClass.CONFIG, "535 wrong password")] * 99 for name in addresses(30)}
        for _ in range(9):
            drain(runtime, ScriptedTransport(script=answers))
            clock.move_on(seconds=15)

    result = examine_with(settings, clock, refused)

    assert result.exit_code == 1
    [said] = [line for line in result.output.splitlines() if "FAIL" in line]
    assert "Nothing leaves by email (535 wrong password)" in said
    assert "janela deliveries resume email" in said


def test_doctor_lists_what_persons_stopped_and_what_waits_for_one_and_passes(
    settings: Settings, clock: MovedClock
) -> None:
    def stopped(runtime: Runtime) -> None:
        chief = Actor("chief@example.org", Role.APPROVER)
        ids = queue(runtime.database, addresses(3), now=clock.now)
        with runtime.database.write() as session:
            session.execute(update(NoticeRow).values(public_id="paused000001"))
            doubted = update(DeliveryRow).where(DeliveryRow.id.in_(ids[:2]))
            session.execute(doubted.values(state=State.NEEDS_REVIEW, finished_at=clock.now))
            stopping.pause(session, "sms", by=chief, now=clock.now)
            stopping.pause(session, "paused000001", by=chief, now=clock.now)
            stopping.note_trouble(session, "webhook", words="503", is_config=False, now=clock.now)

    result = examine_with(settings, clock, stopped)

    assert result.exit_code == 0, result.output
    [said] = [line for line in result.output.splitlines() if " sending: " in line]
    assert "sms was stopped by chief@example.org" in said
    assert "notice paused000001 is paused" in said
    assert "channel webhook rests (503)" in said
    assert "2 deliveries wait for a person" in said
