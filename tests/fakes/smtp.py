"""A real SMTP listener whose answers follow a script."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True)
class Answer:
    """What the listener does once, at one stage, instead of taking the mail."""

    #: mail, rcpt, data (before the text), end (after the final full stop).
    stage: str
    #: What it says; "" for nothing.
    reply: str = ""
    #: Whether it keeps the mail all the same (only at `end`).
    accepted: bool = False
    #: Whether it closes the connection afterwards.
    close: bool = False
    #: How long it is silent first.
    seconds: float = 0.0


def refuse(stage: str, reply: str) -> Answer:
    """Return: say no at that stage, and go on listening."""
    return Answer(stage, reply)


def closing(stage: str, reply: str = "421 4.3.2 closing") -> Answer:
    """Return: say 421 and close, as a server does that is being restarted."""
    return Answer(stage, reply, close=True)


def drop(stage: str, *, accepted: bool = False) -> Answer:
    """Return: close the connection without a word, the mail taken or not."""
    return Answer(stage, close=True, accepted=accepted)


def late(seconds: float, *, accepted: bool = True) -> Answer:
    """Return: answer the final full stop only after some time, the mail taken or not."""
    return Answer("end", "250 2.0.0 Ok" if accepted else "451 4.3.0 try later", accepted, seconds=seconds)


@dataclass(frozen=True)
class Received:
    """A mail that the listener took over."""

    sender: str
    recipient: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """Return it parsed."""
        parsed = message_from_bytes(self.raw, policy=SMTP_POLICY)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def text(self) -> str:
        """Return its plain text."""
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content())


@dataclass
class SmtpListener:
    """Listens on an ephemeral port of 127.0.0.1 from `with` on; the script is by recipient.

    Each answer of a recipient's list is given once; afterwards its mail is taken. Answers at `mail`,
    where the recipient is not known yet, stand under the key "MAIL".
    """

    script: dict[str, list[Answer]] = field(default_factory=dict)
    pipelining: bool = False
    #: Whether DATA is answered 354 even when nobody is left to receive it.
    data_for_nobody: bool = False
    tls: ssl.SSLContext | None = None
    #: Whether STARTTLS must come first.
    require_tls: bool = False
    #: The only user and password let in; none means that nobody is asked.
    login: tuple[str, str] | None = None
    mails: list[Received] = field(default_factory=list)
    connections: int = 0
    #: Every command, in the order in which the listener read it.
    commands: list[str] = field(default_factory=list)
    #: Where it listens; 0 is any free port.
    fixed_port: int = 0
    #: How many connections it grants at a time; the next is greeted with 421. 0: any number.
    granted: int = 0

    def __post_init__(self) -> None:
        self._script = defaultdict(list, {key: list(answers) for key, answers in self.script.items()})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()
        self._servers: list[_Conversation] = []
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.vanish()

    def vanish(self) -> None:
        """Close everything at once and listen no more; once gone, do nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    @property
    def url(self) -> str:
        """Return what JANELA_SMTP_URL would hold, without TLS."""
        return f"smtp://127.0.0.1:{self.port}?starttls=off"

    def next_answer(self, key: str, stage: str) -> Answer | None:
        """Return the scripted answer whose turn it is, if it is for this stage."""
        waiting = self._script[key]
        return waiting.pop(0) if waiting and waiting[0].stage == stage else None

    def sent_to(self, recipient: str) -> list[Received]:
        """Return what was taken for one recipient."""
        return [mail for mail in self.mails if mail.recipient == recipient]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Conversation(self), "127.0.0.1", self.fixed_port)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        # Closing at once would leave the sockets open of those who were just let in and have no transport yet.
        self._loop.remove_reader(server.sockets[0].fileno())
        self._loop.run_until_complete(_settle())
        server.close()
        for conversation in self._servers:
            if conversation.transport is not None:
                conversation.transport.abort()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(_settle())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        asyncio.set_event_loop(None)


async def _settle() -> None:
    """Let everything run that only waits for its turn: letting in and closing each take a few of them."""
    for _ in range(10):
        await asyncio.sleep(0)


