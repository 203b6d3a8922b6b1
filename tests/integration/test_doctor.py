"""`janela doctor`: what a sender could not use shows before the night."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from app import cli, create_runtime
from maintenance import schema
from maintenance.settings import Settings
from tests.conftest import MovedClock


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
