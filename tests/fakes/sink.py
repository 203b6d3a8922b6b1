"""An SMTP listener that takes ten thousand mails in seconds: it says only what a sender of ours must hear."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that the sink took over."""

    recipient: str
    raw: bytes


class MailSink:
    """Listens on an ephemeral port of 127.0.0.1 from `with` on; PIPELINING, no TLS, nobody has to sign in."""

    def __init__(self, *, busy_once: Iterable[str] = ()) -> None:
        """Refuse these recipients once (450), and take everything else."""
        self.mails: list[Taken] = []
        self.port = 0
        self.busy = set(busy_once)
        self.open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """Return what JANELA_SMTP_URL would hold."""
        return f"smtp://127.0.0.1:{self.port}?starttls=off"

    def _run(self) -> None:
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Conversation(self), "127.0.0.1", 0)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for transport in self.open:
            transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


class _Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self, sink: MailSink) -> None:
        self._sink = sink
        self._buffer = bytearray()
        self._recipients: list[str] = []
        self._takes_text = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sink.open.add(transport)
        self._say("220 sink.example.org ESMTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self._sink.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(stop := b"\r\n.\r\n" if self._takes_text else b"\r\n")) >= 0:
            found = bytes(self._buffer[:end])
            del self._buffer[: end + len(stop)]
            if self._takes_text:
                self._take(found)
            else:
                self._answer(found.decode())

    def _take(self, text: bytes) -> None:
        self._takes_text = False
        # As it was written: dots at the beginning of a line stay doubled, which no test looks at.
        self._sink.mails += [Taken(recipient, text) for recipient in self._recipients]
        self._say(f"250 2.0.0 Ok: queued as Q{len(self._sink.mails):06d}")

    def _answer(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        match verb.upper():
            case "EHLO":
                self._say("250-sink.example.org\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES")
            case "MAIL" | "RSET":
                self._recipients = []
                self._say("250 2.1.0 Ok")
            case "RCPT":
                self._say(self._let_in(rest.partition("<")[2].partition(">")[0]))
            case "DATA" if self._recipients:
                self._takes_text = True
                self._say("354 go on")
            case "DATA":
                self._say("554 5.5.1 no valid recipients")
            case "QUIT":
                self._say("221 2.0.0 bye")
                self._transport.close()
            case _:
                self._say("250 2.0.0 Ok")

    def _let_in(self, recipient: str) -> str:
        if recipient in self._sink.busy:
            self._sink.busy.remove(recipient)
            return "450 4.2.1 busy"
        self._recipients.append(recipient)
        return "250 2.1.5 Ok"

    def _say(self, words: str) -> None:
        self._transport.write(words.encode() + b"\r\n")
