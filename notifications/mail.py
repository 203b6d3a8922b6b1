"""A composed message → the bytes of a mail: built once for each kind of reader, then only filled.

What differs between recipients stands as tokens between record separators (0x1E) in a few header
lines at the top. Bodies are quoted-printable or base64 and our own headers are cleaned of control
characters, so that byte occurs nowhere else: filling is joining pieces, no parsing, no escaping.
No line begins with a full stop either, so the bytes can follow DATA as they are (RFC 5321 4.5.2).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.quoprimime import body_encode
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256

from notifications.errors import InvalidSender, UnusableAddress
from notifications.messages import Composed

_SEPARATOR = b"\x1e"
# Two short of the 76 that RFC 2045 allows for quoted-printable: a leading full stop grows by two.
_LINE = 74
_POLICY = SMTP.clone(max_line_length=_LINE)
# With the space: what reads an address header makes one space of several.
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_LEADING_STOP = re.compile(rb"(?m)^\.")
_DOT_ATOM = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
# Dot-atoms only (RFC 5321 4.1.2 without the quoted form, which no directory needs), and a domain.
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


@dataclass(frozen=True, slots=True)
class Heading:
    """What the header of a mail says beyond the composed text; the same for all its readers."""

    #: `Janela <janela@example.org>`.
    mail_from: str
    #: Right side of message ids and of the list's id: the host of the public address.
    host: str
    site_name: str
    #: Of the intervention: its notices make one thread.
    reference: str
    notice_public_id: str
    sequence: int
    #: `timetable.NoticeKind`.
    kind: str
    #: BCP 47.
    language: str
    #: The `Date`: fixed when the notice is fanned out, so that a second try is the same mail.
    at: datetime
    #: Where a reader who is free to leave says so, without a slash at its end; "" for those who have to know.
    unsubscribe_url: str = ""


def prepare(composed: Composed, heading: Heading) -> bytes:
    """Return the mail of one kind of reader, with tokens where recipients differ.

    Shape and headers follow what calendar programs and Exchange do with them
    (`docs/channels.md`): multipart/mixed(alternative(text, html, text/calendar), application/ics).

    Args:
        composed: The texts and the calendar; without a calendar both calendar parts are left out.
        heading: The rest.

    Raises:
        InvalidSender: When `mail_from` cannot be read.
    """
    bodies = {"text": _quoted(composed.text), "html": _quoted(composed.html)}
    if composed.calendar:
        bodies["calendar"] = _base64(composed.calendar)
    rest = _LEADING_STOP.sub(b"=2E", fill(_frame(heading, "calendar" in bodies), bodies))
    if _SEPARATOR in rest:
        raise AssertionError("a record separator got past the encodings")
    message_id = f"<{heading.notice_public_id}.{heading.sequence}.\x1edelivery\x1e@{_domain(heading.host)}>"
    own = (
        b"To: \x1eto\x1e\r\n"
        b"Message-ID: " + message_id.encode("ascii") + b"\r\n" + _tokens(heading) + b"X-Janela-Delivery: "
        b"\x1edelivery\x1e\r\nSubject: " + _encoded(_clean(composed.subject)) + b"\r\n"
    )
    return own + rest


def fill(template: bytes, tokens: Mapping[str, bytes]) -> bytes:
    """Return the mail of one recipient.

    Args:
        template: What `prepare` returned.
        tokens: What `tokens_of` returned, or a mapping with at least the same names.

    Raises:
        KeyError: When the template has a token that is not given: never a mail with a hole.
    """
    fixed, names = _split(template)
    pieces = list(fixed)
    pieces[1::2] = [tokens[name] for name in names]
    return b"".join(pieces)


# As many as a process keeps bodies: with fewer than a notice has kinds of reader each would be split anew.
@lru_cache(maxsize=512)
def _split(template: bytes) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Return the pieces (every second is a token's place) and the tokens' names, in order."""
    pieces = tuple(template.split(_SEPARATOR))
    return pieces, tuple(piece.decode("ascii") for piece in pieces[1::2])


def tokens_of(name: str, wire: str, delivery_id: int, *, proof: str = "") -> dict[str, bytes]:
    """Return what a template is filled with for one recipient.

    Args:
        name: Theirs; may be empty.
        wire: What `wire_address` returned of their address.
        delivery_id: Ours.
        proof: What makes the address for leaving theirs alone, where the template `lets_leave`.
    """
    return {"to": _mailbox(name, wire), "delivery": b"%d" % delivery_id, "proof": proof.encode("ascii")}


