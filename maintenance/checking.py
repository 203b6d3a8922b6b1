"""What stands against a plan now, among all plans and policies; and whether a step may override it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce

from sqlalchemy.orm import Session

from maintenance.catalogue import Catalogue
from maintenance.clashes import Clash, find_clashes, in_order
from maintenance.errors import Blocked, StepRefused
from maintenance.interventions import Plan
from maintenance.lifecycle import Actor, Role
from maintenance.load_clashes import periods
from maintenance.policies import Policies
from maintenance.policy_clashes import find_policy_clashes
from maintenance.policy_store import load_policies
from maintenance.queries import counted, plan_of
from maintenance.sentences import Sentence
from maintenance.windows import Interval


def clashes_of(
    session: Session,
    catalogue: Catalogue,
    plan: Plan,
    *,
    now: datetime,
    language: str = "en",
    beside: Sequence[Plan] = (),
) -> tuple[Clash, ...]:
    """Return what stands against the plan: other plans, those on their way too, and what is agreed.

    A clash that is there only because of versions on their way warns: whoever drafts something must
    not be able to stop what everybody else announces.

    Args:
        session: Where to read.
        catalogue: What needs what.
        plan: The plan that is looked at.
        now: When it would be announced.
        language: In which policies are named.
        beside: Plans that are not stored and count too, in place of stored ones of their references.
    """
    policies = load_policies(session, language)
    tail = timedelta(microseconds=catalogue.graph.longest_tail)
    near = around(Interval(plan.start - tail, plan.end + tail), policies)
    pairs = counted(session, touching=near, drafts=True, with_windows=False)
    given = {plan.reference, *(other.reference for other in beside)}
    others = [*beside, *(plan_of(version) for row, version in pairs if row.reference not in given)]
    standing = _found(catalogue, plan, [p for p in others if not p.draft], policies, now)
    if not any(other.draft for other in others):
        return standing
    known = {_place(clash) for clash in standing}
    possible = _found(catalogue, plan, others, policies, now)
    more = (replace(clash, severity="warn") for clash in possible if _place(clash) not in known)
    return in_order((*standing, *more))


def _found(
    catalogue: Catalogue, plan: Plan, others: Sequence[Plan], policies: Policies, now: datetime
) -> tuple[Clash, ...]:
    found = find_clashes(catalogue, plan, others, now=now)
    if policies == Policies():
        return found
    return in_order((*found, *find_policy_clashes(catalogue, plan, others, policies, now=now)))


def _place(clash: Clash) -> tuple[object, ...]:
    return clash.kind, clash.systems, clash.start, clash.end, clash.plans


def around(near: Interval, policies: Policies) -> Interval:
    """Return the time in which plans matter to work in `near`: the periods of budgets too."""
    counted_in = [near, *(period for budget in policies.budgets for period in periods(budget, near))]
    return Interval(min(each.start for each in counted_in), max(each.end for each in counted_in))


@dataclass(frozen=True, slots=True)
class Override:
    """Why an approver took a step although clashes block, and what these say."""

    reason: str = ""
    clashes: tuple[str, ...] = ()


def override_of(
    session: Session, catalogue: Catalogue, plan: Plan, *, reason: str, by: Actor, now: datetime
) -> Override:
    """Return what the step overrides; nothing where nothing blocks, whatever reason was given.

    Raises:
        Blocked: If clashes block and no reason was given.
        StepRefused: If the person is no approver.
    """
    blocking = [clash for clash in clashes_of(session, catalogue, plan, now=now) if clash.blocks]
    if not blocking:
        return Override()
    if not reason.strip():
        raise Blocked(
            "%(reference)s is blocked. %(clashes)s Change the plan, or override this as an approver, with a reason.",
            reference=plan.reference,
            clashes=reduce(
                Sentence.then, [Sentence(each.sentence, **dict(each.values)) for each in blocking]
            ),
        )
    if not by.role.covers(Role.APPROVER):
        raise StepRefused("Overriding a clash needs the role approver; ask somebody with that role.")
    return Override(reason.strip(), tuple(clash.message for clash in blocking))
