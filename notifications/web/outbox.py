"""The outbox: what was not sent out, looked at as its reader would see it."""

from __future__ import annotations

from flask import Blueprint, Response, abort, render_template, request, send_file
from flask.typing import ResponseReturnValue

from maintenance.lifecycle import Role
from maintenance.web.access import roles_required
from maintenance.web.context import runtime
from notifications.channels.outbox import Item, find_item, find_items, folder
from notifications.web import kept_messages

bp = Blueprint("outbox", __name__, url_prefix="/outbox")

PER_PAGE = 25
#: A mail may bring its own styles and inline pictures, and nothing else: no script, no request to anybody.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox"
)


@bp.get("/")
@roles_required(Role.READER)
def index() -> ResponseReturnValue:
    """List what the outbox holds, newest first."""
    channel, reference = request.args.get("channel", ""), request.args.get("reference", "").strip().upper()
    everything = find_items(folder(runtime().settings))
    found = [
        item for item in everything if channel in ("", item.channel) and reference in ("", item.reference)
    ]
    page = max(1, request.args.get("page", 1, type=int))
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    return render_template(
        "notifications/outbox/index.html",
        glances=[line for item in shown if (line := kept_messages.glance(item))],
        total=len(found),
        everything=len(everything),
        pages=max(1, -(-len(found) // PER_PAGE)),
        page=page,
        channel_asked=channel,
        reference=reference,
        references=sorted({item.reference for item in everything}),
    )


@bp.get("/<int:delivery_id>")
@roles_required(Role.READER)
def show(delivery_id: int) -> ResponseReturnValue:
    """Show one message as it will look."""
    item = _item_or_404(delivery_id)
    if item.channel == "sms":
        return render_template("notifications/outbox/sms.html", item=item, sms=kept_messages.text(item))
    if item.channel != "email":
        return render_template("notifications/outbox/plain.html", item=item, kept=kept_messages.text(item))
    return render_template(
        "notifications/outbox/mail.html",
        item=item,
        glance=kept_messages.glance(item),
        letter=kept_messages.letter(item.path.read_bytes()),
    )


@bp.get("/<int:delivery_id>/html")
@roles_required(Role.READER)
def html(delivery_id: int) -> ResponseReturnValue:
    """Give the HTML of a mail alone, for the frame in which `show` draws it."""
    item = _item_or_404(delivery_id)
    if item.channel != "email":
        abort(404)
    return as_mail(kept_messages.letter(item.path.read_bytes()).html)


@bp.get("/<int:delivery_id>/download")
@roles_required(Role.READER)
def download(delivery_id: int) -> ResponseReturnValue:
    """Give the file itself: a mail opens in every mail program."""
    item = _item_or_404(delivery_id)
    mimetype = "message/rfc822" if item.channel == "email" else "application/json"
    return send_file(item.path, mimetype=mimetype, as_attachment=True, download_name=item.path.name)


def as_mail(html: str) -> Response:
    """Return a mail's HTML for a frame, in which it may run and load nothing."""
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _item_or_404(delivery_id: int) -> Item:
    item = find_item(folder(runtime().settings), delivery_id)
    if item is None:
        abort(404)
    return item
