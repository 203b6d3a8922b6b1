"""Mail through a relay: connections kept open per thread, every failure classed."""

from __future__ import annotations

import ipaddress
import smtplib
import ssl
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from urllib.parse import parse_qsl, unquote, urlsplit

from notifications import mail
from notifications.channels.pace import Pace
from notifications.channels.parcels import LONGEST_SEND, Outcome, Parcel
from notifications.channels.signatures import BOUNCE, UNSUBSCRIBE, signature
from notifications.channels.smtp_conversation import Letter
from notifications.channels.smtp_replies import Reply, Stage, classify
from notifications.channels.smtp_session import Relay, Session, converse
from notifications.channels.time_limits import within
from notifications.errors import InvalidTransport, UnusableAddress
from notifications.retries import AFTER, FailureClass, State

_PORTS = {"smtp": 587, "smtps": 465}
#: How long the first connection may take to open, whatever each step of it takes; and how long further ones may
#: take together before those that are there are used.
_FIRST_OPENING_SECONDS, _OPENING_SECONDS = 45.0, 10.0
#: How long a relay that granted some connections, and refused one more, is used with those that it granted.
_ENOUGH_SECONDS = 10.0
#: So many rounds in a row in which a relay answers nothing about any mail: it would not answer the rest either, and
#: every further try would leave mails in doubt.
_SILENT_ROUNDS = 2
#: A batch is no more than a relay's rate lets through in that time: while it waits for its turn it counts as *sending*.
_PACED_SECONDS = 30
_NOT_BEGUN = "not begun: the relay was silent, or too slow for the whole batch"


def read_relay(url: str, *, own_name: str = "localhost") -> Relay:
    """Return the relay that `JANELA_SMTP_URL` names.

    `smtp://user:password@host:587` needs STARTTLS unless `?starttls=off`; `smtps://` encrypts from
    the first byte. Further options: `timeout` (seconds of silence, 30), `rate` (mails a
    second at most), `cafile`, `pipelining=off`.

    Raises:
        InvalidTransport: When it cannot be read; the sentence never repeats the password.
    """
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        relay = Relay(
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            tls="implicit" if parts.scheme == "smtps" else "starttls",
            own_name=_ehlo_name(own_name),
        )
        if parts.scheme == "smtp" and options.pop("starttls", "on") == "off":
            relay = replace(relay, tls="off")
        relay = replace(
            relay,
            timeout_seconds=float(options.pop("timeout", relay.timeout_seconds)),
            cafile=options.pop("cafile", None),
            pipelining=options.pop("pipelining", "on") != "off",
            rate=float(options.pop("rate", 0)),
        )
    except (ValueError, KeyError) as error:
        raise InvalidTransport(
            "JANELA_SMTP_URL cannot be read; it looks like smtp://user:password@host:587 or smtps://host."
        ) from error
    if not (relay.user + relay.password).isascii():
        raise InvalidTransport(
            "The user and the password in JANELA_SMTP_URL may hold only plain ASCII letters, digits and signs."
        )
    if options or not relay.host or parts.path.strip("/"):
        raise InvalidTransport(
            "JANELA_SMTP_URL needs a host, and knows only the options starttls, timeout, rate, cafile and pipelining."
        )
    return relay


