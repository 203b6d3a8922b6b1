"""Stretches of time, and wall time by the stated rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from maintenance.errors import InvalidTime
from maintenance.windows import Interval, change_within, format_duration, parse_duration, resolve, union, zone
from tests.builders import at


def test_intervals_that_touch_share_no_instant() -> None:
    assert not Interval(at(1), at(2)).overlaps(Interval(at(2), at(3)))
    assert Interval(at(1), at(2.01)).overlaps(Interval(at(2), at(3)))
    assert Interval(at(1), at(2)).contains(at(1))
    assert not Interval(at(1), at(2)).contains(at(2))


def test_a_union_joins_what_overlaps_or_touches() -> None:
    given = [
        Interval(at(4), at(5)),
        Interval(at(1), at(3)),
        Interval(at(2), at(2.5)),
        Interval(at(3), at(3.5)),
    ]
    assert union(given) == (Interval(at(1), at(3.5)), Interval(at(4), at(5)))
    assert union([]) == ()


@pytest.mark.parametrize(
    ("local", "utc", "change"),
    [
        # Lisbon, Sunday 29 March 2026: 01:00 is followed by 02:00
        (datetime(2026, 3, 29, 0, 59), datetime(2026, 3, 29, 0, 59, tzinfo=UTC), None),
        (datetime(2026, 3, 29, 1, 0), datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "gap"),  # means 02:00
        (datetime(2026, 3, 29, 1, 30), datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "gap"),  # means 02:30
        (datetime(2026, 3, 29, 2, 0), datetime(2026, 3, 29, 1, 0, tzinfo=UTC), None),
        # Sunday 25 October 2026: 02:00 summer time is followed by 01:00
        (datetime(2026, 10, 25, 0, 59), datetime(2026, 10, 24, 23, 59, tzinfo=UTC), None),
        (datetime(2026, 10, 25, 1, 0), datetime(2026, 10, 25, 0, 0, tzinfo=UTC), "fold"),  # the first
        (datetime(2026, 10, 25, 1, 59), datetime(2026, 10, 25, 0, 59, tzinfo=UTC), "fold"),
        (datetime(2026, 10, 25, 2, 0), datetime(2026, 10, 25, 2, 0, tzinfo=UTC), None),
    ],
)
def test_wall_time_is_read_with_the_offset_before_the_change(local, utc, change) -> None:
    resolved = resolve(local, "Europe/Lisbon")
    assert (resolved.instant, resolved.change) == (utc, change)


def test_the_clock_is_an_hour_ahead_after_the_spring_change_and_behind_after_the_autumn_one() -> None:
    spring = (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC))
    autumn = (datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 6, tzinfo=UTC))
    assert change_within(*spring, "Europe/Lisbon") == timedelta(hours=1)
    assert change_within(*autumn, "Europe/Lisbon") == timedelta(hours=-1)
    assert change_within(*spring, "America/Sao_Paulo") == timedelta(0)


def test_an_unknown_zone_is_answered_with_an_example() -> None:
    for name in ("Europe/Lisboa", "", "../etc/passwd", "a\0b"):
        with pytest.raises(InvalidTime, match="Europe/Lisbon"):
            zone(name)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT30M", timedelta(minutes=30)),
        ("P7D", timedelta(days=7)),
        ("PT72H", timedelta(hours=72)),
        ("P1DT2H3M4S", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("P2W", timedelta(weeks=2)),
        ("PT0S", timedelta(0)),
    ],
)
def test_durations_are_read_and_written(text, length) -> None:
    assert parse_duration(text) == length
    assert parse_duration(format_duration(length)) == length


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1M", "P1Y", "1D", "PT1,5H", "-PT1H", "P1DT", "pt1h", "PT1H ", "PT99999999S"]
)
def test_what_is_no_duration_is_refused(text) -> None:
    with pytest.raises(InvalidTime):
        parse_duration(text)
