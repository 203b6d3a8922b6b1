"""The words of the ledger for pages: kinds of notices, states of deliveries, channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask
from flask_babel import lazy_gettext

from notifications.escalation import Rung
from notifications.retries import State
from notifications.tallies import BAD, GOOD
from notifications.timetable import NoticeKind

KIND_WORDS = {
    NoticeKind.ANNOUNCEMENT: lazy_gettext("Announcement"),
    NoticeKind.CHANGE: lazy_gettext("Change"),
    NoticeKind.REMINDER: lazy_gettext("Reminder"),
    NoticeKind.START: lazy_gettext("Start"),
    NoticeKind.UPDATE: lazy_gettext("Update"),
    NoticeKind.EXTENSION: lazy_gettext("Extension"),
    NoticeKind.RESTORED: lazy_gettext("Service restored"),
    NoticeKind.COMPLETION: lazy_gettext("Completion"),
    NoticeKind.CANCELLATION: lazy_gettext("Cancellation"),
}
STATE_WORDS = {
    State.QUEUED: lazy_gettext("Waiting"),
    State.HELD: lazy_gettext("Held back for now"),
    State.RETRY_WAIT: lazy_gettext("To be tried again"),
    State.CONFIG_ERROR: lazy_gettext("Stopped: settings"),
    State.LEASED: lazy_gettext("Taken up"),
    State.SENDING: lazy_gettext("Being sent"),
    State.AMBIGUOUS: lazy_gettext("In doubt"),
    State.NEEDS_REVIEW: lazy_gettext("In doubt: needs a person"),
    State.ACCEPTED: lazy_gettext("Handed over"),
    State.DELIVERED: lazy_gettext("Delivered"),
    State.BOUNCED_SOFT: lazy_gettext("Came back for now"),
    State.BOUNCED_HARD: lazy_gettext("Came back"),
    State.UNDELIVERED: lazy_gettext("Not delivered"),
    State.FAILED_PERMANENT: lazy_gettext("Refused"),
    State.OPTED_OUT: lazy_gettext("Opted out"),
    State.SUPPRESSED: lazy_gettext("Address suppressed"),
    State.SUPERSEDED: lazy_gettext("Superseded"),
    State.EXPIRED: lazy_gettext("Expired"),
    State.CANCELLED: lazy_gettext("Taken back"),
}
CHANNEL_WORDS = {
    "email": lazy_gettext("E-mail"),
    "sms": lazy_gettext("SMS"),
    "webhook": lazy_gettext("Webhook"),
    "chat": lazy_gettext("Chat"),
}
TRANSPORT_WORDS = {
    "outbox": lazy_gettext("kept in the outbox"),
    "smtp": lazy_gettext("by the mail relay"),
    "twilio": lazy_gettext("by Twilio"),
    "http": lazy_gettext("to a webhook"),
    "apprise": lazy_gettext("to a chat room"),
}
RUNG_WORDS = {
    Rung.CHANNEL: lazy_gettext("contacts, on their other channel"),
    Rung.STANDBY: lazy_gettext("a contact who stands by"),
    Rung.OPERATORS: lazy_gettext("the operators"),
    Rung.FOLLOW: lazy_gettext("who was told instead before"),
}
REASON_WORDS = {
    "hard_bounce": lazy_gettext("the address does not exist"),
    "opt_out": lazy_gettext("asked for no more messages"),
    "complaint": lazy_gettext("complained"),
    "operator": lazy_gettext("taken off by an operator"),
    "paused": lazy_gettext("paused"),
}
#: What an entry of a delivery's history tells of; kinds that are not here show as they are.
EVENT_WORDS = {
    "attempt": lazy_gettext("Tried to send"),
    "receipt": lazy_gettext("Reported by the provider"),
    "lease_expired": lazy_gettext("The sender stopped in mid-work"),
    "resent": lazy_gettext("Sent again after doubt"),
    "review": lazy_gettext("Given to a person"),
    "expired": lazy_gettext("Became useless"),
    "superseded": lazy_gettext("Newer news came first"),
    "overtaken": lazy_gettext("Newer news told its reader all: not tried again"),
    "suppressed": lazy_gettext("Held back: address suppressed"),
    "asked": lazy_gettext("Asked the provider, who knows nothing of it"),
    "operator": lazy_gettext("Decided by a person"),
    "unsubscribed": lazy_gettext("Its reader wants no more messages"),
    "held": lazy_gettext("Held back: quiet hours"),
}
#: What people, and the breaker, did about sending.
ACT_WORDS = {
    "paused": lazy_gettext("Stopped"),
    "stopped": lazy_gettext("Stopped after errors"),
    "resumed": lazy_gettext("Resumed"),
    "tested": lazy_gettext("Tested"),
    "told": lazy_gettext("Operators told"),
    "unheard": lazy_gettext("No operator could be told"),
    "again": lazy_gettext("Sent again"),
    "arrived": lazy_gettext("Found to have arrived"),
    "lost": lazy_gettext("Found not to have arrived"),
    "taken_back": lazy_gettext("Taken back"),
    "silenced": lazy_gettext("Taken off"),
    "lifted": lazy_gettext("Gets messages again"),
}
NOTICE_STATE_WORDS = {
    "planned": lazy_gettext("Planned"),
    "fanned_out": lazy_gettext("Sent out"),
    "superseded": lazy_gettext("Superseded"),
    "expired": lazy_gettext("Expired"),
}


@dataclass(frozen=True, slots=True)
class Share:
    """A stretch of a progress bar, in hundredths of its length."""

    tone: str
    x: float
    width: float
    count: int


def shares(counts: Mapping[State, int]) -> list[Share]:
    """Return the stretches of a bar that shows how far deliveries have come: good, open, quiet, bad."""
    total = sum(counts.values()) or 1
    found, x = [], 0.0
    for tone in ("good", "open", "quiet", "bad"):
        count = sum(number for state, number in counts.items() if delivery_tone(state) == tone)
        if count:
            # A handful among thousands is still to be seen.
            width = max(count * 100 / total, 0.6)
            found.append(Share(tone, round(x, 2), round(width, 2), count))
            x += width
    return found


def kind_label(kind: str) -> str:
    """Return what a kind of notice is called."""
    return str(KIND_WORDS[NoticeKind(kind)]) if kind in list(NoticeKind) else kind


def delivery_label(state: str) -> str:
    """Return what a delivery's state is called."""
    return str(STATE_WORDS[State(state)])


