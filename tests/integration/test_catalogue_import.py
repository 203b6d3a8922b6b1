"""Bringing a catalogue into the database: what differs, and what it would do to announced plans."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from maintenance import scheduling
from maintenance.catalogue import (
    Audience,
    Catalogue,
    Contingency,
    Impact,
    Kind,
    Operator,
    System,
    Volume,
)
from maintenance.catalogue_store import load_catalogue
from maintenance.database import Database
from maintenance.errors import StepRefused
from maintenance.importing import Change, ImportReport, StillWorkedOn, compare, import_catalogue
from maintenance.lifecycle import SYSTEM, Actor, Role
from maintenance.models import CatalogueRevision, EventRow, SystemRow
from maintenance.texts import Text
from tests.builders import a_catalogue, a_need, a_phase, a_plan, a_system, at, codes
from tests.lives import announced

NOW = at(0)


def imported(database: Database, document: Catalogue, *, prune: bool = False) -> ImportReport:
    with database.write() as session:
        return import_catalogue(session, document, prune=prune, by=SYSTEM, now=NOW)


def imported_in_vain(database: Database, document: Catalogue, *, prune: bool = False) -> None:
    """Import, look at it within the transaction, and let the transaction fail."""
    with contextlib.suppress(LookupError), database.write() as session:
        import_catalogue(session, document, prune=prune, by=SYSTEM, now=NOW)
        assert document.systems.keys() <= load_catalogue(session).systems.keys()
        raise LookupError


def stored(database: Database) -> Catalogue:
    with database.read() as session:
        return load_catalogue(session)


def a_full_system() -> System:
    """Return a system in which every field says something."""
    return System(
        code="PEM",
        name=Text.of({"pt": "Prescrição", "en": "Prescription"}),
        kind=Kind.APPLICATION,
        operator="SPMS",
        group=Text.of("Receitas"),
        tags=("national", "on"),
        public=True,
        audiences=("prescribers",),
        needs=(a_need("DB"), a_need("A", "B", at_least=1, otherwise=Impact.DEGRADED)),
        recovery=timedelta(minutes=90),
        volume=Volume(Text.of({"pt": "receitas", "en": "prescriptions"}), 6_000_000),
        contingency=(Contingency("prescribers", during=Text.of({"pt": "Papel.", "en": "Paper."})),),
    )


def a_full_catalogue() -> Catalogue:
    return Catalogue(
        systems={s.code: s for s in (a_full_system(), a_system("DB"), a_system("A"), a_system("B"))},
        operators={"SPMS": Operator("SPMS", Text.of("SPMS, EPE"), "servicedesk@example.org")},
        audiences={"prescribers": Audience("prescribers", Text.of({"pt": "Prescritores"}))},
        timezone="Europe/Lisbon",
    )


def test_catalogue_comes_back_from_the_rows_as_it_went_in(any_database: Database) -> None:
    imported(any_database, a_full_catalogue())

    assert stored(any_database) == replace(a_full_catalogue(), version=1)
    assert list(stored(any_database).systems) == ["PEM", "DB", "A", "B"]


def test_same_catalogue_again_changes_nothing(any_database: Database) -> None:
    imported(any_database, a_full_catalogue())

    again = imported(any_database, a_full_catalogue())

    assert again == ImportReport(())
    assert stored(any_database).version == 1


def test_each_field_that_differs_is_named_with_its_old_and_new_value(any_database: Database) -> None:
    before = a_full_catalogue()
    imported(any_database, before)
    pem = replace(a_full_system(), public=False, needs=(a_need("DB"),), recovery=timedelta(0))
    after = replace(
        before,
        systems={**before.systems, "PEM": pem, "NEW": a_system("NEW", "PEM")},
        operators={"SPMS": Operator("SPMS", Text.of("SPMS"), "servicedesk@example.org")},
        timezone="Europe/Madrid",
    )

    report = imported(any_database, after)

    need_of_db = {"of": ["DB"], "at_least": 1, "otherwise": "OUTAGE"}
    one_of_two = {"of": ["A", "B"], "at_least": 1, "otherwise": "DEGRADED"}
    assert report.changes == (
        Change("", "timezone", "Europe/Lisbon", "Europe/Madrid"),
        Change("operators.SPMS", "name", "SPMS, EPE", "SPMS"),
        Change("PEM", "public", True, False),
        Change("PEM", "needs", [need_of_db, one_of_two], [need_of_db]),
        Change("PEM", "recovery", "PT1H30M", ""),
        Change(
            "NEW",
            "",
            None,
            {
                "code": "NEW",
                "name": "New",
                "kind": "service",
                "needs": [{"of": ["PEM"], "at_least": 1, "otherwise": "OUTAGE"}],
            },
        ),
    )
    assert report.added == ("NEW",)
    assert stored(any_database) == replace(after, version=2)


def test_dry_run_reports_the_same_and_writes_nothing(any_database: Database) -> None:
    imported(any_database, a_catalogue(a_system("A")))
    after = a_catalogue(a_system("A", "B"), a_system("B"))

    with any_database.read() as session:
        dry = compare(session, after, prune=False)

    assert list(stored(any_database).systems) == ["A"]
    assert imported(any_database, after) == dry


def test_system_that_the_document_does_not_name_stays_and_is_listed(any_database: Database) -> None:
    imported(any_database, a_catalogue(a_system("A"), a_system("B"), a_system("C")))

    report = imported(any_database, a_catalogue(a_system("NEW"), a_system("B")))

    assert report.untouched == ("A", "C")
    # A part of the catalogue says nothing about the order of the whole.
    assert list(stored(any_database).systems) == ["A", "B", "C", "NEW"]


def test_prune_retires_what_the_document_does_not_name(any_database: Database) -> None:
    imported(any_database, a_catalogue(a_system("A"), a_system("B")))

    report = imported(any_database, a_catalogue(a_system("B")), prune=True)

    assert report.changes == (Change("A", "retired", False, True),)
    assert report.retired == ("A",)
    assert {s.code: s.retired for s in stored(any_database).systems.values()} == {"A": True, "B": False}
    assert imported(any_database, a_catalogue(a_system("B")), prune=True).changes == ()


def test_retired_system_that_is_named_again_comes_back_as_the_same_row(any_database: Database) -> None:
    imported(any_database, a_catalogue(a_system("A"), a_system("B")))
    with any_database.read() as session:
        before = session.scalars(select(SystemRow.public_id).where(SystemRow.code == "A")).one()
    imported(any_database, a_catalogue(a_system("B")), prune=True)

    report = imported(any_database, a_catalogue(a_system("A"), a_system("B")))

    assert report.changes == (Change("A", "retired", True, False),)
    with any_database.read() as session:
        row = session.scalars(select(SystemRow).where(SystemRow.code == "A")).one()
    assert (row.public_id, row.retired_at) == (before, None)
    assert list(stored(any_database).systems) == ["A", "B"]


def test_new_order_of_the_whole_document_is_kept(any_database: Database) -> None:
    imported(any_database, a_catalogue(a_system("A"), a_system("B")))

    report = imported(any_database, a_catalogue(a_system("B"), a_system("A")))

    assert [change.field for change in report.changes] == ["order of systems"]
    assert codes(stored(any_database).systems.values()) == ["B", "A"]


def test_revision_and_event_are_written_in_the_same_transaction(any_database: Database) -> None:
    imported(any_database, a_catalogue(a_system("A")))

    imported_in_vain(any_database, a_catalogue(a_system("B")), prune=True)

    with any_database.read() as session:
        assert [row.number for row in session.scalars(select(CatalogueRevision))] == [1]
        (event,) = session.scalars(select(EventRow))
    assert (event.kind, event.by, event.payload) == (
        "CatalogueChanged",
        "system",
        {"version": 1, "changes": 1},
    )
    assert list(stored(any_database).systems) == ["A"]


def test_catalogue_of_a_transaction_that_was_rolled_back_is_not_remembered(any_database: Database) -> None:
    imported(any_database, a_catalogue(a_system("A")))
    imported_in_vain(any_database, a_catalogue(a_system("A"), a_system("B")))

    imported(any_database, a_catalogue(a_system("A"), a_system("C")))

    assert list(stored(any_database).systems) == ["A", "C"]


def test_catalogue_is_read_once_per_version(any_database: Database) -> None:
    imported(any_database, a_catalogue(a_system("A")))

    first = stored(any_database)

    assert stored(any_database) is first
    imported(any_database, a_catalogue(a_system("A"), a_system("B")))
    assert stored(any_database) is not first


def test_announced_windows_that_would_change_are_told_and_stay(any_database: Database) -> None:
    imported(
        any_database, a_catalogue(a_system("S", a_need("A", "B", at_least=1)), a_system("A"), a_system("B"))
    )
    with any_database.write() as session:
        announced(session, a_plan("W", a_phase(30, 34, "A")))

    report = imported(any_database, a_catalogue(a_system("S", "A", "B"), a_system("A"), a_system("B")))

    (change,) = report.announced_windows_that_would_change
    assert change.reference == "W"
    assert [(w.system, w.impact) for w in change.before if w not in change.after] == [
        ("S", Impact.REDUCED_REDUNDANCY)
    ]
    assert [(w.system, w.impact) for w in change.after if w not in change.before] == [("S", Impact.OUTAGE)]
    with any_database.read() as session:
        kinds = [row.kind for row in session.scalars(select(EventRow).order_by(EventRow.id))]
    assert kinds[-1] == "CatalogueChanged"


def test_system_under_announced_work_cannot_be_pruned(any_database: Database) -> None:
    imported(any_database, a_catalogue(a_system("A"), a_system("B")))
    with any_database.write() as session:
        announced(session, a_plan("W", a_phase(30, 34, "A")))

    with pytest.raises(
        StillWorkedOn, match="A cannot be retired: the intervention W works on it and is announced"
    ):
        imported(any_database, a_catalogue(a_system("B")), prune=True)

    with any_database.write() as session:
        scheduling.cancel(session, "W", reason=Text.of("no"), by=SYSTEM, now=at(9))
    assert imported(any_database, a_catalogue(a_system("B")), prune=True).retired == ("A",)


def test_reader_may_not_import(any_database: Database) -> None:
    reader = Actor("rita@example.org", Role.READER)

    with pytest.raises(StepRefused), any_database.write() as session:
        import_catalogue(session, a_catalogue(a_system("A")), prune=False, by=reader, now=NOW)
