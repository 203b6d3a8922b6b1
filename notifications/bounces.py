"""What comes back: a report of a mail server (RFC 3464) → which delivery it is about and what it says. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message

#: Envelope sender of one delivery, as `mail.envelope_sender` writes it.
_VERP = re.compile(r"\+(?P<delivery>[0-9]{1,18})\.(?P<signature>[0-9a-fA-F]{20})@")
#: Message id of one delivery, as `mail.prepare` writes it.
_MESSAGE_ID = re.compile(r"<(?P<notice>[0-9a-z]{12})\.(?P<sequence>[0-9]+)\.(?P<delivery>[0-9]{1,18})@")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
# RFC 3464 allows comments in every field (RFC 5322 3.2.2); the innermost.
_COMMENT = re.compile(r"\([^()]*\)")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]+")
#: Where servers note for whom a mail came in, the surest first.
_ENVELOPE_HEADERS = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
#: Of several recipients in one report, the one for which it looks worst.
_ACTIONS = ("failed", "delayed", "relayed", "expanded", "delivered")


@dataclass(frozen=True, slots=True)
class Fate:
    """What a report says of one recipient."""

    #: failed, delayed, relayed, expanded, delivered.
    action: str
    #: Enhanced status code (RFC 3463), as in 5.1.1; "" when it has none.
    status: str
    #: What the server said, for people.
    words: str
    #: Of whom it speaks (RFC 3464 2.3.1 and 2.3.2), in lower case: the address that we wrote to, or one that this
    #: one forwards to. Empty when the report names nobody.
    addresses: frozenset[str]

    def is_about(self, own: str) -> bool:
        """Return whether it speaks of an address in lower case, as far as one can see."""
        return not self.addresses or own in self.addresses


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a report says about one of our mails."""

    delivery_id: int
    #: What proves that we sent it: the signature of the address it came back to …
    signature: str
    #: … or the public id of the notice, from the message id of the mail that it quotes.
    notice: str
    #: One at least.
    fates: Sequence[Fate]

    def worst(self, own: str) -> Fate:
        """Return the fate that looks worst; of equals, what is said of the delivery's own address, in lower case."""
        return min(self.fates, key=lambda fate: (_ACTIONS.index(fate.action), not fate.is_about(own)))


def read_bounce(raw: bytes) -> Bounce | None:
    """Return what a mail that came back says; None when it is no report, or not about a mail of ours.

    Vacation notices and answers of people are no reports, whatever address they come to.
    """
    try:
        return _read(message_from_bytes(raw))
    except Exception:
        # Anybody may send anything here, and the library was not written for all of it (a thousand mails one inside
        # the other); what cannot be read says nothing.
        return None


def _read(message: Message) -> Bounce | None:
    reports = [block for part in _parts(message, "message/delivery-status") for block in _blocks(part)]
    fates = [fate for block in reports if (fate := _fate(block)).action in _ACTIONS]
    if not fates:
        return None
    came_to = _verp(message)
    quoted = _quoted(message)
    if came_to is None and quoted is None:
        return None
    return Bounce(
        delivery_id=int(came_to["delivery"] if came_to else quoted["delivery"] if quoted else 0),
        signature=came_to["signature"].lower() if came_to else "",
        notice=quoted["notice"] if quoted else "",
        fates=fates,
    )


def _fate(block: Message) -> Fate:
    status = _STATUS.search(_plain(block, "Status"))
    said = _words(block, "Diagnostic-Code").partition(";")[2] or _words(block, "Status")
    named = [_address(_plain(block, name)) for name in ("Final-Recipient", "Original-Recipient")]
    return Fate(
        action=_plain(block, "Action").lower(),
        status=status[0] if status else "",
        words=said.strip()[:500],
        addresses=frozenset(address for address in named if address),
    )


def _words(block: Message, name: str) -> str:
    """Return a field on one line, "" without it; bytes that are no ASCII as U+FFFD, control characters as spaces."""
    # A field with raw bytes comes as an object of the library's, not as a string.
    return _CONTROL.sub(" ", str(block.get(name, ""))).strip()


def _plain(block: Message, name: str) -> str:
    """Return a field as `_words` does, without its comments."""
    words, count = _words(block, name), 1
    while count:
        words, count = _COMMENT.subn(" ", words)
    return words.strip()


def _address(field: str) -> str:
    """Return the address of a field like `rfc822; ana@example.org`, in lower case."""
    kind, semicolon, address = field.partition(";")
    return (address if semicolon else kind).strip().strip("<>").lower()


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
