"""What every transport takes and answers: the seam between the ledger and the outside world."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from notifications.retries import FailureClass, State

#: Numbers from here on are no delivery's but those of tests that people send to themselves: a transport wants
#: one, and a bounce of a test finds no row.
FIRST_TEST = 9_000_000_000
#: No `Transport.send` takes longer, in seconds, its wait for a rate included: what it sends is under a lease
#: (`claims.LEASE`), and a live sender that outlasts its lease is taken for dead, and its messages sent again.
LONGEST_SEND = 120.0


# Named tuples, since a notice makes a hundred thousand of each: a frozen data class takes twice as long to make.
class Parcel(NamedTuple):
    """One delivery, ready to go: what a transport needs to know of it and nothing more."""

    delivery_id: int
    #: The address or number as the ledger keeps it.
    recipient: str
    #: The person or desk behind it; may be empty.
    name: str
    #: `MessageRow.body`: a mail's bytes with tokens, an SMS in UTF-8.
    message: bytes
    subject: str
    notice_public_id: str
    sequence: int
    #: Of the intervention.
    reference: str
    #: `timetable.NoticeKind`.
    kind: str
    #: The mail's `Date`, so that a second try carries the same one.
    queued_at: datetime
    #: From then on it is of no use to the reader; a provider that holds it back must drop it.
    expires_at: datetime


class Outcome(NamedTuple):
    """How one try ended."""

    state: State
    #: The provider's id of the message, where it gives one (a MessageSid, a queue id).
    provider_id: str | None = None
    #: The provider's last words, for people.
    words: str = ""
    #: None when it was taken.
    failure: FailureClass | None = None
    #: How long the provider asked to be left alone.
    retry_after: timedelta | None = None
    #: How it really travelled, when not by the transport that was asked (the guest list diverts); else "".
    transport: str = ""


class Transport(Protocol):
    """A way out. One instance serves all threads; what a thread needs for itself it keeps per thread."""

    #: How it travels: smtp, twilio, outbox.
    name: str
    #: What the reader gets: email, sms.
    channel: str
    #: How many parcels may be on their way at once, which is how many a crash can repeat.
    batch_size: int

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        """Send each parcel; yield its delivery id and outcome as soon as that is known.

        Every parcel gets exactly one outcome within `LONGEST_SEND`, whatever happens: a transport never raises
        for what a server, a network or an address does, and never waits for it without an end.
        """
        ...

    def close(self) -> None:
        """Close the connections that this thread keeps open; sending afterwards opens new ones."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says of a message when asked."""

    provider_id: str
    #: In the provider's words.
    status: str
    code: int | None


@runtime_checkable
class Inquirer(Protocol):
    """A transport whose provider can be asked what became of a message."""

    name: str
    channel: str

    def look_up(self, provider_id: str) -> Report | None:
        """Return what the provider says of one message; None when it knows nothing, or does not answer."""
        ...

    def find_sent(self, recipient: str, text: str, *, since: datetime) -> list[Report]:
        """Return the messages with that text to that recipient, oldest first, made at `since` or later."""
        ...
