"""Better times for a plan: candidate starts, each with what speaks for it and against it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from maintenance.catalogue import Catalogue
from maintenance.errors import InvalidTime
from maintenance.interventions import Plan
from maintenance.policies import Policies
from maintenance.recurrence import Occurrence, Reservation, occurrences_of
from maintenance.slots import STEP, Slot, find_slots
from maintenance.steps import moved
from maintenance.texts import Text
from maintenance.windows import Interval, zone

#: How much of each unit; units are never summed.
Amounts = tuple[tuple[Text, float], ...]
#: Longest search: a year.
LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Search:
    """Where to look, and for how many."""

    earliest: datetime
    #: The work is over by then.
    latest: datetime
    count: int = 5
    #: How far starts are from each other: a quarter of an hour later is seldom another night.
    apart: timedelta = timedelta(days=1)
    step: timedelta = STEP
    #: Whether starts that a clash blocks are shown too.
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One start, and why it stands where it does."""

    slot: Slot
    #: The plan begun then, its times kept on the clock on the wall.
    plan: Plan
    #: How much less, and how much more, falls into it than into the planned time.
    avoided: Amounts
    costs_more: Amounts
    #: What other plans take down meanwhile anyway.
    down_anyway: Amounts
    #: Reserved windows that hold all of the work.
    reserved: tuple[Occurrence, ...]


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What the plan costs as it stands, and the starts that cost least."""

    planned: Amounts
    found: tuple[Suggestion, ...]


def suggest(
    catalogue: Catalogue,
    plan: Plan,
    others: Iterable[Plan],
    search: Search,
    *,
    now: datetime,
    policies: Policies | None = None,
    reservations: Sequence[Reservation] = (),
) -> Suggestions:
    """Return the starts that harm least, the best first, and what the planned one costs.

    Args:
        catalogue: What needs what.
        plan: The work; its first phase with an impact begins at a start.
        others: Every other plan that counts.
        search: Where to look.
        now: When the plan would be announced.
        policies: What clashes besides plans.
        reservations: Windows kept free for work; a start that lies in one says so.

    Raises:
        InvalidTime: When the search is longer than a year or ends before it begins.
    """
    if not timedelta(0) < search.latest - search.earliest <= LONGEST:
        raise InvalidTime(
            "The latest end must be after the earliest start, and a year after it at most; choose other dates."
        )
    others = list(others)
    planned = find_slots(
        catalogue, plan, others, earliest=plan.start, latest=plan.end, now=now, count=1, blocked=True
    )
    slots = find_slots(
        catalogue,
        plan,
        others,
        earliest=search.earliest,
        latest=search.latest,
        now=now,
        count=search.count,
        step=search.step,
        policies=policies,
        blocked=search.blocked,
        apart=search.apart,
    )
    cost = planned[0].harm if planned else ()
    held = occurrences_of(reservations, Interval(search.earliest, search.latest)) if reservations else ()
    return Suggestions(
        _counted(cost), tuple(_suggestion(catalogue, plan, slot, dict(cost), held) for slot in slots)
    )


def begun_at(plan: Plan, start: datetime) -> Plan:
    """Return the plan with its first phase with an impact at an instant, its times kept on the wall's clock."""
    return moved(plan, start.astimezone(zone(plan.timezone)).replace(tzinfo=None))


def _suggestion(
    catalogue: Catalogue, plan: Plan, slot: Slot, cost: dict[Text, float], held: Sequence[Occurrence]
) -> Suggestion:
    harm = dict(slot.harm)
    units = dict.fromkeys((*cost, *harm))
    less = {unit: cost.get(unit, 0.0) - harm.get(unit, 0.0) for unit in units}
    there = begun_at(plan, slot.start)
    return Suggestion(
        slot,
        there,
        avoided=_counted(less.items()),
        costs_more=_counted((unit, -amount) for unit, amount in less.items()),
        down_anyway=_counted((unit, amount - harm.get(unit, 0.0)) for unit, amount in slot.alone),
        reserved=tuple(one for one in held if _holds(one, there, catalogue)),
    )


def _holds(one: Occurrence, plan: Plan, catalogue: Catalogue) -> bool:
    scope = one.reservation.scope
    return (
        not one.is_cancelled
        and one.start <= plan.start
        and plan.end <= one.end
        and all(scope.covers(catalogue.systems[code]) for code in plan.systems if code in catalogue.systems)
    )


def _counted(amounts: Iterable[tuple[Text, float]]) -> Amounts:
    """Return what is worth saying: nothing below half of a unit."""
    return tuple((unit, amount) for unit, amount in amounts if amount >= 0.5)
