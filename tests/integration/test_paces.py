"""A provider's rate is one for all processes that send through it, on both databases."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from maintenance.database import Database
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import channels, paces
from notifications.channels.pace import Pace
from notifications.channels.smtp import SmtpTransport
from notifications.models import PaceRow

NAME = "smtp user@relay.example.org:587"
#: What two processes take, in seconds of the account's time.
TAKES, SECONDS = 30, 1.0


def used_until(database: Database) -> float:
    with database.read() as session:
        return session.scalars(select(PaceRow.used_until).where(PaceRow.name == NAME)).one()


def take(database: Database, seconds: float) -> float:
    with database.write() as session:
        return paces.take(session, NAME, seconds)


def _take_many(url: str) -> None:
    database = Database(url)
    for _ in range(TAKES):
        assert paces.shared(database, NAME)(SECONDS) is not None


def test_two_processes_take_their_time_one_behind_the_other(any_database: Database) -> None:
    assert take(any_database, 0) == 0
    before = used_until(any_database)
    url = any_database.engine.url.render_as_string(hide_password=False)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_take_many, args=(url,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0]
    waited = take(any_database, 0)
    assert 0 < waited <= 2 * TAKES * SECONDS
    assert used_until(any_database) >= before + 2 * TAKES * SECONDS


def test_wait_is_what_others_took_before(any_database: Database) -> None:
    assert take(any_database, 20) == 0
    assert 0 < take(any_database, 5) <= 20
    assert 20 < take(any_database, 0) <= 25


def test_nobody_waits_for_ever_because_a_clock_was_wrong(any_database: Database) -> None:
    take(any_database, 1)
    with any_database.write() as session:
        session.execute(update(PaceRow).values(used_until=PaceRow.used_until + 10**9))

    assert take(any_database, 10) == pytest.approx(paces.LONGEST_WAIT, abs=1)
    assert take(any_database, 0) <= paces.LONGEST_WAIT
    with any_database.write() as session:
        session.execute(update(PaceRow).values(used_until=0))
    assert take(any_database, 10) == 0


def test_transports_of_several_processes_share_the_rate_of_their_relay(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        {
            "SMTP_URL": "smtp://user:secret@relay.example.org?rate=2",
            "GUEST_LIST": "*",
            "SECRET_KEY": "for-tests-only",
        }
    )
    made = [channels.transports(Runtime(settings, any_database))["email"] for _ in range(2)]
    waits: list[float] = []
    for transport in made:
        assert isinstance(transport, SmtpTransport)
        monkeypatch.setattr(transport._pace, "_sleep", waits.append)
        transport._pace.wait(20)

    (wait,) = waits
    assert 0 < wait <= 10
    with any_database.read() as session:
        assert session.scalars(select(PaceRow.name)).one() == NAME


@pytest.mark.parametrize(
    ("connections", "processes", "each"), [("16", 1, 8), ("16", 2, 8), ("10", 2, 5), ("3", 1, 1), ("1", 1, 1)]
)
def test_threads_and_processes_share_the_connections_to_a_relay(
    any_database: Database, connections: str, processes: int, each: int
) -> None:
    settings = Settings(
        {
            "SMTP_URL": "smtp://relay.example.org",
            "SMTP_CONNECTIONS": connections,
            "GUEST_LIST": "*",
            "SECRET_KEY": "for-tests-only",
        }
    )
    transport = channels.transports(Runtime(settings, any_database), processes=processes)["email"]

    assert transport.batch_size == 10 * each


def test_without_a_rate_nobody_is_asked_and_without_the_database_each_keeps_the_rate_for_itself() -> None:
    def never(seconds: float) -> float:
        raise AssertionError("asked for nothing")

    Pace(0, never).wait(10)
    Pace(5, never).wait(0)

    waits: list[float] = []
    away: Callable[[float], Any] = paces.shared(Database("sqlite:////nonexistent/folder/none.db"), NAME)
    pace = Pace(5, away, clock=lambda: sum(waits), sleep=waits.append)
    for _ in range(3):
        pace.wait(10)
    assert waits == [2, 2]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", 16),
        ("smtp://relay.example.org", 16),
        ("smtp://relay.example.org?rate=100", 16),
        ("smtp://relay.example.org?rate=2.5", 3),
        ("smtp://relay.example.org?rate=0.2", 1),
    ],
)
def test_no_more_connections_are_used_than_mails_a_second(url: str, expected: int) -> None:
    assert channels.connections(Settings({"SMTP_URL": url})) == expected
