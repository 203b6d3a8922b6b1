"""When a channel rests, and when it stops."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from notifications.breaker import FORGOTTEN_AFTER, LONGEST_REST, Standing, after_trouble
from notifications.retries import JITTER, PERSISTENT

NOW = datetime(2019, 11, 30, 22, 0, tzinfo=UTC)


def fail(standing: Standing, *, at: datetime, is_config: bool = False, readers: int = 10) -> Standing:
    return after_trouble(standing, is_config=is_config, readers=readers, now=at)


def failing_at_every_rest(*, until: timedelta, readers: int = 10) -> Standing:
    standing, at = Standing(), NOW
    while at - NOW < until and not standing.is_stopped:
        standing = fail(standing, at=at, readers=readers)
        assert standing.rests_until is not None
        at = standing.rests_until
    return standing


def test_threads_that_meet_the_same_trouble_make_one_strike() -> None:
    first = fail(Standing(), at=NOW)

    assert first == Standing(1, NOW, NOW + timedelta(seconds=15))
    assert fail(first, at=NOW + timedelta(seconds=1)) == first


def test_relay_that_is_away_for_ten_minutes_does_not_stop_the_channel() -> None:
    assert not failing_at_every_rest(until=timedelta(minutes=10)).is_stopped


def test_nothing_but_errors_for_a_quarter_of_an_hour_stops_the_channel() -> None:
    standing = failing_at_every_rest(until=timedelta(hours=1))

    assert standing.is_stopped
    assert standing.since == NOW


def test_one_reader_alone_never_stops_a_channel() -> None:
    assert not failing_at_every_rest(until=timedelta(hours=6), readers=1).is_stopped


def test_wrong_settings_stop_the_channel_at_the_second_look() -> None:
    first = fail(Standing(), at=NOW, is_config=True)
    second = fail(first, at=NOW + timedelta(seconds=15), is_config=True)

    assert not first.is_stopped
    assert second.is_stopped


def test_stopped_channel_stays_so_and_its_urgent_messages_are_tried_every_five_minutes() -> None:
    stopped = Standing(3, NOW, NOW, is_stopped=True)
    later = fail(stopped, at=NOW + timedelta(minutes=5))

    assert later.is_stopped
    assert later.rests_until == NOW + timedelta(minutes=5) + LONGEST_REST


def test_strike_of_another_day_does_not_stop_the_channel_at_the_first_hiccup() -> None:
    old = fail(Standing(), at=NOW, is_config=True)
    again = fail(old, at=NOW + timedelta(days=2), is_config=True)

    assert again == Standing(1, NOW + timedelta(days=2), NOW + timedelta(days=2, seconds=15))


def test_trouble_is_not_forgotten_between_two_tries_of_the_same_messages() -> None:
    assert PERSISTENT.last is not None
    longest = PERSISTENT.last * (1 + JITTER)
    assert longest < FORGOTTEN_AFTER
    standing = fail(fail(Standing(), at=NOW), at=NOW + timedelta(minutes=10))

    assert fail(standing, at=NOW + timedelta(minutes=10) + longest).is_stopped
