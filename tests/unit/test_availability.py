"""Availability, worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from maintenance.availability import (
    Announcement,
    availability,
    latest_months,
    minimum_notice,
    month,
    percentage,
    promised,
)
from maintenance.catalogue import Impact
from maintenance.policies import NoticePolicy, Policies, Scope
from maintenance.windows import Interval
from tests.builders import a_system, at

JUNE = month(2026, 6, "UTC")
TWO_DAYS = timedelta(hours=48)


def hours(start: float, end: float) -> Interval:
    """Return a stretch in hours from the day of the tests, 6 June."""
    return Interval(at(start), at(end))


def said(when: float, *down: tuple[float, float]) -> Announcement:
    return Announcement(at(when), tuple(hours(*stretch) for stretch in down))


def lengths(down: list[Interval], planned: list[Interval], measured: Interval = JUNE) -> tuple[float, ...]:
    found = availability(measured, down, planned)
    return tuple(
        each / timedelta(hours=1) for each in (found.total, found.down, found.planned, found.unplanned)
    )


def test_720_hours_with_18_planned_and_2_unplanned() -> None:
    found = availability(JUNE, [hours(14, 32), hours(100, 102)], [hours(14, 32)])

    assert found.total == timedelta(hours=720)
    assert found.gross == 97.222  # 700 / 720
    assert found.without_planned == 99.715  # 700 / 702


@pytest.mark.parametrize(
    ("year", "number", "real_hours"),
    [
        (2026, 3, 743),  # 29 March: 01:00 becomes 02:00
        (2026, 10, 745),  # 25 October: 02:00 becomes 01:00
        (2026, 11, 720),
        (2026, 12, 744),
        (2024, 2, 696),
    ],
)
@pytest.mark.parametrize("zone_name", ["Europe/Lisbon", "Europe/Brussels", "Europe/Oslo", "Atlantic/Azores"])
def test_months_have_their_real_hours(year: int, number: int, real_hours: int, zone_name: str) -> None:
    found = month(year, number, zone_name)
    assert found.end - found.start == timedelta(hours=real_hours)


def test_eighteen_hours_across_the_change_count_as_eighteen_of_743() -> None:
    march = month(2026, 3, "Europe/Lisbon")
    night = Interval(datetime(2026, 3, 28, 20, tzinfo=UTC), datetime(2026, 3, 29, 14, tzinfo=UTC))

    found = availability(march, [night], [night])

    assert (found.total, found.down) == (timedelta(hours=743), timedelta(hours=18))
    assert found.gross == 97.577  # 725 / 743 = 97.5773…
    assert found.without_planned == 100.0


@pytest.mark.parametrize(
    ("down", "planned", "expected"),
    [
        ([], [], (720, 0, 0, 0)),
        # Windows that overlap count once.
        ([(0, 10), (5, 12)], [(0, 12)], (720, 12, 12, 0)),
        # An overrun, and a start before the announced one, are unplanned.
        ([(14, 34)], [(14, 32)], (720, 20, 18, 2)),
        ([(13, 20)], [(14, 32)], (720, 7, 6, 1)),
        # Done early: only what was really down counts.
        ([(14, 20)], [(14, 32)], (720, 6, 6, 0)),
        # 6 June is hour 120 of the month: what lies before it or after its end is another month's.
        ([(-130, -110)], [(-130, -110)], (720, 10, 10, 0)),
        ([(590, 610)], [], (720, 10, 0, 10)),
    ],
)
def test_what_counts(
    down: list[tuple[float, float]], planned: list[tuple[float, float]], expected: tuple[float, ...]
) -> None:
    assert lengths([hours(*d) for d in down], [hours(*p) for p in planned]) == expected


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        # Exactly the notice is enough, a minute less is not.
        ([said(0, (48, 50))], [hours(48, 50)]),
        ([said(1 / 60, (48, 50))], []),
        # Moved in time: only the new window. Moved too late: the old one still stands.
        ([said(0, (100, 110)), said(20, (120, 130))], [hours(120, 130)]),
        ([said(0, (100, 110)), said(60, (120, 130))], [hours(100, 110), hours(120, 130)]),
        ([said(0, (100, 110)), said(90, (120, 130))], [hours(100, 110)]),
        # Extended on the night: what was announced stays planned, the rest is not.
        ([said(0, (100, 110)), said(109, (100, 115))], [hours(100, 110)]),
        # Called off in time, or too late.
        ([said(0, (100, 110)), said(20)], []),
        ([said(0, (100, 110)), said(99)], [hours(100, 110)]),
        # The second of two nights can still be taken back while the first runs.
        (
            [said(0, (100, 110), (200, 210)), said(105, (100, 112), (224, 234))],
            [hours(100, 110), hours(224, 234)],
        ),
    ],
)
def test_what_readers_could_count_on(versions: list[Announcement], expected: list[Interval]) -> None:
    assert list(promised(versions, TWO_DAYS)) == expected


def test_notice_is_the_longest_agreed_for_the_system_else_two_days() -> None:
    national = a_system("PEM", tags=("national",), audiences=("prescribers",))
    policies = Policies(
        notices=(
            NoticePolicy(timedelta(hours=72)),
            NoticePolicy(timedelta(days=7), Scope(tags=("national",)), Impact.OUTAGE),
            NoticePolicy(timedelta(days=30), audience="citizens"),
        )
    )
    assert minimum_notice(national, policies) == timedelta(days=7)
    assert minimum_notice(a_system("X"), policies) == timedelta(hours=72)
    assert minimum_notice(a_system("X"), Policies()) == TWO_DAYS


def test_the_smallest_outage_never_shows_as_a_hundred_percent() -> None:
    assert percentage(timedelta(days=31) - timedelta(microseconds=1), timedelta(days=31)) == 99.999
    assert availability(JUNE, [JUNE], [JUNE]).without_planned is None


def test_months_go_back_over_the_year() -> None:
    found = latest_months(datetime(2026, 2, 1, 0, 30, tzinfo=UTC), "Europe/Lisbon", 3)
    assert found == [
        month(2026, 2, "Europe/Lisbon"),
        month(2026, 1, "Europe/Lisbon"),
        month(2025, 12, "Europe/Lisbon"),
    ]
