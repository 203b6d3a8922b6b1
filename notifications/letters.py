"""What a delivery says, whichever way it went: the ledger keeps its bytes, filled here for its recipient."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance.errors import NotFound
from notifications import mail
from notifications.models import DeliveryRow, MessageRow
from notifications.reports import get_told


@dataclass(frozen=True, slots=True)
class Sent:
    """What a delivery says: its message, and what fills that for its recipient."""

    delivery_id: int
    notice: str
    reference: str
    kind: str
    channel: str
    address: str
    #: As the directory has it now.
    name: str
    body: bytes
    queued_at: datetime
    expires_at: datetime
    #: It is in the ledger.
    is_test: bool = False

    @property
    def text(self) -> str:
        """Return what is sent on every channel but mail."""
        return self.body.decode()

    def mail(self) -> bytes:
        """Return the mail as it leaves.

        Raises:
            NotFound: When it was written by a release whose tokens nobody knows any more.
        """
        tokens = mail.tokens_of(self.name, mail.wire_address(self.address), self.delivery_id)
        try:
            return mail.fill(self.body, tokens)
        except KeyError:
            raise NotFound("The message of delivery %(id)s cannot be shown.", id=self.delivery_id) from None


def get_sent(session: Session, delivery_id: int) -> Sent:
    """Return what a delivery says.

    Raises:
        NotFound: If there is none.
    """
    told = get_told(session, delivery_id)
    query = select(MessageRow.body).join(DeliveryRow, DeliveryRow.message_id == MessageRow.id)
    return Sent(
        delivery_id=delivery_id,
        notice=told.notice,
        reference=told.reference,
        kind=told.kind,
        channel=told.channel,
        address=told.address,
        name=told.name,
        body=session.scalars(query.where(DeliveryRow.id == delivery_id)).one(),
        queued_at=told.queued_at,
        expires_at=told.expires_at,
    )
