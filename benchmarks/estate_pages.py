"""`python -m benchmarks.estate_pages FOLDER`: what the pages weigh and take on the estate, as everybody opens them.

FOLDER holds the database that `python -m benchmarks.estate_import --keep FOLDER` leaves; plans in all states are added
once. Every request is made inside one process, without a network: the first of all finds a process that has just begun,
`first` is the first of that page after a change, `later` the median of five more. Times are milliseconds of wall clock.
The last line is one object of JSON. `--database URL` measures another database of the estate, `--only` some pages.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from flask.testing import FlaskClient

from app import create_app, create_runtime
from benchmarks.estate import START, Estate, a_plan, estate
from benchmarks.planning import peak_mb
from maintenance import accounts, scheduling
from maintenance.interventions import Plan
from maintenance.lifecycle import SYSTEM, Role
from maintenance.queries import find_intervention
from maintenance.runtime import Runtime
from maintenance.settings import Settings

#: When the pages are looked at, and when everything was planned.
NOW, PLANNED = START + timedelta(days=30, hours=9), START - timedelta(days=1)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
EMAIL = "benchmark@example.org"
#: The plans that have pages of their own here.
RACK, CENTRE, DRAFT, RUNNING = "RACK", "DATA-CENTRE", "DRAFT-RACK", "RUNNING-RACK"


class Clock:
    """Stands still until it is set."""

    now = NOW

    def __call__(self) -> datetime:
        """Return the time that was set."""
        return self.now


def plans(made: Estate) -> Iterator[tuple[str, Plan]]:
    """Yield plans, each with the state in which the pages find it."""
    racks = [servers for servers in made.racks.values() if len(servers) > 20]
    servers = made.data_centre()
    for number in range(16):
        state = "cancelled" if number % 4 == 3 else "completed"
        length = (1 + number % 4) * HOUR
        codes = [servers[40 * number]] if number % 5 else racks[number]
        yield state, a_plan(f"PAST-{number:02}", codes, NOW - (28 - number) * DAY, length)
    yield "running", a_plan(RUNNING, racks[20], NOW - HOUR, 4 * HOUR)
    yield "running", a_plan("RUNNING-SERVER", servers[7:8], NOW - 2 * HOUR, 6 * HOUR)
    # Past its planned end: pages forecast how long it goes on.
    yield "running", a_plan("LATE-SERVERS", servers[200:204], NOW - 3 * HOUR, 2 * HOUR)
    yield "verifying", a_plan("VERIFYING", servers[300:302], NOW - 5 * HOUR, 3 * HOUR)
    yield "announced", a_plan(RACK, racks[30], NOW + 3 * DAY, 4 * HOUR)
    # Apart from the others: whatever alters it gives it a new version, with all its windows.
    yield "announced", a_plan(CENTRE, servers, NOW + 30 * DAY, 8 * HOUR)
    for number in range(36):
        codes = servers[900 + number : 901 + number] if number % 6 else racks[35 + number]
        yield "announced", a_plan(f"NEXT-{number:02}", codes, NOW + (1 + number) * 13 * HOUR, 3 * HOUR)
    yield "draft", a_plan(DRAFT, racks[50], NOW + 22 * DAY, 4 * HOUR)
    yield "draft", a_plan("DRAFT-CENTRE", made.servers["DC-2"], NOW + 25 * DAY, 8 * HOUR)
    for number in range(8):
        state = "draft" if number % 2 else "submitted"
        yield (
            state,
            a_plan(f"COMING-{number}", servers[1000 + number : 1003 + number], NOW + 6 * DAY, 2 * HOUR),
        )


def bring(runtime: Runtime, clock: Clock, state: str, plan: Plan) -> None:
    """Save a plan and take it as far as `state`, each step in its own transaction at its own time."""
    reference, begun, over = plan.reference, plan.phases[0].start, plan.phases[0].end
    steps: list[tuple[str, datetime, dict[str, object]]] = []
    if state == "submitted":
        steps.append(("submit", PLANNED, {}))
    elif state != "draft":
        steps.append(("announce_directly", PLANNED, {"override": "to be measured"}))
    if state == "cancelled":
        steps.append(("cancel", begun - DAY, {}))
    if state in ("running", "verifying", "completed"):
        steps.append(("start", begun, {}))
    if state in ("verifying", "completed"):
        steps.append(("verify", over, {}))
    if state == "completed":
        steps.append(("complete", over + HOUR, {}))
    clock.now = PLANNED
    with runtime.database.write() as session:
        scheduling.draft(session, plan, by=SYSTEM, now=clock())
    for name, at, more in steps:
        clock.now = at
        with runtime.database.write() as session:
            getattr(scheduling, name)(session, reference, by=SYSTEM, now=at, **more)
    clock.now = NOW


def prepare(runtime: Runtime, clock: Clock) -> None:
    """Write the plans that are not there yet, and somebody who may look at them."""
    with runtime.database.read() as session:
        if find_intervention(session, "COMING-7"):
            return
    for state, plan in plans(estate()):
        bring(runtime, clock, state, plan)
    with runtime.database.write() as session:
        accounts.add_user(
            session,
            email=EMAIL,
            name="Who measures",
            role=Role.APPROVER,
            password="measure the estate",
            now=clock(),
        )


PUBLIC = (
    "/",
    "/?all",
    "/systems/APP-0003",
    f"/interventions/{RACK}",
    f"/interventions/{CENTRE}",
    f"/interventions/{RUNNING}",
    "/history",
    "/subscribe",
    "/calendar/all.ics",
    "/calendar/systems/APP-0003.ics",
    f"/interventions/{CENTRE}.ics",
)
WORKSPACE = (
    "/plan/",
    f"/plan/{RACK}",
    f"/plan/{CENTRE}",
    f"/plan/{DRAFT}",
    "/plan/DRAFT-CENTRE",
    "/plan/new",
    f"/plan/{DRAFT}/edit",
    f"/plan/{DRAFT}/slots",
    "/plan/DRAFT-CENTRE/slots",
    f"/plan/{RACK}/move",
    f"/plan/{RACK}/cancel",
    f"/plan/{RACK}/messages",
    "/plan/systems.json?q=app 24",
    "/plan/systems.json?q=dev",
    "/plan/policies",
    "/deliveries/",
    "/outbox/",
)


def signed_in(client: FlaskClient, runtime: Runtime) -> FlaskClient:
    """Return the client with the benchmark's account signed in."""
    with runtime.database.read() as session:
        account = accounts.account_of(accounts.get_user(session, EMAIL))
    with client.session_transaction() as browser:
        browser["_user_id"] = f"{account.id}:{account.stamp}"
        browser["_fresh"] = True
    return client


