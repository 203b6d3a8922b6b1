"""The states of a delivery, the classes of failure, the ranks of receipts: the words of the ledger.

The design's picture is drawn in `docs/delivery.md`. PURE.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where one message to one recipient stands."""

    #: Waits for its turn.
    QUEUED = "queued"
    #: A sender took it, and has not begun with it.
    LEASED = "leased"
    #: Committed before the first byte goes out: from here on a crash means that it may have left.
    SENDING = "sending"
    #: The provider took it over.
    ACCEPTED = "accepted"
    #: The provider says that it reached the reader's device or mailbox.
    DELIVERED = "delivered"
    #: It came back for a reason that passes (mailbox full).
    BOUNCED_SOFT = "bounced_soft"
    #: It came back for good.
    BOUNCED_HARD = "bounced_hard"
    #: The provider took it and could not bring it (SMS).
    UNDELIVERED = "undelivered"
    #: Surely not sent; another try is due.
    RETRY_WAIT = "retry_wait"
    #: Nobody knows whether it left: the reply was lost after the message had been written.
    AMBIGUOUS = "ambiguous"
    #: Ambiguous beyond what can be found out by itself: a person decides.
    NEEDS_REVIEW = "needs_review"
    #: The address, or the message, will never be taken.
    FAILED_PERMANENT = "failed_permanent"
    #: The reader asked the provider for no more messages.
    OPTED_OUT = "opted_out"
    #: Our own fault (credentials, sender, route): stops the batch, and is tried again once mended.
    CONFIG_ERROR = "config_error"
    #: The address is on the list of those that get nothing on this channel.
    SUPPRESSED = "suppressed"
    #: A newer version of the intervention made it pointless before it left.
    SUPERSEDED = "superseded"
    #: It became useless before it could leave.
    EXPIRED = "expired"
    #: A person took it back before it left.
    CANCELLED = "cancelled"
    #: Kept back for a time (quiet hours); `due_at` says until when.
    HELD = "held"

    @property
    def is_waiting(self) -> bool:
        """Return whether a sender takes it once it is due."""
        return self in WAITING

    @property
    def is_unsent(self) -> bool:
        """Return whether it has surely not left, and still would: what a newer version supersedes."""
        return self in UNSENT

    @property
    def may_have_reached(self) -> bool:
        """Return whether the reader has it, or may have it."""
        return self in MAY_HAVE_REACHED

    @property
    def is_final(self) -> bool:
        """Return whether no sender touches it again by itself; receipts may still come."""
        return self not in UNSENT and self not in (State.SENDING, State.AMBIGUOUS)


#: A sender takes these once they are due.
WAITING = (State.QUEUED, State.RETRY_WAIT, State.HELD, State.CONFIG_ERROR)
#: These have surely not left, and still would.
UNSENT = (*WAITING, State.LEASED)
#: The reader has these, or may have them.
MAY_HAVE_REACHED = (
    State.SENDING,
    State.ACCEPTED,
    State.DELIVERED,
    State.AMBIGUOUS,
    State.NEEDS_REVIEW,
    State.BOUNCED_SOFT,
    State.UNDELIVERED,
)


class FailureClass(StrEnum):
    """What kind of failure it was, which decides what follows from it (`retries.AFTER`)."""

    #: Surely not processed (connection refused, 429): try again.
    RETRY_SAFE = "retry_safe"
    #: May have been processed (time-out after writing, lost reply, 5xx of Twilio).
    AMBIGUOUS = "ambiguous"
    #: Refused for now (4yz, mailbox busy): try again.
    TRANSIENT = "transient"
    #: This address will never work.
    RECIPIENT_PERMANENT = "recipient_permanent"
    #: The reader said stop.
    OPT_OUT = "opt_out"
    #: This text will never be taken.
    CONTENT = "content"
    #: Our own fault: stop the batch, tell the operators, never blame the address.
    CONFIG = "config"
    #: Too late to be of use.
    EXPIRED = "expired"
    #: None of the above is known to fit; handled as `transient`, and shown.
    UNKNOWN = "unknown"


class Receipt(StrEnum):
    """What a provider reports of a message it took, in words of our own; later ranks win."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    #: It came back: for a reason that passes, or for good (mail).
    BOUNCED_SOFT = "bounced_soft"
    BOUNCED_HARD = "bounced_hard"
    OPTED_OUT = "opted_out"
    READ = "read"

    @property
    def rank(self) -> int:
        """Return its place on the way; a delivery never steps back to a lower or an equal one."""
        return _RANKS[self]

    @property
    def state(self) -> State:
        """Return the state that a delivery has after it."""
        return _STATES.get(self, State.ACCEPTED)


_RANKS = {
    Receipt.ACCEPTED: 0,
    Receipt.QUEUED: 1,
    Receipt.SENDING: 2,
    Receipt.SENT: 3,
    Receipt.DELIVERED: 4,
    Receipt.UNDELIVERED: 4,
    Receipt.FAILED: 4,
    Receipt.BOUNCED_SOFT: 4,
    Receipt.BOUNCED_HARD: 4,
    Receipt.OPTED_OUT: 4,
    Receipt.READ: 5,
}
_STATES = {
    Receipt.DELIVERED: State.DELIVERED,
    Receipt.READ: State.DELIVERED,
    Receipt.UNDELIVERED: State.UNDELIVERED,
    Receipt.FAILED: State.FAILED_PERMANENT,
    Receipt.BOUNCED_SOFT: State.BOUNCED_SOFT,
    Receipt.BOUNCED_HARD: State.BOUNCED_HARD,
    Receipt.OPTED_OUT: State.OPTED_OUT,
}
