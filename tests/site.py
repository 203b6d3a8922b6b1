"""An installation as real processes: `janela scheduler`, `janela worker`, killed and started anew.

They are forked from one process that has imported everything, so that one starts at once, not in two seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from alembic import command
from sqlalchemy import exists, or_, select, update

import notifications.models  # noqa: F401 - its tables belong to the schema
from maintenance import schema
from maintenance.database import Base, Database
from maintenance.runtime import utc_now
from notifications.models import ChannelRow, DeliveryEventRow, DeliveryRow, LeaseRow
from notifications.retries import UNFINISHED, State
from tests.invariants import half_fanned_out, waits_for_others

_PR_SET_PDEATHSIG = 1
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    ["tests.crashing", "notifications.celery_engine", "notifications.channels.sms", "psycopg", "app"]
)


def until(happened: Callable[[], bool], what: str = "it", *, seconds: float = 60) -> None:
    """Wait until something has happened; a test that waits in vain is stopped after a while."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} never happened"
        time.sleep(0.05)


def fork(work: Callable[..., object], *arguments: object) -> BaseProcess:
    """Begin some work in a process that has imported everything."""
    process = _FORKING.Process(target=work, args=arguments)
    process.start()
    return process


def _janela(words: Sequence[str], settings: dict[str, str], log: str) -> None:
    """Be `janela …` with these settings and no others, in a process group of one's own."""
    os.setsid()
    # Should the tests be killed, nothing of theirs goes on: this comes when the parent process ends.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    for name in [name for name in os.environ if name.startswith("JANELA_")]:
        del os.environ[name]
    os.environ.update({f"JANELA_{name}": value for name, value in settings.items()})
    sys.argv = ["janela", *words]
    from app import cli

    cli(list(words))


class Site:
    """Its database, its settings, its processes; all of them are gone at the end of the `with`."""

    def __init__(self, database: Database, folder: Path, **settings: str) -> None:
        self.database = database
        Base.metadata.create_all(self.database.engine)
        with self.database.engine.begin() as connection:
            command.stamp(schema._config(connection), "head")
        self.settings = {
            "DATABASE_URL": database.url,
            "SMTP_CONNECTIONS": "4",
            "GUEST_LIST": "*",
            "INSTANCE": str(folder / "instance"),
            "SECRET_KEY": "for-tests-only",
            **settings,
        }
        self._log = folder / "processes.log"
        self._processes: list[BaseProcess] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            self.kill(process)
        self.database.dispose()

    @property
    def log(self) -> str:
        """Return what the processes said."""
        return self._log.read_text()

    def start(self, *words: str) -> BaseProcess:
        """Begin `janela …` with this installation's settings, in a process group of its own."""
        process = fork(_janela, words, self.settings, str(self._log))
        self._processes.append(process)
        return process

    def kill(self, process: BaseProcess) -> None:
        """End a process and its children with SIGKILL, as a power cut would."""
        assert process.pid
        for pid in (process.pid, *children(process.pid)):
            kill_alone(pid)
        with contextlib.suppress(ProcessLookupError):
            # A child may have been forked meanwhile.
            os.killpg(process.pid, signal.SIGKILL)
        process.join(20)

    def all_settled(self) -> bool:
        """Return whether nothing is left to do but for SMS in doubt and for readers who sleep."""
        waits = waits_for_others() | ((DeliveryRow.state == State.HELD) & (DeliveryRow.due_at > utc_now()))
        with self.database.read() as session:
            is_open = session.scalar(select(exists().where(DeliveryRow.state.in_(UNFINISHED), ~waits)))
            return not is_open and not session.scalar(select(exists(half_fanned_out())))

    def leader(self) -> int | None:
        """Return the process id of the scheduler that leads; None while nobody does."""
        with self.database.read() as session:
            lease = session.get(LeaseRow, "scheduler")
            return _pid(lease.owner) if lease and lease.until > utc_now() else None

    def let_leases_run_out(self) -> None:
        """Make it as if the minutes had passed that leases of killed processes last.

        Their last commit may come in after their death, so a test that goes on does this again and again.
        """
        past = utc_now() - timedelta(seconds=1)
        leases = ((DeliveryRow.lease_owner, DeliveryRow.lease_until), (LeaseRow.owner, LeaseRow.until))
        for owner, lasts in leases:
            with self.database.read() as session:
                owners = set(session.scalars(select(owner).where(lasts > utc_now()).distinct()))
            if of_the_dead := [name for name in owners if name and not is_alive(_pid(name))]:
                with self.database.write() as session:
                    session.execute(
                        update(owner.class_)
                        .where(owner.in_(of_the_dead), lasts > utc_now())
                        .values({lasts.key: past})
                        .execution_options(synchronize_session=False)
                    )

    def let_waits_pass(self) -> None:
        """Make it as if the time had passed after which failures are tried again."""
        now = utc_now()
        waiting = or_(
            DeliveryRow.state == State.RETRY_WAIT,
            (DeliveryRow.state == State.AMBIGUOUS) & (DeliveryRow.channel != "sms"),
        )
        with self.database.read() as session:
            late = session.scalar(select(DeliveryRow.id).where(waiting, DeliveryRow.due_at > now).limit(1))
            rests = session.scalar(select(ChannelRow.channel).where(ChannelRow.paused_until > now).limit(1))
        if late or rests:
            with self.database.write() as session:
                session.execute(
                    update(DeliveryRow).where(waiting, DeliveryRow.due_at > now).values(due_at=now)
                )
                session.execute(update(ChannelRow).values(paused_until=None))

    def resent(self) -> Counter[int]:
        """Return how often the ledger says that it sent each delivery again."""
        with self.database.read() as session:
            return Counter(
                session.scalars(select(DeliveryEventRow.delivery_id).where(DeliveryEventRow.kind == "resent"))
            )


def kill_alone(pid: int) -> None:
    """End one process with SIGKILL, and none of its children: as when memory runs out."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Return whether there is such a process, and it is not dead and merely unburied."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def children(pid: int) -> list[int]:
    """Return the ids of a process's children; none once it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _pid(owner: str) -> int:
    return int(owner.split(":")[1])