def delivery_tone(state: str) -> str:
    """Return good, bad, open or quiet: what colour and shape repeat the word of a state."""
    if state in GOOD:
        return "good"
    if state in BAD:
        return "bad"
    return "quiet" if State(state).is_final else "open"


def channel_label(channel: str) -> str:
    """Return what a channel is called."""
    return str(CHANNEL_WORDS.get(channel, channel))


def transport_label(transport: str) -> str:
    """Return how a message travelled, as in “kept in the outbox”."""
    return str(TRANSPORT_WORDS.get(transport, transport))


def event_label(kind: str) -> str:
    """Return what an entry of a delivery's history tells of."""
    return str(EVENT_WORDS.get(kind, kind))


def act_label(kind: str) -> str:
    """Return what somebody did about sending."""
    return str(ACT_WORDS.get(kind, kind))


def rung_label(kind: str) -> str:
    """Return who is told on a rung, as in “the operators”."""
    return str(RUNG_WORDS[Rung(kind)])


def reason_label(reason: str) -> str:
    """Return why an address gets nothing more."""
    return str(REASON_WORDS.get(reason, reason))


def notice_state_label(state: str) -> str:
    """Return where a notice stands."""
    return str(NOTICE_STATE_WORDS.get(state, state))


def init_app(app: Flask) -> None:
    """Make the filters known to every template."""
    for function in (
        kind_label,
        delivery_label,
        delivery_tone,
        channel_label,
        transport_label,
        notice_state_label,
        event_label,
        act_label,
        rung_label,
        reason_label,
        shares,
    ):
        app.add_template_filter(function)
