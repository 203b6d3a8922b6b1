from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maintenance.catalogue import Catalogue, Impact
from maintenance.documents import (
    plan_document,
    plan_from_document,
    read_intervention,
)
from maintenance.errors import InvalidDocument
from maintenance.interventions import (
    DEFAULT_REMINDERS,
    ContactPoint,
    InterventionClass,
    Work,
)
from tests.builders import a_catalogue, a_system

INTERVENTION = b"""\
reference: SPMS-2019-EXADATA
title: {pt: Obras, en: Work}
timezone: Europe/Lisbon
phases:
  - {kind: outage, start: 2019-11-30T14:00, end: 2019-12-01T08:00, work: [{system: EXADATA, impact: OUTAGE}]}
  - {id: checks, kind: verification, start: 2019-12-01T08:00, duration: PT12H}
contacts: [{kind: email, value: servicedesk@spms.min-saude.pt}]
"""


def mistakes_of(document: Any, catalogue: Catalogue | None = None) -> list[str]:
    """Return every mistake of an intervention, as it is printed."""
    read: Any = read_intervention if isinstance(document, bytes) else plan_from_document
    with pytest.raises(InvalidDocument) as caught:
        read(document, catalogue=catalogue)
    return [str(problem) for problem in caught.value.problems]


def a_document(**changes: Any) -> dict[str, Any]:
    """Return the document of a small plan; None takes a key out."""
    document = {
        "reference": "INT-1",
        "title": "Work",
        "timezone": "Europe/Lisbon",
        "phases": [a_phase_entry()],
    } | changes
    return {key: value for key, value in document.items() if value is not None}


def a_phase_entry(**changes: Any) -> dict[str, Any]:
    """Return the entry of a phase of two hours; None takes a key out."""
    entry = {
        "kind": "outage",
        "start": "2026-06-06T10:00",
        "end": "2026-06-06T12:00",
        "work": [{"system": "A", "impact": "OUTAGE"}],
    } | changes
    return {key: value for key, value in entry.items() if value is not None}


