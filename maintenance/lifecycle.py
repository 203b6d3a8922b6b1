"""The life of an intervention: states, steps between them, and who may take each step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from maintenance.errors import StepRefused


class ReviewState(StrEnum):
    """Where a version stands on its way to readers."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


#: Review states of a version that is still on its way: at most one version of an intervention is in them.
PENDING = (ReviewState.DRAFT, ReviewState.IN_REVIEW, ReviewState.APPROVED)


class RunState(StrEnum):
    """Where the intervention itself stands."""

    #: Nobody outside the team was told.
    PLANNED = "planned"
    ANNOUNCED = "announced"
    RUNNING = "running"
    #: Service is back, checks go on.
    VERIFYING = "verifying"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


#: Interventions whose windows count on pages, in feeds and in notices.
COUNTED = (RunState.ANNOUNCED, RunState.RUNNING, RunState.VERIFYING, RunState.COMPLETED)
#: Interventions that readers still wait for.
OPEN = (RunState.ANNOUNCED, RunState.RUNNING, RunState.VERIFYING)


class Role(StrEnum):
    """What a person may do; each role may all that the ones before it may."""

    READER = "reader"
    PLANNER = "planner"
    APPROVER = "approver"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Return whether somebody of this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Step(StrEnum):
    """What a person (or the clock) can do to an intervention."""

    EDIT = "edit"
    SUBMIT = "submit"
    APPROVE = "approve"
    RETURN = "return"
    WITHDRAW = "withdraw"
    ANNOUNCE = "announce"
    MOVE = "move"
    HOLD = "hold"
    RELEASE = "release"
    START = "start"
    UPDATE = "update"
    EXTEND = "extend"
    VERIFY = "verify"
    COMPLETE = "complete"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Rule:
    """When a step can be taken: in which states, by whom."""

    role: Role
    run: tuple[RunState, ...]
    #: The pending version must be in one of these; empty: no pending version is needed.
    review: tuple[ReviewState, ...] = ()


_UNFINISHED = (RunState.PLANNED, RunState.ANNOUNCED)

RULES: dict[Step, Rule] = {
    Step.EDIT: Rule(Role.PLANNER, _UNFINISHED),
    Step.SUBMIT: Rule(Role.PLANNER, _UNFINISHED, (ReviewState.DRAFT,)),
    Step.APPROVE: Rule(Role.APPROVER, _UNFINISHED, (ReviewState.IN_REVIEW,)),
    Step.RETURN: Rule(Role.APPROVER, _UNFINISHED, (ReviewState.IN_REVIEW, ReviewState.APPROVED)),
    Step.WITHDRAW: Rule(Role.PLANNER, _UNFINISHED, PENDING),
    Step.ANNOUNCE: Rule(Role.APPROVER, _UNFINISHED, (ReviewState.APPROVED,)),
    Step.MOVE: Rule(Role.APPROVER, (RunState.ANNOUNCED,)),
    Step.HOLD: Rule(Role.PLANNER, (RunState.ANNOUNCED, RunState.RUNNING)),
    Step.RELEASE: Rule(Role.PLANNER, (RunState.ANNOUNCED, RunState.RUNNING)),
    Step.START: Rule(Role.PLANNER, (RunState.ANNOUNCED, RunState.RUNNING, RunState.VERIFYING)),
    Step.UPDATE: Rule(Role.PLANNER, OPEN),
    Step.EXTEND: Rule(Role.PLANNER, (RunState.RUNNING,)),
    Step.VERIFY: Rule(Role.PLANNER, (RunState.RUNNING,)),
    Step.COMPLETE: Rule(Role.PLANNER, (RunState.RUNNING, RunState.VERIFYING)),
    Step.CANCEL: Rule(
        Role.APPROVER,
        (RunState.PLANNED, RunState.ANNOUNCED, RunState.RUNNING, RunState.VERIFYING),
    ),
}


def allowed(step: Step, *, run: RunState, pending: ReviewState | None, role: Role) -> bool:
    """Return whether somebody of `role` can take `step` now; pages show the buttons by this."""
    rule = RULES[step]
    return (
        role.covers(rule.role)
        and run in rule.run
        and (not rule.review or (pending is not None and pending in rule.review))
    )


def check(step: Step, *, run: RunState, pending: ReviewState | None, role: Role) -> None:
    """Do nothing if the step can be taken.

    Raises:
        StepRefused: With the reason, and what can be done instead.
    """
    rule = RULES[step]
    if not role.covers(rule.role):
        raise StepRefused(
            "“%(step)s” needs the role %(needed)s; you are %(role)s. Ask somebody with that role.",
            step=step.value,
            needed=rule.role.value,
            role=role.value,
        )
    if run not in rule.run:
        raise StepRefused(
            "“%(step)s” is possible while the intervention is %(states)s; it is %(state)s.",
            step=step.value,
            states=" / ".join(rule.run),
            state=run.value,
        )
    if rule.review and (pending is None or pending not in rule.review):
        raise StepRefused(
            "“%(step)s” needs a version that is %(states)s; there is %(state)s.",
            step=step.value,
            states=" / ".join(rule.review),
            state=f"one that is {pending.value}" if pending else "none on its way",
        )


@dataclass(frozen=True, slots=True)
class Actor:
    """Who takes a step: the name in the log, and the role."""

    #: E-mail of the person, or `system`.
    name: str
    role: Role


#: The clock, and commands that name nobody.
SYSTEM = Actor("system", Role.ADMIN)
