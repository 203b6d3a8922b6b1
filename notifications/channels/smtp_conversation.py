"""What is said to a mail server about mails, and what its replies mean for the next word: plain, or pipelined. PURE."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from notifications.channels.smtp_replies import Reply, Stage

_STOP = b".\r\n"
_COMMANDS = (Stage.MAIL, Stage.RCPT, Stage.DATA)
# A whole reply (RFC 5321 4.2.1): lines with a hyphen behind the code, then one without; or a line that is no reply.
_REPLY = re.compile(rb"(?:\d{3}-[^\n]*\n)*(\d{3})(?!-)[^\n]*\n|(?!\d{3})[^\n]*\n")
# To MAIL, RCPT and DATA, all of them good, nothing in between.
_GO_ON = re.compile(rb"(?:2\d\d(?!-)[^\n]*\n){2}354(?!-)[^\n]*\n")
#: Of bytes that are no whole reply yet: more is no mail server.
_LONGEST_REPLY = 65_536


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


class Say(NamedTuple):
    """What is to be written now."""

    whole: bytes
    #: Where the final full stop of a mail's text ends in it; 0 when it has none.
    stop: int = 0


class Verdict(NamedTuple):
    """The reply that decided over a letter."""

    letter: Letter
    reply: Reply


#: Steps of a conversation: write this; this is decided; or, a stage: nothing before more of its reply is heard. What
#: was heard is sent into the generator as the answer to a stage, b"" or None to anything else.
Talk = Generator[Say | Verdict | Stage, bytes | None, None]


class Conversation:
    """One connection's; it keeps what was heard and not yet understood."""

    def __init__(self, *, is_pipelined: bool) -> None:
        """Begin after the greetings."""
        self._pipelined = is_pipelined
        #: What was heard last, and how much of it was understood as replies.
        self._heard, self._understood = b"", 0
        #: Whether the last letter was refused and the server is not ready for the next: a connection that is lost now
        #: says nothing about either.
        self.is_between = False

    def about(self, letters: Sequence[Letter]) -> Talk:
        """Hand over one letter after the other.

        After a 421 it ends: the server is closing, and what was not decided was not sent.

        Raises:
            ConnectionError: When what is heard is no mail server's, or a 421 comes between two letters.
        """
        ahead = self.is_between = False
        for letter, following in zip_longest(letters, letters[1:]):
            refusal = yield from self._offer(letter, ahead=ahead)
            # Where it is offered, the next letter's commands travel behind this one's text (RFC 2920),
            # which saves a round trip for each mail.
            behind = following.group if following and self._pipelined else b""
            if refusal is None:
                yield Say(b"".join((letter.data, _STOP, behind)), len(letter.data) + len(_STOP))
                verdict = yield from self._reply(Stage.END)
            else:
                verdict = refusal
            # At once: some servers hang up on whomever they refused.
            yield Verdict(letter, verdict)
            if verdict.code == 421:
                return
            if refusal is not None:
                self.is_between = True
                yield from self._clear(refusal.stage, behind)
                self.is_between = False
            ahead = bool(behind)

    def _offer(
        self, letter: Letter, *, ahead: bool
    ) -> Generator[Say | Verdict | Stage, bytes | None, Reply | None]:
        """Say MAIL, RCPT and DATA; return the first refusal, None when the server waits for the text.

        `ahead`: the three are on their way already, only their replies are to be heard.
        """
        if not self._pipelined:
            for stage, command in zip(_COMMANDS, letter.commands, strict=True):
                yield Say(command)
                reply = yield from self._reply(stage)
                if not reply.is_good:
                    return reply
            return None
        if not ahead:
            yield Say(letter.group)
        if self._understood == len(self._heard):
            self._take((yield Stage.MAIL))
        if found := _GO_ON.match(self._heard, self._understood):
            self._understood = found.end()
            return None
        for stage in _COMMANDS:
            reply = yield from self._reply(stage)
            if not reply.is_good:
                return reply
        return None

    def _clear(
        self, refused_at: Stage, behind: bytes
    ) -> Generator[Say | Verdict | Stage, bytes | None, None]:
        """Hear what else is said about a letter that was refused, end it, and say what travels behind."""
        following = _COMMANDS[_COMMANDS.index(refused_at) + 1 :] if self._pipelined else ()
        for stage in following:
            reply = yield from self._still_there(stage)
            if stage is Stage.DATA and reply.is_good:
                # The server wants a text although it refused sender or reader: give it an empty one,
                # for which nobody is left to receive it (RFC 2920 3.1).
                yield Say(_STOP)
                yield from self._still_there(Stage.END)
        # A transaction that was begun and not finished would hold the next MAIL back.
        yield Say(b"RSET\r\n" + behind)
        yield from self._still_there(Stage.RSET)

    def _still_there(self, stage: Stage) -> Generator[Say | Verdict | Stage, bytes | None, Reply]:
        reply = yield from self._reply(stage)
        if reply.code == 421:
            raise ConnectionError(str(reply))
        return reply

    def _reply(self, stage: Stage) -> Generator[Say | Verdict | Stage, bytes | None, Reply]:
        while (found := _REPLY.match(self._heard, self._understood)) is None:
            self._take((yield stage))
        self._understood = found.end()
        lines = found[0].decode("utf-8", "replace").split("\n")
        text = " ".join([line[4:] for line in lines])
        return Reply(stage, int(found[1] or -1), " ".join(text.split()))

    def _take(self, more: bytes | None) -> None:
        self._heard, self._understood = self._heard[self._understood :] + (more or b""), 0
        if len(self._heard) > _LONGEST_REPLY:
            raise ConnectionError("a reply without an end")
