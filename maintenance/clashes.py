"""Why a plan should not stand against other plans, and what is odd about it alone.

Every clash is a value with a sentence that says what to do. Blocking ones stop announcing unless an
approver overrides them with a reason. Clashes with policies are in `policy_clashes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from maintenance.catalogue import Catalogue, Impact
from maintenance.causes import explained
from maintenance.clock_warnings import warnings_of as warnings_of
from maintenance.forecast import hull
from maintenance.interventions import PhaseKind, Plan
from maintenance.joint_losses import JointLoss, joint_losses
from maintenance.lines import DEGRADED, instant_of, tick_of
from maintenance.propagation import Spread, needs_line, spread
from maintenance.windows import Interval

Severity = Literal["warn", "block"]


@dataclass(frozen=True, slots=True)
class Clash:
    """One reason against a plan: where, when, with which other plans, and what to do about it."""

    kind: str
    severity: Severity
    systems: tuple[str, ...]
    start: datetime
    end: datetime
    #: References of the plans concerned, the one that was checked first.
    plans: tuple[str, ...]
    #: What to do, in English with `%(name)s` places: the key of its translations.
    sentence: str
    #: What fills the places.
    values: tuple[tuple[str, str], ...] = ()

    @property
    def message(self) -> str:
        """Return the sentence, filled, in English."""
        return self.sentence % dict(self.values)

    @property
    def blocks(self) -> bool:
        """Return whether announcing needs an approver's override."""
        return self.severity == "block"


def N_(sentence: str) -> str:
    """Return the sentence as it is: marks it for the translators."""
    return sentence


def a_clash(
    kind: str,
    severity: Severity,
    systems: Iterable[str],
    stretch: Interval,
    plans: Iterable[str],
    sentence: str,
    **values: object,
) -> Clash:
    """Return a clash, each system and plan once."""
    filled = tuple((name, str(value)) for name, value in values.items())
    once = tuple(dict.fromkeys(systems)), tuple(dict.fromkeys(plans))
    return Clash(kind, severity, once[0], stretch.start, stretch.end, once[1], sentence, filled)


def find_clashes(
    catalogue: Catalogue, plan: Plan, others: Iterable[Plan], *, now: datetime
) -> tuple[Clash, ...]:
    """Return what stands against the plan without any policy, blocking clashes first, then by time.

    `others` may be every other plan there is, drafts too, and other versions of this one are passed over.
    """
    around = hull(plan, now)
    if around is None:
        return ()
    tail = timedelta(microseconds=catalogue.graph.longest_tail)
    near = []
    for other in others:
        stretch = hull(other, now)
        if (
            stretch is not None
            and other.reference != plan.reference
            and stretch.start < around.end + tail
            and around.start < stretch.end + tail
        ):
            near.append(other)
    alone, by_others = spread(catalogue, [plan], now=now), spread(catalogue, near, now=now)
    together = spread(catalogue, [plan, *near], now=now) if near else alone
    return clashes_between(catalogue, plan, near, (alone, by_others, together), now=now)


def clashes_between(
    catalogue: Catalogue,
    plan: Plan,
    near: Sequence[Plan],
    spreads: tuple[Spread, Spread, Spread],
    *,
    now: datetime,
) -> tuple[Clash, ...]:
    """Return what `find_clashes` does, where the spreads of the plan, of the others and of all are at hand."""
    alone, by_others, together = spreads
    losses = tuple(joint_losses(plan, alone, by_others, together)) if near else ()
    found = [
        *_redundancy_lost(plan, near, losses),
        *_same_system(plan, near, now),
        *_needed_up(catalogue, plan, near, by_others, now),
        *_needed_up_by_others(plan, near, alone, now),
        *_booked_twice(plan, near),
        *_verification_missing(plan),
        *_contingency_missing(catalogue, plan, alone, losses),
    ]
    return in_order(found)


def in_order(clashes: Iterable[Clash]) -> tuple[Clash, ...]:
    """Return clashes as people read them: blocking ones first, then by time."""
    return tuple(sorted(clashes, key=lambda c: (c.severity, c.start, c.kind, c.systems)))


