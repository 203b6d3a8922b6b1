"""What comes back: a report of a mail server (RFC 3464) → which delivery it is about and what it says. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message

#: Envelope sender of one delivery, as `mail.envelope_sender` writes it.
_VERP = re.compile(r"\+(?P<delivery>\d{1,18})\.(?P<signature>[0-9a-fA-F]{20})@")
#: Message id of one delivery, as `mail.prepare` writes it.
_MESSAGE_ID = re.compile(r"<(?P<notice>[0-9a-z]{12})\.(?P<sequence>\d+)\.(?P<delivery>\d{1,18})@")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
#: Where servers note for whom a mail came in, the surest first.
_ENVELOPE_HEADERS = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
#: Of several recipients in one report, the one for which it looks worst.
_ACTIONS = ("failed", "delayed", "relayed", "expanded", "delivered")


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a report says about one of our mails."""

    delivery_id: int
    #: What proves that we sent it: the signature of the address it came back to …
    signature: str
    #: … or the public id of the notice, from the message id of the mail that it quotes.
    notice: str
    #: failed, delayed, relayed, expanded, delivered.
    action: str
    #: Enhanced status code (RFC 3463), as in 5.1.1; "" when it has none.
    status: str
    #: What the server said, for people.
    words: str


def read_bounce(raw: bytes) -> Bounce | None:
    """Return what a mail that came back says; None when it is no report, or not about a mail of ours.

    Vacation notices and answers of people are no reports, whatever address they come to.
    """
    message = message_from_bytes(raw)
    reports = [block for part in _parts(message, "message/delivery-status") for block in _blocks(part)]
    about = [block for block in reports if block.get("Action", "").strip().lower() in _ACTIONS]
    if not about:
        return None
    worst = min(about, key=lambda block: _ACTIONS.index(block["Action"].strip().lower()))
    came_to = _verp(message)
    quoted = _quoted(message)
    if came_to is None and quoted is None:
        return None
    status = _STATUS.search(worst.get("Status", ""))
    said = worst.get("Diagnostic-Code", "").partition(";")[2] or worst.get("Status", "")
    return Bounce(
        delivery_id=int(came_to["delivery"] if came_to else quoted["delivery"] if quoted else 0),
        signature=came_to["signature"].lower() if came_to else "",
        notice=quoted["notice"] if quoted else "",
        action=worst["Action"].strip().lower(),
        status=status[0] if status else "",
        words=" ".join(said.split())[:500],
    )


def _parts(message: Message, content_type: str) -> Iterator[Message]:
    return (part for part in message.walk() if part.get_content_type() == content_type)


def _blocks(part: Message) -> list[Message]:
    """Return the blocks of a delivery-status part: the first is about the mail, one for each recipient follows."""
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []


def _verp(message: Message) -> re.Match[str] | None:
    for name in _ENVELOPE_HEADERS:
        for value in message.get_all(name, ()):
            if found := _VERP.search(str(value)):
                return found
    return None


def _quoted(message: Message) -> re.Match[str] | None:
    """Return the message id of the mail that the report quotes, whole or its headers only."""
    for part in _parts(message, "message/rfc822"):
        payload = part.get_payload()
        original = payload[0] if isinstance(payload, list) and payload else None
        if isinstance(original, Message) and (found := _id_of(original)):
            return found
    for part in _parts(message, "text/rfc822-headers"):
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and (found := _id_of(message_from_bytes(content))):
            return found
    return None


def _id_of(original: Message) -> re.Match[str] | None:
    return _MESSAGE_ID.search(str(original.get("Message-ID", "")))
