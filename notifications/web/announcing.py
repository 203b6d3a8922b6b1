"""What readers would get, before it goes: every variant of mail, SMS and calendar, and how many recipients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
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
from notifications.channels.parcels import Outcome
from notifications.directory_cells import phone_of
from notifications.feasibility import Feasibility, read_price
from notifications.foretold import LATER
from notifications.models import NoticeRow
from notifications.queries import notices, site_of
from notifications.rehearsal import Rehearsal, rehearse
from notifications.testing import send_test, send_test_sms, without_number
from notifications.timetable import NoticeKind
from notifications.web.kept_messages import calendar_events
from notifications.web.outbox import as_mail

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
        asked=_asked(),
        kinds=LATER,
        planned=_planned(reference),
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
        asked=_asked(),
        audiences=_audiences(),
    )


@bp.get("/<int:scope_id>/mail")
@roles_required(Role.READER)
def html(reference: str, scope_id: int) -> ResponseReturnValue:
    """Give the HTML of a mail alone, for the frame in which `show` draws it."""
    rehearsal = _rehearsal(reference)
    return as_mail(rehearsal.compose(rehearsal.variant(scope_id)).html)


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
    _note(reference, f"{words} {outcome.words}")
    _say(outcome, current_user.email)
    return _back(reference, scope_id)


@bp.post("/<int:scope_id>/test-sms")
@roles_required(Role.PLANNER)
def send_to_number(reference: str, scope_id: int) -> ResponseReturnValue:
    """Send one variant's SMS to the number that the person typed, through the transport that readers' SMS take."""
    rehearsal = _rehearsal(reference)
    variant = rehearsal.variant(scope_id)
    number, mistake = phone_of(request.form.get("number", "").strip())
    if mistake or not number:
        flash(mistake.said(_) if mistake else _("Write the number as in +351220000000."), "danger")
        return _back(reference, scope_id)
    outcome = send_test_sms(runtime(), rehearsal, variant, to=number, now=now())
    words = (
        f"{rehearsal.story.kind} ({variant.reader.language}) → SMS {number}: {outcome.state} {outcome.words}"
    )
    _note(reference, without_number(words, number))
    _say(outcome, number)
    return _back(reference, scope_id)


def _note(reference: str, words: str) -> None:
    with database().write() as session:
        stopping.note_test(session, reference, by=actor(), words=words[:500], now=now())


def _say(outcome: Outcome, address: str) -> None:
    if outcome.failure is not None:
        flash(_("The test could not be sent: %(words)s", words=outcome.words), "danger")
    elif outcome.transport == "outbox":
        flash(_("The test is in the outbox: the settings or the guest list let no message there."), "success")
    else:
        flash(_("The test is on its way to %(address)s.", address=address), "success")


def _back(reference: str, scope_id: int) -> ResponseReturnValue:
    return redirect(url_for("announcing.show", reference=reference, scope_id=scope_id, **_asked()))


def _feasibility(rehearsal: Rehearsal) -> Feasibility | None:
    settings = runtime().settings
    return rehearsal.sms_feasibility(
        rate=settings.number("TWILIO_RATE"), price=read_price(settings["SMS_PRICE"]), now=now()
    )


def _asked() -> dict[str, Any]:
    """Return which notice is looked at, as the query string names it: a kind, a planned notice, or neither."""
    kind, notice = request.args.get("kind", ""), request.args.get("notice", "")
    if kind and kind not in LATER:
        abort(404)
    return {"notice": notice} if notice else {"kind": kind} if kind else {}


def _rehearsal(reference: str) -> Rehearsal:
    asked = _asked()
    kind = NoticeKind(asked["kind"]) if "kind" in asked else None
    with database().read() as session:
        return rehearse(
            session,
            reference,
            kind,
            notice=asked.get("notice", ""),
            site=site_of(runtime().settings),
            now=now(),
        )


def _planned(reference: str) -> list[NoticeRow]:
    """Return the notices that are planned already, the first due first."""
    with database().read() as session:
        return sorted(
            (row for row in notices(session, reference=reference) if row.state == "planned"),
            key=lambda row: (row.due_at, row.id),
        )


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
