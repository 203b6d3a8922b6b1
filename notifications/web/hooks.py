"""What providers call: reports on messages that they took over."""

from __future__ import annotations

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from maintenance.settings import secret_key
from maintenance.web.context import database, now, runtime
from maintenance.web.security import csrf
from notifications import sending
from notifications.channels.parcels import FIRST_TEST
from notifications.channels.signatures import is_signed
from notifications.channels.sms_codes import RANKS, meaning, words

bp = Blueprint("hooks", __name__, url_prefix="/hooks")
# Providers sign what they post; they have no form of ours to take a token from.
csrf.exempt(bp)

#: Reports are some hundred bytes.
_LARGEST = 64 * 1024


@bp.post("/twilio/<int:delivery_id>")
def twilio(delivery_id: int) -> ResponseReturnValue:
    """Take Twilio's report on an SMS: 204, whether it is new, late or a repetition."""
    # The SDK takes 26 MB and 0.1 s, which an installation without SMS need not spend.
    from notifications.channels.sms import CALLBACK, is_from_twilio

    settings = runtime().settings
    request.max_content_length = _LARGEST
    ours = is_signed(request.args.get("s", ""), secret_key(settings), CALLBACK, delivery_id)
    # As Twilio called it: behind a proxy, the request itself would tell another scheme and host.
    called = settings.public_url + request.full_path
    signature = request.headers.get("X-Twilio-Signature", "")
    if not ours or not is_from_twilio(settings["TWILIO_AUTH_TOKEN"], called, request.form, signature):
        abort(403)
    if delivery_id < FIRST_TEST:
        _record(delivery_id, request.form.get("MessageStatus", ""))
    return "", 204


def _record(delivery_id: int, status: str) -> None:
    rank = RANKS.get(status)
    if rank is None:
        return  # a status that Twilio has invented since: nothing we could say about it
    given = request.form.get("ErrorCode", "")
    code = int(given) if given.isdecimal() else None
    state, failure = meaning(status, code)
    with database().write() as session:
        sending.record_receipt(
            session,
            delivery_id,
            provider_id=request.form.get("MessageSid", ""),
            state=state,
            rank=rank,
            words=words(status, code),
            failure=failure,
            at=now(),
            detail={"status": status, "code": code},
        )
