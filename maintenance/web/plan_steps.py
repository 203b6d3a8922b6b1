"""One page for each step of an intervention's life: what it does, what it asks, the button."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from maintenance.errors import Blocked, JanelaError
from maintenance.interventions import Plan
from maintenance.lifecycle import RULES, Step, check
from maintenance.queries import get_intervention, plan_of
from maintenance.texts import ANY
from maintenance.web.access import actor, roles_required
from maintenance.web.context import database, now, runtime
from maintenance.web.errors import sentence_of
from maintenance.web.forms import errors_of
from maintenance.web.plan import Case, bp, case_of, panels_for
from maintenance.web.plan_night_forms import FORMS
from maintenance.web.plan_preview import grouped, listed
from maintenance.web.plan_step_forms import StepForm
from maintenance.web.systems_search import names_of
from maintenance.web.workspace_words import DONE_WORDS


def ask(reference: str, step: Step) -> ResponseReturnValue:
    """Show what the step does, and ask what it needs."""
    with database().read() as session:
        case = _case(session, reference, step)
        form = _prepared(FORMS[step](), session, case, step)
        return _page(session, case, step, form)


def take(reference: str, step: Step) -> ResponseReturnValue:
    """Take the step; what is refused is said on the same page, with everything that was typed."""
    with database().read() as session:
        case = _case(session, reference, step)
        form = _prepared(FORMS[step](request.form), session, case, step)
        if not form.validate():
            return _page(session, case, step, form), 422
        if not form.is_confirmed():
            return _page(session, case, step, form)
    try:
        with database().write() as writing:
            form.take(writing, reference, by=actor(), now=now())
    except Blocked:
        with database().read() as session:
            case = case_of(get_intervention(session, reference), actor())
            asked = _("Something blocks this; see below what, and say why it is to be done all the same.")
            return _page(session, case, step, form, asked=asked), 409
    except JanelaError as error:
        with database().read() as session:
            case = case_of(get_intervention(session, reference), actor())
            return _page(session, case, step, form, refused=sentence_of(error)), 409
    flash(str(DONE_WORDS[step]), "success")
    return redirect(url_for("plan.show", reference=reference))


def _case(session: Session, reference: str, step: Step) -> Case:
    """Return the intervention, if the step can be taken in its state; the error page says why not."""
    case = case_of(get_intervention(session, reference), actor())
    check(step, run=case.run, pending=case.review, role=actor().role)
    return case


def _plan_for(case: Case, step: Step) -> Plan:
    # Steps of the review are about the version on its way, the others about what readers know.
    return plan_of(case.pending) if RULES[step].review and case.pending else case.plan


def _prepared(form: StepForm, session: Session, case: Case, step: Step) -> StepForm:
    plan = _plan_for(case, step)
    form.prepare(
        plan,
        locales=tuple(
            dict.fromkeys(
                (*runtime().settings.locales, *(code for code, _ in plan.title.variants if code != ANY))
            )
        ),
        lock_version=case.row.lock_version,
        names=names_of(session, plan.systems),
    )
    return form


def _page(
    session: Session, case: Case, step: Step, form: StepForm, *, refused: str = "", asked: str = ""
) -> str:
    """Return the page; one on which something was refused shows no preview, one that asks shows it again."""
    reference = case.row.reference
    preview = None
    if not refused:
        try:
            preview = form.preview(session, reference, now=now())
        except JanelaError as error:
            refused = sentence_of(error)
    groups = grouped(preview.windows, reference) if preview else []
    return render_template(
        "maintenance/plan/step.html",
        case=case,
        row=case.row,
        plan=form.plan,
        step=step,
        form=form,
        names=names_of(session, {*form.plan.systems, *listed(groups)}),
        preview=preview,
        groups=groups,
        errors=[("", refused)] * bool(refused) + [("override", asked)] * bool(asked) + errors_of(form),
        panels=panels_for(reference) if step is Step.ANNOUNCE else [],
        at=now(),
    )


for _step in FORMS:
    # Each step has an address of its own, guarded by the role that its rule names.
    _guard = roles_required(RULES[_step].role)
    bp.add_url_rule(
        f"/<reference>/{_step.value}", _step.value, _guard(ask), defaults={"step": _step}, methods=["GET"]
    )
    bp.add_url_rule(
        f"/<reference>/{_step.value}",
        f"{_step.value}_now",
        _guard(take),
        defaults={"step": _step},
        methods=["POST"],
    )
