"""Who is told instead, when, and until when: the rule alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from notifications.escalation import (
    CONTACTS_AT_ONCE,
    ESCALATED,
    LEAST_PATIENCE,
    LOOKS,
    Deputy,
    Rung,
    Way,
    next_look,
    next_rung,
    patience,
    useful_until,
)
from notifications.timetable import PRIORITY, NoticeKind
from tests.builders import at

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def deputy(position: int, *channels: str, audience: str = "prescribers", stands_by: bool = True) -> Deputy:
    ways = tuple(Way(channel, f"{position}@example.org") for channel in channels)
    return Deputy(audience, position, stands_by, ways)


@pytest.mark.parametrize(
    ("priority", "of_use", "expected"),
    [
        (0, 12 * HOUR, 5 * MINUTE),
        (2, 12 * HOUR, 30 * MINUTE),
        (5, 48 * HOUR, HOUR),
        (9, 30 * 24 * HOUR, 24 * HOUR),
        (9, 48 * HOUR, 12 * HOUR),
        (5, 2 * HOUR, 30 * MINUTE),
        (9, 8 * MINUTE, LEAST_PATIENCE),
    ],
)
def test_patience_follows_the_priority_and_leaves_time_for_several_rungs(
    priority: int, of_use: timedelta, expected: timedelta
) -> None:
    assert patience(priority, left_at=at(8), until=at(8) + of_use) == expected


def test_ladder_of_an_announcement_ends_with_the_first_start_that_is_to_come() -> None:
    starts = [at(14), at(20)]

    assert useful_until(NoticeKind.ANNOUNCEMENT, left_at=at(8), expires_at=at(22), starts=starts) == at(14)
    assert useful_until(NoticeKind.CHANGE, left_at=at(15), expires_at=at(22), starts=starts) == at(20)
    assert useful_until(NoticeKind.CHANGE, left_at=at(21), expires_at=at(22), starts=starts) == at(22)
    assert useful_until(NoticeKind.START, left_at=at(8), expires_at=at(22), starts=starts) == at(22)


def test_notice_is_looked_at_again_while_somebody_is_waited_for_and_else_a_dozen_times() -> None:
    times: dict[str, Any] = {"left_at": at(8), "until": at(20), "wait": 5 * MINUTE}

    assert next_look(at(8.5), is_open=False, **times) == at(8.5) + 5 * MINUTE
    assert next_look(at(8) + LOOKS * 5 * MINUTE, is_open=False, **times) is None
    assert next_look(at(12), is_open=True, **times) == at(12) + 5 * MINUTE
    assert next_look(at(20) - 5 * MINUTE, is_open=True, **times) is None, "of no use by then"


def test_ladder_goes_from_the_other_channel_over_those_who_stand_by_to_the_operators() -> None:
    contact = deputy(0, "sms", stands_by=False)
    first, second = deputy(1, "email", "sms"), deputy(2, "email")

    assert next_rung("prescribers", [contact, second, first], []) == (Rung.CHANNEL, (contact,))
    assert next_rung("prescribers", [second, first], [Rung.CHANNEL]) == (Rung.STANDBY, (first,))
    assert next_rung("prescribers", [deputy(1), second], [Rung.CHANNEL, Rung.STANDBY]) == (
        Rung.STANDBY,
        (second,),
    )
    climbed = [Rung.CHANNEL, Rung.STANDBY, Rung.STANDBY]
    assert next_rung("prescribers", [deputy(1), deputy(2)], climbed) == (Rung.OPERATORS, ())
    assert next_rung("prescribers", [first], [*climbed, Rung.OPERATORS]) is None


def test_only_a_few_contacts_are_told_on_their_other_channel_and_only_once() -> None:
    contacts = [deputy(n, "sms", stands_by=False) for n in range(10)]

    assert next_rung("prescribers", contacts, []) == (Rung.CHANNEL, tuple(contacts[:CONTACTS_AT_ONCE]))
    assert next_rung("prescribers", contacts, [Rung.CHANNEL]) == (Rung.OPERATORS, ())


def test_who_stands_by_for_the_audience_comes_before_the_rest_of_the_institution() -> None:
    other = deputy(0, "email", audience="pharmacists")
    own = deputy(5, "email")
    strangers = deputy(1, "sms", audience="pharmacists", stands_by=False)

    assert next_rung("prescribers", [other, own, strangers], []) == (Rung.STANDBY, (own,))
    assert next_rung("prescribers", [other, strangers], []) == (Rung.STANDBY, (other,))
    assert next_rung("prescribers", [strangers], []) == (Rung.OPERATORS, ())


def test_good_news_and_what_is_repeated_anyway_is_not_escalated() -> None:
    assert set(PRIORITY) - ESCALATED == {
        NoticeKind.REMINDER,
        NoticeKind.UPDATE,
        NoticeKind.RESTORED,
        NoticeKind.COMPLETION,
    }