def test_intervention_says_what_the_document_says() -> None:
    plan = read_intervention(INTERVENTION, catalogue=a_catalogue(a_system("EXADATA")))
    outage, checks = plan.phases

    assert plan.reference == "SPMS-2019-EXADATA"
    assert plan.title.in_language("en") == "Work"
    assert plan.intervention_class is InterventionClass.PLANNED
    assert plan.reminders == DEFAULT_REMINDERS
    assert plan.contacts == (ContactPoint("email", "servicedesk@spms.min-saude.pt"),)
    assert outage.id == "p1"
    assert outage.start == datetime(2019, 11, 30, 14, tzinfo=UTC)
    assert outage.end == datetime(2019, 12, 1, 8, tzinfo=UTC)
    assert outage.local_start == datetime(2019, 11, 30, 14)
    assert outage.work == (Work("EXADATA", Impact.OUTAGE),)
    assert checks.id == "checks"
    assert checks.duration == timedelta(hours=12)
    assert checks.end == datetime(2019, 12, 1, 20, tzinfo=UTC)
    assert checks.local_end is None


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"title": None}, "title: `title` is missing; add it."),
        ({"title": {"pt": "", "en": " "}}, "title: This is empty; write some text."),
        ({"title": "a\nb"}, "This holds a line break"),
        ({"timezone": None}, "timezone: `timezone` is missing; add one such as Europe/Lisbon."),
        ({"timezone": "Lisbon"}, "There is no time zone “Lisbon”"),
        ({"timezone": "../../etc/passwd"}, "There is no time zone"),
        ({"phases": []}, "phases: There is no phase; add at least one."),
        ({"phases": None}, "phases: `phases` is missing; add it."),
        ({"class": "urgent"}, "“urgent” is not one of planned, emergency."),
        ({"reminders": ["P1M"]}, "reminders[0]: “P1M” is no duration"),
        ({"reminders": ["PT0S"]}, "A reminder goes out some time before the start"),
        ({"reference": "a b"}, "reference: “a b” is no code"),
        ({"people": [{"role": "lead"}]}, "people[0].name: `name` is missing"),
        ({"contacts": [{"kind": "email", "value": "x"}]}, "contacts[0]: “x” is no e-mail address"),
        ({"contacts": [{"kind": "web", "value": "javascript:alert(1)"}]}, "is no web address"),
        ({"contacts": [{"kind": "phone", "value": "call us"}]}, "is no telephone number"),
        ({"colour": "red"}, "colour: There is no key `colour` here."),
    ],
)
def test_mistake_in_an_intervention_is_told(changes: dict[str, Any], mistake: str) -> None:
    found = mistakes_of(a_document(**changes))

    assert any(mistake in line for line in found), found


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"end": "2026-06-06T10:00"}, "phases[0].end: The phase ends no later than it starts"),
        ({"end": "2026-06-05T12:00"}, "The phase ends no later than it starts"),
        ({"end": None}, "The phase has no end; add `end` or `duration`."),
        ({"duration": "PT2H"}, "This phase has an `end` and a `duration`; keep one of them."),
        ({"end": None, "duration": "PT0S"}, "The duration must be longer than nothing"),
        ({"end": None, "duration": "2 hours"}, "“2 hours” is no duration"),
        ({"start": "tomorrow"}, "“tomorrow” is no time."),
        ({"start": "2026-06-06"}, "“2026-06-06” is no time."),
        ({"start": "2026-02-30T10:00"}, "is no time"),
        ({"start": "9999-12-31T23:59", "end": "9999-12-31T23:59"}, "The year 9999 cannot be meant"),
        ({"start": 5}, "Write a date and time such as 2019-11-30T14:00"),
        ({"start": None}, "phases[0].start: `start` is missing; add it."),
        ({"kind": "party"}, "“party” is not one of preparation, outage, verification."),
        ({"id": "p 1"}, "phases[0].id"),
        ({"work": [{"system": "A"}]}, "phases[0].work[0].impact: `impact` is missing"),
        ({"work": [{"system": "A", "impact": "DOWN"}]}, "“DOWN” is not one of NO-IMPACT,"),
        ({"work": [{"system": "AA", "impact": "OUTAGE"}]}, "AA is not in the catalogue."),
        ({"work": [{"system": "SYSTEM-B", "impact": "OUTAGE"}]}, "Did you mean `SYSTEM-A`?"),
        ({"work": [{"system": "OLD", "impact": "OUTAGE"}]}, "OLD is retired; nothing can be planned on it."),
        (
            {"work": [{"system": "A", "impact": "OUTAGE"}, {"system": "A", "impact": "DEGRADED"}]},
            "phases[0].work[1].system: A stands twice in this phase",
        ),
    ],
)
def test_mistake_in_a_phase_is_told(changes: dict[str, Any], mistake: str) -> None:
    catalogue = a_catalogue(a_system("A"), a_system("SYSTEM-A"), a_system("OLD", retired=True))

    found = mistakes_of(a_document(phases=[a_phase_entry(**changes)]), catalogue)

    assert any(mistake in line for line in found), found


def test_mistakes_of_all_phases_are_told_at_once_with_their_lines() -> None:
    raw = (
        INTERVENTION.replace(b"kind: outage", b"kind: outge")
        .replace(b"EXADATA, impact", b"EXDATA, impact")
        .replace(b"PT12H", b"12h")
        .replace(b"title", b"titel")
    )

    found = mistakes_of(raw, a_catalogue(a_system("EXADATA")))

    assert [line.partition(": ")[0] for line in found] == [":1", ":2", ":5", ":5", ":6"]
    assert "Did you mean `EXADATA`?" in found[3]


