from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from maintenance.catalogue import Impact, Kind
from maintenance.documents import (
    catalogue_document,
    read_catalogue,
)
from maintenance.errors import InvalidDocument
from tests.builders import a_catalogue, a_system

CATALOGUE = b"""\
timezone: Europe/Lisbon
operators: [{code: SPMS, name: "SPMS, EPE", email: servicedesk@spms.min-saude.pt}]
audiences: [{code: prescribers, name: {pt: Prescritores, en: Prescribers}}]
systems:
  - {code: EXADATA, name: no, kind: database}
  - {code: RNU, name: Registo}
  - code: PEM
    name: {pt: Prescri\xc3\xa7\xc3\xa3o, en: Prescription}
    operator: SPMS
    tags: [national, on]
    public: true
    audiences: [prescribers]
    needs:
      - EXADATA
      - {of: [RNU, EXADATA], at_least: 1, otherwise: DEGRADED}
    recovery: PT30M
    volume: {unit: prescriptions, per_month: 6000000}
    contingency: [{audience: prescribers, during: {pt: Papel., en: Paper.}}]
"""


def mistakes_in(raw: bytes, **options: Any) -> list[str]:
    """Return every mistake of a catalogue, as it is printed."""
    with pytest.raises(InvalidDocument) as caught:
        read_catalogue(raw, **options)
    return [str(problem) for problem in caught.value.problems]


def test_catalogue_says_what_the_document_says() -> None:
    catalogue = read_catalogue(CATALOGUE)
    pem = catalogue.systems["PEM"]

    assert catalogue.timezone == "Europe/Lisbon"
    assert catalogue.operators["SPMS"].email == "servicedesk@spms.min-saude.pt"
    assert catalogue.systems["EXADATA"].name.document() == "no"
    assert catalogue.systems["EXADATA"].kind is Kind.DATABASE
    assert not catalogue.systems["EXADATA"].public
    assert pem.tags == ("national", "on")
    assert [(n.of, n.at_least, n.otherwise) for n in pem.needs] == [
        (("EXADATA",), 1, Impact.OUTAGE),
        (("RNU", "EXADATA"), 1, Impact.DEGRADED),
    ]
    assert pem.recovery == timedelta(minutes=30)
    assert pem.volume is not None
    assert pem.volume.per_month == 6_000_000
    assert pem.contingency[0].during.in_language("en") == "Paper."


def test_catalogue_document_is_read_back_equal() -> None:
    catalogue = read_catalogue(CATALOGUE)

    again = read_catalogue(json.dumps(catalogue_document(catalogue)).encode())

    assert again == catalogue


def test_need_without_at_least_asks_for_all() -> None:
    (need,) = (
        read_catalogue(
            b"systems: [{code: A, name: a, needs: [{of: [B, C]}]}, {code: B, name: b}, {code: C, name: c}]"
        )
        .systems["A"]
        .needs
    )

    assert need.at_least == 2


