"""The connection to the database: what became of connections that were kept."""

from __future__ import annotations

import traceback

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app import cli, create_runtime
from maintenance import database as module
from maintenance import schema
from maintenance.database import Database
from maintenance.settings import Settings
from notifications.models import SuppressionRow
from tests.builders import at


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


@pytest.mark.parametrize(
    "words",
    [
        ["deliveries", "list"],
        ["deliveries", "show", "1"],
        ["interventions", "list"],
        ["users", "list"],
        ["tick"],
    ],
)
def test_command_on_a_database_without_tables_says_how_to_make_them(
    settings: Settings, words: list[str]
) -> None:
    runtime = create_runtime(settings)

    done = CliRunner().invoke(cli, words, obj=runtime)

    assert done.exit_code == 1
    assert done.output == "Error: The database is empty. Run `janela db upgrade` first.\n"
    runtime.database.dispose()


def test_command_whose_database_is_away_says_where_it_looked() -> None:
    url = "postgresql+psycopg://janela:secret@127.0.0.1:1/janela"
    runtime = create_runtime(Settings({"DATABASE_URL": url}))

    done = CliRunner().invoke(cli, ["deliveries", "list"], obj=runtime)

    assert done.exit_code == 1
    assert done.output.startswith("Error: The database does not answer (")
    assert "127.0.0.1" in done.output
    assert "JANELA_DATABASE_URL" in done.output
    assert "secret" not in done.output


def test_error_names_no_values_neither_of_ours_nor_of_the_row_that_stands_in_the_way(
    any_database: Database,
) -> None:
    def twice() -> None:
        with any_database.write() as session:
            for _ in range(2):
                session.add(
                    SuppressionRow(channel="sms", address="+351910000001", reason="opt_out", at=at(8))
                )
                session.flush()

    with pytest.raises(IntegrityError) as refused:
        twice()

    told = "".join(traceback.format_exception(refused.value))
    assert "suppressions" in told
    assert "+351910000001" not in told
    brief = module.in_brief(refused.value)
    assert brief.startswith("IntegrityError: (")
    assert "INSERT" not in brief


def test_error_that_is_not_the_installations_is_not_hidden(settings: Settings) -> None:
    runtime = create_runtime(settings)
    schema.upgrade(runtime.database)

    with runtime.database.read() as session, pytest.raises(DBAPIError) as refused:
        session.execute(text("SELECT nothing"))

    with pytest.raises(DBAPIError):
        schema.explain(runtime.database, refused.value)
    runtime.database.dispose()
