"""Bring a catalogue document into the database: what differs, what it would do, and the doing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from maintenance.catalogue import Audience, Catalogue, Operator, System
from maintenance.catalogue_documents import audience_document, operator_document, system_fields
from maintenance.catalogue_store import hold_catalogue, load_catalogue, save_catalogue
from maintenance.errors import JanelaError, StepRefused
from maintenance.events import CatalogueChanged
from maintenance.lifecycle import COUNTED, Actor, Role, RunState
from maintenance.models import CatalogueRevision
from maintenance.profile_documents import profile_document
from maintenance.profiles import WeekProfile
from maintenance.queries import (
    append_event,
    latest_published,
    list_interventions,
    plan_of,
    stale_windows,
)
from maintenance.shown import WindowsChange

#: A revision keeps so many changes one by one: the first import of an estate has one for each system.
_KEPT_CHANGES = 5000


class StillWorkedOn(JanelaError):
    """A system cannot be retired while an announced or running intervention works on it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs, as the document writes it."""

    #: The code of a system, or `operators.CODE`, `audiences.CODE`, `profiles.CODE`, or "" for the catalogue itself.
    system: str
    #: "" for a new system, whose `new` is its whole entry: an estate has 182,500 of them.
    field: str
    #: None where there was nothing.
    old: Any
    new: Any

    def document(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return {"system": self.system, "field": self.field, "old": self.old, "new": self.new}


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import changes."""

    changes: tuple[Change, ...]
    added: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    #: Systems that the document does not name; left as they are.
    untouched: tuple[str, ...] = ()
    #: Announced plans whose windows the new catalogue would compute otherwise. Nothing is sent by
    #: itself: a coordinator decides.
    announced_windows_that_would_change: tuple[WindowsChange, ...] = ()


def import_catalogue(
    session: Session, document: Catalogue, *, prune: bool, by: Actor, now: datetime
) -> ImportReport:
    """Write what differs, with a revision and an event in the same transaction; nothing when equal.

    Args:
        session: An open write transaction.
        document: The catalogue as read from a document.
        prune: Whether systems that it does not name are retired; else they stay as they are.
        by: Who imports.
        now: The present instant.

    Raises:
        StepRefused: When the person may not change plans.
        StillWorkedOn: When pruning would retire a system that an announced or running plan works on.
    """
    if not by.role.covers(Role.PLANNER):
        raise StepRefused("Importing a catalogue needs the role planner; ask somebody with that role.")
    hold_catalogue(session)
    present = load_catalogue(session)
    report = compare(session, document, prune=prune)
    if not report.changes:
        return report
    catalogue = merged(present, document, prune=prune)
    save_catalogue(session, catalogue, retire=report.retired, at=now)
    changes = [change.document() for change in report.changes[:_KEPT_CHANGES]]
    if more := len(report.changes) - len(changes):
        changes.append({"more": more})
    version = present.version + 1
    session.add(
        CatalogueRevision(
            number=version,
            at=now,
            by=by.name,
            timezone=catalogue.timezone,
            profiles={code: profile_document(profile) for code, profile in catalogue.profiles.items()},
            changes=changes,
        )
    )
    append_event(session, CatalogueChanged(at=now, by=by.name, version=version, changes=len(report.changes)))
    return report


def compare(session: Session, document: Catalogue, *, prune: bool) -> ImportReport:
    """Return what importing the document would change, and write nothing.

    Raises:
        StillWorkedOn: When pruning would retire a system that an announced or running plan works on.
    """
    present = load_catalogue(session)
    unnamed = tuple(
        code
        for code, system in present.systems.items()
        if code not in document.systems and not system.retired
    )
    retired = unnamed if prune else ()
    _refuse_retiring(session, retired)
    changes = tuple(_changes(present, document, retired))
    return ImportReport(
        changes=changes,
        added=tuple(code for code in document.systems if code not in present.systems),
        retired=retired,
        untouched=() if prune else unnamed,
        announced_windows_that_would_change=tuple(
            stale_windows(session, merged(present, document, prune=prune)) if changes else ()
        ),
    )


