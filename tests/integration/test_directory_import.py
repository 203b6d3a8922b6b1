"""The directory in rows: contacts, and what follows for the addresses behind them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from maintenance.catalogue import Audience, Catalogue
from maintenance.database import Database
from maintenance.models import InstitutionRow
from maintenance.texts import Text
from notifications.directory import (
    DirectoryReport,
    FieldChange,
    compare_directory,
    import_directory,
    read_directory,
)
from notifications.models import ContactRow, RecipientRow, ScopeInstitution, ScopeRow
from tests.builders import a_catalogue, a_system, at

HEADER = "institution,institution_name,audience,contact,email,phone,language,timezone,channels,systems"
NOW = at(0)

GOOD = "H1,Hospital,prescribers,A,a@example.org,+351500000001,pt,Europe/Lisbon,email sms,PEM"


def catalogue() -> Catalogue:
    audiences = {code: Audience(code, Text.of(code)) for code in ("prescribers", "pharmacists")}
    systems = (a_system("PEM"), a_system("DEM"), a_system("OLD", retired=True))
    return a_catalogue(*systems, audiences=audiences, timezone="Europe/Lisbon")


def document(*records: str) -> bytes:
    return "\n".join((HEADER, *records, "")).encode()


def imported(database: Database, *records: str) -> DirectoryReport:
    directory = read_directory(document(*records), catalogue=catalogue(), language="pt")
    with database.write() as session:
        return import_directory(session, directory, now=NOW)


def scopes_by_address(database: Database) -> dict[tuple[str, str], Any]:
    """Return for each address that gets notices: language, zone and entries of its scope."""
    with database.read() as session:
        rows = session.execute(
            select(RecipientRow, ScopeRow).join(ScopeRow, ScopeRow.id == RecipientRow.scope_id)
        )
        return {
            (recipient.channel, recipient.address): (
                scope.language,
                scope.timezone,
                [(e["institution"], e["audience"], e["systems"]) for e in scope.entries],
            )
            for recipient, scope in rows
        }


def test_same_directory_again_changes_nothing(any_database: Database) -> None:
    imported(any_database, GOOD, "H2,Dois,pharmacists,B,b@example.org,,en,,,")
    before = scopes_by_address(any_database)

    again = imported(any_database, GOOD, "H2,Dois,pharmacists,B,b@example.org,,en,,,")

    assert again.is_empty
    assert scopes_by_address(any_database) == before
    with any_database.read() as session:
        assert len(session.scalars(select(ContactRow.id)).all()) == 2


def test_one_recipient_for_each_channel_and_address(any_database: Database) -> None:
    imported(any_database, GOOD)

    assert scopes_by_address(any_database) == {
        ("email", "a@example.org"): ("pt", "Europe/Lisbon", [("H1", "prescribers", ["PEM"])]),
        ("sms", "+351500000001"): ("pt", "Europe/Lisbon", [("H1", "prescribers", ["PEM"])]),
    }


def test_address_behind_several_contacts_has_one_scope_for_all_of_them(any_database: Database) -> None:
    imported(
        any_database,
        "H2,Dois,pharmacists,Balcão,desk@example.org,,en,Europe/Madrid,,",
        "H1,Um,prescribers,Apoio,desk@EXAMPLE.ORG,,pt,Europe/Lisbon,,PEM",
        "H1,Um,prescribers,Coordenação,desk@example.org,,pt,Europe/Lisbon,,DEM",
        "H1,Um,pharmacists,Farmácia,desk@example.org,,pt,Europe/Lisbon,,PEM",
        "H1,Um,pharmacists,Noite,desk@example.org,,pt,Europe/Lisbon,,",
    )

    # The first contact decides the language; who wants all systems decides for an institution and audience.
    assert scopes_by_address(any_database) == {
        ("email", "desk@example.org"): (
            "en",
            "Europe/Madrid",
            [("H1", "pharmacists", None), ("H1", "prescribers", ["DEM", "PEM"]), ("H2", "pharmacists", None)],
        )
    }
    with any_database.read() as session:
        assert set(session.scalars(select(ScopeInstitution.institution))) == {"H1", "H2"}


def test_readers_alike_share_one_scope(any_database: Database) -> None:
    imported(
        any_database,
        *(f"H1,Um,prescribers,C{n},c{n}@example.org,,,,," for n in range(5)),
        "H1,Um,prescribers,C9,c9@example.org,,en,,,",
    )

    with any_database.read() as session:
        assert len(session.scalars(select(ScopeRow.id)).all()) == 2
        assert len(session.scalars(select(RecipientRow.id)).all()) == 6


def test_what_the_document_no_longer_names_is_retired_and_gets_no_more_notices(
    any_database: Database,
) -> None:
    other = "H2,Dois,pharmacists,B,b@example.org,,,,,"
    imported(any_database, GOOD, other)

    report = imported(any_database, other)

    assert report.institutions_retired == ("H1",)
    assert report.contacts_retired == (("H1", "prescribers", "A"),)
    assert set(report.addresses_left) == {("email", "a@example.org"), ("sms", "+351500000001")}
    assert set(scopes_by_address(any_database)) == {("email", "b@example.org")}
    with any_database.read() as session:
        rows = {row.code: row.retired_at for row in session.scalars(select(InstitutionRow))}
        assert rows == {"H1": NOW, "H2": None}
        # The ledger's deliveries point to the recipients: they stay.
        assert len(session.scalars(select(RecipientRow.id)).all()) == 3

    back = imported(any_database, GOOD, other)

    assert FieldChange(("H1",), "retired", True, False) in back.changed
    assert FieldChange(("H1", "prescribers", "A"), "retired", True, False) in back.changed
    assert back.contacts_added == ()
    assert len(scopes_by_address(any_database)) == 3


def test_change_of_a_contact_is_named_with_its_old_and_new_value(any_database: Database) -> None:
    imported(any_database, GOOD)

    report = imported(
        any_database, GOOD.replace("a@example.org", "z@example.org").replace("Hospital", "Hosp.")
    )

    assert report.changed == (
        FieldChange(("H1",), "institution_name", "Hospital", "Hosp."),
        FieldChange(("H1", "prescribers", "A"), "email", "a@example.org", "z@example.org"),
    )
    assert report.addresses_added == (("email", "z@example.org"),)
    assert report.addresses_left == (("email", "a@example.org"),)
    with any_database.read() as session:
        names = {e["institution_name"] for row in session.scalars(select(ScopeRow)) for e in row.entries}
    # Scopes never change: what was sent under the old name keeps it.
    assert names == {"Hospital", "Hosp."}


def test_dry_run_reports_the_same_and_writes_nothing(any_database: Database) -> None:
    imported(any_database, GOOD)
    directory = read_directory(document("H2,Dois,pharmacists,B,b@example.org,,,,,"), catalogue=catalogue())

    with any_database.read() as session:
        dry = compare_directory(session, directory)

    assert set(scopes_by_address(any_database)) == {("email", "a@example.org"), ("sms", "+351500000001")}
    with any_database.write() as session:
        assert import_directory(session, directory, now=NOW) == dry
