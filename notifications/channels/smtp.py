"""Mail through a relay: connections kept open per thread, every failure classed."""

from __future__ import annotations

import ipaddress
import smtplib
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import parse_qsl, unquote, urlsplit

from notifications import mail
from notifications.channels.pace import Pace
from notifications.channels.parcels import Outcome, Parcel
from notifications.channels.signatures import BOUNCE, signature
from notifications.channels.smtp_replies import Reply, Stage, classify
from notifications.channels.smtp_session import Broken, Letter, Relay, Session
from notifications.errors import InvalidTransport, UnusableAddress
from notifications.retries import AFTER, FailureClass, State

_PORTS = {"smtp": 587, "smtps": 465}


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
    """Hands mails to a relay; each thread has a connection of its own and keeps it."""

    name = "smtp"
    channel = "email"
    #: At most ten mails *sending* on a connection: what a crash can repeat.
    batch_size = 10

    def __init__(self, relay: Relay, envelope: Envelope, pace: Pace | None = None) -> None:
        """Open nothing yet; without a `pace` the relay's rate holds for this process alone."""
        self._relay = relay
        self._envelope = envelope
        self._pace = pace or Pace(relay.rate)
        self._threads = threading.local()

    def send(self, parcels: Sequence[Parcel], *, now: datetime) -> Iterator[tuple[int, Outcome]]:
        """Send each parcel; see `Transport.send`."""
        letters = []
        for parcel in parcels:
            try:
                letters.append(self._letter(parcel))
            except UnusableAddress as error:
                yield parcel.delivery_id, _failed(FailureClass.RECIPIENT_PERMANENT, str(error))
            except KeyError as error:
                # A template of another release, say. Nothing was sent, so nothing is in doubt.
                yield parcel.delivery_id, _failed(FailureClass.CONTENT, f"the mail has a hole for {error}")
        self._pace.wait(len(letters))
        while letters:
            # Of each round one letter at least is yielded, so this ends.
            for delivery_id, outcome in self._round(tuple(letters)):
                del letters[0]
                yield delivery_id, outcome

    def close(self) -> None:
        """Close this thread's connection; the next mail opens a new one."""
        if session := getattr(self._threads, "session", None):
            session.close()
        self._threads.session = None

    def _letter(self, parcel: Parcel) -> Letter:
        wire = mail.wire_address(parcel.recipient)
        tokens = mail.tokens_of(parcel.name, wire, parcel.delivery_id)
        return Letter(
            delivery_id=parcel.delivery_id,
            sender=self._envelope.of(parcel.delivery_id),
            recipient=wire,
            data=mail.fill(parcel.message, tokens),
        )

    def _round(self, letters: Sequence[Letter]) -> Iterator[tuple[int, Outcome]]:
        """Send on one connection as far as it carries; yields in the order of `letters`, maybe not all.

        A connection that was kept open may have been closed by the server in the meantime, with or without a
        421 that nobody read. When that shows before anything was sent, a fresh one is tried at once.
        """
        kept = getattr(self._threads, "session", None)
        done = 0
        try:
            session = kept if kept is not None and kept.is_open else self._open()
        except (OSError, smtplib.SMTPException) as error:
            # The same would happen to each: one try for all of them.
            failure, words = connect_failure(error)
            yield from ((letter.delivery_id, _failed(failure, words)) for letter in letters)
            return
        try:
            for letter, reply in session.deliver(letters):
                if session is kept and done == 0 and (reply.stage, reply.code) == (Stage.MAIL, 421):
                    raise Broken(str(reply))
                done += 1
                yield letter.delivery_id, _outcome(reply)
        except Broken as broken:
            if not broken.written and session is kept and done == 0:
                self._threads.session = None
                yield from self._round(letters)
                return
            failure = FailureClass.AMBIGUOUS if broken.written else FailureClass.RETRY_SAFE
            yield letters[done].delivery_id, _failed(failure, broken.words)

    def _open(self) -> Session:
        self._threads.session = None
        self._threads.session = session = Session(self._relay)
        return session


def connect_failure(error: OSError | smtplib.SMTPException) -> tuple[FailureClass, str]:
    """Return the class and the words of an error that came before any mail: nothing was sent."""
    words = f"{type(error).__name__}: {error}"
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
