"""What policies have against a plan: freezes, hours, notice, holidays, budgets, too much down at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from maintenance.catalogue import Catalogue, Impact
from maintenance.clashes import N_, Clash, a_clash, in_order, jobs_in, some_of
from maintenance.forecast import hull
from maintenance.interventions import InterventionClass, Plan
from maintenance.load_clashes import Hit, over_budget, too_many_down
from maintenance.policies import HolidayCalendar, Policies, notice_class
from maintenance.propagation import spread
from maintenance.windows import Interval, in_units, zone


def find_policy_clashes(
    catalogue: Catalogue, plan: Plan, others: Iterable[Plan], policies: Policies, *, now: datetime
) -> tuple[Clash, ...]:
    """Return what the policies have against the plan, blocking clashes first, then by time.

    Args:
        catalogue: What needs what.
        plan: The plan that is looked at.
        others: Every other plan; for a yearly budget those of the whole year.
        policies: What is agreed.
        now: When the plan would be announced.
    """
    alone = spread(catalogue, [plan], now=now)
    hits = [(code, impact, Interval(start, end)) for code, impact, start, end in alone.windows()]
    others = [other for other in others if other.reference != plan.reference]
    return in_order(
        [
            *_frozen(catalogue, plan, hits, policies, now),
            *_outside_hours(catalogue, plan, policies, now),
            *_short_notice(catalogue, plan, hits, policies, now),
            *_holidays(catalogue, plan, policies, now),
            *over_budget(catalogue, plan, others, hits, policies, now),
            *too_many_down(catalogue, plan, others, alone, policies, now),
        ]
    )


def _frozen(
    catalogue: Catalogue, plan: Plan, hits: Sequence[Hit], policies: Policies, now: datetime
) -> Iterator[Clash]:
    for freeze in policies.freezes:
        touched = [
            (system, stretch)
            for system, _, stretch in jobs_in(plan, now)
            if stretch.overlaps(freeze.interval)
            and system in catalogue.systems
            and freeze.scope.covers(catalogue.systems[system])
        ]
        worked_on = {system for system, _ in touched}
        felt = [
            (system, stretch)
            for system, impact, stretch in hits
            if impact >= Impact.DEGRADED
            and system not in worked_on
            and stretch.overlaps(freeze.interval)
            and freeze.scope.covers(catalogue.systems[system])
        ]
        for kind, found, sentence in (
            (
                "freeze",
                touched,
                N_(
                    "%(freeze)s forbids work on %(hit)s until %(until)s; move the plan, or ask for an exception."
                ),
            ),
            (
                "freeze-downstream",
                felt,
                N_(
                    "The work takes down %(hit)s, which %(freeze)s protects until %(until)s; move the plan, or "
                    "ask for an exception."
                ),
            ),
        ):
            if found:
                systems = tuple(dict.fromkeys(system for system, _ in found))
                start = max(freeze.start, min(s.start for _, s in found))
                end = min(freeze.end, max(s.end for _, s in found))
                yield a_clash(
                    kind,
                    "block",
                    systems,
                    Interval(start, end),
                    (plan.reference,),
                    sentence,
                    freeze=freeze.name,
                    hit=some_of(systems),
                    until=f"{freeze.end:%Y-%m-%d %H:%M} UTC",
                )


def _outside_hours(catalogue: Catalogue, plan: Plan, policies: Policies, now: datetime) -> Iterator[Clash]:
    for code, impact, stretch in jobs_in(plan, now):
        system = catalogue.systems.get(code)
        if system is None or not impact:
            continue
        agreed = [hours for hours in policies.hours if hours.scope.covers(system)]
        if not agreed:
            continue
        allowed = sorted(interval for hours in agreed for interval in hours.within(stretch))
        at = stretch.start
        for interval in allowed:
            if interval.start > at:
                break
            at = max(at, interval.end)
        if at < stretch.end:
            yield a_clash(
                "outside-hours",
                "warn",
                (code,),
                Interval(at, stretch.end),
                (plan.reference,),
                N_(
                    "The work on %(system)s goes outside its maintenance hours; move it into them or shorten it."
                ),
                system=code,
            )


def _short_notice(
    catalogue: Catalogue, plan: Plan, hits: Sequence[Hit], policies: Policies, now: datetime
) -> Iterator[Clash]:
    emergency = plan.intervention_class is InterventionClass.EMERGENCY
    for policy in policies.notices:
        late = [
            (code, stretch)
            for code, impact, stretch in hits
            if impact >= policy.impact
            and stretch.start - now < policy.at_least
            and stretch.end > now
            and (policy.audience is None or policy.audience in catalogue.systems[code].audiences)
            and policy.scope.covers(catalogue.systems[code])
        ]
        if late:
            systems = tuple(dict.fromkeys(code for code, _ in late))
            first = min(stretch.start for _, stretch in late)
            yield a_clash(
                "short-notice",
                "warn" if emergency else policy.severity,
                systems,
                Interval(first, max(stretch.end for _, stretch in late)),
                (plan.reference,),
                N_(
                    "%(hit)s would be announced %(notice)s before it goes down (%(class_)s), the policy asks for "
                    "%(wanted)s; start at %(earliest)s or later."
                ),
                hit=some_of(systems),
                notice=in_units(max(first - now, timedelta(0))),
                class_=notice_class(plan, now).value,
                wanted=in_units(policy.at_least),
                earliest=f"{now + policy.at_least:%Y-%m-%d %H:%M} UTC",
            )


def _holidays(catalogue: Catalogue, plan: Plan, policies: Policies, now: datetime) -> Iterator[Clash]:
    stretch = hull(plan, now)
    known = [catalogue.systems[code] for code in plan.systems if code in catalogue.systems]
    for calendar in policies.holidays if stretch else ():
        systems = [system.code for system in known if calendar.scope.covers(system)]
        if systems and stretch:
            yield from _holidays_in(calendar, plan, systems, stretch)


def _holidays_in(
    calendar: HolidayCalendar, plan: Plan, systems: Sequence[str], stretch: Interval
) -> Iterator[Clash]:
    there = zone(calendar.timezone)
    day = stretch.start.astimezone(there).date()
    # Half-open: a plan that ends at midnight does not touch the next day.
    last = (stretch.end - timedelta(microseconds=1)).astimezone(there).date()
    while day <= last:
        if name := calendar.name_of(day):
            yield a_clash(
                "holiday",
                "warn",
                systems,
                stretch,
                (plan.reference,),
                N_("%(day)s is a holiday (%(name)s); choose another day, or agree who is on duty."),
                day=day.isoformat(),
                name=name,
            )
        day += timedelta(days=1)
