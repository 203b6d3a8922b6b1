"""A host whose clock is wrong says so, and takes no live sender for dead."""

from __future__ import annotations

import logging
import math
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from app import cli
from maintenance.database import Database
from maintenance.runtime import Runtime, utc_now
from maintenance.settings import Settings
from notifications import clocks, jobs
from notifications.models import DeliveryRow
from notifications.retries import State
from tests.ledgers import addresses, queue, states


@pytest.fixture(autouse=True)
def _nothing_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "_said_at", -math.inf)


def off_by(settings: Settings, url: str, **length: float) -> Runtime:
    """Return an installation on a host whose clock is so far ahead."""

    def wrong() -> datetime:
        return utc_now() + timedelta(**length)

    return Runtime(settings, Database(url), wrong, host_clock=wrong)


def on_its_way(runtime: Runtime) -> list[int]:
    """Return two deliveries that a sender with a right clock has just begun to send."""
    ids = queue(runtime.database, addresses(2), now=utc_now())
    with runtime.database.write() as session:
        session.execute(
            update(DeliveryRow).values(
                state=State.SENDING, lease_owner="alive", lease_until=utc_now() + timedelta(minutes=3)
            )
        )
    return ids


def test_a_host_three_minutes_ahead_doubts_no_mail_that_a_live_sender_sends(
    settings: Settings, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = off_by(settings, postgres_url, minutes=3, seconds=5)
    DeliveryRow.metadata.create_all(runtime.database.engine)
    ids = on_its_way(runtime)
    with caplog.at_level(logging.WARNING):
        kept = [jobs.keep_up(runtime) for _ in range(3)]

    assert states(runtime.database, ids) == [State.SENDING] * 2
    assert not any(one.doubtful for one in kept)
    [said] = [record.getMessage() for record in caplog.records if record.name == "notifications.clocks"]
    assert "185 seconds ahead of the database's" in said
    assert "would be sent twice" in said
    right = Runtime(settings, runtime.database, runtime.clock, host_clock=utc_now)
    assert jobs.keep_up(right).doubtful == 2, "it is the wrong clock that held it back"
    runtime.database.dispose()


def test_a_clock_that_is_a_little_off_is_warned_of_and_keeps_up_all_the_same(
    settings: Settings, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = off_by(settings, postgres_url, seconds=-10)
    DeliveryRow.metadata.create_all(runtime.database.engine)
    with caplog.at_level(logging.WARNING):
        assert clocks.may_reap(runtime)

    [said] = [record.getMessage() for record in caplog.records if record.name == "notifications.clocks"]
    assert "10 seconds behind the database's" in said
    assert "twice" not in said
    runtime.database.dispose()


def test_a_right_clock_is_nothing_to_speak_of_on_any_database(
    any_database: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert clocks.look(Runtime(settings, any_database)) == timedelta()

    assert caplog.records == []


def test_what_the_question_takes_is_not_held_against_a_clock(postgres_url: str) -> None:
    database = Database(postgres_url)
    asked = iter([utc_now() - timedelta(seconds=40), utc_now() + timedelta(seconds=40)])

    assert database.skew(lambda: next(asked)) == timedelta()
    database.dispose()


@pytest.mark.parametrize("seconds", [-60, 60])
def test_doctor_fails_on_a_host_whose_clock_is_a_minute_off(
    settings: Settings, postgres_url: str, seconds: int
) -> None:
    runtime = off_by(settings, postgres_url, seconds=seconds)
    result = CliRunner().invoke(cli, ["doctor"], obj=runtime)
    runtime.database.dispose()

    assert result.exit_code == 1
    [said] = [line for line in result.output.splitlines() if "FAIL  clock" in line]
    assert "are 60 seconds apart" in said
    assert "NTP" in said


def test_doctor_passes_the_clock_of_a_host_that_agrees(settings: Settings, any_database: Database) -> None:
    result = CliRunner().invoke(cli, ["doctor"], obj=Runtime(settings, any_database))

    assert [line for line in result.output.splitlines() if "ok    clock" in line]
