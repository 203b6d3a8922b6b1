"""The connection to the database: what became of connections that were kept."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from maintenance import database as module
from maintenance.database import Database


def test_connection_that_the_server_closed_while_it_rested_is_replaced(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REST_SECONDS", 0)
    database, other = Database(postgres_url), Database(postgres_url)
    with database.read() as session:
        resting = session.scalar(text("SELECT pg_backend_pid()"))
    with other.read() as session:
        session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": resting})

    with database.read() as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) not in (None, resting)
    database.dispose()
    other.dispose()


def test_listener_hears_of_commits_that_add_to_the_log_and_of_no_others(tmp_path) -> None:
    database, heard = Database(f"sqlite:///{tmp_path}/any.db"), []
    with database.listening(lambda: heard.append(1)):
        with database.write() as session:
            session.info[module.EVENTS] = True
        with database.write():
            pass
        with pytest.raises(ZeroDivisionError):
            _fail_in_mid_write(database)
    with database.write() as session:
        session.info[module.EVENTS] = True

    assert heard == [1]
    database.dispose()


def _fail_in_mid_write(database: Database) -> None:
    with database.write() as session:
        session.info[module.EVENTS] = True
        raise ZeroDivisionError
