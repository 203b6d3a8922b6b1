"""Where the `List-Unsubscribe` of a subscriber's mail leads: looking changes nothing, one click does."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from maintenance.settings import secret_key
from maintenance.web.context import database, now, runtime
from maintenance.web.security import csrf
from notifications import unsubscribing

bp = Blueprint("unsubscribing", __name__)
# RFC 8058: mail programs post here by themselves, without a cookie; the address is the proof.
csrf.exempt(bp)


@bp.get("/unsubscribe/<int:delivery_id>.<proof>")
def ask(delivery_id: int, proof: str) -> ResponseReturnValue:
    """Ask whether the reader wants no more mails."""
    key = secret_key(runtime().settings)
    with database().read() as session:
        address = unsubscribing.address_to_leave(session, delivery_id, proof, key=key)
    return render_template("notifications/unsubscribe.html", address=address, has_left=False)


@bp.post("/unsubscribe/<int:delivery_id>.<proof>")
def leave(delivery_id: int, proof: str) -> ResponseReturnValue:
    """Send the reader no more mails: 200, also when that was so before."""
    key = secret_key(runtime().settings)
    with database().write() as session:
        address = unsubscribing.leave(session, delivery_id, proof, key=key, now=now())
    return render_template("notifications/unsubscribe.html", address=address, has_left=True)