def lets_leave(template: bytes) -> bool:
    """Return whether the readers of a template may unsubscribe with one click."""
    return "proof" in _split(template)[1]


def wire_address(address: str) -> str:
    """Return `address` as SMTP carries it: ASCII, an international domain in its `xn--` form.

    Raises:
        UnusableAddress: When it is none, or its local part needs SMTPUTF8, which few relays offer.
    """
    wire = address
    if not address.isascii():
        local, at, domain = address.rpartition("@")
        try:
            wire = local + at + domain.encode("idna").decode("ascii")
        except UnicodeError:
            wire = ""
    if len(address) <= 254 and _ADDRESS.fullmatch(wire):
        return wire
    raise UnusableAddress("“%(address)s” is not an address that mail can be sent to.", address=address)


def sender(mail_from: str) -> Address:
    """Return the sender that `JANELA_MAIL_FROM` names: `Janela <janela@example.org>`, or an address alone.

    Raises:
        InvalidSender: When it is neither.
    """
    name, bracket, rest = mail_from.strip().rpartition("<")
    try:
        if bracket and not rest.endswith(">"):
            raise UnusableAddress("no closing bracket")
        address = wire_address(rest.removesuffix(">").strip())
        display = _CONTROL.sub(" ", name).strip().strip('"').strip()
        return Address(display_name=display, addr_spec=address)
    except (UnusableAddress, HeaderParseError) as error:
        raise InvalidSender(
            "JANELA_MAIL_FROM must look like “Name <address@example.org>”, not “%(value)s”.", value=mail_from
        ) from error


def thread_root(reference: str, host: str) -> str:
    """Return the message id under which all mails about one intervention hang together.

    No mail has it; programs that thread by `References` join what names the same root.
    """
    # A reference may hold two full stops in a row, which a message id may not (RFC 5322 3.2.3).
    left = reference if _DOT_ATOM.fullmatch(reference) else sha256(reference.encode()).hexdigest()[:24]
    return f"<{left}.thread@{_domain(host)}>"


def _domain(host: str) -> str:
    """Return a host as the right side of a message id: ASCII, an IPv6 address as a literal (RFC 5321 4.1.3)."""
    if ":" in host:
        return f"[IPv6:{host}]"
    return host if host.isascii() else host.encode("idna").decode("ascii")