def _redundancy_lost(plan: Plan, near: Sequence[Plan], losses: Iterable[JointLoss]) -> Iterator[Clash]:
    for loss in losses:
        yield a_clash(
            "redundancy-lost",
            "block" if loss.impact is Impact.OUTAGE else "warn",
            loss.systems,
            Interval(loss.start, loss.end),
            (plan.reference, *loss.references),
            N_(
                "Only together with %(others)s does this plan put %(hit)s in %(impact)s; move one of the plans."
            ),
            others=_named(near, loss.references),
            hit=some_of(loss.systems),
            impact=loss.impact.code,
        )


def _same_system(plan: Plan, near: Sequence[Plan], now: datetime) -> Iterator[Clash]:
    own = jobs_in(plan, now)
    for other in near:
        for system, impact, stretch in jobs_in(other, now):
            for mine, my_impact, my_stretch in own:
                if mine == system and my_stretch.overlaps(stretch):
                    both = Interval(max(stretch.start, my_stretch.start), min(stretch.end, my_stretch.end))
                    yield a_clash(
                        "same-system",
                        "block" if min(impact, my_impact) > Impact.NO_IMPACT else "warn",
                        (system,),
                        both,
                        (plan.reference, other.reference),
                        N_("%(other)s works on %(system)s at the same time; agree who goes first."),
                        other=_named(near, (other.reference,)),
                        system=system,
                    )


def _needed_up(
    catalogue: Catalogue, plan: Plan, near: Sequence[Plan], by_others: Spread, now: datetime
) -> Iterator[Clash]:
    """Yield where others take down what the plan's own work needs."""
    for system, impact, felt, stretches in _without_needs(plan, by_others, now):
        members = [m for need in catalogue.systems[system].needs for m in need.of]
        failing = [w for w in explained(by_others, members) if w.impact >= Impact.DEGRADED]
        for lost in stretches:
            references = sorted(
                {r for w in failing if w.start < lost.end and lost.start < w.end for r in w.references}
            )
            yield a_clash(
                "needed-down",
                _severity_of_missing_need(impact, felt),
                (system,),
                lost,
                (plan.reference, *references),
                N_(
                    "While this plan works on %(system)s, what it needs is taken down by %(others)s; "
                    "work on it before or after."
                ),
                system=system,
                others=_named(near, references),
            )


def _needed_up_by_others(plan: Plan, near: Sequence[Plan], alone: Spread, now: datetime) -> Iterator[Clash]:
    """Yield where the plan takes down what others' work needs."""
    for other in near:
        for system, impact, felt, stretches in _without_needs(other, alone, now):
            for lost in stretches:
                yield a_clash(
                    "needed-down",
                    _severity_of_missing_need(impact, felt),
                    (system,),
                    lost,
                    (plan.reference, other.reference),
                    N_(
                        "%(other)s works on %(system)s, and this plan takes down what it needs; "
                        "agree on times that do not overlap."
                    ),
                    other=_named(near, (other.reference,)),
                    system=system,
                )


def _severity_of_missing_need(work: Impact, felt: Impact) -> Severity:
    """Return `block` where work that leaves the system up, a check above all, finds it in OUTAGE."""
    return "block" if work < Impact.OUTAGE and felt is Impact.OUTAGE else "warn"


def _without_needs(
    plan: Plan, by_others: Spread, now: datetime
) -> Iterator[tuple[str, Impact, Impact, list[Interval]]]:
    """Yield each work of the plan whose system's needs fail meanwhile: how badly, and when."""
    graph = by_others.graph
    for system, impact, stretch in jobs_in(plan, now):
        i = graph.index.get(system)
        if i is None:
            continue
        start, end = tick_of(stretch.start), tick_of(stretch.end)
        lost = [
            (felt, Interval(instant_of(max(a, start)), instant_of(min(b, end))))
            for a, b, felt in needs_line(by_others, i)
            if felt >= Impact.DEGRADED and a < end and start < b
        ]
        if lost:
            worst = Impact(max(felt for felt, _ in lost))
            yield system, impact, worst, [interval for _, interval in lost]


