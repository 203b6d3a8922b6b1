"""An installation with the Celery engine, as real processes: `janela scheduler` and `janela worker`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Self

from alembic import command
from sqlalchemy import select, update

import notifications.models  # noqa: F401 - its tables belong to the schema
from maintenance import schema
from maintenance.database import Base, Database
from maintenance.runtime import utc_now
from maintenance.settings import ROOT
from notifications.models import DeliveryEventRow, DeliveryRow, LeaseRow, RecipientRow
from notifications.retries import UNFINISHED


def until(happened: Callable[[], bool], what: str = "it", *, seconds: float = 60) -> None:
    """Wait until something has happened; a test that waits in vain is stopped after a while."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} never happened"
        time.sleep(0.05)


class CelerySite:
    """Its database, its settings, its processes; all of them are gone at the end of the `with`."""

    def __init__(
        self, database_url: str, folder: Path, *, broker_url: str, queue: str, smtp_url: str
    ) -> None:
        self.database = Database(database_url)
        Base.metadata.create_all(self.database.engine)
        with self.database.engine.begin() as connection:
            command.stamp(schema._config(connection), "head")
        self.settings = {
            "DATABASE_URL": database_url,
            "ENGINE": "celery",
            "BROKER_URL": broker_url,
            "BROKER_QUEUE": queue,
            "SMTP_URL": smtp_url,
            "SMTP_CONNECTIONS": "4",
            "GUEST_LIST": "*",
            "INSTANCE": str(folder / "instance"),
            "SECRET_KEY": "for-tests-only",
        }
        self._log = folder / "processes.log"
        self._processes: list[subprocess.Popen[bytes]] = []

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

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Begin `janela …` with this installation's settings, in a process group of its own."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("JANELA_")}
        environment |= {f"JANELA_{name}": value for name, value in self.settings.items()}
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", "from app import cli; cli()", *words],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        """End a process and its children with SIGKILL, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)

    def all_settled(self) -> bool:
        """Return whether nothing is left to do."""
        with self.database.read() as session:
            return (
                session.scalar(select(DeliveryRow.id).where(DeliveryRow.state.in_(UNFINISHED)).limit(1))
                is None
            )

    def leader(self) -> int | None:
        """Return the process id of the scheduler that leads; None while nobody does."""
        with self.database.read() as session:
            lease = session.get(LeaseRow, "scheduler")
            return int(lease.owner.split(":")[1]) if lease and lease.until > utc_now() else None

    def let_leases_run_out(self) -> None:
        """Make it as if the minutes had passed that dead senders' leases last."""
        past = utc_now() - timedelta(seconds=1)
        with self.database.write() as session:
            session.execute(
                update(DeliveryRow).where(DeliveryRow.lease_until.is_not(None)).values(lease_until=past)
            )
            session.execute(update(LeaseRow).where(LeaseRow.name.like("send %")).values(until=past))

    def resent(self) -> Counter[str]:
        """Return how often the ledger says that it sent to each address again."""
        with self.database.read() as session:
            return Counter(
                session.scalars(
                    select(RecipientRow.address)
                    .join(DeliveryRow, DeliveryRow.recipient_id == RecipientRow.id)
                    .join(DeliveryEventRow, DeliveryEventRow.delivery_id == DeliveryRow.id)
                    .where(DeliveryEventRow.kind == "resent")
                )
            )
