"""Values for tests, with a default for everything that does not matter there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from maintenance.catalogue import Catalogue, Impact, Need, System
from maintenance.interventions import Phase, PhaseKind, Plan, Work
from maintenance.texts import Text

#: Where the time of `at` is counted from.
DAY = datetime(2026, 6, 6, tzinfo=UTC)


def at(hours: float) -> datetime:
    """Return the instant so many hours into the day of the tests."""
    return DAY + timedelta(hours=hours)


def a_system(code: str, *needs: str | Need, recovery: timedelta = timedelta(0), **rest: object) -> System:
    """Return a system that needs these others: all of each, unless a `Need` says otherwise."""
    return System(
        code=code,
        name=Text.of(code.title()),
        needs=tuple(n if isinstance(n, Need) else Need((n,), 1) for n in needs),
        recovery=recovery,
        **rest,  # type: ignore[arg-type]
    )


def a_need(*of: str, at_least: int | None = None, otherwise: Impact = Impact.OUTAGE) -> Need:
    """Return a need for some of these systems, all unless said."""
    return Need(of, len(of) if at_least is None else at_least, otherwise)


def a_catalogue(*systems: System, **rest: object) -> Catalogue:
    """Return a catalogue of these systems."""
    return Catalogue.of(systems, **rest)


def a_phase(
    start: float,
    end: float,
    *work: tuple[str, Impact] | str,
    id: str = "p1",
    kind: PhaseKind = PhaseKind.OUTAGE,
) -> Phase:
    """Return a phase from one hour of the day to another; work is an OUTAGE unless said."""
    return Phase(
        id=id,
        kind=kind,
        start=at(start),
        end=at(end),
        work=tuple(Work(w, Impact.OUTAGE) if isinstance(w, str) else Work(*w) for w in work),
        local_start=at(start).replace(tzinfo=None),
        local_end=at(end).replace(tzinfo=None),
    )


def a_plan(reference: str, *phases: Phase, **rest: object) -> Plan:
    """Return a plan in UTC."""
    return Plan(
        reference=reference,
        title=Text.of({"pt": f"Intervenção {reference}", "en": f"Work {reference}"}),
        timezone="UTC",
        phases=phases,
        **rest,  # type: ignore[arg-type]
    )


def codes(systems: Iterable[System]) -> list[str]:
    """Return the codes of systems."""
    return [system.code for system in systems]
