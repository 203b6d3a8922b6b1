"""How messages travel: one file for each transport, all behind one protocol.

A *channel* is what the reader gets (email, sms); a *transport* is how it travels (smtp, twilio, outbox).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from notifications.ledger import FailureClass, State


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivery, ready to go: what a transport needs to know of it."""

    delivery_id: int
    #: The address: e-mail, or E.164.
    recipient: str
    name: str
    #: What was rendered for the whole variant; the transport fills the recipient's tokens in.
    message: bytes
    subject: str
    notice_public_id: str
    sequence: int
    reference: str
    #: `timetable.NoticeKind`.
    kind: str
    queued_at: datetime
    expires_at: datetime
    #: How often it was tried before; above 0 it may be a repetition under the same Message-ID.
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one parcel."""

    state: State
    provider_id: str | None = None
    #: The provider's own words, for people.
    words: str = ""
    failure: FailureClass | None = None
    #: How long the provider asked us to wait.
    retry_after: timedelta | None = None

    @classmethod
    def accepted(cls, provider_id: str | None = None, words: str = "") -> Outcome:
        """Return the outcome of a message that the provider took over."""
        return cls(State.ACCEPTED, provider_id, words)

    @classmethod
    def failed(
        cls, failure: FailureClass, words: str, *, retry_after: timedelta | None = None
    ) -> Outcome:
        """Return the outcome of a failure; the state follows from its class."""
        return cls(_AFTER.get(failure, State.RETRY_WAIT), None, words, failure, retry_after)


_AFTER = {
    FailureClass.AMBIGUOUS: State.AMBIGUOUS,
    FailureClass.RECIPIENT_PERMANENT: State.FAILED_PERMANENT,
    FailureClass.CONTENT: State.FAILED_PERMANENT,
    FailureClass.OPT_OUT: State.OPTED_OUT,
    FailureClass.CONFIG: State.CONFIG_ERROR,
    FailureClass.EXPIRED: State.EXPIRED,
}


class NotWritten(Exception):
    """Raised out of `send` when nothing of the parcels not yet yielded was written: they are safe to retry."""


class Transport(Protocol):
    """Takes parcels of one channel where they are to go; used by one thread at a time."""

    #: smtp, twilio, outbox, …
    name: str
    #: email, sms, …
    channel: str
    #: How many may be `sending` at once: what a crash can leave ambiguous (10 mails, 1 SMS).
    batch_size: int

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        """Yield `(delivery id, outcome)` as each becomes known.

        `NotWritten` means that every parcel not yet yielded is safe to retry; any other exception
        that each of them may have left.
        """
        ...

    def close(self) -> None:
        """Give connections back; the next `send` opens new ones."""
        ...
