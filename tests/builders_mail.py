"""Values for tests of mail, SMS and their transports, with a default for everything that does not matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from notifications import mail
from notifications.channels import Parcel
from notifications.messages import Composed

ANNOUNCED_AT = datetime(2019, 11, 28, 10, 0, tzinfo=UTC)
CALENDAR = "BEGIN:VCALENDAR\r\nSUMMARY:Manutenção\r\nMETHOD:PUBLISH\r\nEND:VCALENDAR\r\n".encode()


def a_composed(**changes: Any) -> Composed:
    """Return a composed announcement."""
    return replace(
        Composed(
            subject="Prescrição eletrónica indisponível no sábado",
            text="Olá.\n\nA PEM estará indisponível.\n",
            html="<p>Olá.</p><p>A PEM estará indisponível.</p>\n",
            sms="PEM indisponivel sab 30/11 14:00 a dom 1/12 08:00.",
            calendar=CALENDAR,
        ),
        **changes,
    )


def a_heading(**changes: Any) -> mail.Heading:
    """Return the heading of an announcement."""
    return replace(
        mail.Heading(
            mail_from="Janela <janela@example.org>",
            host="janela.example.org",
            site_name="Janela",
            reference="SPMS-2019-EXADATA",
            notice_public_id="n0tice000001",
            sequence=3,
            kind="announcement",
            language="pt",
            at=ANNOUNCED_AT,
        ),
        **changes,
    )


def a_parcel(delivery_id: int = 1, recipient: str = "", **changes: Any) -> Parcel:
    """Return a mail that is ready to go, to `r<delivery id>@example.org` unless said."""
    return (
        Parcel(
            delivery_id=delivery_id,
            recipient=recipient or f"r{delivery_id}@example.org",
            name=f"Reader {delivery_id}",
            message=mail.prepare(a_composed(), a_heading()),
            subject="Prescrição eletrónica indisponível no sábado",
            notice_public_id="n0tice000001",
            sequence=3,
            reference="SPMS-2019-EXADATA",
            kind="announcement",
            queued_at=ANNOUNCED_AT,
            expires_at=datetime(2019, 12, 1, 8, 0, tzinfo=UTC),
        )
    )._replace(**changes)


def a_text(delivery_id: int = 1, recipient: str = "+351910000001", **changes: Any) -> Parcel:
    """Return an SMS that is ready to go."""
    text = {"message": a_composed().sms.encode(), "subject": ""}
    return a_parcel(delivery_id, recipient, **(text | changes))