def test_phase_that_the_clock_change_leaves_without_length_is_told_so() -> None:
    # In Lisbon, 29 March 2026, 01:00 to 02:00 do not exist: 01:30 is read as 02:30.
    phase = a_phase_entry(start="2026-03-29T01:30", end="2026-03-29T02:30")

    (mistake,) = mistakes_of(a_document(phases=[phase]))

    assert "the clock is changed between them" in mistake


def test_start_in_the_skipped_hour_is_accepted_and_read_with_the_offset_before() -> None:
    phase = a_phase_entry(start="2026-03-29T01:30", end="2026-03-29T05:00")

    plan = plan_from_document(a_document(phases=[phase]))

    assert plan.phases[0].start == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert plan.phases[0].local_start == datetime(2026, 3, 29, 1, 30)


def test_duration_is_elapsed_time_across_a_clock_change() -> None:
    phase = a_phase_entry(start="2026-03-28T20:00", end=None, duration="PT12H")

    plan = plan_from_document(a_document(phases=[phase]))

    assert plan.phases[0].end - plan.phases[0].start == timedelta(hours=12)
    assert plan_document(plan)["phases"][0]["duration"] == "PT12H"


def test_time_with_an_offset_is_that_instant() -> None:
    phase = a_phase_entry(start="2026-06-06T10:00Z", end="2026-06-06T14:00+02:00")

    (read,) = plan_from_document(a_document(phases=[phase])).phases

    assert (read.start, read.end) == (
        datetime(2026, 6, 6, 10, tzinfo=UTC),
        datetime(2026, 6, 6, 12, tzinfo=UTC),
    )
    assert read.local_start == datetime(2026, 6, 6, 11)


def test_second_pass_of_a_repeated_hour_is_written_with_its_offset() -> None:
    # 25 October 2026, Lisbon: 01:30 comes twice, wall time alone means the first.
    plan = plan_from_document(
        a_document(phases=[a_phase_entry(start="2026-10-24T22:00", end="2026-10-25T01:30")])
    )
    longer = replace(plan.phases[0], end=datetime(2026, 10, 25, 1, 30, tzinfo=UTC))

    document = plan_document(replace(plan, phases=(longer,)))

    assert document["phases"][0]["end"] == "2026-10-25T01:30:00+00:00"
    assert plan_from_document(document).phases[0].end == longer.end


def test_ids_are_given_where_absent_and_never_one_that_was_used() -> None:
    phases = [a_phase_entry(), a_phase_entry(id="p2"), a_phase_entry(id="night"), a_phase_entry()]

    assert [p.id for p in plan_from_document(a_document(phases=phases)).phases] == ["p3", "p2", "night", "p4"]
    assert [p.id for p in plan_from_document(a_document(phases=phases[:1]), taken=["p1", "p7"]).phases] == [
        "p8"
    ]


def test_same_id_twice_is_a_mistake() -> None:
    phases = [a_phase_entry(id="p1"), a_phase_entry(id="p1")]

    assert "phases[1].id: The id p1 is that of another phase" in mistakes_of(a_document(phases=phases))[0]


def test_zone_of_the_catalogue_stands_for_one_that_is_not_said() -> None:
    catalogue = a_catalogue(a_system("A"), timezone="Europe/Oslo")

    assert plan_from_document(a_document(timezone=None), catalogue=catalogue).timezone == "Europe/Oslo"


def test_null_is_the_same_as_absent() -> None:
    document = a_document() | {"description": None, "people": None, "reminders": None}

    assert plan_from_document(document) == plan_from_document(a_document())


def test_no_reminders_are_not_the_usual_ones() -> None:
    plan = plan_from_document(a_document(reminders=[]))

    assert plan.reminders == ()
    assert plan_from_document(plan_document(plan)) == plan


@pytest.mark.parametrize("document", [[], 3, None, "x", {"phases": [3]}, {"phases": {"a": 1}}, {3: 4}])
def test_forms_and_programs_may_send_anything(document: Any) -> None:
    assert mistakes_of(document)
