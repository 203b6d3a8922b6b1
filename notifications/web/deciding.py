"""What a person decides: about deliveries in doubt, and about addresses that get nothing."""

from __future__ import annotations

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext

from maintenance.errors import StepRefused
from maintenance.lifecycle import Role
from maintenance.web.access import actor, roles_required, safe_next
from maintenance.web.context import database, now
from notifications import deciding, reports, suppressions
from notifications.deciding import Decision
from notifications.reports import Filter
from notifications.retries import State

bp = Blueprint("deciding", __name__, url_prefix="/deliveries")

PER_PAGE = 50
DECISION_WORDS = {
    Decision.AGAIN: lazy_gettext("Send again"),
    Decision.ARRIVED: lazy_gettext("It arrived"),
    Decision.LOST: lazy_gettext("It did not arrive"),
    Decision.TAKEN_BACK: lazy_gettext("Take it back"),
}


@bp.get("/review")
@roles_required(Role.READER)
def review() -> ResponseReturnValue:
    """List the deliveries of which nobody knows whether they left, and that wait for a person."""
    before = request.args.get("before", type=int)
    which = Filter(states=(State.NEEDS_REVIEW,))
    with database().read() as session:
        rows = list(reports.told(session, which, limit=PER_PAGE + 1, before=before, newest_first=True))
    return render_template(
        "notifications/deliveries/review.html",
        rows=rows[:PER_PAGE],
        next_before=rows[PER_PAGE - 1].delivery if len(rows) > PER_PAGE else None,
    )


@bp.post("/decide")
@roles_required(Role.APPROVER)
def decide() -> ResponseReturnValue:
    """Take the form's decision about the deliveries that it names: about all of them, or none."""
    form = request.form
    ids = form.getlist("delivery", type=int)
    if not ids or form.get("decision") not in list(Decision):
        raise StepRefused("Choose deliveries, and what is to be done with them.")
    decision, words = Decision(form["decision"]), form.get("words", "").strip()[:500]
    with database().write() as session:
        for id_ in ids:
            deciding.decide(session, id_, decision, words=words, by=actor(), now=now())
    flash(ngettext("Recorded for %(num)d delivery.", "Recorded for %(num)d deliveries.", len(ids)), "success")
    return redirect(safe_next(form.get("back")) or url_for("deciding.review"))


@bp.get("/silent")
@roles_required(Role.READER)
def silent() -> ResponseReturnValue:
    """List the addresses that get nothing more on a channel."""
    with database().read() as session:
        found = suppressions.silent(session, now())
    return render_template("notifications/deliveries/silent.html", found=found)


@bp.post("/silent/<int:recipient>/lift")
@roles_required(Role.APPROVER)
def lift(recipient: int) -> ResponseReturnValue:
    """Let an address get messages again."""
    words = request.form.get("words", "").strip()[:500]
    with database().write() as session:
        reader = suppressions.lift(session, recipient, words=words, by=actor(), now=now())
        address = reader.address
    flash(_("%(address)s gets messages again, from the next one on.", address=address), "success")
    return redirect(safe_next(request.form.get("back")) or url_for("deciding.silent"))


def decision_label(decision: str) -> str:
    """Return what a decision is called on its button."""
    return str(DECISION_WORDS[Decision(decision)])


def possible(state: str) -> list[Decision]:
    """Return what may be decided about a delivery in that state."""
    return deciding.possible(State(state))


def init_app(app: Flask) -> None:
    """Register the pages, and what the page of a delivery shows of decisions."""
    app.register_blueprint(bp)
    app.add_template_filter(decision_label)
    app.add_template_filter(possible, "possible_decisions")
