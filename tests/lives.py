"""Interventions at a point of their life, on a database, for tests that begin there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from maintenance import scheduling
from maintenance.catalogue import System
from maintenance.importing import import_catalogue
from maintenance.interventions import Plan
from maintenance.lifecycle import SYSTEM, Actor, Role
from maintenance.models import InterventionRow, VersionRow
from maintenance.queries import get_intervention, latest_published, windows_of
from tests.builders import a_catalogue, a_need, a_system, at

PLANNER = Actor("paula@example.org", Role.PLANNER)
APPROVER = Actor("afonso@example.org", Role.APPROVER)

#: Hour of the day of the tests at which nobody has begun anything.
MORNING = at(8)


def import_systems(session: Session, *systems: System, now: datetime = MORNING) -> None:
    """Put systems into the catalogue."""
    import_catalogue(session, a_catalogue(*systems), prune=False, by=SYSTEM, now=now)


def import_pair(session: Session) -> None:
    """Put in a service S that needs one of the two servers A and B."""
    import_systems(session, a_system("S", a_need("A", "B", at_least=1)), a_system("A"), a_system("B"))


def announced(session: Session, plan: Plan, *, now: datetime = MORNING) -> InterventionRow:
    """Announce a new plan."""
    row = scheduling.draft(session, plan, by=PLANNER, now=now)
    scheduling.submit(session, row.reference, by=PLANNER, now=now)
    scheduling.approve(session, row.reference, by=APPROVER, now=now)
    # Some tests are about plans that clash; an override is forgotten where nothing blocks.
    scheduling.announce(session, row.reference, override="Agreed.", by=APPROVER, now=now)
    return row


def running(session: Session, plan: Plan, *, now: datetime) -> InterventionRow:
    """Announce a plan and let the clock start what is due."""
    row = announced(session, plan)
    scheduling.start_due(session, now)
    return row


def current(session: Session, reference: str) -> VersionRow:
    """Return the version that readers know."""
    version = latest_published(get_intervention(session, reference))
    assert version is not None
    return version


def told(session: Session, reference: str) -> list[tuple[str, str, float, float, tuple[str, ...]]]:
    """Return the windows that readers know, in hours of the day: system, impact, start, end, plans."""
    return [
        (w.system, w.impact.code, hour(w.start), hour(w.end), w.references)
        for w in windows_of(current(session, reference))
    ]


def hour(instant: datetime) -> float:
    """Return the hour of the day of the tests."""
    return (instant - at(0)).total_seconds() / 3600
