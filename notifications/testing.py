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
    number = FIRST_TEST + secrets.randbelow(900_000_000)
    parcel = Parcel(
        delivery_id=number,
        recipient=to,
        name=name,
        message=mail.prepare(replace(composed, subject=subject), heading),
        subject=subject,
        notice_public_id="test",
        sequence=story.sequence,
        reference=story.plan.reference,
        kind=story.kind.value,
        queued_at=now,
        expires_at=now + timedelta(hours=1),
    )
    transport = channels.transports(runtime)["email"]
    try:
        return dict(transport.send([parcel], now=now))[number]
    finally:
        transport.close()
