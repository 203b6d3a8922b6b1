"""Pages on which an intervention is written: a new one, or another content for one that exists."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from maintenance import scheduling
from maintenance.catalogue_store import load_catalogue
from maintenance.documents import plan_from_document
from maintenance.errors import InvalidDocument, JanelaError, StaleEdit
from maintenance.interventions import Plan
from maintenance.lifecycle import Role, RunState, Step, check
from maintenance.models import InterventionRow
from maintenance.queries import get_intervention, pending
from maintenance.web.access import actor, roles_required
from maintenance.web.context import database, now, runtime
from maintenance.web.errors import sentence_of
from maintenance.web.languages import page_language
from maintenance.web.plan import bp
from maintenance.web.plan_changes import changes_between
from maintenance.web.plan_desk import Desk, digest_of, document_to_edit, phase_ids
from maintenance.web.plan_forms import form_of


@bp.get("/new")
@roles_required(Role.PLANNER)
def new() -> ResponseReturnValue:
    """Offer an empty form: one phase, the site's zone, the usual reminders."""
    timezone = runtime().settings["TIMEZONE"]
    blank = {"timezone": timezone, "phases": [{}]}
    return _page(Desk(form_of(blank, runtime().settings.locales)))


@bp.post("/new")
@roles_required(Role.PLANNER)
def create() -> ResponseReturnValue:
    """Change the form, show what the plan would do, or save the draft."""
    desk = Desk.posted()
    with database().read() as session:
        if desk.obey(session) or not _look(desk, session):
            return _page(desk, session=session)
    return _save(desk, None)


@bp.get("/<reference>/edit")
@roles_required(Role.PLANNER)
def edit(reference: str) -> ResponseReturnValue:
    """Offer the form with what stands: the version on its way, else the one readers know."""
    with database().read() as session:
        row = _editable(session, reference)
        form = form_of(document_to_edit(row), runtime().settings.locales, lock_version=row.lock_version)
        return _page(Desk(form), row, session=session)


@bp.post("/<reference>/edit")
@roles_required(Role.PLANNER)
def change(reference: str) -> ResponseReturnValue:
    """Change the form, show what the plan would do, or save the content as a draft."""
    desk = Desk.posted()
    with database().read() as session:
        row = _editable(session, reference)
        if desk.obey(session) or not _look(desk, session, row):
            return _page(desk, row, session=session)
    return _save(desk, reference)


def _editable(session: Session, reference: str) -> InterventionRow:
    row = get_intervention(session, reference)
    check(Step.EDIT, run=RunState(row.run_state), pending=None, role=actor().role)
    return row


def _look(desk: Desk, session: Session, row: InterventionRow | None = None) -> bool:
    """Return whether the person asked to save exactly what they have been shown; shows it otherwise."""
    plan = _read(desk, session, row)
    if plan is None:
        return False
    desk.plan = plan
    desk.preview = scheduling.preview(session, plan, now=now(), language=page_language())
    shown, desk.seen_before = digest_of(plan, desk.preview), desk.form.seen.data
    desk.form.seen.data = shown
    return desk.action == "save" and desk.seen_before == shown


def _read(desk: Desk, session: Session, row: InterventionRow | None) -> Plan | None:
    """Return the plan that was typed; None with every mistake told on its field."""
    document = desk.form.document() | ({"reference": row.reference} if row else {})
    catalogue = load_catalogue(session)
    valid = desk.form.validate()
    try:
        plan = plan_from_document(document, catalogue=catalogue, taken=phase_ids(row))
    except InvalidDocument as error:
        desk.problems = desk.form.tell(error.problems)
        return None
    return plan if valid else None


def _save(desk: Desk, reference: str | None) -> ResponseReturnValue:
    """Save the plan that was looked at; what cannot be saved is shown again, with the reason."""
    assert desk.plan is not None  # noqa: S101 - `_look` said so
    try:
        with database().write() as session:
            if reference is None:
                row = scheduling.draft(session, desk.plan, by=actor(), now=now())
            else:
                typed = desk.form.lock_version.data or ""
                # What is no number was not sent by our page: it counts as stale.
                lock = int(typed) if typed.isdecimal() else 0
                row = scheduling.edit(session, reference, desk.plan, lock_version=lock, by=actor(), now=now())
    except JanelaError as error:
        return _not_saved(desk, reference, error)
    flash(gettext("Saved as a draft. Nobody has been told yet: submit it for review."), "success")
    return redirect(url_for("plan.show", reference=row.reference))


def _not_saved(desk: Desk, reference: str | None, error: JanelaError) -> ResponseReturnValue:
    with database().read() as session:
        row = get_intervention(session, reference) if reference else None
        if row is not None and isinstance(error, StaleEdit):
            desk.stale = changes_between(document_to_edit(row), desk.form.document())
            desk.stale_version = pending(row)
            # Whoever saves now has seen the other's change, and means to replace it.
            desk.form.lock_version.data = str(row.lock_version)
        desk.problems.append(sentence_of(error))
        return _page(desk, row, session=session, status=409)


def _page(
    desk: Desk, row: InterventionRow | None = None, *, session: Session | None = None, status: int = 200
) -> ResponseReturnValue:
    if session is not None:
        desk.look_up(session)
    if status == 200 and desk.errors:
        status = 422
    page = render_template(
        "maintenance/plan/form.html", desk=desk, form=desk.form, row=row, path=request.path
    )
    return page, status
