"""The pages of what is agreed: every policy, and the form for one."""

from __future__ import annotations

from babel.dates import get_day_names
from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, gettext, lazy_gettext

from maintenance import policy_editing
from maintenance.catalogue import Kind
from maintenance.catalogue_store import load_catalogue
from maintenance.errors import InvalidDocument, JanelaError
from maintenance.lifecycle import Role
from maintenance.models import PolicyRow
from maintenance.policy_book import policies_from_document
from maintenance.policy_store import get_policy_row, policy_of, policy_rows
from maintenance.web.access import actor, roles_required
from maintenance.web.context import database, now, runtime
from maintenance.web.errors import sentence_of
from maintenance.web.forms import errors_of
from maintenance.web.policy_blueprint import bp
from maintenance.web.policy_forms import FORMS, KIND_NAMES, PolicyForm
from maintenance.web.reservations import KIND, occurrence_rows

#: The kinds in the order of the page: all of them together, one of them, what it does.
KINDS = {
    "freezes": (
        lazy_gettext("Freezes"),
        lazy_gettext("freeze"),
        lazy_gettext("Systems that may not be touched in a period, not even by work on what they need."),
    ),
    "hours": (
        lazy_gettext("Maintenance hours"),
        lazy_gettext("maintenance hours"),
        lazy_gettext("When systems may be worked on; what several say of one system is added up."),
    ),
    "notices": (
        lazy_gettext("Notice"),
        lazy_gettext("notice"),
        lazy_gettext("How long before its start a window must be announced."),
    ),
    "holidays": (
        lazy_gettext("Holidays"),
        lazy_gettext("holiday calendar"),
        lazy_gettext("Days on which nobody should have to work."),
    ),
    "budgets": (
        lazy_gettext("Downtime budgets"),
        lazy_gettext("downtime budget"),
        lazy_gettext("How long each system may be planned down in a month or a year."),
    ),
    "down_at_once": (
        lazy_gettext("Down at once"),
        lazy_gettext("limit of systems down at once"),
        lazy_gettext("How many systems may be down at the same time, by all plans together."),
    ),
    "reservations": (
        lazy_gettext("Reserved windows"),
        lazy_gettext("reserved window"),
        lazy_gettext(
            "Kept free for maintenance, again and again; not used unless work is announced in them."
        ),
    ),
}


@bp.app_template_filter()
def system_kind(kind: Kind) -> str:
    """Return what systems of a kind are called together."""
    return str(KIND_NAMES[kind])


@bp.app_template_filter()
def weekday(day: int) -> str:
    """Return the name of a day of the week, 0 being Monday."""
    return str(get_day_names("abbreviated", locale=get_locale())[day])


@bp.get("")
@roles_required(Role.READER)
def index() -> ResponseReturnValue:
    """Show what is agreed, by kind, and what was."""
    language = str(get_locale())
    with database().read() as session:
        rows = policy_rows(session)
        in_force = [policy_of(row) for row in rows if row.retired_at is None]
    return render_template(
        "maintenance/policies/index.html",
        kinds=KINDS,
        policies=[(policy, policy.value(language)) for policy in in_force],
        retired=[row for row in rows if row.retired_at is not None and row.kind in KINDS],
    )


@bp.route("/new/<kind>", methods=["GET", "POST"])
@roles_required(Role.APPROVER)
def new(kind: str) -> ResponseReturnValue:
    """Add a policy."""
    if kind not in FORMS:
        abort(404)
    if request.method == "POST":
        return _save(kind, FORMS[kind](request.form), None)
    form = FORMS[kind]()
    form.fill({"timezone": runtime().settings["TIMEZONE"]}, runtime().settings.locales)
    return _page(kind, form, None)


@bp.route("/<code>", methods=["GET", "POST"])
@roles_required(Role.APPROVER)
def edit(code: str) -> ResponseReturnValue:
    """Change a policy; a retired one is in force again when it is saved."""
    with database().read() as session:
        row = get_policy_row(session, code)
    if request.method == "POST":
        return _save(row.kind, FORMS[row.kind](request.form), row)
    form = FORMS[row.kind]()
    form.fill(row.content, runtime().settings.locales)
    form.lock_version.data = str(row.lock_version)
    return _page(row.kind, form, row)


@bp.post("/<code>/retire")
@roles_required(Role.APPROVER)
def retire(code: str) -> ResponseReturnValue:
    """Put a policy out of force."""
    seen = request.form.get("lock_version", type=int, default=0)
    with database().write() as session:
        policy_editing.retire(session, code, lock_version=seen, by=actor(), now=now())
    flash(gettext("%(code)s is no longer in force.", code=code), "success")
    return redirect(url_for("policies.index"))


def _save(kind: str, form: PolicyForm, row: PolicyRow | None) -> ResponseReturnValue:
    document = form.document() | ({"code": row.code} if row else {})
    if row is not None and "exceptions" in row.content:
        # The form shows the rule alone; single occurrences have pages of their own.
        document["exceptions"] = row.content["exceptions"]
    typed = form.lock_version.data or ""
    try:
        with database().write() as session:
            book = policies_from_document({kind: [document]}, catalogue=load_catalogue(session))
            policy_editing.save(
                session,
                book.policies[0],
                lock_version=(int(typed) if typed.isdecimal() else 0) if row else None,
                by=actor(),
                now=now(),
            )
    except InvalidDocument as error:
        rest = form.show_problems(error.problems)
        return _page(kind, form, row, errors=rest + errors_of(form)), 422
    except JanelaError as error:
        return _page(kind, form, row, errors=[("", sentence_of(error))]), 409
    flash(
        gettext(
            "%(code)s is in force; previews and announcements count it from now on.", code=document["code"]
        ),
        "success",
    )
    return redirect(url_for("policies.index"))


def _page(
    kind: str, form: PolicyForm, row: PolicyRow | None, *, errors: list[tuple[str, str]] | None = None
) -> str:
    reservation = kind == KIND and row is not None and row.retired_at is None
    return render_template(
        "maintenance/policies/form.html",
        kind=kind,
        words=KINDS[kind],
        form=form,
        row=row,
        errors=errors or [],
        occurrences=occurrence_rows(row, now()) if reservation and row else [],
    )