def envelope_sender(address: str, delivery_id: int, signature: str) -> str:
    """Return the address to which bounces of one delivery come back (VERP): `bounces+42.signature@host`."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{delivery_id}.{signature}@{domain}"


def _tokens(heading: Heading) -> bytes:
    """Return the lines that hold ids. RFC 2047 5 forbids encoded words in them, which the library writes where they are long.

    One that is too long for a line goes on the next; ids cannot be broken, and up to 998 characters may stand there.
    """
    root = thread_root(heading.reference, heading.host)
    # No colon, which neither a name in dots (RFC 2919) nor a field of Feedback-ID can have.
    host = heading.host.replace(":", "-") if ":" in heading.host else _domain(heading.host)
    lines = {
        "In-Reply-To": (root,),
        "References": (root,),
        "List-Id": (*_ascii_phrase(heading.site_name), f"<maintenance.{host}>"),
        "Feedback-ID": (f"{heading.notice_public_id}:{heading.kind}:{host}:janela",),
    }
    if heading.unsubscribe_url:
        # RFC 8058: one HTTPS address that says whose subscription it is, and needs no cookie and no sign-in.
        lines["List-Unsubscribe"] = (f"<{heading.unsubscribe_url}/\x1edelivery\x1e.\x1eproof\x1e>",)
        lines["List-Unsubscribe-Post"] = ("List-Unsubscribe=One-Click",)
    return b"".join(_folded(name, words) for name, words in lines.items())


def _folded(name: str, words: Iterable[str]) -> bytes:
    """Return a header line of words that stay whole, folded before those that would be too long for it."""
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > _LINE:
            lines.append("")
        lines[-1] += f" {word}"
    return "\r\n".join([*lines, ""]).encode("ascii")


def _common_headers(heading: Heading) -> dict[str, object]:
    return {
        "From": sender(heading.mail_from),
        "Date": format_datetime(heading.at),
        # RFC 3834: no vacation notice answers it.
        "Auto-Submitted": "auto-generated",
        # Not `All`: to Exchange that also means “no bounces” (MS-OXCMAIL), and we need those.
        "X-Auto-Response-Suppress": "OOF, AutoReply, RN, NRN",
        "X-Janela-Reference": heading.reference,
        "X-Janela-Kind": heading.kind,
    }


# The standard library takes most of a mail's time for headers and parts that are the same for all readers.
@lru_cache(maxsize=64)
def _frame(heading: Heading, has_calendar: bool) -> bytes:
    """Return the mail with a token for each body, as encoded."""
    mail = EmailMessage(_POLICY)
    for name, value in _common_headers(heading).items():
        mail[name] = value
    mail.set_content("", cte="quoted-printable")
    mail.add_alternative("", subtype="html", cte="quoted-printable")
    if has_calendar:
        _add_calendar(mail, heading)
    # Made by rule instead of by chance, so that equal input gives equal bytes. Neither encoding can
    # write “=_”, so no body holds a boundary.
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"=_{heading.notice_public_id}_{number}")
    for part in list(mail.walk())[1:]:
        del part["MIME-Version"]
    bodies = [part for part in mail.walk() if not part.is_multipart()]
    for part, name in zip(bodies, ("text", "html", "calendar", "calendar"), strict=False):
        part.set_payload(f"\x1e{name}\x1e\n")
    # Said of the whole only now: giving a message a body moves what describes content into the part.
    mail["Content-Language"] = heading.language
    return mail.as_bytes()


def _add_calendar(mail: EmailMessage, heading: Heading) -> None:
    # base64: the readers of maintenance notes lose accents in 8-bit parts. One text/calendar part
    # only: of two, they read either; Outlook reads it only when it says its method.
    mail.add_alternative(
        b"",
        maintype="text",
        subtype="calendar",
        cte="base64",
        params={"method": "PUBLISH", "charset": "utf-8"},
    )
    mail.add_attachment(
        b"", maintype="application", subtype="ics", cte="base64", filename=f"{heading.reference}.ics"
    )


def _quoted(text: str) -> bytes:
    """Return a text in quoted-printable without its last line end."""
    lines = "\n".join(line.decode("latin-1") for line in [*text.encode().splitlines(), b""])
    quoted = body_encode(lines or "\n", _LINE).removesuffix("\n")
    return quoted.replace("\n", "\r\n").encode("ascii")


def _base64(content: bytes) -> bytes:
    """Return bytes in base64 without the last line end."""
    each = _LINE // 4 * 3
    return b"\r\n".join(b64encode(content[at : at + each]) for at in range(0, len(content), each))


def _clean(words: str) -> str:
    """Return `words` on one line, without control characters and with single spaces."""
    # What can be printed has no white space but plain spaces.
    return " ".join(words.split()) if words.isprintable() else _CONTROL.sub(" ", words).strip()


def _ascii_phrase(words: str) -> list[str]:
    """Return the words of a quoted phrase for a header that knows no encoded words; none when it has other letters."""
    cleaned = _clean(words).replace("\\", "").replace('"', "")
    return f'"{cleaned}"'.split(" ") if cleaned and cleaned.isascii() else []


def _mailbox(name: str, address: str) -> bytes:
    """Return `"Name" <address>` for a header line, folded, the name in encoded words where it must be."""
    cleaned = _clean(name)
    if not cleaned:
        return address.encode("ascii")
    if cleaned.isascii() and len(cleaned) <= 50 and "=?" not in cleaned:
        quoted = cleaned.replace("\\", r"\\").replace('"', r"\"")
        return f'"{quoted}"\r\n <{address}>'.encode("ascii")
    return _encoded_words(cleaned) + f"\r\n <{address}>".encode("ascii")


def _encoded(words: str) -> bytes:
    """Return `words` for a header of free text: as they are where they can stand on one line, else encoded."""
    if words.isascii() and len(words) <= 60 and "=?" not in words:
        return words.encode("ascii")
    return _encoded_words(words)


def _encoded_words(words: str) -> bytes:
    """Return `words` in encoded words (RFC 2047), one to a line, no letter split between two.

    The standard library's own encoder takes twenty times as long, which 126,683 names would feel.
    """
    # 39 bytes make 52 letters of base64; with its frame and "Subject: " a line stays below 76 (RFC 2047 2).
    room, whole = 39, words.encode("utf-8", "replace")
    if len(whole) <= room:
        return b"=?utf-8?b?" + b64encode(whole) + b"?="
    pieces, piece = [], b""
    for letter in words:
        encoded = letter.encode("utf-8", "replace")
        if len(piece) + len(encoded) > room:
            pieces.append(piece)
            piece = b""
        piece += encoded
    pieces.append(piece)
    return b"\r\n ".join(b"=?utf-8?b?" + b64encode(piece) + b"?=" for piece in pieces)
