"""The demonstration: the reference case, moved to a Saturday to come, announced to a made-up directory."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from maintenance import accounts, scheduling, schema
from maintenance.catalogue_store import load_catalogue
from maintenance.documents import plan_document, plan_from_document, read_catalogue, read_intervention
from maintenance.errors import JanelaError
from maintenance.importing import import_catalogue
from maintenance.interventions import Plan
from maintenance.lifecycle import OPEN, SYSTEM, Role, RunState
from maintenance.models import InterventionRow, UserRow
from maintenance.queries import latest_published, plan_of
from maintenance.runtime import Runtime
from maintenance.settings import ROOT
from maintenance.texts import Text
from maintenance.windows import zone
from notifications.directory import import_directory, read_directory
from notifications.models import LeaseRow

EXAMPLE = ROOT / "examples" / "spms-exadata-2019"

#: Who can sign in, only here; passwords are made at each start and printed once.
ACCOUNTS = (
    ("coordinator@example.org", "Demonstration coordinator", Role.PLANNER),
    ("approver@example.org", "Demonstration approver", Role.APPROVER),
)

_SATURDAY = 5
#: The first reminder goes out seven days before: a day more lets a visitor see it planned.
_LEAD = timedelta(days=8)


class NoDemonstration(JanelaError):
    """The database holds something else than the demonstration."""


def prepare(runtime: Runtime, *, now: datetime) -> Iterator[str]:
    """Load what is missing; yield what to tell the person, line by line.

    Raises:
        NoDemonstration: When the database holds data that is not the demonstration's.
    """
    schema.upgrade(runtime.database)
    with runtime.database.write() as session:
        _refuse_other_data(runtime, session)
        _load_catalogue_and_directory(session, now)
        yield from _announce_next(session, now)
        sign_ins = list(_sign_ins(session, now))
    _marker(runtime).parent.mkdir(parents=True, exist_ok=True)
    _marker(runtime).touch()
    yield "\nSign in with (these passwords are new at each start, and exist only in this demonstration):"
    yield from sign_ins


class StillServed(JanelaError):
    """A process works with the demonstration that was to be removed."""


def remove(runtime: Runtime, *, now: datetime) -> None:
    """Remove the demonstration's database and outbox.

    Raises:
        NoDemonstration: When the installation is none: real data is never removed.
        StillServed: While a process works with it: it would go on with files that nobody sees any more.
    """
    if not runtime.settings.instance.exists():
        return
    if not _marker(runtime).exists() or not runtime.database.is_sqlite:
        raise NoDemonstration(
            "%(folder)s holds no demonstration, so nothing was removed. Remove the data yourself if you mean it.",
            folder=runtime.settings.instance,
        )
    if _is_served(runtime, now):
        raise StillServed(
            "The site is running on this demonstration. Stop it (Ctrl-C), then run the same command again; after a "
            "crash wait half a minute."
        )
    runtime.database.dispose()
    path = Path(str(runtime.database.engine.url.database))
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.rmtree(runtime.settings.instance / "outbox", ignore_errors=True)
    _marker(runtime).unlink()


def _is_served(runtime: Runtime, now: datetime) -> bool:
    try:
        with runtime.database.read() as session:
            return session.scalar(select(LeaseRow.name).where(LeaseRow.until > now).limit(1)) is not None
    except DatabaseError:  # tables of another release, or none: nothing of this one works with them
        return False


def next_saturday(local_now: datetime) -> datetime:
    """Return the first Saturday at least eight days after `local_now`, at the same wall time.

    >>> next_saturday(datetime(2026, 11, 21, 9, 0))
    datetime.datetime(2026, 12, 5, 9, 0)
    """
    earliest = local_now + _LEAD
    return earliest + timedelta(days=(_SATURDAY - earliest.weekday()) % 7)


def moved_to(plan: Plan, saturday: datetime) -> Plan:
    """Return the plan with all its wall times shifted by whole days, so that it begins on `saturday`."""
    document = plan_document(plan)
    first = min(datetime.fromisoformat(phase["start"]) for phase in document["phases"])
    shift = timedelta(days=(saturday.date() - first.date()).days)
    for phase in document["phases"]:
        for key in {"start", "end"} & phase.keys():
            phase[key] = (datetime.fromisoformat(phase[key]) + shift).isoformat(timespec="minutes")
    return plan_from_document(document)


def _marker(runtime: Runtime) -> Path:
    return runtime.settings.instance / "demonstration"


def _refuse_other_data(runtime: Runtime, session: Session) -> None:
    if not _marker(runtime).exists() and session.scalar(select(InterventionRow.id).limit(1)):
        raise NoDemonstration(
            "The database already holds interventions that are no demonstration; it was left as it is. "
            "Use `janela serve`, or set JANELA_DATABASE_URL and JANELA_INSTANCE to something else."
        )


def _load_catalogue_and_directory(session: Session, now: datetime) -> None:
    if load_catalogue(session).systems:
        return
    catalogue_file = EXAMPLE / "catalogue.yaml"
    catalogue = read_catalogue(catalogue_file.read_bytes(), file=str(catalogue_file))
    import_catalogue(session, catalogue, prune=False, by=SYSTEM, now=now)
    directory_file = EXAMPLE / "directory.csv"
    directory = read_directory(directory_file.read_bytes(), file=str(directory_file), catalogue=catalogue)
    import_directory(session, directory, now=now)


def _announce_next(session: Session, now: datetime) -> Iterator[str]:
    rows = list(session.scalars(select(InterventionRow).order_by(InterventionRow.id)))
    for row in rows:
        if row.run_state not in OPEN:
            continue
        version = latest_published(row)
        if version is not None and plan_of(version).end > now:
            yield f"The demonstration is as you left it: {row.reference} is {row.run_state}."
            return
        reason = "Its window passed while the demonstration was not running."
        end = scheduling.cancel if row.run_state == RunState.ANNOUNCED else scheduling.complete
        end(session, row.reference, reason=Text.of(reason), by=SYSTEM, now=now)
    file = EXAMPLE / "intervention.yaml"
    plan = read_intervention(file.read_bytes(), file=str(file), catalogue=load_catalogue(session))
    plan = moved_to(plan, next_saturday(now.astimezone(zone(plan.timezone))))
    if rows:
        plan = replace(plan, reference=f"{plan.reference}-{len(rows) + 1}")
    row = scheduling.draft(session, plan, by=SYSTEM, now=now)
    scheduling.submit(session, row.reference, by=SYSTEM, now=now)
    scheduling.approve(session, row.reference, by=SYSTEM, now=now)
    scheduling.announce(session, row.reference, by=SYSTEM, now=now)
    yield f"Announced {row.reference}: {plan.start.astimezone(zone(plan.timezone)):%A %d %B %Y, %H:%M %Z}."


def _sign_ins(session: Session, now: datetime) -> Iterator[str]:
    for email, name, role in ACCOUNTS:
        password = secrets.token_urlsafe(9)
        user = session.scalar(select(UserRow).where(UserRow.email == email))
        if user is None:
            accounts.add_user(session, email=email, name=name, role=role, password=password, now=now)
        else:
            accounts.set_password(session, user, password)
        yield f"  {email}  {password}  ({role.value})"
