"""Which step can be taken in which state, and by whom."""

from __future__ import annotations

import itertools

import pytest

from maintenance.errors import StepRefused
from maintenance.lifecycle import RULES, ReviewState, Role, RunState, Step, allowed, check
from maintenance.settings import ROOT

#: step, run states (P planned, A announced, R running, V verifying, C completed, X cancelled), what must
#: be on its way (any, or d draft, r in review, a approved), the least role.
TABLE = """
edit      PA    any  planner
submit    PA    d    planner
approve   PA    r    approver
return    PA    ra   approver
withdraw  PA    dra  planner
announce  PA    a    approver
move      A     any  approver
hold      AR    any  planner
release   AR    any  planner
start     ARV   any  planner
update    ARV   any  planner
extend    R     any  planner
verify    R     any  planner
complete  RV    any  planner
cancel    PARV  any  approver
"""
RUN = dict(zip("PARVCX", RunState, strict=True))
REVIEW = {"d": ReviewState.DRAFT, "r": ReviewState.IN_REVIEW, "a": ReviewState.APPROVED}
ROLES = [Role.READER, Role.PLANNER, Role.APPROVER, Role.ADMIN]
ROWS = [line.split() for line in TABLE.split("\n") if line]


def test_the_table_has_every_step() -> None:
    assert [row[0] for row in ROWS] == [step.value for step in Step]


@pytest.mark.parametrize(("name", "runs", "reviews", "role"), ROWS, ids=[row[0] for row in ROWS])
def test_a_step_is_possible_exactly_where_the_table_says(
    name: str, runs: str, reviews: str, role: str
) -> None:
    step = Step(name)
    for run, pending, actor in itertools.product(RunState, [None, *REVIEW.values()], ROLES):
        expected = (
            run in {RUN[letter] for letter in runs}
            and (reviews == "any" or pending in {REVIEW[letter] for letter in reviews})
            and ROLES.index(actor) >= ROLES.index(Role(role))
        )

        assert allowed(step, run=run, pending=pending, role=actor) is expected, (run, pending, actor)
        if expected:
            check(step, run=run, pending=pending, role=actor)
        else:
            with pytest.raises(StepRefused):
                check(step, run=run, pending=pending, role=actor)


@pytest.mark.parametrize(
    ("step", "run", "pending", "role", "sentence"),
    [
        (
            Step.ANNOUNCE,
            RunState.PLANNED,
            ReviewState.APPROVED,
            Role.PLANNER,
            "“announce” needs the role approver; you are planner. Ask somebody with that role.",
        ),
        (
            Step.EXTEND,
            RunState.ANNOUNCED,
            None,
            Role.ADMIN,
            "“extend” is possible while the intervention is running; it is announced.",
        ),
        (
            Step.ANNOUNCE,
            RunState.PLANNED,
            ReviewState.DRAFT,
            Role.ADMIN,
            "“announce” needs a version that is approved; there is one that is draft.",
        ),
        (
            Step.SUBMIT,
            RunState.ANNOUNCED,
            None,
            Role.ADMIN,
            "“submit” needs a version that is draft; there is none on its way.",
        ),
    ],
)
def test_a_refusal_says_what_is_missing(
    step: Step, run: RunState, pending: ReviewState | None, role: Role, sentence: str
) -> None:
    with pytest.raises(StepRefused) as refused:
        check(step, run=run, pending=pending, role=role)

    assert str(refused.value) == sentence


def test_the_documentation_has_the_same_table() -> None:
    page = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.split("\n") if "|" in line]

    documented = {
        step: (runs, reviews.replace("in review", "in_review"), role)
        for step, runs, reviews, role, _ in rows[2:]
    }

    assert documented == {
        step.value: (", ".join(rule.run), ", ".join(rule.review), rule.role.value)
        for step, rule in RULES.items()
    }
