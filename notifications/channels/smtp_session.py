"""One connection to a mail server, and the conversation on it: plain, or pipelined where offered."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from notifications.channels.smtp_replies import Reply, Stage

_STOP = b".\r\n"


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
    #: How many mails a second it wants at most, from this process; 0 sets no limit.
    rate: float = 0


@dataclass(frozen=True, slots=True)
class Letter:
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
            behind = b"".join(following.commands) if following and self._pipelined else b""
            if refusal is None:
                self._write(letter.data + _STOP, behind)
                verdict = self._reply(Stage.END, written=True)
            else:
                verdict = refusal
                if verdict.code != 421:
                    # A transaction that was begun and not finished would hold the next MAIL back.
                    self._write(b"RSET\r\n", behind)
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
        if self._pipelined:
            if not ahead:
                self._write(b"".join(letter.commands))
            replies = []
            for stage in (Stage.MAIL, Stage.RCPT, Stage.DATA):
                replies.append(self._reply(stage))
                if replies[-1].code == 421:
                    return replies[-1]
            refusal = next((reply for reply in replies if not reply.is_good), None)
            if refusal and replies[-1].is_good:
                # The server wants a text although it refused sender or reader: give it an empty one,
                # for which nobody is left to receive it (RFC 2920 3.1).
                self._write(_STOP)
                self._reply(Stage.END)
            return refusal
        for stage, command in zip((Stage.MAIL, Stage.RCPT, Stage.DATA), letter.commands, strict=True):
            self._write(command)
            reply = self._reply(stage)
            if not reply.is_good:
                return reply
        return None

    def _write(self, decisive: bytes, behind: bytes = b"") -> None:
        """Write both; an error tells whether all that is decisive had left by then."""
        view = memoryview(decisive + behind)
        sent = 0
        try:
            if self._client.sock is None:
                raise Broken("the connection was closed")
            while sent < len(view):
                sent += self._client.sock.send(view[sent:])
        except OSError as error:
            self._client.close()
            whole = decisive.endswith(_STOP) and sent >= len(decisive)
            raise Broken(f"connection lost while writing: {error}", written=whole) from error

    def _reply(self, stage: Stage, *, written: bool = False) -> Reply:
        try:
            code, text = self._client.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self._client.close()
            raise Broken(f"no reply to {stage.value}: {error}", written=written) from error
        return Reply(stage, code, " ".join(text.decode("utf-8", "replace").split()))
