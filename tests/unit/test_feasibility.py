"""Whether all SMS of a notice leave in time, and what to change if not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from notifications.errors import InvalidPrice
from notifications.feasibility import Advice, Feasibility, Price, assess, read_price

NOW = datetime(2019, 11, 30, 13, 0, tzinfo=UTC)


def assessed(
    parts: int, *, folded: int | None = None, minutes: float | None = 60, rate: int = 1
) -> Feasibility:
    return assess(
        recipients=2000,
        parts=parts,
        folded_parts=parts if folded is None else folded,
        rate=rate,
        price=Price(Decimal("0.0413"), "EUR"),
        now=NOW,
        needed_by=None if minutes is None else NOW + timedelta(minutes=minutes),
    )


@pytest.mark.parametrize(
    ("parts", "rate", "minutes", "fits"),
    [(3600, 1, 60, True), (3601, 1, 60, False), (36_000, 10, 60, True), (36_001, 10, 60, False),
     (99_999, 0, 1, True), (99_999, 1, None, True), (1, 1, -5, False)],
)  # fmt: skip
def test_parts_at_the_senders_rate_are_held_against_the_time_there_is(
    parts: int, rate: int, minutes: float | None, fits: bool
) -> None:
    assert assessed(parts, rate=rate, minutes=minutes).fits is fits


def test_cost_is_that_of_all_parts() -> None:
    assert str(assessed(2000).cost) == "82.60 EUR"


def test_what_does_not_fit_says_what_would() -> None:
    found = assessed(6000, folded=3000)

    assert found.takes == timedelta(minutes=100)
    assert found.advice == Advice(
        folded_parts=3000,
        short_parts=2000,
        most_recipients=1200,
        earlier_by=timedelta(minutes=40),
    )


def test_advice_that_would_not_help_is_not_given() -> None:
    found = assessed(6000, folded=5000, minutes=20)

    assert found.advice.folded_parts is None
    assert found.advice.short_parts is None
    assert found.advice.most_recipients == 400


@pytest.mark.parametrize(
    ("text", "price"),
    [("0.0413 EUR", Price(Decimal("0.0413"), "EUR")), (" 1 ", Price(Decimal(1), "")), ("", None)],
)
def test_price_is_an_amount_and_a_currency(text: str, price: Price | None) -> None:
    assert read_price(text) == price


@pytest.mark.parametrize("text", ["EUR 0.04", "0,04 EUR", "-1 EUR", "NaN", "Infinity EUR"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(InvalidPrice):
        read_price(text)
