"""What providers call: reports on messages that they took over, and what readers answer."""

from __future__ import annotations

import logging

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue

from maintenance.settings import secret_key
from maintenance.web.context import database, now, runtime
from maintenance.web.security import csrf
from notifications import ledger, sending
from notifications.channels.parcels import FIRST_TEST
from notifications.channels.signatures import is_signed
from notifications.channels.sms_answers import Wish, is_number, wish_of
from notifications.channels.sms_codes import RANKS, meaning, more_tries, words

_log = logging.getLogger(__name__)

bp = Blueprint("hooks", __name__, url_prefix="/hooks")
# Providers sign what they post; they have no form of ours to take a token from.
csrf.exempt(bp)

#: Reports are some hundred bytes.
_LARGEST = 64 * 1024


@bp.post("/twilio/<int:delivery_id>")
def twilio(delivery_id: int) -> ResponseReturnValue:
    """Take Twilio's report on an SMS: 204, whether it is new, late or a repetition."""
    from notifications.channels.sms import CALLBACK  # with the SDK; see `_is_from_twilio`

    ours = is_signed(request.args.get("s", ""), secret_key(runtime().settings), CALLBACK, delivery_id)
    if not ours or not _is_from_twilio():
        abort(403)
    if delivery_id < FIRST_TEST:
        _record(delivery_id, request.form.get("MessageStatus", ""))
    return "", 204


@bp.post("/twilio/inbound")
def inbound() -> ResponseReturnValue:
    """Take what a reader answered to an SMS: STOP and START count, the rest is Twilio's to answer."""
    if not _is_from_twilio():
        abort(403)
    number = request.form.get("From", "")
    wish = wish_of(request.form.get("OptOutType", ""), request.form.get("Body", ""))
    if wish is not None and is_number(number):
        with database().write() as session:
            if wish is Wish.STOP:
                changed = ledger.suppress_address(session, "sms", number, reason="opt_out", now=now())
            else:
                changed = ledger.lift_opt_out(session, "sms", number)
        _log.info("A reader answered %s to an SMS: %s", wish.value, "noted" if changed else "known already")
    # Nothing to say to the reader: Twilio itself confirms STOP and START.
    return "<Response/>", 200, {"Content-Type": "text/xml"}


def _is_from_twilio() -> bool:
    # The SDK takes 26 MB and 0.1 s, which an installation without SMS need not spend.
    from notifications.channels.sms import is_from_twilio

    settings = runtime().settings
    request.max_content_length = _LARGEST
    # As Twilio called it: behind a proxy, the request itself would tell another scheme and host.
    called = settings.public_url + (request.full_path if request.query_string else request.path)
    signature = request.headers.get("X-Twilio-Signature", "")
    return is_from_twilio(settings["TWILIO_AUTH_TOKEN"], called, request.form, signature)


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
            more_tries=more_tries(status, code),
        )
