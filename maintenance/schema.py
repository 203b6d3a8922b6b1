"""The schema of the database: where it stands, and bringing it up to date."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from maintenance.database import Database, UnusableDatabase
from maintenance.errors import JanelaError
from maintenance.settings import ROOT


class SchemaOutOfDate(JanelaError):
    """The database and this release do not fit together."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database, revision: str = "head") -> tuple[str | None, str | None]:
    """Bring the database to `revision`; return the revision before and after.

    The whole way is one transaction on PostgreSQL and SQLite: it arrives, or nothing happened.
    """
    with database.engine.connect().execution_options(janela_write=True) as connection, connection.begin():
        before = MigrationContext.configure(connection).get_current_revision()
        command.upgrade(_config(connection), revision)
        after = MigrationContext.configure(connection).get_current_revision()
    return before, after


def downgrade(database: Database, revision: str) -> None:
    """Take the database back to an earlier `revision` (`base`: no tables)."""
    with database.engine.connect().execution_options(janela_write=True) as connection, connection.begin():
        command.downgrade(_config(connection), revision)


def check(database: Database) -> None:
    """Do nothing if the schema is the one this release works with.

    Raises:
        SchemaOutOfDate: With the command that mends it.
    """
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    with database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found == wanted:
        return
    if found is None:
        raise SchemaOutOfDate("The database is empty. Run `janela db upgrade` first.")
    raise SchemaOutOfDate(
        "The database is at revision %(found)s, this release needs %(wanted)s. Make a backup, then run "
        "`janela db upgrade`.",
        found=found,
        wanted=wanted,
    )


def explain(database: Database, error: DBAPIError) -> JanelaError:
    """Return what to do about a database that refused a statement: it is away, or not as this release needs it.

    Raises:
        DBAPIError: The error itself, when neither is the case.
    """
    try:
        check(database)
    except JanelaError as found:
        return found
    except DBAPIError as away:
        # The driver's words name host and port, never the password.
        why = " ".join(str(away.orig).split()).rstrip(".")
        return UnusableDatabase(
            "The database does not answer (%(why)s). Start it, or correct JANELA_DATABASE_URL.", why=why
        )
    raise error
