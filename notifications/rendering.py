"""A composed message as a row: what each channel sends of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notifications import mail, payloads, sms_text
from notifications.contacts import Reader
from notifications.messages import Composed
from notifications.models import NoticeRow
from notifications.stories import Story


@dataclass(frozen=True, slots=True)
class Variant:
    """One kind of reader on one channel."""

    channel: str
    scope_id: int
    #: Whether they had no message of this intervention before.
    first: bool


def is_free_to_leave(reader: Reader) -> bool:
    """Return whether somebody reads for themselves: contacts of institutions and operators have to know."""
    return bool(reader.entries) and not any(entry.institution for entry in reader.entries)


def message_row(
    variant: Variant, words: Composed, story: Story, reader: Reader, notice: NoticeRow, now: datetime
) -> dict[str, Any]:
    """Return the columns of the message; its body is empty where the channel has nothing to say."""
    parts = 0
    if variant.channel == "email":
        heading = mail.Heading(
            mail_from=story.site.mail_from,
            host=story.site.host,
            site_name=story.site.name,
            reference=notice.reference,
            notice_public_id=notice.public_id,
            sequence=notice.sequence,
            kind=notice.kind,
            language=reader.language,
            at=now,
            unsubscribe_url=f"{story.site.public_url}/unsubscribe" if is_free_to_leave(reader) else "",
        )
        body = mail.prepare(words, heading)
    elif variant.channel == "sms":
        body = words.sms.encode()
        parts = sms_text.count(words.sms).parts if words.sms else 0
    elif variant.channel == "webhook":
        body = payloads.webhook_body(story, reader, words, notice_public_id=notice.public_id, at=now)
    else:
        body = payloads.chat_body(story, reader, words)
    return {
        "notice_id": notice.id,
        "channel": variant.channel,
        "scope_id": variant.scope_id,
        "first": variant.first,
        "language": reader.language,
        "subject": words.subject,
        "body": body,
        "parts": parts,
    }
