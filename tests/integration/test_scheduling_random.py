"""Whatever steps are taken in whatever order, what readers were told is what is so."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from maintenance import scheduling
from maintenance.catalogue import Impact
from maintenance.catalogue_store import load_catalogue
from maintenance.errors import NotFound, StepRefused
from maintenance.forecast import forecast
from maintenance.interventions import Plan
from maintenance.lifecycle import OPEN, SYSTEM
from maintenance.queries import counted, list_interventions, plan_of, stale_windows, windows_of
from maintenance.runtime import Runtime
from maintenance.shown import by_plan, differ
from tests.builders import a_need, a_phase, a_plan, a_system, at
from tests.lives import import_systems

REFERENCES = "PQRSUVWXYZ"


def import_estate(session: Session) -> None:
    """Put in two pairs behind a service with a recovery, and a service behind that one."""
    import_systems(
        session,
        a_system("TOP", "MIDDLE", recovery=timedelta(minutes=30)),
        a_system(
            "MIDDLE",
            a_need("A", "B", at_least=1),
            a_need("C", "D", at_least=1, otherwise=Impact.DEGRADED),
            recovery=timedelta(hours=1),
        ),
        *(a_system(code) for code in "ABCD"),
    )


def some_plan(chance: random.Random, reference: str, now: float) -> Plan:
    """Return a plan of one or two phases within the next hours."""
    phases = []
    for number in range(1, chance.choice([2, 2, 3])):
        begin = int(now) + chance.randint(1, 8)
        impact = chance.choice([Impact.OUTAGE, Impact.OUTAGE, Impact.DEGRADED])
        phases.append(
            a_phase(begin, begin + chance.randint(1, 4), (chance.choice("ABCD"), impact), id=f"p{number}")
        )
    return a_plan(reference, *phases)


def some_step(chance: random.Random, session: Session, hour: float) -> Callable[[], object]:
    """Return a step that may or may not be possible now."""
    reference = chance.choice(REFERENCES)
    ref, by, now = reference, SYSTEM, at(hour)
    plan = some_plan(chance, reference, hour)

    def plan_anew() -> None:
        if reference in {row.reference for row in list_interventions(session)}:
            scheduling.edit(session, ref, plan, by=by, now=now)
        else:
            scheduling.draft(session, plan, by=by, now=now)
        scheduling.announce_directly(session, ref, override="Agreed.", by=by, now=now)

    return chance.choice(
        [
            plan_anew,
            plan_anew,
            plan_anew,
            lambda: scheduling.move(
                session, ref, start=plan.start.replace(tzinfo=None), override="Agreed.", by=by, now=now
            ),
            lambda: scheduling.start(session, ref, by=by, now=now),
            lambda: scheduling.extend(session, ref, by_length=timedelta(hours=2), by=by, now=now),
            lambda: scheduling.verify(session, ref, by=by, now=now),
            lambda: scheduling.complete(session, ref, by=by, now=now),
            lambda: scheduling.cancel(session, ref, by=by, now=now),
        ]
    )


def check_what_was_told(session: Session) -> None:
    """Compare every open plan's stored windows with the forecast of all plans there are."""
    everything = [(row, version, plan_of(version)) for row, version in counted(session)]
    windows = forecast(load_catalogue(session), [plan for _, _, plan in everything])
    for row, version, plan in everything:
        if row.run_state in OPEN:
            assert not differ(windows_of(version), by_plan(windows).get(plan.reference, ())), row.reference
    assert stale_windows(session) == []
    for row in list_interventions(session):
        numbers = [version.sequence for version in row.versions if version.sequence is not None]
        assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_any_steps_readers_know_the_windows_that_are(runtime: Runtime, seed: int) -> None:
    chance, hour, taken = random.Random(seed), 0.0, 0
    with runtime.database.write() as session:
        import_estate(session)
        for _ in range(40):
            hour += chance.choice([0, 0, 0.5, 1])
            scheduling.start_due(session, at(hour))
            try:
                with session.begin_nested():
                    some_step(chance, session, hour)()
                taken += 1
            except (NotFound, StepRefused):
                pass
            check_what_was_told(session)
    assert taken > 5