class _Conversation(SMTP):  # type: ignore[misc] # the library ships no types
    """One connection."""

    def __init__(self, listener: SmtpListener) -> None:
        self.listener = listener
        listener.connections += 1
        listener._servers.append(self)
        super().__init__(
            _Handler(listener),
            hostname="listener.example.org",
            tls_context=listener.tls,
            require_starttls=listener.require_tls,
            authenticator=self._let_in if listener.login else None,
            auth_required=listener.login is not None,
            auth_require_tls=listener.require_tls,
            loop=listener._loop,
        )

    async def _handle_client(self) -> None:
        others = [one for one in self.listener._servers if one is not self and one.transport is not None]
        if self.listener.granted and len(others) >= self.listener.granted:
            await self.push("421 4.7.0 too many connections")
            self.transport.close()
            return
        await super()._handle_client()

    def _let_in(
        self, _server: object, _session: object, _envelope: object, _how: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = (data.login.decode(), data.password.decode()) == self.listener.login
        return AuthResult(success=good, handled=good)

    async def smtp_DATA(self, arg: str) -> None:
        if self.listener.data_for_nobody and not self.envelope.rcpt_tos:
            await self.push("354 go on")
            while (await self._reader.readline()) != b".\r\n":
                pass
            await self.push("554 5.5.1 no valid recipients")
            return
        if self.envelope.rcpt_tos and (
            answer := self.listener.next_answer(self.envelope.rcpt_tos[0], "data")
        ):
            self.envelope.rcpt_tos.clear()
            await self.answer(answer)
            return
        await super().smtp_DATA(arg)

    async def answer(self, answer: Answer) -> None:
        await asyncio.sleep(answer.seconds)
        if answer.reply:
            await self.push(answer.reply)
        if answer.close:
            self.transport.close()


class _Handler:
    """What aiosmtpd asks at each stage."""

    def __init__(self, listener: SmtpListener) -> None:
        self.listener = listener

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        if self.listener.pipelining:
            responses.insert(-1, "250-PIPELINING")
        return responses

    async def handle_MAIL(
        self,
        server: _Conversation,
        session: Session,
        envelope: Envelope,
        address: str,
        options: Iterable[str],
    ) -> str | None:
        self.listener.commands.append("MAIL")
        if answer := self.listener.next_answer("MAIL", "mail"):
            return await self._said(server, answer)
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(
        self,
        server: _Conversation,
        session: Session,
        envelope: Envelope,
        address: str,
        options: Iterable[str],
    ) -> str | None:
        self.listener.commands.append(f"RCPT {address}")
        if answer := self.listener.next_answer(address, "rcpt"):
            return await self._said(server, answer)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server: _Conversation, session: Session, envelope: Envelope) -> str | None:
        self.listener.commands.append("DATA")
        (recipient,) = envelope.rcpt_tos
        answer = self.listener.next_answer(recipient, "end")
        if answer is None or answer.accepted:
            content = envelope.original_content or b""
            self.listener.mails.append(Received(envelope.mail_from or "", recipient, content))
        if answer is not None:
            return await self._said(server, answer)
        return f"250 2.0.0 Ok: queued as Q{len(self.listener.mails):06d}"

    async def _said(self, server: _Conversation, answer: Answer) -> str:
        await asyncio.sleep(answer.seconds)
        if answer.close:
            if answer.reply:
                await server.push(answer.reply)
            server.transport.close()
            # Nothing goes out on a closed connection; the library only wants a string.
            return "421 closed"
        return answer.reply


class WordyListener:
    """Says at each stage exactly the bytes it is told, in packets as small as told; knows PIPELINING.

    What nothing is said of is answered in one line. `b""` closes the connection.
    """

    def __init__(
        self,
        said: Mapping[str, bytes],
        *,
        packet: int = 4096,
        # Long enough for the other side to read a packet alone.
        pause: float = 0.001,
        first_only: bool = False,
    ) -> None:
        """Take what is said at hello, ehlo, mail, rcpt, data, end; at `idle` before it closes unasked, after a mail.

        Args:
            said: By stage.
            packet: Of how many bytes, and `pause` seconds between two of them.
            pause: See there.
            first_only: Whether the connections after the first get the usual answers.
        """
        self._said, self._packet, self._pause, self._first_only = dict(said), packet, pause, first_only
        self._server = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self.recipients: list[str] = []
        self.url = f"smtp://127.0.0.1:{self._server.getsockname()[1]}?starttls=off"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            said = {} if self._first_only and self.connections > 1 else self._said
            threading.Thread(target=self._converse, args=(connection, said), daemon=True).start()

    def _converse(self, connection: socket.socket, said: Mapping[str, bytes]) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Whoever had enough of it hangs up.
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            self._say(connection, said.get("hello", b"220 hello\r\n"))
            for line in lines:
                stage = line[:4].strip().lower().decode()
                usual = {"ehlo": b"250-hello\r\n250 PIPELINING\r\n", "data": b"354 go on\r\n"}
                reply = said.get(stage, usual.get(stage, b"250 ok\r\n"))
                if not reply:
                    return
                self._say(connection, reply)
                if stage == "rcpt":
                    self.recipients.append(line.decode().partition("<")[2].partition(">")[0])
                if stage == "data" and reply.startswith(b"354"):
                    # Whoever has hung up in between gets no answer.
                    if b".\r\n" not in lines:
                        return
                    self._say(connection, said.get("end", b"250 ok\r\n"))
                    if said.get("idle"):
                        self._say(connection, said["idle"])
                        return

    def _say(self, connection: socket.socket, reply: bytes) -> None:
        for start in range(0, len(reply), self._packet):
            connection.sendall(reply[start : start + self._packet])
            if self._packet < len(reply):
                time.sleep(self._pause)