def timed(client: FlaskClient, path: str) -> tuple[float, bytes]:
    """Return the milliseconds of one request, and the bytes of the answer as they are before gzip."""
    begun = time.perf_counter()
    response = client.get(path, headers={"Accept-Encoding": "gzip"})
    body = response.get_data()
    took = (time.perf_counter() - begun) * 1000
    if response.status_code != 200:
        raise SystemExit(f"{path} answered {response.status_code}")
    return took, gzip.decompress(body) if response.content_encoding == "gzip" else body


def measured(client: FlaskClient, paths: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return what each page weighs and takes; prints a line for each as it comes."""
    found = {}
    for path in paths:
        first, body = timed(client, path)
        later = statistics.median(timed(client, path)[0] for _ in range(5))
        row = {
            "bytes": float(len(body)),
            "gzip_bytes": float(len(gzip.compress(body, 6))),
            "first_ms": round(first, 1),
            "later_ms": round(later, 1),
        }
        print(f"{path:36}" + "".join(f"{value:>14,.0f}" for value in row.values()), flush=True)
        found[path] = row
    return found


def main() -> None:
    """Print the table and the line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where estate_import --keep left its database")
    parser.add_argument("--database", help="the address of another database with the estate in it")
    parser.add_argument("--only", nargs="+", help="measure these pages only")
    parser.add_argument("--prepare", action="store_true", help="write the plans, measure nothing")
    asked = parser.parse_args()
    clock = Clock()
    url = asked.database or f"sqlite:///{asked.folder.resolve()}/estate.db"
    settings = Settings(
        {
            "DATABASE_URL": url,
            "INSTANCE": str(asked.folder / "instance"),
            "PUBLIC_URL": "https://janela.example.org",
        }
    )
    runtime = create_runtime(settings, clock=clock)
    prepare(runtime, clock)
    if asked.prepare:
        return
    # A process that has just begun knows nothing of what was made above.
    runtime = create_runtime(settings, clock=clock)
    app = create_app(runtime)
    wanted = asked.only or (*PUBLIC, *WORKSPACE)
    print(f"{'page':36}" + "".join(f"{word:>14}" for word in ("bytes", "gzip bytes", "first ms", "later ms")))
    found: dict[str, object] = {}
    found |= measured(app.test_client(), [path for path in wanted if path in PUBLIC])
    found |= measured(signed_in(app.test_client(), runtime), [path for path in wanted if path not in PUBLIC])
    found["peak_mb"] = round(peak_mb())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