def _booked_twice(plan: Plan, near: Sequence[Plan]) -> Iterator[Clash]:
    for other in near:
        both = next(
            (
                Interval(max(a.start, b.start), min(a.end, b.end))
                for a in plan.phases
                for b in other.phases
                if a.start < b.end and b.start < a.end
            ),
            None,
        )
        if both is None:
            continue
        names = {p.name for p in plan.people if p.name} & {p.name for p in other.people if p.name}
        teams = {p.team for p in plan.people if p.team} & {p.team for p in other.people if p.team}
        for who in (*sorted(names), *sorted(teams - names)):
            yield a_clash(
                "booked-twice",
                "warn",
                (),
                both,
                (plan.reference, other.reference),
                N_("%(who)s is also booked for %(other)s at that time; name somebody else or move one plan."),
                who=who,
                other=_named(near, (other.reference,)),
            )


def _verification_missing(plan: Plan) -> Iterator[Clash]:
    outages = [p for p in plan.phases if p.impact is Impact.OUTAGE]
    if not outages:
        return
    last = max(phase.end for phase in outages)
    if not any(p.kind is PhaseKind.VERIFICATION and p.end > last for p in plan.phases):
        yield a_clash(
            "verification-missing",
            "warn",
            (work.system for p in outages for work in p.work if work.impact is Impact.OUTAGE),
            Interval(min(p.start for p in outages), last),
            (plan.reference,),
            N_(
                "Nobody checks the service after the outage of %(plan)s; add a phase of kind verification "
                "that follows it."
            ),
            plan=plan.reference,
        )


def _contingency_missing(
    catalogue: Catalogue, plan: Plan, alone: Spread, losses: Iterable[JointLoss]
) -> Iterator[Clash]:
    missing: dict[str, dict[str, None]] = {}
    stretches: dict[str, list[Interval]] = {}
    graph = alone.graph
    bad = {n for n in set(alone.reached.values()) if any(w[2] >= DEGRADED for w in alone.store.line(n))}
    for i in [i for i, number in alone.reached.items() if number in bad]:
        for audience in _untold(catalogue, graph.codes[i]):
            missing.setdefault(audience, {})[graph.codes[i]] = None
            hit = [w for w in alone.line(i) if w[2] >= DEGRADED]
            whole = Interval(instant_of(hit[0][0]), instant_of(hit[-1][1]))
            stretches.setdefault(audience, []).append(whole)
    for loss in losses:
        for code in loss.systems:
            for audience in _untold(catalogue, code):
                missing.setdefault(audience, {})[code] = None
                stretches.setdefault(audience, []).append(Interval(loss.start, loss.end))
    for audience, systems in missing.items():
        theirs = stretches[audience]
        yield a_clash(
            "contingency-missing",
            "warn",
            systems,
            Interval(min(s.start for s in theirs), max(s.end for s in theirs)),
            (plan.reference,),
            N_("Nothing tells %(audience)s what to do while %(hit)s is down; write `contingency` there."),
            audience=audience,
            hit=some_of(tuple(systems)),
        )


def _untold(catalogue: Catalogue, code: str) -> tuple[str, ...]:
    """Return the audiences of a system that have no text for while it is down."""
    system = catalogue.systems[code]
    if not system.audiences:
        return ()
    told = {c.audience for c in system.contingency if c.during}
    return tuple(audience for audience in system.audiences if audience not in told)


def jobs_in(plan: Plan, now: datetime) -> list[tuple[str, Impact, Interval]]:
    """Return all work of a plan, that without an impact too."""
    return [
        (work.system, work.impact, Interval(start, end))
        for phase in plan.phases
        for work, start, end in phase.stretches(now)
    ]


def _named(plans: Sequence[Plan], references: Iterable[str]) -> str:
    """Return references as people read them, drafts marked."""
    drafts = {plan.reference for plan in plans if plan.draft}
    return ", ".join(f"{r} (draft)" if r in drafts else r for r in references)


def some_of(codes: Sequence[str], most: int = 5) -> str:
    """Return the first few codes, and how many more there are."""
    more = len(codes) - most
    return ", ".join(codes[:most]) + (f" (+{more})" if more > 0 else "")
