"""Recurring windows: rules in wall time, over both clock changes, with single occurrences changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maintenance.errors import InvalidDocument, InvalidTime
from maintenance.policy_book import policies_from_document
from maintenance.recurrence import (
    Change,
    Deviation,
    Reservation,
    checked_rule,
    follows,
    occurrences,
    occurrences_of,
)
from maintenance.texts import Text
from maintenance.windows import Interval, resolve

LISBON, BRUSSELS, OSLO, AZORES = "Europe/Lisbon", "Europe/Brussels", "Europe/Oslo", "Atlantic/Azores"
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def a_reservation(
    start: str = "2026-01-10T22:00",
    rule: str = "FREQ=MONTHLY;BYDAY=2SA",
    *,
    hours: float = 4,
    timezone: str = LISBON,
    changes: tuple[Change, ...] = (),
    until: date | None = None,
) -> Reservation:
    """Return the second Saturday of every month, 22:00 for four hours, in Lisbon."""
    first = datetime.fromisoformat(start)
    length = timedelta(hours=hours)
    return Reservation("R", Text.of("Slot"), first, length, rule, timezone, until, changes=changes)


def days(first: str, last: str) -> Interval:
    return Interval(*(datetime.fromisoformat(f"{day}T00:00+00:00") for day in (first, last)))


def spoken(reservation: Reservation, stretch: Interval) -> list[str]:
    return [f"{one.start:%m-%dT%H:%M} {one.end:%m-%dT%H:%M}" for one in occurrences(reservation, stretch)]


@pytest.mark.parametrize(
    ("day", "clock", "timezone", "start", "end", "change"),
    [
        # Lisbon: 01:00 becomes 02:00 in spring, 02:00 becomes 01:00 in autumn, both at 01:00 UTC.
        (SPRING, "00:30", LISBON, "29 00:30", "29 02:30", None),
        (SPRING, "01:30", LISBON, "29 01:30", "29 03:30", "gap"),
        (SPRING, "02:30", LISBON, "29 01:30", "29 03:30", None),
        (AUTUMN, "00:30", LISBON, "24 23:30", "25 01:30", None),
        (AUTUMN, "01:30", LISBON, "25 00:30", "25 02:30", "fold"),
        (AUTUMN, "02:30", LISBON, "25 02:30", "25 04:30", None),
        # Brussels and Oslo: 02:00 becomes 03:00, 03:00 becomes 02:00.
        (SPRING, "01:30", BRUSSELS, "29 00:30", "29 02:30", None),
        (SPRING, "02:30", BRUSSELS, "29 01:30", "29 03:30", "gap"),
        (SPRING, "02:30", OSLO, "29 01:30", "29 03:30", "gap"),
        (AUTUMN, "01:30", BRUSSELS, "24 23:30", "25 01:30", None),
        (AUTUMN, "02:30", BRUSSELS, "25 00:30", "25 02:30", "fold"),
        (AUTUMN, "02:30", OSLO, "25 00:30", "25 02:30", "fold"),
        # The Azores: midnight becomes 01:00, 01:00 becomes midnight.
        (SPRING, "00:30", AZORES, "29 01:30", "29 03:30", "gap"),
        (SPRING, "01:30", AZORES, "29 01:30", "29 03:30", None),
        (AUTUMN, "00:30", AZORES, "25 00:30", "25 02:30", "fold"),
        (AUTUMN, "01:30", AZORES, "25 02:30", "25 04:30", None),
    ],
)
def test_weekly_window_keeps_its_real_length_over_clock_changes(
    day: date, clock: str, timezone: str, start: str, end: str, change: str | None
) -> None:
    weekly = a_reservation(f"2026-01-04T{clock}", "FREQ=WEEKLY;BYDAY=SU", hours=2, timezone=timezone)

    around = Interval(*(datetime(day.year, day.month, n, 12, tzinfo=UTC) for n in (day.day - 1, day.day)))
    (found,) = occurrences(weekly, around)

    assert (f"{found.start:%d %H:%M}", f"{found.end:%d %H:%M}") == (start, end)
    assert found.end - found.start == timedelta(hours=2)
    assert (found.date, found.clock_change) == (day, change)


def test_wall_time_stays_the_same_through_the_year() -> None:
    found = occurrences(a_reservation(), days("2026-01-01", "2027-01-01"))

    assert [one.date.isoformat()[5:] for one in found] == [
        "01-10", "02-14", "03-14", "04-11", "05-09", "06-13", "07-11", "08-08", "09-12", "10-10", "11-14", "12-12",
    ]  # fmt: skip
    # 22:00 in Lisbon: 22:00 UTC in winter, 21:00 in summer.
    assert [one.start.hour for one in found] == [22, 22, 22, *[21] * 7, 22, 22]


def test_stretch_is_half_open_on_both_sides() -> None:
    reservation = a_reservation()
    start = datetime(2026, 3, 14, 22, tzinfo=UTC)
    end = start + timedelta(hours=4)
    assert len(occurrences(reservation, Interval(end - timedelta(minutes=1), end))) == 1
    assert occurrences(reservation, Interval(end, end + timedelta(days=1))) == ()
    assert occurrences(reservation, Interval(start - timedelta(days=1), start)) == ()


def test_last_day_counts_and_nothing_after_it() -> None:
    ending = a_reservation(until=date(2026, 3, 14))
    assert len(occurrences(ending, days("2026-01-01", "2027-01-01"))) == 3
    assert len(occurrences(replace(ending, until=date(2026, 3, 13)), days("2026-01-01", "2027-01-01"))) == 2


def test_skipped_is_gone_cancelled_stays_moved_keeps_its_identity() -> None:
    reservation = a_reservation(
        changes=(
            Change(date(2026, 1, 10), Deviation.SKIPPED),
            Change(date(2026, 2, 14), Deviation.CANCELLED, reason=Text.of("Carnival")),
            Change(date(2026, 3, 14), Deviation.MOVED, datetime(2026, 3, 28, 22), timedelta(hours=6)),
        )
    )
    cancelled, moved = occurrences(reservation, days("2026-01-01", "2026-04-01"))

    assert (cancelled.identity, cancelled.is_cancelled) == ("R-occ-2026-02-14", True)
    assert cancelled.reason == Text.of("Carnival")
    assert (moved.identity, moved.deviation) == ("R-occ-2026-03-14", Deviation.MOVED)
    # Over the change of 29 March: six real hours.
    assert (moved.start, moved.end) == (
        datetime(2026, 3, 28, 22, tzinfo=UTC),
        datetime(2026, 3, 29, 4, tzinfo=UTC),
    )


def test_moved_occurrence_is_found_where_it_is_and_not_where_it_was() -> None:
    far = Change(date(2026, 3, 14), Deviation.MOVED, datetime(2026, 7, 1, 3))
    reservation = a_reservation(changes=(far,))
    assert spoken(reservation, days("2026-03-01", "2026-04-01")) == []
    assert spoken(reservation, days("2026-06-30", "2026-07-02")) == ["07-01T02:00 07-01T06:00"]


def test_several_reservations_come_in_order_of_time() -> None:
    weekly = replace(a_reservation("2026-01-06T21:00", "FREQ=WEEKLY;BYDAY=TU"), code="W")
    found = occurrences_of([a_reservation(), weekly], days("2026-01-01", "2026-01-15"))
    assert [one.identity for one in found] == ["W-occ-2026-01-06", "R-occ-2026-01-10", "W-occ-2026-01-13"]


@given(st.dates(date(2026, 1, 1), date(2036, 12, 31)), st.sampled_from([LISBON, BRUSSELS, OSLO, AZORES]))
def test_daily_windows_are_on_every_day_once_and_as_long(day: date, timezone: str) -> None:
    daily = a_reservation("2026-01-01T01:30", "FREQ=DAILY", hours=2, timezone=timezone)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    found = occurrences(daily, Interval(noon - timedelta(hours=14), noon))
    (that_day,) = [one for one in found if one.date == day]
    assert that_day.end - that_day.start == timedelta(hours=2)
    assert that_day.start == resolve(datetime(day.year, day.month, day.day, 1, 30), timezone).instant
    assert follows(daily, day)


@pytest.mark.parametrize(
    ("rule", "start", "sentence"),
    [
        ("every second Saturday", "2026-01-10T22:00", "is no rule"),
        ("FREQ=HOURLY", "2026-01-10T22:00", "is no rule"),
        ("FREQ=WEEKLY;COUNT=3", "2026-01-10T22:00", "“COUNT=3” is not understood"),
        ("FREQ=WEEKLY;BYDAY=2SA", "2026-01-10T22:00", "“BYDAY=2SA” is not understood"),
        ("FREQ=WEEKLY;BYHOUR=3", "2026-01-10T22:00", "“BYHOUR=3” is not understood"),
        ("FREQ=MONTHLY;BYDAY=XX", "2026-01-10T22:00", "“BYDAY=XX” is not understood"),
        ("FREQ=WEEKLY;INTERVAL=0", "2026-01-10T22:00", "“INTERVAL=0” is not understood"),
        ("FREQ=MONTHLY;BYDAY=2SA", "2026-01-03T22:00", "the first that does is 2026-01-10T22:00"),
        ("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30", "2026-01-10T22:00", "the first that does is none"),
    ],
)
def test_rules_that_are_not_understood_get_a_sentence(rule: str, start: str, sentence: str) -> None:
    with pytest.raises(InvalidTime, match=sentence):
        checked_rule(rule, datetime.fromisoformat(start))


@pytest.mark.parametrize(
    "rule",
    ["FREQ=DAILY", "freq=weekly;byday=sa", "FREQ=MONTHLY;BYMONTHDAY=10", "FREQ=MONTHLY;BYDAY=SA;BYSETPOS=2"],
)
def test_rules_that_are_understood(rule: str) -> None:
    assert checked_rule(rule, datetime(2026, 1, 10, 22)) == rule.upper()


def document(**changes: object) -> dict[str, object]:
    slot = {
        "code": "MONTHLY",
        "name": {"pt": "Janela mensal", "en": "Monthly window"},
        "start": "2026-01-10T22:00",
        "duration": "PT4H",
        "rule": "FREQ=MONTHLY;BYDAY=2SA",
        **changes,
    }
    return {"timezone": LISBON, "reservations": [slot]}


def test_document_gives_the_reservation_and_is_given_back() -> None:
    entry = {"date": "2026-03-14", "change": "moved", "start": "2026-03-28T22:00", "duration": "PT6H"}
    (policy,) = policies_from_document(document(public=True, until="2026-12-31", exceptions=[entry])).policies

    value = policy.value()

    moved = Change(date(2026, 3, 14), Deviation.MOVED, datetime(2026, 3, 28, 22), timedelta(hours=6))
    expected = a_reservation(until=date(2026, 12, 31), changes=(moved,))
    name = Text.of({"pt": "Janela mensal", "en": "Monthly window"})
    assert value == replace(expected, code="MONTHLY", name=name, public=True)
    assert policies_from_document({"reservations": [policy.document]}).policies[0].value() == value


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"start": "2026-01-10T22:00Z"}, "Write wall time without an offset"),
        ({"rule": "FREQ=YEARLY"}, "is no rule"),
        ({"duration": "PT0S"}, "longer than nothing"),
        ({"exceptions": [{"date": "2026-03-15", "change": "skipped"}]}, "puts no occurrence on 2026-03-15"),
        ({"exceptions": [{"date": "2026-03-14", "change": "moved"}]}, "needs the `start`"),
        ({"exceptions": [{"date": "2026-03-14", "change": "gone"}]}, "not one of skipped, moved, cancelled"),
        (
            {"exceptions": [{"date": "2026-03-14", "change": "skipped"}] * 2},
            "One occurrence has two exceptions",
        ),
    ],
)
def test_mistakes_of_documents_are_named(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidDocument, match=sentence):
        policies_from_document(document(**changes))
