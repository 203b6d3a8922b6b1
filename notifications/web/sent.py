"""The message of a delivery, whichever way it went, looked at as the outbox shows what it keeps."""

from __future__ import annotations

from flask import Blueprint, Response, abort, render_template
from flask.typing import ResponseReturnValue

from maintenance.lifecycle import Role
from maintenance.web.access import roles_required
from maintenance.web.context import database
from notifications.letters import Sent, get_sent
from notifications.web import kept_messages
from notifications.web.outbox import as_mail

bp = Blueprint("sent", __name__, url_prefix="/deliveries/<int:delivery_id>/message")


@bp.get("")
@roles_required(Role.READER)
def show(delivery_id: int) -> ResponseReturnValue:
    """Show the message of a delivery as its reader sees it."""
    sent = _sent(delivery_id)
    if sent.channel == "email":
        raw = sent.mail()
        return render_template(
            "notifications/outbox/mail.html",
            item=sent,
            glance=kept_messages.glance_at_mail(raw),
            letter=kept_messages.letter(raw),
        )
    text = kept_messages.text_of(
        sent.channel, sent.address, sent.name, sent.text, sent.queued_at, sent.expires_at
    )
    if sent.channel == "sms":
        return render_template("notifications/outbox/sms.html", item=sent, sms=text)
    return render_template("notifications/outbox/plain.html", item=sent, kept=text)


@bp.get("/html")
@roles_required(Role.READER)
def html(delivery_id: int) -> ResponseReturnValue:
    """Give the HTML of a mail alone, for the frame in which `show` draws it."""
    return as_mail(kept_messages.letter(_mail(delivery_id)).html)


@bp.get("/download")
@roles_required(Role.READER)
def download(delivery_id: int) -> ResponseReturnValue:
    """Give a mail as a file that opens in every mail program."""
    response = Response(_mail(delivery_id), mimetype="message/rfc822")
    response.headers["Content-Disposition"] = f'attachment; filename="{delivery_id:010d}.eml"'
    return response


def _sent(delivery_id: int) -> Sent:
    with database().read() as session:
        return get_sent(session, delivery_id)


def _mail(delivery_id: int) -> bytes:
    sent = _sent(delivery_id)
    if sent.channel != "email":
        abort(404)
    return sent.mail()
