"""What to do after an error: the states of a delivery, the classes of failure, the next try. PURE.

Source:
    The design's state machine is drawn in `docs/delivery.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Where one message to one recipient stands."""

    #: Waits for its turn.
    QUEUED = "queued"
    #: Kept back for a time (quiet hours); `due_at` says until when.
    HELD = "held"
    #: Surely not sent; another try is due.
    RETRY_WAIT = "retry_wait"
    #: Our own fault (credentials, sender, route): stops the batch, and is tried again once mended.
    CONFIG_ERROR = "config_error"
    #: A sender took it, and has not begun with it.
    LEASED = "leased"
    #: Committed before the first byte goes out: from here on a crash means that it may have left.
    SENDING = "sending"
    #: Nobody knows whether it left: the reply was lost after the message had been written.
    AMBIGUOUS = "ambiguous"
    #: Ambiguous beyond what can be found out by itself: a person decides.
    NEEDS_REVIEW = "needs_review"
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
    #: The address, or the message, will never be taken.
    FAILED_PERMANENT = "failed_permanent"
    #: The reader asked the provider for no more messages.
    OPTED_OUT = "opted_out"
    #: The address is on the list of those that get nothing on this channel.
    SUPPRESSED = "suppressed"
    #: A newer version of the intervention made it pointless before it left.
    SUPERSEDED = "superseded"
    #: It became useless before it could leave.
    EXPIRED = "expired"
    #: A person took it back before it left.
    CANCELLED = "cancelled"

    @property
    def is_waiting(self) -> bool:
        """Return whether a sender takes it once it is due."""
        return self in WAITING

    @property
    def may_have_reached(self) -> bool:
        """Return whether the reader has it, or may have it."""
        return self in MAY_HAVE_REACHED

    @property
    def is_final(self) -> bool:
        """Return whether no sender touches it again by itself; receipts may still come."""
        return self not in UNFINISHED


#: A sender takes these once they are due.
WAITING = (State.QUEUED, State.HELD, State.RETRY_WAIT, State.CONFIG_ERROR)
#: These have surely not left, and still would: what a newer version supersedes.
UNSENT = (*WAITING, State.LEASED)
#: A sender has these, or nobody knows: later messages to the same reader wait for them.
UNDER_WAY = (State.LEASED, State.SENDING, State.AMBIGUOUS)
#: The ledger is not done with these.
UNFINISHED = (*UNSENT, State.SENDING, State.AMBIGUOUS)
#: The reader has these, or may have them.
MAY_HAVE_REACHED = (
    State.SENDING,
    State.AMBIGUOUS,
    State.NEEDS_REVIEW,
    State.ACCEPTED,
    State.DELIVERED,
)


class FailureClass(StrEnum):
    """What kind of failure it was, which decides what follows from it."""

    #: Surely not processed (connection refused, 429): try again.
    RETRY_SAFE = "retry_safe"
    #: May have been processed (time-out after writing, lost reply, 5xx of Twilio).
    AMBIGUOUS = "ambiguous"
    #: Refused for now (4yz, mailbox busy): try again.
    TRANSIENT = "transient"
    #: This address will never work.
    RECIPIENT_PERMANENT = "recipient_permanent"
    #: Refused for this reader, and it is not clear that the address is to blame (a restricted list, a relay that
    #: refuses everybody): a few tries far apart, and nothing is held against the address.
    REFUSED = "refused"
    #: The reader said stop.
    OPT_OUT = "opt_out"
    #: This text will never be taken.
    CONTENT = "content"
    #: Our own fault: stop the batch, tell the operators, never blame the address.
    CONFIG = "config"
    #: Too late to be of use.
    EXPIRED = "expired"
    #: None of the above is known to fit; handled as `TRANSIENT`, and shown.
    UNKNOWN = "unknown"


#: The state that follows from each class of failure.
AFTER: dict[FailureClass, State] = {
    FailureClass.RETRY_SAFE: State.RETRY_WAIT,
    FailureClass.TRANSIENT: State.RETRY_WAIT,
    FailureClass.UNKNOWN: State.RETRY_WAIT,
    FailureClass.REFUSED: State.RETRY_WAIT,
    FailureClass.AMBIGUOUS: State.AMBIGUOUS,
    FailureClass.RECIPIENT_PERMANENT: State.FAILED_PERMANENT,
    FailureClass.CONTENT: State.FAILED_PERMANENT,
    FailureClass.OPT_OUT: State.OPTED_OUT,
    FailureClass.CONFIG: State.CONFIG_ERROR,
    FailureClass.EXPIRED: State.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to wait after each try."""

    #: After the first try, the second, and so on.
    waits: tuple[timedelta, ...]
    #: After every further one; None when there is none, and the message ends as `FAILED_PERMANENT`.
    last: timedelta | None

    def after(self, attempts: int) -> timedelta | None:
        """Return how long to wait after so many tries; None when no further one is made."""
        return self.waits[attempts - 1] if attempts <= len(self.waits) else self.last


_HALF_AN_HOUR = timedelta(minutes=30)
#: Tries go on until the message expires.
PERSISTENT = Schedule(
    (timedelta(seconds=15), timedelta(seconds=60), timedelta(minutes=5), timedelta(minutes=15)),
    last=_HALF_AN_HOUR,
)
#: Classes of failure that have a schedule of their own.
SCHEDULES: dict[FailureClass, Schedule] = {
    # Time for whoever runs the relay or the list; five tries in all.
    FailureClass.REFUSED: Schedule(
        (timedelta(minutes=15), _HALF_AN_HOUR, _HALF_AN_HOUR, _HALF_AN_HOUR), last=None
    ),
}
#: Waits are stretched or shortened by up to this part, so that a crowd does not come back at once.
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class NextStep:
    """What follows from a failure: the state, and when a sender looks at it again."""

    state: State
    due_at: datetime | None = None


def after_failure(
    failure: FailureClass,
    *,
    attempts: int,
    now: datetime,
    expires_at: datetime,
    retry_after: timedelta | None = None,
    jitter: float = 0.0,
) -> NextStep:
    """Return what follows from a failure of try number `attempts` (1 is the first).

    Tries go on until `expires_at`, not up to a number unless the failure's schedule has an end: a next
    try at or after it means that the message expires now, since it would be of no use by then.

    Args:
        failure: Its class.
        attempts: How many tries were made, with this one.
        now: When it failed.
        expires_at: From when on the message is useless.
        retry_after: How long the provider asked to be left alone; honoured in full.
        jitter: From -1 to 1: what chance made of it, times `JITTER` of the wait.
    """
    state = AFTER[failure]
    if state not in WAITING:
        return NextStep(state)
    wait = SCHEDULES.get(failure, PERSISTENT).after(attempts)
    if wait is None:
        return NextStep(State.FAILED_PERMANENT)
    wait *= 1 + JITTER * jitter
    due_at = now + max(wait, retry_after or timedelta(0))
    return NextStep(State.EXPIRED) if due_at >= expires_at else NextStep(state, due_at)
