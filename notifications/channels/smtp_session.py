"""One connection to a mail server, and the conversation on it: plain, or pipelined where offered."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple, cast

from notifications.channels.smtp_replies import Reply, Stage

_STOP = b".\r\n"
_COMMANDS = (Stage.MAIL, Stage.RCPT, Stage.DATA)
# A whole reply (RFC 5321 4.2.1): lines with a hyphen behind the code, then one without; or a line that is no reply.
_REPLY = re.compile(rb"(?:\d{3}-[^\n]*\n)*(\d{3})(?!-)[^\n]*\n|(?!\d{3})[^\n]*\n")
# To MAIL, RCPT and DATA, all of them good, nothing in between.
_GO_ON = re.compile(rb"(?:2\d\d(?!-)[^\n]*\n){2}354(?!-)[^\n]*\n")
#: Of bytes that are no whole reply yet: more is no mail server.
_LONGEST_REPLY = 65_536


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


class Letter(NamedTuple):
    """One mail on its way: the envelope, and the bytes that follow DATA."""

    delivery_id: int
    sender: str
    recipient: str
    #: CRLF at each line's end, no line beginning with a full stop (`mail` writes none).
    data: bytes

    @property
    def commands(self) -> tuple[bytes, bytes, bytes]:
        """Return MAIL, RCPT and DATA, each a line."""
        return (
            f"MAIL FROM:<{self.sender}>\r\n".encode("ascii"),
            f"RCPT TO:<{self.recipient}>\r\n".encode("ascii"),
            b"DATA\r\n",
        )

    @property
    def group(self) -> bytes:
        """Return the three at once, as PIPELINING lets them travel."""
        return f"MAIL FROM:<{self.sender}>\r\nRCPT TO:<{self.recipient}>\r\nDATA\r\n".encode("ascii")


class Broken(Exception):
    """The connection is gone.

    Attributes:
        written: Whether the whole mail, with its final full stop, had left for the server by then:
            only in that case can it have been taken.
        words: What happened, for people.
    """

    def __init__(self, words: str, *, written: bool = False) -> None:
        super().__init__(words)
        self.words = words
        self.written = written


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
        #: What was read last, and how much of it was understood as replies.
        self._heard, self._understood = b"", 0
        try:
            if relay.tls == "starttls":
                client.starttls(context=ssl.create_default_context(cafile=relay.cafile))
            client.ehlo_or_helo_if_needed()
            if relay.user:
                client.login(relay.user, relay.password)
        except BaseException:
            client.close()
            raise
        self._pipelined = relay.pipelining and client.has_extn("pipelining")
        self._socket = cast(socket.socket, client.sock)
        # Each write is whole; the end of a text must not wait until its beginning is acknowledged.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def is_open(self) -> bool:
        """Return whether there is a connection as far as we know."""
        return self._client.sock is not None

    def close(self) -> None:
        """Say goodbye and close; never fails."""
        try:
            if self.is_open:
                self._client.quit()
        except (OSError, smtplib.SMTPException):
            pass
        finally:
            self._client.close()

    def deliver(self, letters: Sequence[Letter]) -> Iterator[tuple[Letter, Reply]]:
        """Hand over one letter after the other; yield each with the reply that decided over it.

        After a 421 the generator ends: the server is closing, and what was not yielded was not sent.

        Raises:
            Broken: When the connection is lost; the letter in question is the first not yielded.
        """
        ahead = False
        for letter, following in zip_longest(letters, letters[1:]):
            refusal = self._offer(letter, ahead=ahead)
            # Where it is offered, the next letter's commands travel behind this one's text (RFC 2920),
            # which saves a round trip for each mail.
            behind = following.group if following and self._pipelined else b""
            if refusal is None:
                self._write(letter.data, _STOP, behind)
                verdict = self._reply(Stage.END, written=True)
            else:
                verdict = refusal
                if verdict.code != 421:
                    # A transaction that was begun and not finished would hold the next MAIL back.
                    self._write(b"RSET\r\n", behind=behind)
                    self._reply(Stage.MAIL)
            ahead = bool(behind)
            if verdict.code == 421:
                self._client.close()
            yield letter, verdict
            if verdict.code == 421:
                return

    def _offer(self, letter: Letter, *, ahead: bool) -> Reply | None:
        """Say MAIL, RCPT and DATA; return the first refusal, None when the server waits for the text.

        `ahead`: the three are on their way already, only their replies are to be read.
        """
        if not self._pipelined:
            for stage, command in zip(_COMMANDS, letter.commands, strict=True):
                self._write(command)
                if refusal := self._refusal(stage):
                    return refusal
            return None
        if not ahead:
            self._write(letter.group)
        elif found := _GO_ON.match(self._heard, self._understood):
            self._understood = found.end()
            return None
        refusals = []
        for stage in _COMMANDS:
            if refusal := self._refusal(stage):
                refusals.append(refusal)
                if refusal.code == 421:
                    return refusal
        if refusals and refusals[-1].stage is not Stage.DATA:
            # The server wants a text although it refused sender or reader: give it an empty one,
            # for which nobody is left to receive it (RFC 2920 3.1).
            self._write(b"", _STOP)
            self._reply(Stage.END)
        return refusals[0] if refusals else None

    def _write(self, text: bytes, stop: bytes = b"", behind: bytes = b"") -> None:
        """Write all three at once; an error tells whether the full stop of a text had left by then."""
        whole, sent = b"".join((text, stop, behind)), 0
        try:
            sent = self._socket.send(whole)
            while sent < len(whole):
                sent += self._socket.send(whole[sent:])
        except OSError as error:
            self._client.close()
            written = bool(text and stop) and sent >= len(text) + len(stop)
            raise Broken(f"connection lost while writing: {error}", written=written) from error

    def _refusal(self, stage: Stage) -> Reply | None:
        """Read the next reply; return it unless it is good."""
        reply = self._reply(stage)
        return None if reply.is_good else reply

    def _reply(self, stage: Stage, *, written: bool = False) -> Reply:
        """Read the next reply; `written`: a text is out, which a lost connection leaves in doubt."""
        try:
            while (found := _REPLY.match(self._heard, self._understood)) is None:
                self._listen()
        except OSError as error:
            self._client.close()
            raise Broken(f"no reply to {stage.value}: {error}", written=written) from error
        self._understood = found.end()
        lines = found[0].decode("utf-8", "replace").split("\n")
        text = " ".join([line[4:] for line in lines])
        return Reply(stage, int(found[1] or -1), " ".join(text.split()))

    def _listen(self) -> None:
        more = self._socket.recv(4096)
        if not more:
            raise ConnectionError("the server closed the connection")
        self._heard, self._understood = self._heard[self._understood :] + more, 0
        if len(self._heard) > _LONGEST_REPLY:
            raise ConnectionError("a reply without an end")
