"""A message of a notice sent to the person who looks at it, as its readers would get it; the ledger knows nothing of it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from maintenance.runtime import Runtime
from notifications import channels, mail
from notifications.channels.parcels import FIRST_TEST, Outcome, Parcel
from notifications.rehearsal import Rehearsal, Variant

#: Written before the subject; the same in every language, so that a rule of a mailbox can look for it.
MARK = "[Test]"


def send_test(
    runtime: Runtime, rehearsal: Rehearsal, variant: Variant, *, to: str, name: str, now: datetime
) -> Outcome:
    """Send one variant's mail to one address through the transport of the settings, and return how that ended.

    The guest list holds as for any mail. It waits for the relay, so no write transaction is to be open.

    Args:
        runtime: The installation.
        rehearsal: The notice.
        variant: The kind of reader whose message is sent.
        to: The address of the person who asks for it, nobody else's.
        name: Theirs.
        now: The present instant; it stands in the mail's `Date`.
    """
    story, composed = rehearsal.story, rehearsal.compose(variant)
    subject = f"{MARK} {composed.subject}"
    heading = mail.Heading(
        mail_from=story.site.mail_from,
        host=story.site.host,
        site_name=story.site.name,
        reference=story.plan.reference,
        notice_public_id="test",
        sequence=story.sequence,
        kind=story.kind.value,
        language=variant.reader.language,
        at=now,
    )
    message = mail.prepare(replace(composed, subject=subject), heading)
    return _send(runtime, "email", _parcel(rehearsal, message, to=to, name=name, subject=subject, now=now))


def send_test_sms(
    runtime: Runtime, rehearsal: Rehearsal, variant: Variant, *, to: str, now: datetime
) -> Outcome:
    """Send one variant's SMS to one number; see `send_test`.

    Args:
        runtime: The installation.
        rehearsal: The notice.
        variant: The kind of reader whose message is sent.
        to: In E.164, as the person typed it who asks for it.
        now: The present instant.
    """
    text = f"{MARK} {rehearsal.compose(variant).sms}"
    return _send(runtime, "sms", _parcel(rehearsal, text.encode(), to=to, now=now))


def without_number(words: str, number: str) -> str:
    """Return words for the record of acts: of a telephone number only the last three digits are left.

    >>> without_number("+351939999901 is no mobile number", "+351939999901")
    '…901 is no mobile number'
    """
    return words.replace(number, f"…{number[-3:]}").replace(number.lstrip("+"), f"…{number[-3:]}")


def _parcel(
    rehearsal: Rehearsal, message: bytes, *, to: str, name: str = "", subject: str = "", now: datetime
) -> Parcel:
    story = rehearsal.story
    return Parcel(
        delivery_id=FIRST_TEST + secrets.randbelow(900_000_000),
        recipient=to,
        name=name,
        message=message,
        subject=subject,
        notice_public_id="test",
        sequence=story.sequence,
        reference=story.plan.reference,
        kind=story.kind.value,
        queued_at=now,
        expires_at=now + timedelta(hours=1),
    )


def _send(runtime: Runtime, channel: str, parcel: Parcel) -> Outcome:
    transport = channels.transports(runtime)[channel]
    try:
        return dict(transport.send([parcel], now=parcel.queued_at))[parcel.delivery_id]
    finally:
        transport.close()
