"""What readers would get, before it goes: every variant of mail, SMS and calendar, and how many recipients."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Flask, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from markupsafe import Markup

from maintenance.catalogue import Audience
from maintenance.catalogue_store import load_catalogue
from maintenance.errors import NotFound
from maintenance.lifecycle import Role, RunState
from maintenance.queries import get_intervention, pending
from maintenance.web.access import actor, roles_required
from maintenance.web.context import database, now, runtime
from notifications import sms_text, stopping
from notifications.feasibility import Feasibility, read_price
from notifications.queries import site_of
from notifications.rehearsal import LATER, Rehearsal, rehearse
from notifications.testing import send_test
from notifications.timetable import NoticeKind
from notifications.web.kept_messages import calendar_events
from notifications.web.outbox import MAIL_POLICY

bp = Blueprint("announcing", __name__, url_prefix="/plan/<reference>/messages")

#: Variants that the list shows; the numbers count all.
LISTED = 50


@bp.get("")
@roles_required(Role.READER)
def preview(reference: str) -> ResponseReturnValue:
    """Show how many recipients there are on each channel, and every variant of the message."""
    rehearsal = _rehearsal(reference)
    texts = _feasibility(rehearsal)
    return render_template(
        "notifications/announcing/preview.html",
        reference=reference,
        rehearsal=rehearsal,
        variants=rehearsal.variants[:LISTED],
        parts=texts.parts if texts else 0,
        texts=texts,
        kind=_kind(),
        kinds=LATER,
        audiences=_audiences(),
    )


@bp.get("/<int:scope_id>")
@roles_required(Role.READER)
def show(reference: str, scope_id: int) -> ResponseReturnValue:
    """Show one variant as its readers will see it: mail, SMS, calendar."""
    rehearsal = _rehearsal(reference)
    variant = rehearsal.variant(scope_id)
    composed = rehearsal.compose(variant)
    return render_template(
        "notifications/announcing/variant.html",
        reference=reference,
        rehearsal=rehearsal,
        variant=variant,
        composed=composed,
        count=sms_text.count(composed.sms),
        events=calendar_events(composed.calendar.decode()),
        kind=_kind(),
        audiences=_audiences(),
    )


@bp.get("/<int:scope_id>/mail")
@roles_required(Role.READER)
def html(reference: str, scope_id: int) -> ResponseReturnValue:
    """Give the HTML of a mail alone, for the frame in which `show` draws it."""
    rehearsal = _rehearsal(reference)
    response = Response(rehearsal.compose(rehearsal.variant(scope_id)).html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


@bp.post("/<int:scope_id>/test")
@roles_required(Role.PLANNER)
def send_to_myself(reference: str, scope_id: int) -> ResponseReturnValue:
    """Send one variant to the signed-in person, through the transport that readers' mails take."""
    rehearsal = _rehearsal(reference)
    variant = rehearsal.variant(scope_id)
    outcome = send_test(
        runtime(), rehearsal, variant, to=current_user.email, name=current_user.name, now=now()
    )
    words = f"{rehearsal.story.kind} ({variant.reader.language}) → {current_user.email}: {outcome.state}"
    with database().write() as session:
        stopping.note_test(session, reference, by=actor(), words=f"{words} {outcome.words}"[:500], now=now())
    if outcome.failure is not None:
        flash(_("The test could not be sent: %(words)s", words=outcome.words), "danger")
    elif outcome.transport == "outbox":
        flash(_("The test is in the outbox: the settings or the guest list let no mail to you."), "success")
    else:
        flash(_("The test is on its way to %(address)s.", address=current_user.email), "success")
    return redirect(
        url_for("announcing.show", reference=reference, scope_id=scope_id, kind=request.args.get("kind"))
    )


def _feasibility(rehearsal: Rehearsal) -> Feasibility | None:
    settings = runtime().settings
    return rehearsal.sms_feasibility(
        rate=settings.number("TWILIO_RATE"), price=read_price(settings["SMS_PRICE"]), now=now()
    )


def _kind() -> NoticeKind | None:
    asked = request.args.get("kind", "")
    if not asked:
        return None
    if asked not in LATER:
        abort(404)
    return NoticeKind(asked)


def _rehearsal(reference: str) -> Rehearsal:
    with database().read() as session:
        return rehearse(session, reference, _kind(), site=site_of(runtime().settings), now=now())


def _audiences() -> Mapping[str, Audience]:
    """Return the audiences by code, for their names."""
    with database().read() as session:
        return load_catalogue(session).audiences


def panel(reference: str) -> Markup:
    """Return the panel of an intervention's page: how many would be told, and the way to every message."""
    with database().read() as session:
        row = get_intervention(session, reference)
        if RunState(row.run_state) in (RunState.COMPLETED, RunState.CANCELLED):
            return Markup("")
        try:
            rehearsal = rehearse(session, reference, None, site=site_of(runtime().settings), now=now())
        except NotFound:
            return Markup("")
        waits = pending(row) is not None
    # The template escapes what it prints.
    return Markup(  # noqa: S704
        render_template(
            "notifications/announcing/_panel.html", reference=reference, rehearsal=rehearsal, waits=waits
        )
    )


def init_app(app: Flask) -> None:
    """Register the pages, and the panel on an intervention's page."""
    app.register_blueprint(bp)
    app.extensions.setdefault("janela_panels", []).append(panel)
