from __future__ import annotations

from datetime import timedelta

import pytest

from notifications.retries import (
    AFTER,
    JITTER,
    MAY_HAVE_REACHED,
    UNFINISHED,
    UNSENT,
    WAITING,
    FailureClass,
    State,
    after_failure,
)
from tests.builders import at

LONG = at(1000)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 15), (2, 60), (3, 300), (4, 900), (5, 1800), (6, 1800), (60, 1800)]
)
def test_waits_grow_to_half_an_hour_and_stay_there(attempts: int, seconds: int) -> None:
    step = after_failure(FailureClass.RETRY_SAFE, attempts=attempts, now=at(0), expires_at=LONG)

    assert step.state is State.RETRY_WAIT
    assert step.due_at == at(0) + timedelta(seconds=seconds)


def test_tries_go_on_until_the_message_is_useless_not_up_to_a_number() -> None:
    now, tries = at(0), 0
    while True:
        tries += 1
        step = after_failure(FailureClass.TRANSIENT, attempts=tries, now=now, expires_at=at(24))
        if step.due_at is None:
            break
        assert step.due_at < at(24)
        now = step.due_at

    assert step.state is State.EXPIRED
    assert tries > 40


def test_next_try_at_the_very_end_of_use_expires_instead() -> None:
    just = at(0) + timedelta(seconds=15)

    def state(expires_at) -> State:
        return after_failure(FailureClass.RETRY_SAFE, attempts=1, now=at(0), expires_at=expires_at).state

    assert state(just) is State.EXPIRED
    assert state(just + timedelta(microseconds=1)) is State.RETRY_WAIT


@pytest.mark.parametrize(("jitter", "factor"), [(-1, 1 - JITTER), (0, 1), (1, 1 + JITTER)])
def test_jitter_stretches_the_wait_by_at_most_a_fifth(jitter: float, factor: float) -> None:
    step = after_failure(FailureClass.TRANSIENT, attempts=2, now=at(0), expires_at=LONG, jitter=jitter)

    assert step.due_at == at(0) + timedelta(seconds=60) * factor


@pytest.mark.parametrize(("retry_after", "seconds"), [(5, 15), (90, 90)])
def test_what_the_provider_asks_for_is_honoured_and_never_shortens_the_wait(
    retry_after: int, seconds: int
) -> None:
    step = after_failure(
        FailureClass.RETRY_SAFE,
        attempts=1,
        now=at(0),
        expires_at=LONG,
        retry_after=timedelta(seconds=retry_after),
    )

    assert step.due_at == at(0) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (FailureClass.AMBIGUOUS, State.AMBIGUOUS),
        (FailureClass.RECIPIENT_PERMANENT, State.FAILED_PERMANENT),
        (FailureClass.CONTENT, State.FAILED_PERMANENT),
        (FailureClass.OPT_OUT, State.OPTED_OUT),
        (FailureClass.EXPIRED, State.EXPIRED),
    ],
)
def test_failures_that_no_repetition_mends_are_not_tried_again(failure: FailureClass, state: State) -> None:
    step = after_failure(failure, attempts=1, now=at(0), expires_at=LONG)

    assert (step.state, step.due_at) == (state, None)


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 15), (2, 30), (3, 30), (4, 30)])
def test_refusal_of_one_reader_is_tried_again_far_apart(attempts: int, minutes: int) -> None:
    step = after_failure(FailureClass.REFUSED, attempts=attempts, now=at(0), expires_at=LONG)

    assert (step.state, step.due_at) == (State.RETRY_WAIT, at(0) + timedelta(minutes=minutes))


@pytest.mark.parametrize("attempts", [5, 6, 60])
def test_refusal_of_one_reader_ends_with_the_fifth_try(attempts: int) -> None:
    step = after_failure(FailureClass.REFUSED, attempts=attempts, now=at(0), expires_at=LONG)

    assert (step.state, step.due_at) == (State.FAILED_PERMANENT, None)


def test_refusal_whose_next_try_would_be_useless_expires() -> None:
    soon = at(0) + timedelta(minutes=15)
    step = after_failure(FailureClass.REFUSED, attempts=1, now=at(0), expires_at=soon)

    assert (step.state, step.due_at) == (State.EXPIRED, None)


def test_our_own_fault_is_tried_again_once_mended() -> None:
    step = after_failure(FailureClass.CONFIG, attempts=1, now=at(0), expires_at=LONG)

    assert step.state is State.CONFIG_ERROR
    assert step.due_at is not None


def test_every_class_of_failure_has_a_state() -> None:
    assert set(AFTER) == set(FailureClass)


def test_sets_of_states_agree_with_each_other() -> None:
    assert set(WAITING) < set(UNSENT) < set(UNFINISHED)
    assert not set(UNSENT) & set(MAY_HAVE_REACHED)
    assert {state for state in State if not state.is_final} == set(UNFINISHED)
    assert {state for state in State if state.is_waiting} == set(WAITING)
    assert State.AMBIGUOUS.may_have_reached
    assert not State.EXPIRED.may_have_reached
