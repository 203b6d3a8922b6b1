"""When in the week volumes come: defined in the catalogue, kept, and counted in every estimate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import yaml

from maintenance.catalogue import Impact
from maintenance.catalogue_store import load_catalogue
from maintenance.database import Database
from maintenance.documents import catalogue_document, plan_from_document, read_catalogue
from maintenance.errors import InvalidDocument
from maintenance.forecast import forecast
from maintenance.harm import OFFICE_HOURS, harm_of, weights_of
from maintenance.importing import compare, import_catalogue
from maintenance.lifecycle import SYSTEM
from maintenance.slots import find_slots
from maintenance.texts import Text

DOCUMENT = """
timezone: UTC
profiles:
  - code: clinics
    weekly:
      - {days: [monday, tuesday], start: 08:00, end: 12:00, weight: 3}
      - {days: [sunday], start: 22:00, end: 02:00, weight: 1}
systems:
  - {code: A, name: A, volume: {unit: visits, per_month: 7200, profile: clinics}}
  - {code: B, name: B, volume: {unit: calls, per_month: 7200, profile: round-the-clock}}
  - {code: C, name: C, volume: {unit: letters, per_month: 7200}}
"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: A Monday.
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def harm(document: str, code: str, start: datetime, hours: int) -> float:
    catalogue = read_catalogue(document.encode())
    work = [{"system": code, "impact": "OUTAGE"}]
    phase = {"kind": "outage", "start": start.isoformat(), "duration": f"PT{hours}H", "work": work}
    plan = plan_from_document({"reference": "W", "title": "W", "phases": [phase]}, catalogue=catalogue)
    return sum(harm_of(catalogue, forecast(catalogue, [plan])).values())


def test_a_weight_counts_compared_with_the_others_of_its_week() -> None:
    # 10 an hour on average, 1680 a week; the hours weigh 8 × 3 + 4 × 1 = 28 together.
    assert harm(DOCUMENT, "A", MONDAY + timedelta(hours=8), 1) == pytest.approx(1680 * 3 / 28)
    assert harm(DOCUMENT, "A", MONDAY + timedelta(hours=12), 24 - 12) == 0
    # Sunday 22:00 to 02:00 reaches into Monday, over the end of the week.
    assert harm(DOCUMENT, "A", MONDAY, 2) == pytest.approx(1680 * 2 / 28)
    assert harm(DOCUMENT, "A", MONDAY - timedelta(hours=2), 2) == pytest.approx(1680 * 2 / 28)
    assert harm(DOCUMENT, "A", MONDAY, 168) == pytest.approx(1680)
    assert harm(DOCUMENT, "B", MONDAY + timedelta(hours=3), 5) == pytest.approx(50)


def test_office_hours_are_what_a_volume_has_that_says_nothing() -> None:
    said = DOCUMENT.replace(
        "{unit: letters, per_month: 7200}", "{unit: letters, per_month: 7200, profile: office-hours}"
    )

    assert read_catalogue(said.encode()) == read_catalogue(DOCUMENT.encode())
    assert weights_of(read_catalogue(said.encode())).profile_of("C") is OFFICE_HOURS


def test_the_rest_of_the_week_has_a_weight_of_its_own() -> None:
    some = DOCUMENT.replace("  - code: clinics\n", "  - code: clinics\n    rest: 1\n")

    assert harm(some, "A", MONDAY + timedelta(hours=12), 1) == pytest.approx(1680 / (28 + 156))


def test_slots_go_by_the_profile() -> None:
    catalogue = read_catalogue(DOCUMENT.encode())
    work = [{"system": "A", "impact": "OUTAGE"}]
    phase = {"kind": "outage", "start": "2026-06-01T08:00", "duration": "PT3H", "work": work}
    plan = plan_from_document({"reference": "W", "title": "W", "phases": [phase]}, catalogue=catalogue)

    best, *_ = find_slots(catalogue, plan, [], earliest=MONDAY, latest=MONDAY + timedelta(days=1), now=NOW)

    assert best.start == MONDAY + timedelta(hours=2)
    assert best.harm == ()


def test_a_catalogue_with_profiles_is_kept_and_written_again(any_database: Database) -> None:
    document = read_catalogue(DOCUMENT.encode())
    with any_database.write() as session:
        import_catalogue(session, document, prune=False, by=SYSTEM, now=NOW)
    with any_database.read() as session:
        stored = load_catalogue(session)
        assert compare(session, document, prune=True).changes == ()

    assert stored.profiles == document.profiles
    assert stored.systems == document.systems
    again = yaml.safe_dump(catalogue_document(stored), allow_unicode=True)
    assert read_catalogue(again.encode()).profiles == document.profiles


def test_a_changed_profile_is_listed_and_a_part_of_a_catalogue_may_use_what_is_there(
    any_database: Database,
) -> None:
    with any_database.write() as session:
        import_catalogue(session, read_catalogue(DOCUMENT.encode()), prune=False, by=SYSTEM, now=NOW)
    part = "systems:\n  - {code: D, name: D, volume: {unit: visits, per_month: 5, profile: clinics}}\n"
    with any_database.write() as session:
        known = load_catalogue(session)
        other = read_catalogue(DOCUMENT.replace("weight: 3", "weight: 5").encode())
        changes = compare(session, other, prune=False).changes
        import_catalogue(session, read_catalogue(part.encode(), known=known), prune=False, by=SYSTEM, now=NOW)

    assert [(change.system, change.field) for change in changes] == [("profiles.clinics", "weekly")]
    with any_database.read() as session:
        stored = load_catalogue(session)
    assert set(stored.profiles) == {"clinics"}
    assert stored.systems["D"].volume is not None
    assert stored.systems["D"].volume.profile == "clinics"
    assert stored.systems["D"].volume.unit == Text.of("visits")
    assert Impact.OUTAGE


def test_every_mistake_of_a_profile_is_told_at_once() -> None:
    wrong = """
profiles:
  - {code: office-hours, weekly: [{days: [monday], start: 08:00, end: 12:00, weight: 1}]}
  - {code: a, weekly: [{days: [monday, monday], start: 08:00, end: 12:00, weight: 1}]}
  - {code: b, weekly: [{days: [mondy], start: 08:30, end: 12:00, weight: -1}]}
  - {code: c, weekly: [{days: [sunday], start: 08:00, end: 12:00, weight: 0}]}
  - {code: d, weekly: [{days: [sunday], start: 08:00, end: 12:00, weight: 1}]}
  - {code: d, weekly: [{days: [sunday], start: 08:00, end: 12:00, weight: 1}]}
systems:
  - {code: A, name: A, volume: {unit: visits, per_month: 7200, profile: clinic}}
  - {code: B, name: B, volume: {unit: visits, per_month: 7200, profile: office-hour}}
"""
    with pytest.raises(InvalidDocument) as refused:
        read_catalogue(wrong.encode(), file="c.yaml")

    told = str(refused.value)
    for sentence in (
        "office-hours is there already and cannot be changed",
        "The hour from 08:00 on monday stands twice",
        "Did you mean `monday`?",
        "Profiles know whole hours",
        "Write a number of at least 0.",
        "All hours have the weight 0",
        "d stands twice, first as entry 5 of `profiles`",
        "A names the profile clinic, which is not under `profiles`.",
        "Did you mean `office-hours`?",
    ):
        assert sentence in told, told
    assert "c.yaml:11: systems[1].volume.profile: " in told
