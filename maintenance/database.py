"""The connection to the database: transactions, and instants that stay aware UTC."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import Any

from sqlalchemy import JSON, DateTime, Engine, MetaData, create_engine, event, func, select
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.exc import ArgumentError, InvalidatePoolError, NoSuchModuleError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from maintenance.errors import JanelaError
from maintenance.settings import ROOT

#: A connection that nobody used for so long may have been closed by the server or on the way.
_REST_SECONDS = 1
#: In `Session.info`: whether the transaction adds to the event log.
EVENTS = "events"
_PUBLIC_ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


class UnusableDatabase(JanelaError):
    """JANELA_DATABASE_URL names nothing that can be used as a database."""


def new_public_id() -> str:
    """Return a fresh 12-character id (lower-case letters and digits), as Statuspage clients expect."""
    # One number instead of twelve: an estate of 182,500 systems asks for as many at once.
    number = secrets.randbelow(36**12)
    letters = ""
    for _ in range(12):
        number, letter = divmod(number, 36)
        letters += _PUBLIC_ID_ALPHABET[letter]
    return letters


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in Python, UTC in the database; naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant as the database keeps it."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no zone; pass an aware datetime")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the instant aware, in UTC."""
        if value is None or value.tzinfo is UTC:
            return value
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What every table descends from; constraints get names, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own spelling
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[Any]: JSON,
    }


class Database:
    """One database: `read()` and `write()` each give a session that is one transaction."""

    def __init__(self, url: str, *, pool_size: int = 16) -> None:
        """Open nothing yet; a relative SQLite path lies in the checkout, its folder is made.

        Raises:
            UnusableDatabase: For an address of which nothing can be made.
        """
        options: dict[str, Any] = {}
        try:
            self.url = _absolute(url)
            if not self.url.startswith("sqlite"):
                options.update(pool_size=pool_size, max_overflow=pool_size)
            # Addresses and secrets are among the parameters, and errors go into logs and onto pages.
            self.engine = create_engine(self.url, hide_parameters=True, **options)
        except (ArgumentError, NoSuchModuleError, ImportError):
            # Not the address itself: it may hold a password.
            raise UnusableDatabase(
                "JANELA_DATABASE_URL cannot be used: write sqlite:///path or postgresql+psycopg://user@host/name "
                "(the latter needs the extra `postgres`)."
            ) from None
        # Threads of this process wait for each other here: SQLite's own way of waiting is to sleep and look
        # again, which keeps some waiting for long and leaves the file idle in between.
        self._turn: AbstractContextManager[object] = RLock() if self.is_sqlite else nullcontext()
        self._listeners: list[Callable[[], object]] = []
        _keep_values_out_of_errors(self.engine)
        if self.is_sqlite:
            _prepare_sqlite(self.engine)
        else:
            _prepare_postgresql(self.engine)
            _ping_after_rest(self.engine)

    @property
    def is_sqlite(self) -> bool:
        """Return whether this is SQLite: one writer at a time, no SKIP LOCKED."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session for reading; nothing it changes is kept."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session that commits at the end, or keeps nothing when an exception leaves the block.

        On SQLite the transaction takes the write lock at once (BEGIN IMMEDIATE): one that read
        first and wrote later would be refused at the write, too late to wait for its turn.
        """
        with (
            self._turn,
            self.engine.connect().execution_options(janela_write=True) as connection,
            Session(bind=connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
        if session.info.get(EVENTS):
            for tell in tuple(self._listeners):
                tell()

    @contextmanager
    def listening(self, tell: Callable[[], object]) -> Iterator[None]:
        """Have `tell` called after each commit of this process that added to the event log.

        A shortcut, no promise: other processes add to the log as well. It must be quick and never fail.
        """
        self._listeners.append(tell)
        try:
            yield
        finally:
            self._listeners.remove(tell)

    def skew(self, clock: Callable[[], datetime]) -> timedelta:
        """Return how far a clock surely is ahead of the database's; less than nothing when it is behind.

        What the question takes is not held against it. SQLite has no clock but that of this host: no skew.
        """
        if self.is_sqlite:
            return timedelta()
        with self.engine.connect() as connection:
            asked = clock()
            theirs: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
            answered = clock()
        return asked - theirs if asked > theirs else min(answered - theirs, timedelta())

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _absolute(url: str) -> str:
    """Return `url` with a relative SQLite path made absolute, and its folder made."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return url
    path = ROOT / str(parsed.database)
    Path(path.parent).mkdir(parents=True, exist_ok=True)
    return parsed.set(database=str(path)).render_as_string(hide_password=False)


def in_brief(error: BaseException) -> str:
    """Return an error in a line, for people: its class and its first words, without the statement of a database."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"


def _keep_values_out_of_errors(engine: Engine) -> None:
    """Cut what a server says after its first line: it may quote a row, as in `Key (address)=(…) already exists`."""

    @event.listens_for(engine, "handle_error")
    def shorten(context: Any) -> None:
        if context.connection is None:
            return  # Nothing was asked yet: its lines say which addresses were tried.
        for error in (context.original_exception, context.sqlalchemy_exception):
            if error is not None and error.args and isinstance(error.args[0], str):
                error.args = (error.args[0].partition("\n")[0], *error.args[1:])


def _ping_after_rest(engine: Engine) -> None:
    """Ask a connection that has rested whether it is still there; senders use theirs a hundred times a second."""

    @event.listens_for(engine, "checkin")
    def rest(_dbapi_connection: Any, record: Any) -> None:
        record.info["rests_since"] = monotonic()

    @event.listens_for(engine, "checkout")
    def ping(dbapi_connection: Any, record: Any, _proxy: object) -> None:
        since = record.info.pop("rests_since", None)
        if since is None or monotonic() - since < _REST_SECONDS:
            return
        try:
            engine.dialect.do_ping(dbapi_connection)
        except engine.dialect.loaded_dbapi.Error as error:
            # The pool drops all that it has kept since, and opens a new one.
            raise InvalidatePoolError from error


def _prepare_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, _record: object) -> None:
        # PostgreSQL's own figure is one of turning disks: it would rather read a whole table than find forty rows.
        dbapi_connection.execute("SET random_page_cost = 1.1")
        # A fan-out looks so costly to the planner that it would compile it first: over a second each time.
        dbapi_connection.execute("SET jit = off")
        # The driver then makes instants in UTC itself, which is what we make of them anyway.
        dbapi_connection.execute("SET TimeZone = 'UTC'")
        dbapi_connection.commit()


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, _record: object) -> None:
        # The driver's own BEGIN is switched off: it would begin a transaction only at the first write.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            # With WAL a power cut can take the newest commits under NORMAL; a ledger may not lose them.
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=30000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("janela_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
