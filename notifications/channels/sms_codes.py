"""What Twilio's error codes and statuses mean for the delivery: data, with how it is looked up. PURE.

Twilio advises against logic on its codes because it changes them; hence a table that says when it was
read, a default by HTTP status or message status for codes that it does not know, and the code itself
always in what people are shown.
"""

from __future__ import annotations

from notifications.retries import FailureClass, State

#: When the codes were compared with twilio.com/docs/api/errors.
READ_ON = "2026-11"

#: Code → class and what it means in plain words.
CODES: dict[int, tuple[FailureClass, str]] = {
    # "Never processed, always safe to retry".
    20429: (FailureClass.RETRY_SAFE, "too many requests at once"),
    20500: (FailureClass.AMBIGUOUS, "Twilio failed after it may have taken the message"),
    20503: (FailureClass.AMBIGUOUS, "Twilio was unavailable"),
    30410: (FailureClass.AMBIGUOUS, "the carrier did not answer; not repeated to avoid a duplicate"),
    21611: (FailureClass.TRANSIENT, "the sender's queue is full (more than ten hours)"),
    30001: (FailureClass.TRANSIENT, "the queue overflowed"),
    63017: (FailureClass.TRANSIENT, "over 2,000 messages a second for the account"),
    63038: (FailureClass.TRANSIENT, "daily limit of the account reached"),
    30003: (FailureClass.TRANSIENT, "handset off or out of reach"),
    30008: (FailureClass.TRANSIENT, "the carrier gave no reason"),
    30500: (FailureClass.TRANSIENT, "Twilio failed inside"),
    30036: (FailureClass.EXPIRED, "its validity ran out in the queue"),
    21211: (FailureClass.RECIPIENT_PERMANENT, "not a telephone number"),
    21614: (FailureClass.RECIPIENT_PERMANENT, "not a mobile number"),
    30005: (FailureClass.RECIPIENT_PERMANENT, "number unknown"),
    30006: (FailureClass.RECIPIENT_PERMANENT, "landline, or not to be reached from this sender"),
    21610: (FailureClass.OPT_OUT, "the reader answered STOP"),
    21617: (FailureClass.CONTENT, "more than 1,600 characters"),
    21602: (FailureClass.CONTENT, "no text"),
    30007: (FailureClass.CONTENT, "filtered as unwanted by the carrier"),
    20003: (FailureClass.CONFIG, "wrong account, key or secret"),
    20404: (FailureClass.CONFIG, "no such account"),
    # They depend on the number: one reader abroad says nothing about the others.
    21408: (FailureClass.REFUSED, "the account may not send to that country"),
    21612: (FailureClass.REFUSED, "no route from this sender to that number"),
    21603: (FailureClass.CONFIG, "no sender"),
    21606: (FailureClass.CONFIG, "the sender cannot send SMS"),
    21608: (FailureClass.CONFIG, "a trial account reaches verified numbers only"),
    21609: (FailureClass.CONFIG, "JANELA_PUBLIC_URL cannot be reached for callbacks"),
    21701: (FailureClass.CONFIG, "no such Messaging Service"),
    21703: (FailureClass.CONFIG, "the Messaging Service has no sender"),
    30029: (FailureClass.CONFIG, "message privacy is not enabled for the account"),
    30030: (FailureClass.CONFIG, "message privacy is not enabled for the account"),
    30034: (FailureClass.CONFIG, "the sender is not registered"),
    30450: (FailureClass.CONFIG, "blocked as traffic pumping; see the account's SMS guard"),
}

#: How many more tries follow when a message that Twilio had taken did not arrive for such a reason; of the others none.
_MORE_TRIES = {30003: 2, 30008: 1, 30500: 1}

#: Message status → how far along that is; a report of a lower or equal rank changes nothing any more.
RANKS: dict[str, int] = {
    "accepted": 0,
    "scheduled": 0,
    "queued": 1,
    "sending": 2,
    "sent": 3,
    "delivered": 4,
    "partially_delivered": 4,
    "undelivered": 4,
    "failed": 4,
    "canceled": 4,
    "read": 5,
}
_GOOD_ENDS = ("delivered", "read")
_BAD_ENDS = ("undelivered", "failed", "canceled", "partially_delivered")
#: What becomes of a message that Twilio had taken and that then failed for such a reason.
_AFTER_BAD_END = {
    FailureClass.EXPIRED: State.EXPIRED,
    FailureClass.OPT_OUT: State.OPTED_OUT,
    FailureClass.RECIPIENT_PERMANENT: State.FAILED_PERMANENT,
    FailureClass.CONTENT: State.FAILED_PERMANENT,
}


def failure_of_reply(http_status: int, code: int | None) -> FailureClass:
    """Return the class of an answer to a send that was not 201.

    5xx goes before the code: Twilio says of these that the message may have been sent all the same.
    """
    if http_status >= 500:
        return FailureClass.AMBIGUOUS
    if code in CODES:
        return CODES[code][0]
    if http_status == 429:
        return FailureClass.RETRY_SAFE
    return FailureClass.CONFIG if http_status in (401, 403, 404) else FailureClass.UNKNOWN


def meaning(status: str, code: int | None) -> tuple[State, FailureClass | None]:
    """Return what a message status says about the delivery."""
    if status in _GOOD_ENDS:
        return State.DELIVERED, None
    if status in _BAD_ENDS:
        failure = CODES[code][0] if code in CODES else FailureClass.UNKNOWN
        return _AFTER_BAD_END.get(failure, State.UNDELIVERED), failure
    return State.ACCEPTED, None


def more_tries(status: str, code: int | None) -> int:
    """Return how many tries may follow the first when a message ends like that.

    None when a part of it arrived, or when somebody called it off.
    """
    return _MORE_TRIES.get(code or 0, 0) if status in ("undelivered", "failed") else 0


def words(status: str, code: int | None, more: str = "") -> str:
    """Return status, code and meaning as people read them: `undelivered 30003: handset off or out of reach`."""
    said = f"{status} {code}" if code else status
    known = CODES[code][1] if code in CODES else ""
    told = ", ".join(part for part in (known, more.strip()) if part)
    return f"{said}: {told}" if told else said