def _ehlo_name(host: str) -> str:
    """Return the name for EHLO: an address stands in brackets (RFC 5321 4.1.3)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host or "localhost"
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"


@dataclass(frozen=True, slots=True)
class Envelope:
    """To whom a server reports that a mail could not be brought."""

    #: Plain address.
    sender: str
    #: The secret key when bounces come back to an address of each delivery's own (VERP); else "".
    verp_key: str = ""

    def of(self, delivery_id: int) -> str:
        """Return the envelope sender of one delivery."""
        if not self.verp_key:
            return self.sender
        return mail.envelope_sender(self.sender, delivery_id, signature(self.verp_key, BOUNCE, delivery_id))


class SmtpTransport:
    """Hands mails to a relay; each thread has connections of its own, keeps them and talks on all at once."""

    name = "smtp"
    channel = "email"
    #: At most ten mails *sending* on a connection: what a crash can repeat.
    mails_per_connection = 10

    def __init__(
        self,
        relay: Relay,
        envelope: Envelope,
        pace: Pace | None = None,
        *,
        connections: int = 1,
        longest_send: float = LONGEST_SEND,
        key: str = "",
    ) -> None:
        """Open nothing yet.

        Args:
            relay: Where to.
            envelope: Who gets what comes back.
            pace: Without one the relay's rate holds for this process alone.
            connections: How many a thread opens at most.
            key: Signs the addresses by which subscribers leave.
            longest_send: How many seconds a batch may take; what was not begun by then is given back.
        """
        self._relay = relay
        self._envelope = envelope
        self._pace = pace or Pace(relay.rate)
        self._connections = connections
        self._longest_send = longest_send
        self._key = key
        self.batch_size = self.mails_per_connection * connections
        if relay.rate:
            self.batch_size = min(self.batch_size, max(int(relay.rate * _PACED_SECONDS), 1))
        self._threads = threading.local()

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        """Send each parcel; see `Transport.send`."""
        began = monotonic()
        until = began + self._longest_send
        letters: dict[int, Letter] = {}
        for parcel in parcels:
            try:
                letters[parcel.delivery_id] = self._letter(parcel)
            except UnusableAddress as error:
                yield parcel.delivery_id, _failed(FailureClass.RECIPIENT_PERMANENT, str(error))
            except KeyError as error:
                # A template of another release, say. Nothing was sent, so nothing is in doubt.
                yield parcel.delivery_id, _failed(FailureClass.CONTENT, f"the mail has a hole for {error}")
        self._pace.wait(len(letters))
        waited = timedelta(seconds=monotonic() - began)
        for parcel in parcels:
            if parcel.delivery_id in letters and parcel.expires_at <= now + waited:
                too_late = _failed(
                    FailureClass.EXPIRED, "too late to be of use: the rate left no time for it"
                )
                yield _decided(letters, letters[parcel.delivery_id], too_late)
        silences = 0
        while letters and silences < _SILENT_ROUNDS and monotonic() < until:
            # Each connection of a round decides over one letter at least, or proves dead, so this ends.
            is_silent = yield from self._round(letters, until)
            silences = silences + 1 if is_silent else 0
        for delivery_id in letters:
            yield delivery_id, _failed(FailureClass.RETRY_SAFE, _NOT_BEGUN)

    def close(self) -> None:
        """Close this thread's connections; the next mail opens new ones."""
        for session in self._kept():
            session.close()
        self._threads.sessions = []

    def _letter(self, parcel: Parcel) -> Letter:
        wire = mail.wire_address(parcel.recipient)
        proof = ""
        if mail.lets_leave(parcel.message):
            proof = signature(self._key, UNSUBSCRIBE, parcel.delivery_id)
        tokens = mail.tokens_of(parcel.name, wire, parcel.delivery_id, proof=proof)
        return Letter(
            delivery_id=parcel.delivery_id,
            sender=self._envelope.of(parcel.delivery_id),
            recipient=wire,
            data=mail.fill(parcel.message, tokens),
        )

    def _kept(self) -> list[Session]:
        """Return this thread's connections that are open as far as we know."""
        return [session for session in getattr(self._threads, "sessions", ()) if session.is_open]

    def _round(self, letters: dict[int, Letter], until: float) -> Generator[tuple[int, Outcome], None, bool]:
        """Send ten letters at most on each connection, as far as it carries.

        Yield what was decided, maybe not all, and take it out of `letters`; return whether the relay was silent.
        """
        size, every = self.mails_per_connection, list(letters.values())
        waiting = [every[at : at + size] for at in range(0, len(every), size)][: self._connections]
        self._threads.sessions = sessions = self._kept()
        # A relay that grants no more is not asked again in every round; what has no connection waits for the next.
        is_enough = sessions and monotonic() < getattr(self._threads, "enough_until", 0.0)
        problem = None if is_enough else self._open(sessions, len(waiting), until)
        if problem and sessions:
            self._threads.enough_until = monotonic() + _ENOUGH_SECONDS
        elif problem:
            # The same would happen to each: one try for all.
            outcome = _failed(*connect_failure(problem))
            for letter in every:
                yield _decided(letters, letter, outcome)
        shares = dict(zip(sessions, waiting, strict=False))
        is_answered = is_silent = False
        for letter, reply in converse(shares, until=until):
            is_answered = True
            yield _decided(letters, letter, _outcome(reply))
        for session, share in shares.items():
            if broken := session.broken:
                is_silent = is_silent or broken.is_silence
                failure = FailureClass.AMBIGUOUS if broken.written else FailureClass.RETRY_SAFE
                yield _decided(letters, share[session.decided], _failed(failure, broken.words))
        return is_silent and not is_answered

    def _open(
        self, sessions: list[Session], count: int, until: float
    ) -> OSError | smtplib.SMTPException | UnicodeError | None:
        """Open connections until there are so many, or the time for it is over; return what kept one from opening."""
        began = monotonic()
        while len(sessions) < count:
            now = monotonic()
            ends = min(began + (_OPENING_SECONDS if sessions else _FIRST_OPENING_SECONDS), until)
            if sessions and now >= ends:
                return None
            try:
                sessions.append(within(ends - now, partial(Session, self._relay), too_late=Session.close))
            except (OSError, smtplib.SMTPException, UnicodeError) as error:
                return error
        return None


def _decided(letters: dict[int, Letter], letter: Letter, outcome: Outcome) -> tuple[int, Outcome]:
    del letters[letter.delivery_id]
    return letter.delivery_id, outcome


def connect_failure(error: OSError | smtplib.SMTPException | UnicodeError) -> tuple[FailureClass, str]:
    """Return the class and the words of an error that came before any mail: nothing was sent."""
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, UnicodeError):
        # Its own words would quote a letter of the password.
        return FailureClass.CONFIG, "host, user or password of the relay hold what no server can be told"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _by_code(Stage.LOGIN, error)
    if isinstance(error, smtplib.SMTPResponseException):
        return _by_code(Stage.CONNECT, error)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return FailureClass.CONFIG, f"the server does not offer what the settings ask for: {error}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return FailureClass.CONFIG, f"the server's certificate is not trusted: {error}"
    if isinstance(error, smtplib.SMTPException) and not isinstance(error, smtplib.SMTPServerDisconnected):
        return FailureClass.CONFIG, words
    return FailureClass.RETRY_SAFE, words


def _by_code(stage: Stage, error: smtplib.SMTPResponseException) -> tuple[FailureClass, str]:
    said = error.smtp_error
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    reply = Reply(stage, error.smtp_code, text)
    return classify(reply), str(reply)


def _outcome(reply: Reply) -> Outcome:
    if reply.is_good:
        return Outcome(State.ACCEPTED, provider_id=reply.queue_id, words=str(reply))
    return _failed(classify(reply), str(reply))


def _failed(failure: FailureClass, words: str) -> Outcome:
    return Outcome(AFTER[failure], words=words, failure=failure)
