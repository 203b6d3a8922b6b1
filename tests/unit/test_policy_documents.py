"""Policy documents: what they say is what clashes are computed from, and every mistake is told."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from maintenance.catalogue import Audience, Catalogue, Impact, Kind
from maintenance.document_problems import keys_at
from maintenance.documents import read_catalogue, read_intervention
from maintenance.errors import InvalidDocument
from maintenance.policies import (
    DownAtOnce,
    DowntimeBudget,
    Freeze,
    HolidayCalendar,
    MaintenanceHours,
    NoticePolicy,
    Policies,
    Scope,
    WeeklyHours,
)
from maintenance.policy_book import policies_from_document, read_policies
from maintenance.policy_clashes import find_policy_clashes
from maintenance.policy_documents import (
    ENTRIES,
    DateEntry,
    PoliciesEntry,
    WeeklyEntry,
)
from maintenance.policy_fields import ScopeEntry
from maintenance.settings import ROOT
from maintenance.texts import Text
from tests.builders import a_catalogue, a_system

POLICIES = b"""\
timezone: Europe/Lisbon
freezes:
  - code: ELECTIONS
    name: {pt: Congelamento, en: Freeze}
    start: 2026-10-01T00:00
    end: 2026-10-25T01:30
    reason: {en: elections}
    scope: {systems: [PEM], kinds: [database]}
hours:
  - code: NIGHTS
    name: Nights
    timezone: America/Sao_Paulo
    weekly: [{days: [friday, saturday], start: "22:00", end: "06:00"}]
notices: [{code: WEEK, name: A week, at_least: P7D, impact: OUTAGE, audience: prescribers, severity: warn}]
holidays: [{code: BAVARIA, name: Bayern, country: DE, subdivision: BY, dates: [{date: 2026-12-24, name: Eve}]}]
budgets: [{code: YEARLY, name: A year, at_most: PT99H, per: year, scope: {groups: [Core]}}]
down_at_once: [{code: THREE, name: Three, at_most: 3, scope: {tags: [national]}}]
"""


def estate() -> Catalogue:
    return a_catalogue(
        a_system("PEM", tags=("national",), audiences=("prescribers",), group=Text.of("Core")),
        a_system("DB", kind=Kind.DATABASE),
        audiences={"prescribers": Audience("prescribers", Text.of("Prescribers"))},
        timezone="Europe/Lisbon",
    )


def mistakes_in(raw: bytes, **options: Any) -> list[str]:
    with pytest.raises(InvalidDocument) as caught:
        read_policies(raw, file="p.yaml", **options)
    return [str(problem) for problem in caught.value.problems]


def test_policies_say_what_the_document_says() -> None:
    assert read_policies(POLICIES, catalogue=estate()).agreed() == Policies(
        freezes=(
            Freeze(
                "ELECTIONS",
                "Freeze (elections)",
                datetime(2026, 9, 30, 23, tzinfo=UTC),
                # 01:30 exists twice that night: the first is meant.
                datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
                Scope(systems=("PEM",), kinds=(Kind.DATABASE,)),
            ),
        ),
        hours=(
            MaintenanceHours(
                Scope(),
                "America/Sao_Paulo",
                (WeeklyHours(4, time(22), time(6)), WeeklyHours(5, time(22), time(6))),
            ),
        ),
        notices=(NoticePolicy(timedelta(days=7), Scope(), Impact.OUTAGE, "prescribers", "warn"),),
        holidays=(HolidayCalendar("DE", "BY", ((date(2026, 12, 24), "Eve"),), "Europe/Lisbon"),),
        budgets=(DowntimeBudget(Scope(groups=("Core",)), timedelta(hours=99), "year", "Europe/Lisbon"),),
        down_at_once=(DownAtOnce(Scope(tags=("national",)), 3),),
    )


def test_a_freeze_is_named_in_the_language_that_is_asked_for() -> None:
    [freeze] = read_policies(POLICIES).agreed("pt").freezes

    assert freeze.name == "Congelamento (elections)"


def test_every_policy_alone_is_read_back_as_it_was() -> None:
    for policy in read_policies(POLICIES).policies:
        [again] = policies_from_document({policy.kind: [policy.document]}).policies

        assert (again.document, again.value()) == (policy.document, policy.value())


def test_times_without_a_zone_are_those_of_the_catalogue() -> None:
    document = {
        "freezes": [{"code": "F", "name": "F", "start": "2026-07-01T10:00", "end": "2026-07-02T10:00"}]
    }

    [freeze] = policies_from_document(document, catalogue=estate()).agreed().freezes

    assert freeze.start == datetime(2026, 7, 1, 9, tzinfo=UTC)


def test_every_mistake_is_told_with_its_line_and_what_would_be_right() -> None:
    raw = b"""\
