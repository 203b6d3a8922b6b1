"""Connections to a mail server: greeted in turn, then all of them talked on at once by one thread."""

from __future__ import annotations

import math
import selectors
import smtplib
import socket
import ssl
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple, cast

from notifications.channels.smtp_conversation import Conversation, Letter, Say, Talk, Verdict
from notifications.channels.smtp_replies import Stage

#: A whole record of TLS: a shorter read would leave the rest inside the library, where no selector sees it.
_READ = 16_384
#: How long a server may take to say goodbye.
_GOODBYE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Relay:
    """Where mail is handed over, as `JANELA_SMTP_URL` says."""

    host: str
    port: int
    user: str = ""
    password: str = ""
    #: `starttls` (required), `implicit` (smtps://) or `off`.
    tls: str = "starttls"
    #: How long a server may be silent.
    timeout_seconds: float = 30
    #: A file of certificates to trust instead of the system's.
    cafile: str | None = None
    #: What we call ourselves in EHLO.
    own_name: str = "localhost"
    #: Whether to use PIPELINING where the server offers it.
    pipelining: bool = True
    #: How many mails a second it wants at most; 0 sets no limit.
    rate: float = 0


class Broken(NamedTuple):
    """Why a connection was lost in the middle of a conversation."""

    words: str
    #: Whether the whole mail, with its final full stop, had left for the server by then:
    #: only in that case can it have been taken.
    written: bool
    #: Whether the server said nothing, instead of closing.
    is_silence: bool


class Session:
    """An open connection: greeted, encrypted and signed in as the relay asks for."""

    def __init__(self, relay: Relay) -> None:
        """Open it.

        Raises:
            OSError, smtplib.SMTPException: As the standard library's client does.
        """
        client: smtplib.SMTP
        if relay.tls == "implicit":
            client = smtplib.SMTP_SSL(
                relay.host,
                relay.port,
                local_hostname=relay.own_name,
                timeout=relay.timeout_seconds,
                context=ssl.create_default_context(cafile=relay.cafile),
            )
        else:
            client = smtplib.SMTP(
                relay.host, relay.port, local_hostname=relay.own_name, timeout=relay.timeout_seconds
            )
        self._client = client
        try:
            if relay.tls == "starttls":
                client.starttls(context=ssl.create_default_context(cafile=relay.cafile))
            client.ehlo_or_helo_if_needed()
            if relay.user:
                client.login(relay.user, relay.password)
        except BaseException:
            client.close()
            raise
        self._timeout = relay.timeout_seconds
        self._conversation = Conversation(is_pipelined=relay.pipelining and client.has_extn("pipelining"))
        self._socket = cast(socket.socket, client.sock)
        # Each write is whole; the end of a text must not wait until its beginning is acknowledged.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        #: The conversation of the moment; whether there was one before it, so that this one began after a rest.
        self._talk: Talk | None = None
        self._has_rested = False
        #: What is being written, how much of it is out, and where the full stop of a text ends in it.
        self._saying, self._said, self._stop = b"", 0, 0
        #: What is answered next.
        self._stage = Stage.MAIL
        #: What to wait for: `selectors.EVENT_READ` or `EVENT_WRITE`; 0 when the conversation has ended.
        self.waits_for = 0
        #: Until when the server may be silent, by the monotonic clock.
        self.deadline = 0.0
        #: How many letters were decided in this conversation.
        self.decided = 0
        #: Why it ended before its time: the letter in question is the first that was not decided.
        self.broken: Broken | None = None

    def fileno(self) -> int:
        """Return the number of its socket, which a selector wants."""
        return self._socket.fileno()

    @property
    def is_open(self) -> bool:
        """Return whether there is a connection as far as we know."""
        return self._client.sock is not None

    def close(self) -> None:
        """Say goodbye and close; never fails."""
        try:
            if self.is_open:
                self._socket.settimeout(min(self._timeout, _GOODBYE_SECONDS))
                self._client.quit()
        except (OSError, smtplib.SMTPException):
            pass
        finally:
            self._client.close()

    def begin(self, letters: Sequence[Letter]) -> list[Verdict]:
        """Begin to hand over letters, of which there is one at least; see `go_on`."""
        self._has_rested = self._talk is not None
        self._talk = self._conversation.about(letters)
        self.decided, self.broken, self.waits_for = 0, None, selectors.EVENT_WRITE
        self._prepare(cast(Say, next(self._talk)))
        return self.go_on()

    def go_on(self) -> list[Verdict]:
        """Write or read what is possible without waiting; return what that decided.

        Then `waits_for` says what to wait for. When the connection was lost, `broken` says why; one that turns out
        to have been closed while it rested, or after a refusal, just ends: that decides nothing about the next letter.
        """
        verdicts: list[Verdict] = []
        self.deadline = monotonic() + self._timeout
        try:
            heard = None if self._saying else self._listen()
            self._write()
            self._advance(heard, verdicts)
        except ssl.SSLWantReadError:
            self.waits_for = selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            self.waits_for = selectors.EVENT_WRITE
        except BlockingIOError:
            self.waits_for = selectors.EVENT_WRITE if self._saying else selectors.EVENT_READ
        except OSError as error:
            self.give_up(error)
        return verdicts

    def leave(self) -> None:
        """Close a connection in the middle of a conversation that nobody goes on with; do nothing to another."""
        if self.waits_for:
            self._client.close()
            self.waits_for = 0

    def give_up(self, error: OSError) -> None:
        """Close the connection in mid-conversation and keep why."""
        self._client.close()
        self.waits_for = 0
        written = 0 < self._stop <= self._said
        if self._conversation.is_between:
            return
        if written or self.decided or not self._has_rested:
            at = "connection lost while writing" if self._saying else f"no reply to {self._stage.value}"
            self.broken = Broken(f"{at}: {error}", written, isinstance(error, TimeoutError))

    def _advance(self, heard: bytes | None, verdicts: list[Verdict]) -> None:
        """Do what the conversation wants until it has to hear more, or has ended."""
        talk = cast(Talk, self._talk)
        try:
            step = talk.send(heard)
            while not isinstance(step, Stage):
                if isinstance(step, Say):
                    self._prepare(step)
                    self._write()
                elif not self._is_goodbye(step):
                    self._stop = 0
                    self.decided += 1
                    verdicts.append(step)
                step = next(talk)
        except StopIteration:
            self.waits_for = 0
        else:
            self._stage, self.waits_for = step, selectors.EVENT_READ

    def _is_goodbye(self, verdict: Verdict) -> bool:
        """Close after a 421; return whether it was said while the connection rested, so that it decides nothing."""
        if verdict.reply.code != 421:
            return False
        self._client.close()
        return self._has_rested and not self.decided and verdict.reply.stage is Stage.MAIL

    def _prepare(self, say: Say) -> None:
        self._saying, self._said, self._stop = say.whole, 0, say.stop

    def _write(self) -> None:
        while self._saying:
            rest = memoryview(self._saying)[self._said :] if self._said else self._saying
            self._said += self._socket.send(rest)
            if self._said == len(self._saying):
                self._saying = b""

    def _listen(self) -> bytes:
        heard = self._socket.recv(_READ)
        if not heard:
            raise ConnectionError("the server closed the connection")
        return heard


