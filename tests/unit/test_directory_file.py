"""The directory document: what a record says, and what is wrong with one."""

from __future__ import annotations

import runpy

import phonenumbers
import pytest

from maintenance.catalogue import Audience, Catalogue
from maintenance.documents import read_catalogue
from maintenance.errors import InvalidDocument
from maintenance.settings import ROOT
from maintenance.texts import Text
from notifications.directory_file import read_directory
from tests.builders import a_catalogue, a_system

HEADER = "institution,institution_name,audience,contact,email,phone,language,timezone,channels,systems"


def catalogue() -> Catalogue:
    audiences = {code: Audience(code, Text.of(code)) for code in ("prescribers", "pharmacists")}
    systems = (a_system("PEM"), a_system("DEM"), a_system("OLD", retired=True))
    return a_catalogue(*systems, audiences=audiences, timezone="Europe/Lisbon")


def document(*records: str) -> bytes:
    return "\n".join((HEADER, *records, "")).encode()


def mistakes_in(raw: bytes) -> list[str]:
    with pytest.raises(InvalidDocument) as caught:
        read_directory(raw, file="d.csv", catalogue=catalogue())
    return [str(problem) for problem in caught.value.problems]


def test_contact_says_what_the_record_says() -> None:
    raw = document(
        'H1,"Hospital, norte",prescribers,Urgência,Ana@EXAMPLE.org,+351 500 000 001,en,Europe/Madrid,sms email,PEM DEM'
    )

    directory = read_directory(raw, catalogue=catalogue())

    assert directory.institutions["H1"].name == "Hospital, norte"
    (contact,) = directory.contacts
    assert contact.email == "Ana@example.org"
    assert contact.phone == "+351500000001"
    assert (contact.language, contact.timezone) == ("en", "Europe/Madrid")
    assert contact.channels == ("email", "sms")
    assert contact.systems == ("PEM", "DEM")


def test_empty_cells_have_a_meaning() -> None:
    raw = document(
        "H1,Hospital,prescribers,A,a@example.org,,,,,", "H1,Hospital,prescribers,B,,+351500000001,,,,"
    )

    mail, telephone = read_directory(raw, catalogue=catalogue(), language="pt").contacts

    assert (mail.language, mail.timezone, mail.systems) == ("pt", "Europe/Lisbon", ())
    assert (mail.channels, telephone.channels) == (("email",), ("sms",))
    assert (mail.position, telephone.position) == (0, 1)


def test_columns_go_by_name_and_a_byte_order_mark_is_passed_over() -> None:
    names = HEADER.split(",")
    cells = dict.fromkeys(names, "") | {
        "institution": "H1",
        "institution_name": "Hospital",
        "audience": "prescribers",
        "contact": "A",
        "email": "a@example.org",
    }
    raw = "\r\n".join((",".join(reversed(names)), "", ",".join(cells[name] for name in reversed(names))))

    (contact,) = read_directory(b"\xef\xbb\xbf" + raw.encode(), catalogue=catalogue()).contacts

    assert contact.email == "a@example.org"


GOOD = "H1,Hospital,prescribers,A,a@example.org,+351500000001,pt,Europe/Lisbon,email sms,PEM"


@pytest.mark.parametrize(
    ("find", "write", "mistake"),
    [
        ("H1,", "h1,", "d.csv:2: institution: “h1” is no code"),
        ("Hospital", "", "institution_name: The name is missing; write one."),
        ("Hospital", "=HYPERLINK(1)", "institution_name: A name cannot begin with “=”"),
        (",A,", ",@A,", "contact: A name cannot begin with “@”"),
        (",A,", ",,", "contact: The name is missing; write one."),
        (",A,", ',"A\nBcc: x",', "contact: This holds a line break"),
        (",A,", ",A\u202eB,", "contact: This holds the control character U+202E"),
        (
            "prescribers",
            "prescriber",
            "The audience prescriber is not in the catalogue. Did you mean `prescribers`?",
        ),
        ("prescribers", "", "audience: The audience is missing"),
        ("a@example.org", "a.example.org", "email: “a.example.org” is no e-mail address"),
        ("a@example.org", "a@@example.org", "is no e-mail address"),
        ("a@example.org", '"a@example.org\nBcc: b@example.org"', "email: This holds a line break"),
        ("a@example.org", "a@localhost", "is no e-mail address"),
        ("a@example.org", "", "The channel email needs an e-mail address"),
        ("+351500000001", "500000001", "phone: “500000001” is no telephone number in E.164"),
        ("+351500000001", "+35150000", "is no possible telephone number"),
        ("+351500000001", "+999500000001", "is no telephone number"),
        ("+351500000001", "+351500000001;ext=5", "is no telephone number in E.164"),
        ("+351500000001", "", "The channel sms needs a telephone number"),
        (",pt,", ",português,", "language: “português” is no language"),
        ("Europe/Lisbon", "Lisbon", "timezone: There is no time zone “Lisbon”"),
        ("email sms", "email fax", "channels: The channel “fax” is not one of email, sms, nor standby."),
        (",PEM", ",PEMM", "systems: The system PEMM is not in the catalogue. Did you mean `PEM`?"),
        (",PEM", ",OLD", "systems: The system OLD is retired; take it out."),
        (",PEM", ",PEM,more", "The record has 11 cells and the header 10 columns"),
        ("Hospital", '"Hospital', "This is not CSV"),
    ],
)
def test_mistake_in_a_record_is_told_with_its_line(find: str, write: str, mistake: str) -> None:
    assert find in GOOD

    found = mistakes_in(document(GOOD.replace(find, write, 1)))

    assert any(mistake in line for line in found), found
    assert all(line.startswith("d.csv:") for line in found)


