"""The embedded engine: ticks in this process look for due work, threads of this process send.

APScheduler only ticks: a few interval jobs in UTC, coalesced, one at a time, in memory. No time of
any notice is kept there; every tick looks at rows, so a process that was down simply catches up.
Of several processes on one database one leads (starts, plans, fans out, keeps up); all send.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Barrier, Event, Lock
from typing import TypeVar

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import or_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from maintenance.runtime import Runtime
from notifications import channels, claims, clocks, jobs
from notifications.channels.parcels import Transport
from notifications.models import LeaseRow
from notifications.sending import drain_together
from notifications.turns import BATCHES_PER_CLAIM

_log = logging.getLogger(__name__)

#: A leader that has not said so again by then has lost the lead: another process takes over.
LEAD = timedelta(seconds=20)
_LEAD_NAME = "scheduler"
#: How often providers are asked about messages in doubt: each question is a request.
ASK_SECONDS = 30
#: How often time's doing is looked after: it reads all that is unfinished, and nothing of it is a matter of a second.
KEEP_UP_SECONDS = 5

#: How long fewer threads than there are send before it is looked whether all are needed.
_FEW_FOR = timedelta(seconds=5)

_Found = TypeVar("_Found")


def take_lead(session: Session, name: str, *, owner: str, now: datetime) -> bool:
    """Return whether `owner` leads from now on: nobody else does, or who did has fallen silent.

    Raises:
        IntegrityError: When two take a lead that nobody ever had at the same instant; one has it.
    """
    lease = session.get(LeaseRow, name)
    if lease is None:
        session.add(LeaseRow(name=name, owner=owner, until=now + LEAD))
        session.flush()
        return True
    taken = session.execute(
        update(LeaseRow)
        .where(LeaseRow.name == name, or_(LeaseRow.owner == owner, LeaseRow.until <= now))
        .values(owner=owner, until=now + LEAD)
        .returning(LeaseRow.name)
        .execution_options(synchronize_session=False)
    )
    return taken.first() is not None


def give_up_lead(session: Session, name: str, *, owner: str, now: datetime) -> None:
    """End a lead that `owner` has, so that another need not wait for its silence; else do nothing."""
    session.execute(
        update(LeaseRow)
        .where(LeaseRow.name == name, LeaseRow.owner == owner)
        .values(until=now)
        .execution_options(synchronize_session=False)
    )


def connections(runtime: Runtime, channel: str) -> int:
    """Return how many connections all who send on a channel have together."""
    # An SMS provider takes some parts per second, whatever the number of connections.
    return channels.connections(runtime.settings) if channel == "email" else 1


class Engine:
    """All due work of an installation, done in this process until `stop`."""

    def __init__(self, runtime: Runtime, transports: Mapping[str, Transport] | None = None) -> None:
        """Take the transports of the settings unless some are given."""
        self._runtime = runtime
        self._transports = channels.transports(runtime) if transports is None else transports
        self._owner = f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(6)}"
        self._stopping = Event()
        self._listening = ExitStack()
        self._scheduler = BackgroundScheduler(timezone=UTC)
        self._pools = {
            channel: ThreadPoolExecutor(self._threads(channel), thread_name_prefix=f"send-{channel}")
            for channel in self._transports
        }

    def start(self) -> None:
        """Begin to tick; return at once."""
        #: Name, at least how many seconds from one to the next, and what it does.
        ticks: list[tuple[str, int, Callable[[], object]]] = [
            ("start", 0, partial(self._leading, jobs.start)),
            ("tell", 0, self._tell),
            *((f"send {channel}", 0, partial(self.send, channel)) for channel in self._transports),
            ("keep up", KEEP_UP_SECONDS, partial(self._leading, jobs.keep_up)),
            ("compare clocks", clocks.SAY_EVERY_SECONDS, partial(clocks.look, self._runtime)),
            ("watch", ASK_SECONDS, partial(self._leading, partial(jobs.watch, transports=self._transports))),
            ("escalate", ASK_SECONDS, partial(self._leading, jobs.escalate)),
            ("ask", ASK_SECONDS, partial(self._leading, partial(jobs.ask, transports=self._transports))),
        ]
        # What a tick finds may take longer than the interval; that the next one waits is no news.
        logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
        logging.getLogger("apscheduler.executors.default").setLevel(logging.WARNING)
        seconds = self._runtime.settings.number("TICK_SECONDS")
        for name, at_least, tick in ticks:
            self._scheduler.add_job(
                Tick(name, tick, self._stopping.is_set),
                "interval",
                seconds=max(seconds, at_least),
                id=name,
                coalesce=True,
                # The second only notes that it was asked for, and returns at once.
                max_instances=2,
                misfire_grace_time=None,
                next_run_time=datetime.now(UTC),
            )
        self._scheduler.start()
        # What is announced in this process need not wait for the next tick.
        self._listening.enter_context(self._runtime.database.listening(partial(self._hasten, "tell")))

    def stop(self) -> None:
        """End the ticks, let what is on its way finish, and close connections."""
        self._stopping.set()
        self._listening.close()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        for channel, pool in self._pools.items():
            threads = self._threads(channel)
            # Connections belong to threads: each has to close its own, none may do so for another.
            all_there = Barrier(threads)
            for done in [pool.submit(self._close, channel, all_there) for _ in range(threads)]:
                done.result()
            pool.shutdown(wait=True)
        _guarded("give up the lead", self._give_up_lead)

    def _give_up_lead(self) -> None:
        with self._runtime.database.write() as session:
            give_up_lead(session, _LEAD_NAME, owner=self._owner, now=self._runtime.clock())

    def _close(self, channel: str, all_there: Barrier) -> None:
        all_there.wait()
        self._transports[channel].close()

    def send(self, channel: str, *, until: datetime | None = None) -> int:
        """Send what is due on a channel, with as many threads as that is worth; return how many tries it took.

        Args:
            channel: Of the deliveries.
            until: When to end although more is due; nothing means not before all is sent.
        """
        transport, most, now = self._transports[channel], self._threads(channel), self._runtime.clock()
        at_once = BATCHES_PER_CLAIM * transport.batch_size
        with self._runtime.database.read() as session:
            due = claims.waiting(session, channel, now=now, limit=at_once * most)
        threads = min(most, -(-due // at_once))
        if threads < most:
            # More may become due than these are enough for: the tick then looks once more.
            until = min(until or now + _FEW_FOR, now + _FEW_FOR)
        return drain_together(
            self._pools[channel], threads, self._runtime, transport, stop=partial(self._ends, until)
        )

    def _ends(self, until: datetime | None) -> bool:
        return self._stopping.is_set() or (until is not None and self._runtime.clock() >= until)

    def _threads(self, channel: str) -> int:
        return channels.threads(connections(self._runtime, channel))

    def _tell(self) -> None:
        # What was just fanned out need not wait for the next tick.
        self._leading(partial(jobs.tell, send=self._hasten_sending))

    def _hasten_sending(self) -> None:
        for channel in self._transports:
            self._hasten(f"send {channel}")

    def _hasten(self, tick: str) -> None:
        # Removed by a stop meanwhile, there is nothing to hasten.
        with suppress(JobLookupError):
            self._scheduler.modify_job(tick, next_run_time=datetime.now(UTC))

    def _leading(self, look: Callable[[Runtime], _Found]) -> _Found | None:
        return look(self._runtime) if self._leads() else None

    def _leads(self) -> bool:
        database, now = self._runtime.database, self._runtime.clock()
        with database.read() as session:
            lease = session.get(LeaseRow, _LEAD_NAME)
        if lease and lease.owner == self._owner and lease.until > now + LEAD / 2:
            return True
        if lease and lease.owner != self._owner and lease.until > now:
            return False
        try:
            with database.write() as session:
                return take_lead(session, _LEAD_NAME, owner=self._owner, now=now)
        except IntegrityError:
            return False


class Tick:
    """A look that one thread takes at a time: asked for while it is under way, it is taken once more.

    Not left to APScheduler, which drops what it is asked for while the job runs: what was announced in that moment
    would wait for the next tick.
    """

    def __init__(
        self, name: str, look: Callable[[], object], is_over: Callable[[], bool] = lambda: False
    ) -> None:
        """Take the look, what to call it in the log, and who says that there will be none any more."""
        self._name, self._look, self._is_over = name, look, is_over
        self._lock = Lock()
        self._is_asked = self._is_looking = False

    def __call__(self) -> None:
        """Look, and look again as long as somebody asked meanwhile; return at once where another thread looks."""
        with self._lock:
            self._is_asked = True
            if self._is_looking:
                return
            self._is_looking = True
        while self._is_due():
            _guarded(self._name, self._look)

    def _is_due(self) -> bool:
        with self._lock:
            due = self._is_asked and not self._is_over()
            self._is_asked, self._is_looking = False, due
            return due


def _guarded(name: str, tick: Callable[[], object]) -> None:
    try:
        tick()
    except Exception:
        # The next tick looks at the same rows again: nothing is lost by going on.
        _log.exception("The tick “%s” failed; the next one tries again", name)