def converse(shares: Mapping[Session, Sequence[Letter]], *, until: float = math.inf) -> Iterator[Verdict]:
    """Hand letters over on several connections at once; yield each that is decided, as it comes.

    What was not decided in the end is for `Session.broken` to tell, or was not begun. At `until`, by the
    monotonic clock, every connection counts as fallen silent, however often its server has answered.
    """
    try:
        with selectors.DefaultSelector() as selector:
            waiting: dict[Session, int] = {}
            for session, letters in shares.items():
                yield from session.begin(letters)
                if session.waits_for:
                    selector.register(session, session.waits_for)
                    waiting[session] = session.waits_for
            while waiting:
                earliest = min([until, *[session.deadline for session in waiting]])
                ready = [key.fileobj for key, _ in selector.select(max(earliest - monotonic(), 0))]
                for session in cast("list[Session]", ready):
                    yield from session.go_on()
                    _watch(selector, session, waiting)
                for session in _overdue(waiting, earliest, until):
                    session.give_up(TimeoutError("timed out"))
                    _watch(selector, session, waiting)
    finally:
        for session in shares:
            session.leave()


def _overdue(waiting: Collection[Session], earliest: float, until: float) -> list[Session]:
    now = monotonic()
    return [session for session in waiting if min(session.deadline, until) <= now] if earliest <= now else []


def _watch(selector: selectors.BaseSelector, session: Session, waiting: dict[Session, int]) -> None:
    """Wait for what a conversation waits for now."""
    if session.waits_for == waiting[session]:
        return
    if session.waits_for:
        selector.modify(session, session.waits_for)
        waiting[session] = session.waits_for
    else:
        selector.unregister(session)
        del waiting[session]