def test_mistakes_of_all_records_are_told_at_once() -> None:
    found = mistakes_in(
        document(
            GOOD.replace("PEM", "X"),
            'H2,Dois,pharmacists,"A name\nin two lines",b@example.org,,,,,',
            GOOD.replace("Hospital", "Clinic").replace(",A,", ",B,"),
            GOOD.replace("PEM", "DEM"),
            "H3,,nobody,,,,,,,",
        )
    )

    assert [line.partition(": ")[0] for line in found] == [
        "d.csv:2",
        "d.csv:3",
        "d.csv:5",
        "d.csv:6",
        *["d.csv:7"] * 4,
    ]
    assert "H1 is called “Hospital” in line 2" in found[2]
    assert "A is listed for prescribers of H1 in line 2 already" in found[3]


def test_control_characters_are_told_with_the_mistakes_of_the_records() -> None:
    found = mistakes_in(
        document(GOOD.replace("PEM", "X"), GOOD.replace(",A,", ",B\x00,").replace("PEM", "Y"))
    )

    assert [line.partition(": ")[0] for line in found] == ["d.csv:2", "d.csv:3", "d.csv:3"]
    assert "U+0000" in found[1]


@pytest.mark.parametrize(
    ("raw", "mistake"),
    [
        (b"", "The document is empty; it begins with the header institution,"),
        (HEADER.replace(",", ";").encode(), "separated by “;”; save the document with commas"),
        (HEADER.replace(",", "\t").encode(), "separated by a tabulator"),
        (b"PK\x03\x04rest of a workbook", "This is a workbook; save it as CSV in UTF-8."),
        (document(GOOD).decode().replace("Hospital", "Saúde").encode("latin-1"), "not UTF-8"),
        (document(GOOD).decode().encode("utf-16"), "UTF-16; save it as UTF-8"),
        (document(GOOD.replace("Hospital", "Hos\x00pital")), "U+0000"),
        (HEADER.replace(",email", ",mail").encode(), "There is no column `mail`. Did you mean `email`?"),
        (HEADER.replace(",email", ",mail").encode(), "The column `email` is missing"),
        (HEADER.replace(",email", ",phone").encode(), "The column `phone` stands twice"),
        (b"code,name\nH1,x", "The first line is no header"),
    ],
)
def test_what_is_no_directory_gets_a_sentence(raw: bytes, mistake: str) -> None:
    found = mistakes_in(raw)

    assert any(mistake in line for line in found), found


def test_example_is_what_its_generator_writes_and_reaches_nobody() -> None:
    folder = ROOT / "examples" / "spms-exadata-2019"
    raw = (folder / "directory.csv").read_bytes()

    directory = read_directory(raw, catalogue=read_catalogue((folder / "catalogue.yaml").read_bytes()))

    assert raw.decode() == runpy.run_path(str(folder / "make_directory.py"))["document"]()
    assert len(directory.institutions) == 62
    assert len(directory.contacts) == 300
    assert {contact.language for contact in directory.contacts} == {"pt", "en"}
    assert {contact.audience for contact in directory.contacts} == {"prescribers", "pharmacists", "hospitals"}
    for contact in directory.contacts:
        assert not contact.email or contact.email.endswith("@example.org")
        assert not contact.phone or not phonenumbers.is_valid_number(phonenumbers.parse(contact.phone))


def test_quiet_hours_are_a_column_that_may_be_left_out() -> None:
    with_column = document("H1,Hospital,prescribers,A,a@example.org,,,,,,22:00 - 08:00").replace(
        b"systems\n", b"systems,quiet_hours\n", 1
    )
    without = document("H1,Hospital,prescribers,A,a@example.org,,,,,")

    assert read_directory(with_column, catalogue=catalogue()).contacts[0].quiet_hours == "22:00-08:00"
    assert read_directory(without, catalogue=catalogue()).contacts[0].quiet_hours == ""
    assert "22-8" in mistakes_in(with_column.replace(b"22:00 - 08:00", b"22-8"))[0]


def test_contact_that_stands_by_says_so_before_its_channels() -> None:
    raw = document(
        GOOD,
        "H1,Hospital,prescribers,B,b@example.org,+351500000002,pt,Europe/Lisbon,standby sms,",
        "H1,Hospital,prescribers,C,c@example.org,+351500000003,pt,Europe/Lisbon,email standby,",
        "H1,Hospital,prescribers,D,,+351500000004,pt,Europe/Lisbon,standby,",
    )

    contacts = read_directory(raw, catalogue=catalogue()).contacts

    assert [(contact.standby, contact.channels) for contact in contacts] == [
        (False, ("email", "sms")),
        (True, ("sms",)),
        (True, ("email",)),
        (True, ("sms",)),
    ]


def test_institution_whose_contacts_all_stand_by_would_hear_of_nothing() -> None:
    raw = document("H1,Hospital,prescribers,B,b@example.org,,pt,Europe/Lisbon,standby email,")

    with pytest.raises(InvalidDocument, match="All contacts of H1 stand by"):
        read_directory(raw, catalogue=catalogue())
