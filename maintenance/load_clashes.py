"""What is too much: a system's planned downtime in a month or a year, and systems down at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from maintenance.catalogue import Catalogue, Impact
from maintenance.causes import explained
from maintenance.clashes import N_, Clash, a_clash, some_of
from maintenance.forecast import hull
from maintenance.interventions import Plan
from maintenance.lines import OUTAGE, instant_of, tick_of
from maintenance.policies import DowntimeBudget, Policies
from maintenance.propagation import Spread, spread
from maintenance.windows import Interval, in_units, zone

#: Window of the plan alone: system, impact, stretch.
Hit = tuple[str, Impact, Interval]


def over_budget(
    catalogue: Catalogue,
    plan: Plan,
    others: Sequence[Plan],
    hits: Sequence[Hit],
    policies: Policies,
    now: datetime,
) -> Iterator[Clash]:
    """Yield each system that the plan, with all others of the period, takes past its downtime budget."""
    for budget in policies.budgets:
        mine: dict[Interval, dict[str, None]] = {}
        for code, impact, stretch in hits:
            if impact is Impact.OUTAGE and budget.scope.covers(catalogue.systems[code]):
                for period in periods(budget, stretch):
                    mine.setdefault(period, {})[code] = None
        for period, codes in mine.items():
            tail = timedelta(microseconds=catalogue.graph.longest_tail)
            theirs = [
                other
                for other in others
                if (around := hull(other, now))
                and around.start < period.end
                and period.start < around.end + tail
            ]
            together = spread(catalogue, [plan, *theirs], now=now)
            for code in codes:
                spent = _outage_within(together, code, period)
                if spent > budget.at_most:
                    yield a_clash(
                        "over-budget",
                        "warn",
                        (code,),
                        period,
                        (plan.reference,),
                        N_(
                            "%(system)s would be planned down for %(spent)s in this %(per)s, agreed are %(agreed)s; "
                            "shorten the work or move it to another %(per)s."
                        ),
                        system=code,
                        spent=in_units(spent),
                        agreed=in_units(budget.at_most),
                        per=budget.per,
                    )


def periods(budget: DowntimeBudget, stretch: Interval) -> Iterator[Interval]:
    """Yield the calendar months or years, in the budget's zone, that the stretch touches."""
    there = zone(budget.timezone)
    local = stretch.start.astimezone(there)
    year, month = local.year, local.month if budget.per == "month" else 1
    while True:
        start = datetime(year, month, 1, tzinfo=there)
        year, month = (year + 1, 1) if budget.per == "year" or month == 12 else (year, month + 1)
        end = datetime(year, month, 1, tzinfo=there)
        if start >= stretch.end:
            return
        yield Interval(start.astimezone(stretch.start.tzinfo), end.astimezone(stretch.start.tzinfo))


def _outage_within(together: Spread, code: str, period: Interval) -> timedelta:
    first, last = tick_of(period.start), tick_of(period.end)
    return timedelta(
        microseconds=sum(
            max(0, min(end, last) - max(start, first))
            for start, end, impact in together.of(code)
            if impact == OUTAGE
        )
    )


def too_many_down(
    catalogue: Catalogue,
    plan: Plan,
    others: Sequence[Plan],
    alone: Spread,
    policies: Policies,
    now: datetime,
) -> Iterator[Clash]:
    """Yield each stretch in which more systems of a scope are down than agreed, where the plan adds to them."""
    around = hull(plan, now)
    if around is None or not policies.down_at_once:
        return
    tail = timedelta(microseconds=catalogue.graph.longest_tail)
    near = [
        other
        for other in others
        if (theirs := hull(other, now))
        and theirs.start < around.end + tail
        and around.start < theirs.end + tail
    ]
    together, without = spread(catalogue, [plan, *near], now=now), spread(catalogue, near, now=now)
    for policy in policies.down_at_once:
        codes = [
            code
            for i in together.systems.tolist()
            if policy.scope.covers(catalogue.systems[code := together.graph.codes[i]])
        ]
        for start, end, systems, most in _over(together, without, codes, policy.at_most):
            names = {
                reference
                for window in explained(together, systems)
                if window.impact is Impact.OUTAGE
                and tick_of(window.start) < end
                and start < tick_of(window.end)
                for reference in window.references
            }
            yield a_clash(
                "too-many-down",
                "block",
                systems,
                Interval(instant_of(start), instant_of(end)),
                (plan.reference, *sorted(names - {plan.reference})),
                N_(
                    "%(count)s systems would be down at once (%(hit)s), agreed are at most %(most)s; move one "
                    "of the plans."
                ),
                count=most,
                hit=some_of(systems),
                most=policy.at_most,
            )


def _over(
    together: Spread, without: Spread, codes: Sequence[str], at_most: int
) -> Iterator[tuple[int, int, list[str], int]]:
    """Yield each stretch with too many in OUTAGE, to which the plan adds: its systems, and how many at most."""
    found: list[tuple[int, int, list[str], int]] = []
    for start, end, down in _down(together, codes):
        if len(down) > at_most and any(not _is_down(without, code, start) for code in down):
            if found and found[-1][1] == start:
                first, _, systems, most = found[-1]
                found[-1] = (first, end, list(dict.fromkeys([*systems, *down])), max(most, len(down)))
            else:
                found.append((start, end, down, len(down)))
    yield from found


def _down(together: Spread, codes: Sequence[str]) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the stretches with the systems in OUTAGE; a new one whenever they change."""
    changes: dict[int, list[tuple[str, bool]]] = {}
    for code in codes:
        for start, end, impact in together.of(code):
            if impact == OUTAGE:
                changes.setdefault(start, []).append((code, True))
                changes.setdefault(end, []).append((code, False))
    down: dict[str, None] = {}
    ticks = sorted(changes)
    for tick, following in zip(ticks, [*ticks[1:], 0], strict=True):
        for code, begins in changes[tick]:
            if begins:
                down[code] = None
            else:
                down.pop(code, None)
        if down:
            yield tick, following, list(down)


def _is_down(by_others: Spread, code: str, tick: int) -> bool:
    return any(impact == OUTAGE and start <= tick < end for start, end, impact in by_others.of(code))
