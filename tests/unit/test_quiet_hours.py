"""Quiet hours in the reader's zone, over midnight and the nights on which the clocks change."""

from __future__ import annotations

from datetime import datetime

import pytest

from maintenance.errors import InvalidTime
from notifications.quiet_hours import quiet_until, read_quiet_hours

LISBON, AZORES, SAO_PAULO = "Europe/Lisbon", "Atlantic/Azores", "America/Sao_Paulo"


@pytest.mark.parametrize(
    ("hours", "zone", "now", "until"),
    [
        # In winter Lisbon is at UTC; the window is half-open.
        ("22:00-08:00", LISBON, "2019-11-30T21:59:59Z", None),
        ("22:00-08:00", LISBON, "2019-11-30T22:00Z", "2019-12-01T08:00Z"),
        ("22:00-08:00", LISBON, "2019-12-01T03:00Z", "2019-12-01T08:00Z"),
        ("22:00-08:00", LISBON, "2019-12-01T08:00Z", None),
        # In summer an hour ahead; the Azores an hour behind Lisbon.
        ("22:00-08:00", LISBON, "2019-07-01T21:00Z", "2019-07-02T07:00Z"),
        ("22:00-08:00", AZORES, "2019-07-01T21:00Z", None),
        ("22:00-08:00", AZORES, "2019-07-01T22:00Z", "2019-07-02T08:00Z"),
        ("20:00-07:00", SAO_PAULO, "2024-01-10T02:00Z", "2024-01-10T10:00Z"),
        # Within one day.
        ("12:30-14:00", LISBON, "2019-11-30T12:29Z", None),
        ("12:30-14:00", LISBON, "2019-11-30T13:00Z", "2019-11-30T14:00Z"),
        # Until midnight, from midnight.
        ("23:00-00:00", LISBON, "2019-11-30T23:30Z", "2019-12-01T00:00Z"),
        ("00:00-06:00", LISBON, "2019-11-30T23:59Z", None),
        ("00:00-06:00", LISBON, "2019-12-01T00:00Z", "2019-12-01T06:00Z"),
        # The clocks go forward at 01:00 UTC on 2019-03-31: the night is an hour shorter.
        ("22:00-08:00", LISBON, "2019-03-30T22:00Z", "2019-03-31T07:00Z"),
        ("22:00-08:00", LISBON, "2019-03-31T06:59Z", "2019-03-31T07:00Z"),
        # 01:30 does not exist then: it means 02:30 (the offset before the change).
        ("22:00-01:30", LISBON, "2019-03-31T01:29Z", "2019-03-31T01:30Z"),
        ("22:00-01:30", LISBON, "2019-03-31T01:30Z", None),
        ("01:30-05:00", LISBON, "2019-03-31T01:15Z", None),
        ("01:30-05:00", LISBON, "2019-03-31T01:30Z", "2019-03-31T04:00Z"),
        # They go back at 01:00 UTC on 2019-10-27: the night is an hour longer.
        ("22:00-08:00", LISBON, "2019-10-26T21:00Z", "2019-10-27T08:00Z"),
        ("22:00-08:00", LISBON, "2019-10-27T07:30Z", "2019-10-27T08:00Z"),
        # 01:30 exists twice then: the first is meant, so the second quarter past one is outside.
        ("22:00-01:30", LISBON, "2019-10-27T00:15Z", "2019-10-27T00:30Z"),
        ("22:00-01:30", LISBON, "2019-10-27T01:15Z", None),
        ("01:30-05:00", LISBON, "2019-10-27T00:15Z", None),
        ("01:30-05:00", LISBON, "2019-10-27T01:15Z", "2019-10-27T05:00Z"),
    ],
)
def test_quiet_hours_end_at_that_wall_time_of_the_reader(
    hours: str, zone: str, now: str, until: str | None
) -> None:
    read = read_quiet_hours(hours)
    assert read is not None
    found = quiet_until(read, zone, datetime.fromisoformat(now))

    assert found == (datetime.fromisoformat(until) if until else None)


@pytest.mark.parametrize("text", ["22:00-08:00", " 22:00 - 08:00 ", "22:00–08:00"])
def test_quiet_hours_are_kept_in_one_form(text: str) -> None:
    assert str(read_quiet_hours(text)) == "22:00-08:00"


def test_empty_text_means_no_quiet_hours() -> None:
    assert read_quiet_hours(" ") is None


@pytest.mark.parametrize("text", ["22-8", "22:00", "24:00-08:00", "22:60-08:00", "night", "08:00-08:00"])
def test_what_is_no_quiet_hours_is_refused(text: str) -> None:
    with pytest.raises(InvalidTime):
        read_quiet_hours(text)
