"""Whether the SMS of a notice can all leave in time, what they cost, and what to change if not. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from notifications.errors import InvalidPrice


@dataclass(frozen=True, slots=True)
class Price:
    """What something costs."""

    amount: Decimal
    #: ISO 4217, or whatever the setting says.
    currency: str

    def __str__(self) -> str:
        """Return the amount, to the next higher cent.

        >>> str(Price(Decimal("12.341"), "EUR"))
        '12.35 EUR'
        """
        cents = self.amount.quantize(Decimal("0.01"), ROUND_CEILING)
        return f"{cents} {self.currency}".rstrip()


def read_price(text: str) -> Price | None:
    """Return the price of one part that a setting like “0.0413 EUR” means; None for an empty one.

    Raises:
        InvalidPrice: If it cannot be read.
    """
    amount, _, currency = text.strip().partition(" ")
    if not amount:
        return None
    try:
        found = Decimal(amount)
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or found < 0:
        raise InvalidPrice("JANELA_SMS_PRICE must be as 0.0413 EUR, not “%(text)s”.", text=text[:40])
    return Price(found, currency.strip())


@dataclass(frozen=True, slots=True)
class Advice:
    """What would let all leave in time; None where it would not, or there is nothing to gain."""

    #: Folding accents: how many parts there are then.
    folded_parts: int | None = None
    #: One part each: how many parts there are then.
    short_parts: int | None = None
    #: How many readers at most, as the texts are.
    most_recipients: int | None = None
    #: How much earlier sending has to begin, or how much later what it tells of.
    earlier_by: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Feasibility:
    """How long the SMS of a notice take at the sender's rate, and whether that is in time."""

    recipients: int
    parts: int
    cost: Price | None
    #: How long they take; None where no rate is known.
    takes: timedelta | None
    #: How long there is; None where nothing has to be met.
    available: timedelta | None
    advice: Advice = Advice()

    @property
    def fits(self) -> bool:
        """Return whether all leave in time, as far as that is known."""
        return self.takes is None or self.available is None or self.takes <= self.available


def assess(
    *,
    recipients: int,
    parts: int,
    folded_parts: int,
    rate: int,
    price: Price | None,
    now: datetime,
    needed_by: datetime | None,
) -> Feasibility:
    """Return whether the SMS of a notice can all leave in time.

    Args:
        recipients: How many get one.
        parts: How many parts these are in all.
        folded_parts: How many if accents were folded; the same where they are already.
        rate: Parts a second that the sender carries; 0 if that is not known.
        price: Of one part, if known.
        now: When sending would begin.
        needed_by: From when on the texts are of no use; None where there is no such instant.
    """
    cost = Price(price.amount * parts, price.currency) if price else None
    takes = timedelta(seconds=-(-parts // rate)) if rate > 0 else None
    available = needed_by - now if needed_by else None
    found = Feasibility(recipients, parts, cost, takes, available)
    if takes is None or needed_by is None or found.fits:
        return found
    # Whole parts that leave before the instant.
    room = max(int((needed_by - now).total_seconds()), 0) * rate
    advice = Advice(
        folded_parts=folded_parts if folded_parts < parts and folded_parts <= room else None,
        short_parts=recipients if recipients < parts and recipients <= room else None,
        most_recipients=room * recipients // parts or None,
        earlier_by=takes - (needed_by - now),
    )
    return Feasibility(recipients, parts, cost, takes, available, advice)
