"""What a mail server's reply means for the delivery: a table, and how it is looked up. PURE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from notifications.retries import FailureClass

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?!\S)")
_QUEUE_ID = re.compile(r"[Qq]ueued as <?([\w.-]{4,60})")


class Stage(StrEnum):
    """Which command a reply answers."""

    CONNECT = "connect"
    LOGIN = "login"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    #: The reply to the final full stop: with it the server takes the mail over.
    END = "end"
    #: Between a mail that was refused and the next.
    RSET = "rset"


class Reply(NamedTuple):
    """A server's answer to one command."""

    stage: Stage
    #: Three digits; -1 for what was not SMTP.
    code: int
    text: str

    @property
    def is_good(self) -> bool:
        """Return whether the command was taken: 2yz, or 354 to DATA."""
        return self.code == 354 if self.stage is Stage.DATA else 200 <= self.code < 300

    @property
    def enhanced(self) -> str:
        """Return the enhanced status code (RFC 3463) it begins with; "" without one."""
        found = _ENHANCED.match(self.text)
        return found[1] if found else ""

    @property
    def queue_id(self) -> str | None:
        """Return under what name the server keeps the mail, where it says so."""
        # The plain search is quick, and most relays of other makes say something else.
        found = _QUEUE_ID.search(self.text) if "ueued as" in self.text else None
        return found[1] if found else None

    def __str__(self) -> str:
        """Return the reply as people read it in a log."""
        return f"{self.code} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Rule:
    """Replies that match all three patterns mean this."""

    #: Stages it holds at; none means all.
    stages: tuple[Stage, ...]
    #: Full match of the three digits.
    code: str
    #: Full match of the enhanced status code; a reply without one has "".
    enhanced: str
    failure: FailureClass
    because: str


_ANY = ".*"
_TEXT = (Stage.DATA, Stage.END)
#: The first rule that matches decides. Sources: RFC 5321 4.2, RFC 3463, and what relays do with them.
RULES: tuple[Rule, ...] = (
    Rule((), "421", _ANY, FailureClass.TRANSIENT, "the server is closing or wants us slower"),
    Rule((Stage.LOGIN,), "4..", _ANY, FailureClass.TRANSIENT, "signing in is not possible just now"),
    Rule((Stage.LOGIN,), "5..", _ANY, FailureClass.CONFIG, "wrong credentials, or no sign-in offered"),
    Rule((Stage.CONNECT,), "5..", _ANY, FailureClass.CONFIG, "the server does not talk to us"),
    Rule((), _ANY, r"5\.(2\.3|3\.4|6\.\d+)", FailureClass.CONTENT, "the message is too big or not readable"),
    Rule((Stage.RCPT,), "552", "", FailureClass.TRANSIENT, "mailbox full"),
    Rule((), "552", "", FailureClass.CONTENT, "too big"),
    # Before any reader is named, nobody but us can be meant, whatever the enhanced code says: a sending quota
    # (5.4.5), a sender that does not exist (5.1.0).
    Rule((Stage.MAIL,), "5..", _ANY, FailureClass.CONFIG, "our sender is refused"),
    # An overfull mailbox is no reason to give the person up; some servers say so with 5yz.
    Rule((), _ANY, r"[45]\.2\.2", FailureClass.TRANSIENT, "mailbox full"),
    Rule((), "53.", _ANY, FailureClass.CONFIG, "the server wants TLS or a sign-in first"),
    Rule((), "550", r"5\.5\.1", FailureClass.CONFIG, "the server wants TLS or a sign-in first"),
    # Policy and spam: our sender, our relay, our text. The person is never to blame (mailman #624).
    Rule((Stage.RCPT,), "5..", r"5\.7\.\d+", FailureClass.REFUSED, "policy: a restricted list, or relaying"),
    Rule((), "5..", r"5\.7\.\d+", FailureClass.CONFIG, "policy: sender, spam filter"),
    Rule((), "5..", r"5\.1\.[78]", FailureClass.CONFIG, "our sender address is refused"),
    # Only these say beyond doubt that it is the address, which is suppressed for it.
    Rule((Stage.RCPT,), "5..", r"5\.1\.([1236]|10)", FailureClass.RECIPIENT_PERMANENT, "no such mailbox"),
    Rule((Stage.RCPT,), "5..", r"5\.2\.1", FailureClass.RECIPIENT_PERMANENT, "mailbox closed"),
    Rule(_TEXT, "5..", r"5\.1\.(1|10)", FailureClass.RECIPIENT_PERMANENT, "no such mailbox"),
    Rule((), "5..", r"5\.[12]\.\d+", FailureClass.REFUSED, "something about the address, or about us"),
    Rule((), "5..", r"5\.4\.\d+", FailureClass.TRANSIENT, "routing, or a quota"),
    Rule((), "4..", _ANY, FailureClass.TRANSIENT, "not now"),
    # “No such user” and “Relaying denied” look the same to a program.
    Rule((Stage.RCPT,), "55[0134]|501", "", FailureClass.REFUSED, "refused, it does not say why"),
    Rule(_TEXT, "55[04]", _ANY, FailureClass.CONTENT, "the message is refused"),
)


def classify(reply: Reply) -> FailureClass:
    """Return the class of a reply that is not good; `UNKNOWN` when no rule knows it."""
    for rule in RULES:
        if (
            (not rule.stages or reply.stage in rule.stages)
            and re.fullmatch(rule.code, str(reply.code))
            and re.fullmatch(rule.enhanced, reply.enhanced)
        ):
            return rule.failure
    return FailureClass.UNKNOWN
