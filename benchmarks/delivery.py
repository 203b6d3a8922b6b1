"""How fast the ledger takes a notice to 126,683 mailboxes: `python -m benchmarks.delivery --help`.

From the announcement to the last recorded outcome, with every try recorded. Without `--smtp` the
mails are built and then dropped, which measures everything of ours; with it they go to a relay
(`smtp-sink -c 127.0.0.1:2525 1000` of Debian's postfix package takes all and keeps nothing).
The last line is one object of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, insert, select

import notifications.models  # noqa: F401 - its tables belong to the schema
from maintenance import scheduling
from maintenance.catalogue import Audience, Catalogue, Impact, Need, System
from maintenance.database import Base, Database
from maintenance.importing import import_catalogue
from maintenance.interventions import Phase, PhaseKind, Plan, Work
from maintenance.lifecycle import SYSTEM
from maintenance.models import InstitutionRow
from maintenance.runtime import Runtime, utc_now
from maintenance.settings import Settings
from maintenance.texts import Text
from notifications import channels, fanout, mail, planning
from notifications.channels.parcels import Outcome, Parcel, Transport
from notifications.models import DeliveryRow, RecipientRow, ScopeInstitution, ScopeRow
from notifications.retries import State
from notifications.sending import drain

INSTITUTIONS = 62
LANGUAGES = ("pt", "en")


class Dropping:
    """A way out that fills each mail in and drops it."""

    name = "dropped"
    channel = "email"
    batch_size = 10

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        """Yield that each was accepted, in the words a relay would use."""
        for parcel in parcels:
            mail.fill(parcel.message, mail.tokens_of(parcel.name, parcel.recipient, parcel.delivery_id))
            yield (
                parcel.delivery_id,
                Outcome(State.ACCEPTED, words=f"250 2.0.0 Ok: queued as {parcel.delivery_id:X}"),
            )

    def close(self) -> None:
        """Do nothing."""


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


def announce(database: Database, now: datetime) -> None:
    """Announce an outage of a database on which fifteen systems stand."""
    systems = [System("DB", Text.of("Database"))]
    systems += [
        System(
            f"S{number}",
            Text.of(f"System {number}"),
            public=True,
            audiences=("all",),
            needs=(Need(("DB",), 1),),
        )
        for number in range(15)
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
        scheduling.announce(session, "BENCH", by=SYSTEM, now=now)


def run(runtime: Runtime, transport: Transport, *, recipients: int, threads: int) -> dict[str, float]:
    """Take one notice from the announcement to the last outcome; return what it took."""
    database = runtime.database
    Base.metadata.drop_all(database.engine)
    Base.metadata.create_all(database.engine)
    fill_directory(database, recipients)
    began = time.perf_counter()
    announce(database, runtime.clock())
    planning.plan_notices(database, runtime.clock())
    planned = time.perf_counter()
    made = fanout.fan_out_due(runtime, runtime.clock())
    fanned_out = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        tries = sum(pool.map(lambda _: drain(runtime, transport), range(threads)))
    ended = time.perf_counter()
    with database.read() as session:
        accepted = session.scalar(
            select(func.count()).select_from(DeliveryRow).where(DeliveryRow.state == State.ACCEPTED)
        )
    assert made == tries == accepted == recipients, (made, tries, accepted)
    return {
        "plan_seconds": planned - began,
        "fan_out_seconds": fanned_out - planned,
        "send_seconds": ended - fanned_out,
        "messages_per_second": recipients / (ended - began),
        "send_per_second": recipients / (ended - fanned_out),
    }


def main() -> None:
    """Print a line for each run and the last as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipients", type=int, default=126_683)
    parser.add_argument("--database", default="", help="SQLAlchemy address of an empty database; else SQLite")
    parser.add_argument("--smtp", default="", help="JANELA_SMTP_URL of a relay that takes everything")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{Path(folder)}/bench.db"
        settings = Settings(
            {"DATABASE_URL": url, "SMTP_URL": options.smtp, "GUEST_LIST": "*", "INSTANCE": folder}
        )
        runtime = Runtime(settings, Database(url), utc_now)
        transport = channels.transports(runtime)["email"] if options.smtp else Dropping()
        results = []
        for _ in range(options.runs):
            results.append(run(runtime, transport, recipients=options.recipients, threads=options.threads))
            print({key: round(value, 2) for key, value in results[-1].items()})
        runtime.database.dispose()
    best = sorted(results, key=lambda result: result["messages_per_second"])[len(results) // 2]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {key: round(value, 2) for key, value in best.items()}
            | {
                "recipients": options.recipients,
                "database": "postgresql" if "postgresql" in url else "sqlite",
                "transport": transport.name,
                "peak_mb": round(peak_mb),
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
    )


if __name__ == "__main__":
    main()