def merged(present: Catalogue, document: Catalogue, *, prune: bool) -> Catalogue:
    """Return the catalogue as it is after the import.

    A document that names everything sets the order too; one that names a part leaves it, and what is
    new in it comes last.
    """
    complete = _is_complete(present, document, prune)
    systems: dict[str, System] = {} if complete else dict(present.systems)
    systems.update(document.systems)
    if complete:
        systems.update(
            {
                code: replace(system, retired=True)
                for code, system in present.systems.items()
                if code not in systems
            }
        )
    return Catalogue(
        systems=systems,
        operators={**document.operators, **_left(present.operators, document.operators)},
        audiences={**document.audiences, **_left(present.audiences, document.audiences)},
        profiles={**document.profiles, **_left(present.profiles, document.profiles)},
        timezone=document.timezone,
        version=present.version,
    )


def _left(present: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    return {code: value for code, value in present.items() if code not in named}


# -- what differs ----------------------------------------------------------------------------------


def _changes(present: Catalogue, document: Catalogue, retired: tuple[str, ...]) -> Iterator[Change]:
    if present.version and present.timezone != document.timezone:
        yield Change("", "timezone", present.timezone, document.timezone)
    for code, operator in document.operators.items():
        yield from _differences(f"operators.{code}", present.operators.get(code), operator)
    for code, audience in document.audiences.items():
        yield from _differences(f"audiences.{code}", present.audiences.get(code), audience)
    for code, profile in document.profiles.items():
        yield from _differences(f"profiles.{code}", present.profiles.get(code), profile)
    for code, system in document.systems.items():
        yield from _differences(code, present.systems.get(code), system)
    for code in retired:
        yield Change(code, "retired", False, True)
    both = {c: None for c, system in present.systems.items() if c in document.systems and not system.retired}
    complete = _is_complete(present, document, bool(retired))
    if complete and list(both) != [code for code in document.systems if code in both]:
        yield Change("", "order of systems", None, "as in the document")


def _is_complete(present: Catalogue, document: Catalogue, prune: bool) -> bool:
    """Return whether the document names every system that is to stay."""
    return prune or all(
        code in document.systems for code, system in present.systems.items() if not system.retired
    )


_Named = System | Operator | Audience | WeekProfile


def _differences(label: str, old: _Named | None, new: _Named) -> Iterator[Change]:
    if old == new:
        return
    if old is None:
        yield Change(label, "", None, _document(new))
        return
    before, after = _fields(old), _fields(new)
    if isinstance(old, System) and old.retired:
        yield Change(label, "retired", True, False)
    for field in dict.fromkeys([*before, *after]):
        if before.get(field) != after.get(field):
            yield Change(label, field, before.get(field), after.get(field))


def _document(value: _Named) -> dict[str, Any]:
    return {field: each for field, each in _fields(value).items() if each}


def _fields(value: _Named) -> dict[str, Any]:
    if isinstance(value, System):
        return system_fields(value)
    if isinstance(value, Operator):
        return {"email": "", **operator_document(value)}
    if isinstance(value, WeekProfile):
        return {"rest": 0, **profile_document(value)}
    return audience_document(value)


def _refuse_retiring(session: Session, retired: tuple[str, ...]) -> None:
    if not retired:
        return
    going = set(retired)
    states = [state for state in COUNTED if state is not RunState.COMPLETED]
    for row in list_interventions(session, states=states):
        version = latest_published(row)
        if version is None:
            continue
        if worked_on := [code for code in plan_of(version).systems if code in going]:
            raise StillWorkedOn(
                "%(system)s cannot be retired: the intervention %(reference)s works on it and is %(state)s. "
                "Name it in the document, or complete or cancel that intervention first.",
                system=worked_on[0],
                reference=row.reference,
                state=row.run_state,
            )
