"""The workspace: what needs somebody, every intervention, and one of them with all its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, Response, current_app, render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy.orm import Session

from maintenance import scheduling, steps
from maintenance.announced import HOLD
from maintenance.interventions import Plan
from maintenance.lifecycle import OPEN, Actor, ReviewState, Role, RunState, Step, allowed
from maintenance.models import InterventionRow, VersionRow
from maintenance.queries import (
    events_of,
    gates_in_force,
    get_intervention,
    latest_published,
    list_interventions,
    pending,
    plan_of,
)
from maintenance.recurrence import Occurrence, occurrences_of
from maintenance.reserving import reserved
from maintenance.standing import windows_in_brief
from maintenance.web.access import actor, roles_required
from maintenance.web.context import database, now
from maintenance.web.plan_changes import changes_between
from maintenance.web.plan_preview import LISTED, Group, brief, grouped, listed
from maintenance.web.systems_search import names_of
from maintenance.windows import Interval

bp = Blueprint("plan", __name__, url_prefix="/plan")

#: The order of the buttons: what the night needs first, then the way to readers.
MAIN_STEPS = (
    Step.VERIFY,
    Step.COMPLETE,
    Step.EXTEND,
    Step.UPDATE,
    Step.RELEASE,
    Step.ANNOUNCE,
    Step.APPROVE,
    Step.SUBMIT,
    Step.RETURN,
    Step.EDIT,
    Step.START,
    Step.HOLD,
    Step.MOVE,
)
#: Finished interventions that the overview lists; the history has them all.
FINISHED_LISTED = 20
#: How far ahead, and how many at most, reserved windows are listed.
RESERVED_AHEAD, RESERVED_LISTED = timedelta(days=56), 8


@dataclass(frozen=True, slots=True)
class Case:
    """An intervention as the workspace shows it."""

    row: InterventionRow
    #: The version readers know, and the one on its way.
    announced: VersionRow | None
    pending: VersionRow | None
    #: The plan of the version that matters now.
    plan: Plan
    steps: tuple[Step, ...]
    #: Its start is held by something.
    is_held: bool

    @property
    def run(self) -> RunState:
        """Return where the intervention stands."""
        return RunState(self.row.run_state)

    @property
    def review(self) -> ReviewState | None:
        """Return where the version on its way stands."""
        return ReviewState(self.pending.review_state) if self.pending else None

    def is_overrun(self, at: datetime) -> bool:
        """Return whether work goes on past its planned end."""
        return self.run is RunState.RUNNING and steps.is_overrun(self.plan, at)

    def is_own_submission(self, who: Actor) -> bool:
        """Return whether somebody else has to approve it: four eyes."""
        return self.review is ReviewState.IN_REVIEW and bool(self.pending) and _submitter(self) == who.name


def case_of(row: InterventionRow, who: Actor) -> Case:
    """Return the intervention with the steps that somebody may take now."""
    known, coming = latest_published(row), pending(row)
    version = known if row.run_state in OPEN else coming or known
    plan = plan_of(version or row.versions[-1])
    return Case(row, known, coming, plan, _steps(row, plan, coming, who), bool(gates_in_force(row)))


def _steps(row: InterventionRow, plan: Plan, coming: VersionRow | None, who: Actor) -> tuple[Step, ...]:
    review = ReviewState(coming.review_state) if coming else None
    run = RunState(row.run_state)
    gates = {gate.kind for gate in gates_in_force(row)}
    is_open = any(phase.is_open for phase in plan.phases)
    is_to_come = any(steps.is_to_come(phase) for phase in plan.phases)
    # What the rules of the states do not know: whether there is anything to do it to.
    sensible = {
        Step.HOLD: HOLD not in gates and is_to_come,
        Step.RELEASE: HOLD in gates,
        Step.START: is_to_come,
        Step.EXTEND: not steps.is_restored(plan),
        Step.VERIFY: is_open,
    }
    return tuple(
        step
        for step in Step
        if allowed(step, run=run, pending=review, role=who.role) and sensible.get(step, True)
    )


def _submitter(case: Case) -> str | None:
    return case.pending.submitted_by if case.pending else None


@bp.after_request
def _for_one_person(response: Response) -> Response:
    # Not `no-store`: the way back in the browser then still finds what was typed.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@bp.get("/")
@roles_required(Role.READER)
def overview() -> ResponseReturnValue:
    """Show what needs somebody now, then every intervention by where it stands."""
    who, at = actor(), now()
    with database().read() as session:
        cases = [case_of(row, who) for row in _shown_rows(session)]
        return render_template(
            "maintenance/plan/overview.html",
            cases=cases,
            needs=needs_of(cases, who, at),
            at=at,
            open_cases=[case for case in cases if case.run in OPEN],
            drafts=[case for case in cases if case.run is RunState.PLANNED],
            finished=[case for case in cases if case.run in (RunState.COMPLETED, RunState.CANCELLED)],
            reserved=_reserved(session, at),
        )


def _reserved(session: Session, at: datetime) -> Sequence[Occurrence]:
    """Return the next windows kept free for work."""
    known = [each.reservation for each in reserved(session)]
    return occurrences_of(known, Interval(at, at + RESERVED_AHEAD))[:RESERVED_LISTED]


def _shown_rows(session: Session) -> Sequence[InterventionRow]:
    current = list_interventions(session, states=(*OPEN, RunState.PLANNED))
    finished = list_interventions(session, states=(RunState.COMPLETED, RunState.CANCELLED))
    return [*current, *finished[:FINISHED_LISTED]]


def needs_of(cases: Sequence[Case], who: Actor, at: datetime) -> list[tuple[str, Case]]:
    """Return what waits for this person, the most urgent first: a word for why, and the case."""
    reasons: tuple[tuple[str, Callable[[Case], bool]], ...] = (
        ("overrun", lambda case: case.is_overrun(at)),
        ("running", lambda case: case.run is RunState.RUNNING and not case.is_overrun(at)),
        ("held", lambda case: case.is_held and case.run in OPEN),
        ("verifying", lambda case: case.run is RunState.VERIFYING),
        ("review", lambda case: Step.APPROVE in case.steps and not case.is_own_submission(who)),
        ("announce", lambda case: Step.ANNOUNCE in case.steps),
        (
            "draft",
            lambda case: (
                case.review is ReviewState.DRAFT
                and case.pending is not None
                and case.pending.created_by == who.name
            ),
        ),
    )
    return [(why, case) for why, applies in reasons for case in cases if applies(case)]


@bp.get("/<reference>")
@roles_required(Role.READER)
def show(reference: str) -> ResponseReturnValue:
    """Show one intervention: where it stands, what can be done, its windows, versions and log."""
    with database().read() as session:
        case = case_of(get_intervention(session, reference), actor())
        groups = _groups(session, case)
        return render_template(
            "maintenance/plan/show.html",
            case=case,
            row=case.row,
            plan=case.plan,
            coming=plan_of(case.pending) if case.pending else None,
            groups=groups,
            changes=_changes(case),
            main_steps=MAIN_STEPS,
            actor=actor(),
            gates=gates_in_force(case.row),
            log=list(reversed(events_of(session, reference))),
            names=names_of(session, {*case.plan.systems, *listed(groups)}),
            panels=panels_for(reference),
            at=now(),
        )


def _groups(session: Session, case: Case) -> Sequence[Group]:
    """Return the windows that readers know; before the announcement those that it would open."""
    reference = case.row.reference
    if case.announced is not None:
        return brief(windows_in_brief(session, case.announced.id, most=LISTED), reference)
    windows = scheduling.preview(session, case.plan, now=now()).windows if case.pending else ()
    return grouped(windows, reference)


def _changes(case: Case) -> list[tuple[str, str, str]]:
    """Return where a version on its way differs from the one readers know."""
    if case.announced is None or case.pending is None:
        return []
    return changes_between(case.announced.content, case.pending.content)


def panels_for(reference: str) -> list[Markup]:
    """Return what other packages show on an intervention's page; `app.py` registers them."""
    makers: list[Callable[[str], Markup]] = current_app.extensions.get("janela_panels", [])
    return [panel for maker in makers if (panel := maker(reference))]