@pytest.mark.parametrize(
    ("find", "write", "mistake"),
    [
        (b"needs:", b"needz:", "13: systems[2].needz: There is no key `needz` here. Did you mean `needs`?"),
        (b"public: true", b"public: yes", "11: systems[2].public: Write true or false here, not “yes”."),
        (b"6000000", b"many", "17: systems[2].volume.per_month: Write a whole number here, not “many”."),
        (b"6000000", b"6e6", "17: systems[2].volume.per_month: Write a whole number here, not “6e6”."),
        (b"6000000", b"-1", "17: systems[2].volume.per_month: Write a number of at least 0."),
        (
            b"[national, on]",
            b"national",
            "10: systems[2].tags: Write a list here, as in [ … ], not “national”.",
        ),
        (b"recovery: PT30M", b"recovery: 30 min", "“30 min” is no duration; write one such as PT30M"),
        (
            b"kind: database",
            b"kind: databse",
            "5: systems[0].kind: “databse” is not one of service, application,",
        ),
        (b"kind: database", b"kind: databse", "Did you mean `database`?"),
        (b"otherwise: DEGRADED", b"otherwise: degraded", "Did you mean `DEGRADED`?"),
        (b"otherwise: DEGRADED", b"otherwise: NO-IMPACT", "has `otherwise: NO-IMPACT`"),
        (
            b"      - EXADATA",
            b"      - EXDATA",
            "14: systems[2].needs[0]: PEM needs EXDATA, which is not in the catalogue.",
        ),
        (b"      - EXADATA", b"      - EXDATA", "Did you mean `EXADATA`?"),
        (b"      - EXADATA", b"      - PEM", "14: systems[2].needs[0]: PEM needs itself"),
        (b"at_least: 1", b"at_least: 3", "at least 3 of 2 systems; `at_least` goes from 1 to 2."),
        (b"at_least: 1", b"at_least: 0", "at least 0 of 2 systems"),
        (b"[RNU, EXADATA]", b"[RNU, RNU]", "names a system twice"),
        (b"[RNU, EXADATA]", b"[]", "This list is empty; name at least one."),
        (
            b"code: RNU",
            b"code: EXADATA",
            "6: systems[1].code: EXADATA stands twice, first as entry 1 of `systems`",
        ),
        (b"code: RNU", b"code: rnu", "“rnu” is no code"),
        (b"code: RNU", b"code: rnu", "RNU would be right."),
        (b"operator: SPMS", b"operator: SPM", "names the operator SPM, which is not under `operators`"),
        (b"audiences: [prescribers]", b"audiences: [nurses]", "names the audience nurses"),
        (b"{code: prescribers,", b"{code: Prescribers,", "prescribers would be right"),
        (b"timezone: Europe/Lisbon", b"timezone: Europe/Lisboa", "1: timezone: There is no time zone"),
        (b"spms.min-saude.pt", b"spms", "is no e-mail address"),
        (b"name: Registo", b"name: []", "Write text here, or one text for each language"),
        (b"name: Registo", b"name: {}", "This is empty; write some text."),
        (b"name: Registo", b"name: {portuguese: x}", "“portuguese” is no language; use a BCP 47 code"),
        (b"name: Registo", b"nome: Registo", "6: systems[1].name: `name` is missing; add it."),
        (
            b"name: Registo",
            b'name: "a\\r\\nBcc: all@example.org"',
            "This holds a line break; write it in one line.",
        ),
        (b"name: Registo", b'name: "a\\u0007"', "This holds the control character U+0007; take it out."),
        (b"name: Registo", b'name: "a\\u202Eb"', "U+202E"),
        (b"name: Registo", b"name: " + b"x" * 301, "This has 301 characters; at most 300 fit."),
    ],
)
def test_mistake_in_a_catalogue_is_told_with_what_would_be_right(
    find: bytes, write: bytes, mistake: str
) -> None:
    assert find in CATALOGUE

    found = mistakes_in(CATALOGUE.replace(find, write, 1), file="c.yaml")

    assert any(mistake in line for line in found), found
    assert all(line.startswith("c.yaml:") for line in found)


def test_every_mistake_is_told_at_once_also_those_between_entries() -> None:
    raw = b"""\
systems:
  - {code: A, name: a, kind: databse, needs: [NOWHERE]}
  - {code: b, name: b}
  - {code: C, nmae: c, needs: [{of: [C], at_least: 2}, b!]}
  - {name: d, needs: [A]}
colour: red
"""

    found = mistakes_in(raw)

    assert [
        line.partition(": ")[0] + ": " + line.partition(": ")[2].partition(": ")[0] for line in found
    ] == [
        ":2: systems[0].kind",
        ":2: systems[0].needs[0]",
        ":3: systems[1].code",
        ":4: systems[2].name",
        ":4: systems[2].needs[0]",
        ":4: systems[2].needs[0].at_least",
        ":4: systems[2].needs[1]",
        ":4: systems[2].nmae",
        ":5: systems[3].code",
        ":6: colour",
    ]


def test_wrong_system_is_not_unknown_to_those_who_need_it() -> None:
    raw = b"systems: [{code: A, name: a, needs: [B]}, {code: B, name: b, public: maybe}]"

    assert len(mistakes_in(raw)) == 1


def test_need_with_a_wrong_member_is_not_said_to_ask_for_too_many() -> None:
    raw = b"systems: [{code: A, name: a, needs: [{of: [B, c], at_least: 2}]}, {code: B, name: b}]"

    (mistake,) = mistakes_in(raw)

    assert "“c” is no code" in mistake


def test_part_of_a_catalogue_may_need_what_is_known_already() -> None:
    known = a_catalogue(a_system("B"), a_system("GONE", retired=True))
    part = b"systems: [{code: A, name: a, needs: [B]}]"

    assert list(read_catalogue(part, known=known).systems) == ["A"]
    assert "which is not in the catalogue" in mistakes_in(part.replace(b"[B]", b"[GONE]"), known=known)[0]


def test_an_intervention_is_told_apart_from_a_catalogue() -> None:
    assert "This is an intervention, not a catalogue" in mistakes_in(b"title: Work\nphases: []")[0]


@pytest.mark.parametrize("raw", [b"[]", b"just words", b"3", b'{"systems": {}}', b"systems: 3"])
def test_other_shapes_are_mistakes_and_nothing_worse(raw: bytes) -> None:
    assert "Write" in mistakes_in(raw)[0]


def test_lone_surrogates_of_json_are_a_mistake() -> None:
    assert "control character U+D800" in mistakes_in(b'{"systems": [{"code": "A", "name": "a\\ud800"}]}')[0]
