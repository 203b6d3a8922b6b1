"""What a message holds, of the outbox or of the ledger, made ready for a page: headers, bodies, calendar. No request is needed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime

from notifications import sms_text
from notifications.channels.outbox import Item, read_sms

#: As much of a file as holds all headers.
_HEAD = 8192
_PROPERTY = re.compile(r'(?P<name>[^;:]+)(?P<parameters>(?:;(?:[^":]|"[^"]*")*)?):(?P<value>.*)', re.DOTALL)
_ESCAPED = re.compile(r"\\([\\;,nN])")


@dataclass(frozen=True, slots=True)
class Glance:
    """One line of the list."""

    #: None for what lies in the ledger, not in the outbox.
    item: Item | None
    to: str
    name: str
    #: Subject of a mail and of a webhook's message, beginning of the others.
    words: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """A VEVENT as people read it."""

    summary: str
    start: datetime | None
    end: datetime | None
    status: str
    description: str
    #: The other properties, as they stand: name and value.
    rest: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, taken apart."""

    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    #: METHOD of the calendar part; "" when there is no such part.
    calendar_method: str
    events: tuple[CalendarEvent, ...]
    calendar: str


@dataclass(frozen=True, slots=True)
class Text:
    """An SMS, counted, or a message to a webhook or a chat room."""

    to: str
    name: str
    text: str
    at: datetime
    expires_at: datetime
    count: sms_text.Count | None


def glance(item: Item) -> Glance | None:
    """Return what the list shows of a message; None when its file has gone or is no message."""
    try:
        if item.channel != "email":
            kept = read_sms(item)
            words = _title(kept.text) if item.channel == "webhook" else kept.text
            return Glance(item, kept.to, kept.name, words, datetime.fromisoformat(kept.at))
        with item.path.open("rb") as file:
            return glance_at_mail(file.read(_HEAD), item)
    except (OSError, ValueError, TypeError, json.JSONDecodeError):
        return None


def glance_at_mail(raw: bytes, item: Item | None = None) -> Glance:
    """Return what the headers of a mail say of it; what follows them may be missing."""
    headers = message_from_bytes(raw)
    name, address = parseaddr(headers["To"] or "")
    return Glance(item, address, _words(name), _words(headers["Subject"] or ""), _date(headers["Date"]))


def letter(raw: bytes) -> Letter:
    """Return a mail taken apart."""
    message = message_from_bytes(raw)
    parts = {
        part.get_content_type(): part for part in reversed(list(message.walk())) if not part.is_multipart()
    }
    calendar = _body(parts.get("text/calendar"))
    method = parts["text/calendar"].get_param("method") if "text/calendar" in parts else ""
    return Letter(
        headers=tuple((name, _words(str(value))) for name, value in message.items()),
        text=_body(parts.get("text/plain")),
        html=_body(parts.get("text/html")),
        calendar_method=str(method or ""),
        events=tuple(calendar_events(calendar)),
        calendar=calendar,
    )


def text(item: Item) -> Text:
    """Return an SMS with its parts counted, or what a webhook or a chat room gets."""
    kept = read_sms(item)
    at, expires_at = datetime.fromisoformat(kept.at), datetime.fromisoformat(kept.expires_at)
    return text_of(item.channel, kept.to, kept.name, kept.text, at, expires_at)


def text_of(channel: str, to: str, name: str, words: str, at: datetime, expires_at: datetime) -> Text:
    """Return an SMS with its parts counted, or what a webhook or a chat room gets, laid out for people."""
    if channel == "webhook":
        words = json.dumps(json.loads(words), ensure_ascii=False, indent=2)
    count = sms_text.count(words) if words and channel == "sms" else None
    return Text(to, name, words, at, expires_at, count)


def _title(document: str) -> str:
    """Return what a webhook's message is about: its subject, or its type where it has none."""
    told = json.loads(document)
    return str(told["data"].get("subject") or told["type"])


def calendar_events(calendar: str) -> list[CalendarEvent]:
    """Return the VEVENTs of an iCalendar text that we wrote ourselves: unfolded, unescaped, in order.

    For showing only; whatever needs to understand calendars has a library for it.
    """
    found: list[CalendarEvent] = []
    properties: list[tuple[str, str]] | None = None
    for line in re.sub(r"\r?\n[ \t]", "", calendar).splitlines():
        if line == "BEGIN:VEVENT":
            properties = []
        elif line == "END:VEVENT" and properties is not None:
            found.append(_event(properties))
            properties = None
        elif properties is not None and (parts := _PROPERTY.fullmatch(line)):
            properties.append((parts["name"].upper(), _unescaped(parts["value"])))
    return found


def _event(properties: list[tuple[str, str]]) -> CalendarEvent:
    values = dict(properties)
    shown = ("SUMMARY", "DTSTART", "DTEND", "STATUS", "DESCRIPTION")
    return CalendarEvent(
        summary=values.get("SUMMARY", ""),
        start=_instant(values.get("DTSTART", "")),
        end=_instant(values.get("DTEND", "")),
        status=values.get("STATUS", ""),
        description=values.get("DESCRIPTION", ""),
        rest=tuple(pair for pair in properties if pair[0] not in shown),
    )


def _unescaped(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def _instant(value: str) -> datetime | None:
    """Return a UTC time as we write them; None for anything else."""
    try:
        return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _body(part: Message | None) -> str:
    if part is None:
        return ""
    payload = part.get_payload(decode=True)
    # CRLF is how mail travels, not how it was written.
    return payload.decode("utf-8", "replace").replace("\r\n", "\n") if isinstance(payload, bytes) else ""


def _words(header: str) -> str:
    return " ".join(str(make_header(decode_header(header))).split())


def _date(header: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(header) if header else None
    except ValueError:
        return None
