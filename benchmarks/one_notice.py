"""One notice from its announcement to the last recorded outcome, in a process of its own.

`python -m benchmarks.one_notice prepare|run …` is what `benchmarks.delivery` starts: the installation is as
the environment's settings say, so that the memory measured is the engine's and nothing else's.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import exists, func, insert, select

import notifications.models  # noqa: F401 - its tables belong to the schema
from app import create_runtime
from maintenance import scheduling, schema
from maintenance.catalogue import Audience, Catalogue, Impact, Need, System
from maintenance.database import Database
from maintenance.importing import import_catalogue
from maintenance.interventions import Phase, PhaseKind, Plan, Work
from maintenance.lifecycle import SYSTEM
from maintenance.models import InstitutionRow
from maintenance.runtime import Runtime
from maintenance.texts import Text
from notifications import mail
from notifications.engine import Engine
from notifications.models import (
    DeliveryEventRow,
    DeliveryRow,
    MessageRow,
    NoticeRow,
    RecipientRow,
    ScopeInstitution,
    ScopeRow,
)
from notifications.retries import State

INSTITUTIONS = 62
LANGUAGES = ("pt", "en")
#: How many systems stand on the one that is worked on: that makes a mail of some 12 KB.
SYSTEMS = 6


def fill_directory(database: Database, recipients: int) -> None:
    """Write institutions, scopes and recipients as a directory import leaves them."""
    with database.write() as session:
        for number in range(INSTITUTIONS):
            code = f"INST-{number:02}"
            session.add(InstitutionRow(code=code, name=f"Institution {number}"))
            session.flush()
            for language in LANGUAGES:
                entry = {
                    "institution": code,
                    "institution_name": f"Institution {number}",
                    "audience": "all",
                    "systems": None,
                }
                scope = ScopeRow(
                    key=f"{code}/{language}", language=language, timezone="Europe/Lisbon", entries=[entry]
                )
                session.add(scope)
                session.flush()
                session.add(ScopeInstitution(scope_id=scope.id, institution=code))
        scopes = session.scalars(select(ScopeRow.id).order_by(ScopeRow.id)).all()
        session.connection().execute(
            insert(RecipientRow),
            [
                {
                    "channel": "email",
                    "address": f"reader{number}@example.org",
                    "name": f"Reader {number}",
                    "scope_id": scopes[number % len(scopes)],
                }
                for number in range(recipients)
            ],
        )


def draft(database: Database, now: datetime) -> None:
    """Bring an outage of a database to the point at which it can be announced."""
    systems = [System("DB", Text.of("Database"))]
    systems += [
        System(
            f"S{number}",
            Text.of(f"System {number}"),
            public=True,
            audiences=("all",),
            needs=(Need(("DB",), 1),),
        )
        for number in range(SYSTEMS)
    ]
    catalogue = Catalogue.of(
        systems, audiences={"all": Audience("all", Text.of("All"))}, timezone="Europe/Lisbon"
    )
    start = now.replace(minute=0, second=0, microsecond=0) + timedelta(days=9)
    work = Phase("p1", PhaseKind.OUTAGE, start, start + timedelta(hours=18), (Work("DB", Impact.OUTAGE),))
    plan = Plan("BENCH", Text.of({"pt": "Intervenção", "en": "Work"}), "UTC", (work,))
    with database.write() as session:
        import_catalogue(session, catalogue, prune=False, by=SYSTEM, now=now)
        scheduling.draft(session, plan, by=SYSTEM, now=now)
        scheduling.submit(session, "BENCH", by=SYSTEM, now=now)
        scheduling.approve(session, "BENCH", by=SYSTEM, now=now)


def engine_of(runtime: Runtime) -> Engine:
    """Return the engine that the settings name."""
    if runtime.settings["ENGINE"] == "celery":
        from notifications.celery_engine import CeleryEngine

        return CeleryEngine(runtime)
    return Engine(runtime)


def run(runtime: Runtime, recipients: int, sample: str) -> dict[str, float]:
    """Announce, wait for the last outcome, and return what it took."""
    database = runtime.database
    engine = engine_of(runtime)
    engine.start()
    time.sleep(1)
    cpu = [time.process_time()]
    announced_at = runtime.clock()
    with database.write() as session:
        scheduling.announce(session, "BENCH", by=SYSTEM, now=announced_at)
    while not is_fanned_out(database):
        time.sleep(0.1)
    cpu.append(time.process_time())
    with database.read() as session:
        unsent = session.scalar(select(func.count()).where(DeliveryRow.finished_at.is_(None))) or 1
    while not is_done(database):
        # The last outcome is read from its row: to ask more often would only take time from what is measured.
        time.sleep(0.5)
    cpu.append(time.process_time())
    engine.stop()
    with database.read() as session:
        first, last = session.execute(
            select(func.min(DeliveryRow.tried_at), func.max(DeliveryRow.finished_at))
        ).one()
        notice = session.scalars(select(NoticeRow).where(NoticeRow.state == "fanned_out")).one()
        accepted, tries = session.execute(
            select(func.count(), func.sum(DeliveryRow.attempts)).where(DeliveryRow.state == State.ACCEPTED)
        ).one()
        attempts = session.scalar(
            select(func.count()).select_from(DeliveryEventRow).where(DeliveryEventRow.kind == "attempt")
        )
        body = session.scalars(select(MessageRow.body).limit(1)).one()
    assert accepted == tries == attempts == recipients, (accepted, tries, attempts, recipients)
    letter = mail.fill(body, mail.tokens_of("Reader", "reader@example.org", 1))
    Path(sample).write_bytes(letter)
    seconds = (last - announced_at).total_seconds()
    assert notice.fanned_out_at is not None
    return {
        "seconds": seconds,
        "fan_out_seconds": (notice.fanned_out_at - announced_at).total_seconds(),
        "messages_per_second": recipients / seconds,
        "lag_seconds": (first - notice.due_at).total_seconds(),
        "send_per_second": recipients / (last - first).total_seconds(),
        "cpu_seconds": cpu[-1] - cpu[0],
        "sending_cpu_us_per_mail": (cpu[-1] - cpu[1]) / unsent * 1e6,
        "peak_mb": peak_mb(),
        "mail_bytes": len(letter),
    }


def is_fanned_out(database: Database) -> bool:
    """Return whether there is a delivery for each reader."""
    with database.read() as session:
        return bool(session.scalar(select(exists().where(NoticeRow.state == "fanned_out"))))


def is_done(database: Database) -> bool:
    """Return whether no delivery waits for anything."""
    with database.read() as session:
        return not session.scalar(select(exists().where(DeliveryRow.finished_at.is_(None))))


def peak_mb() -> float:
    """Return the most memory that this process had resident, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def main(what: str, recipients: int, sample: str, batch: int) -> None:
    """Prepare an installation, or run it and print a line of JSON."""
    runtime = create_runtime()
    if what == "prepare":
        schema.upgrade(runtime.database)
        fill_directory(runtime.database, recipients)
        draft(runtime.database, runtime.clock())
    else:
        if batch:
            from notifications.channels.smtp import SmtpTransport

            SmtpTransport.mails_per_connection = batch
        print(json.dumps(run(runtime, recipients, sample)))
    runtime.database.dispose()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