timezone: Europe/Lisbonne
freezes:
  - {code: A, name: a, start: 2026-12-20T18:00, end: 2026-12-20T18:00}
  - {code: B, name: b, start: 2026-12-20T18:00, end: 2026-12-21T18:00, scope: {tags: [nationl], systems: [PEMM]}}
  - {code: B, name: b, start: 2026-12-20T18:00, end: 2026-12-21T18:00, resaon: x}
hours: [{code: H, name: h, weekly: [{days: [Saturday], start: 24:00, end: 00:00}]}]
notices: [{code: N, name: n, at_least: P7D, audience: prescriber}, {code: O, name: o, at_least: PT0S}]
holidays: [{code: X, name: x, country: XX}, {code: Y, name: y}, {code: Z, name: z, subdivision: BY}]
budgets: [{code: M, name: m}]
down_at_once: [{code: D, name: d, at_most: -1}]
"""
    assert mistakes_in(raw, catalogue=estate()) == [
        "p.yaml:1: timezone: There is no time zone “Europe/Lisbonne”; use an IANA name such as Europe/Lisbon.",
        "p.yaml:3: freezes[0].end: The freeze ends before it starts; give it an `end` after its `start`.",
        "p.yaml:4: freezes[1].scope.systems[0]: There is no system PEMM in the catalogue. Did you mean `PEM`?",
        "p.yaml:4: freezes[1].scope.tags[0]: No system has the tag “nationl”. Did you mean `national`?",
        "p.yaml:5: freezes[2].code: B stands twice, first as entry 2 of `freezes`; give one another code.",
        "p.yaml:5: freezes[2].resaon: There is no key `resaon` here. Did you mean `reason`?",
        "p.yaml:6: hours[0].weekly[0].days[0]: “Saturday” is not one of monday, tuesday, wednesday, thursday, "
        "friday, saturday, sunday. Did you mean `saturday`?",
        "p.yaml:6: hours[0].weekly[0].start: Write a time of the day such as 22:00; midnight is 00:00.",
        "p.yaml:7: notices[0].audience: There is no audience prescriber in the catalogue. "
        "Did you mean `prescribers`?",
        "p.yaml:7: notices[1].at_least: This must be longer than nothing and at most a year.",
        "p.yaml:8: holidays[0]: The public holidays of “XX” are not known; write a country code such as PT, "
        "or the dates.",
        "p.yaml:8: holidays[1]: Name a `country`, or `dates` of your own.",
        "p.yaml:8: holidays[2]: A `subdivision` needs its `country`.",
        "p.yaml:9: budgets[0].at_most: `at_most` is missing; add it.",
        "p.yaml:10: down_at_once[0].at_most: Write a number of at least 0.",
    ]


def test_a_freeze_without_an_end_is_told_that_alone() -> None:
    assert mistakes_in(b"freezes: [{code: F, name: f, start: 2026-03-29T01:30}]") == [
        "p.yaml:1: freezes[0].end: `end` is missing; add it."
    ]


def test_a_freeze_whose_wall_times_are_one_instant_is_refused() -> None:
    raw = b"""\
timezone: Europe/Lisbon
freezes:
  - {code: F, name: f, start: 2026-03-29T01:30, end: 2026-03-29T02:30}
"""
    # 01:30 is skipped that night, and read as 02:30.
    assert mistakes_in(raw) == [
        "p.yaml:3: freezes[0].end: The freeze ends before it starts; give it an `end` after its `start`."
    ]


def test_every_key_of_the_schema_is_on_the_page() -> None:
    page = (ROOT / "docs" / "policies.md").read_text()

    for entry in (PoliciesEntry, ScopeEntry, WeeklyEntry, DateEntry, *ENTRIES.values()):
        for key in keys_at(entry, ()):
            assert f"`{key}`" in page, f"{entry.__name__}.{key}"


def test_the_example_finds_the_holiday_in_the_reference_case() -> None:
    folder = ROOT / "examples" / "spms-exadata-2019"
    catalogue = read_catalogue((folder / "catalogue.yaml").read_bytes())
    plan = read_intervention((folder / "intervention.yaml").read_bytes(), catalogue=catalogue)
    policies = read_policies((folder / "policies.yaml").read_bytes(), catalogue=catalogue).agreed()

    clashes = find_policy_clashes(catalogue, plan, [], policies, now=datetime(2019, 11, 1, tzinfo=UTC))

    assert [(clash.kind, clash.severity) for clash in clashes] == [("holiday", "warn")]
    assert "2019-12-01" in clashes[0].message
