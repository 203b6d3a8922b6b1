"""Subscribers who leave: one click, proven by what their own mail carries; contacts of institutions cannot. USE.

Source:
    RFC 8058: no cookie, no sign-in, and no GET that does it, since mail scanners follow links.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from maintenance.errors import NotFound
from notifications import ledger
from notifications.channels.signatures import UNSUBSCRIBE, is_signed
from notifications.models import DeliveryEventRow, DeliveryRow, MessageRow, RecipientRow, ScopeRow
from notifications.queries import find_delivery, reader_of
from notifications.rendering import is_free_to_leave

#: The kind of event that says that the reader left by the address in this delivery.
LEFT = "unsubscribed"


def address_to_leave(session: Session, delivery_id: int, proof: str, *, key: str) -> str:
    """Return the address that a delivery's reader may take off.

    Args:
        session: To read from.
        delivery_id: As the address in the mail names it.
        proof: What stands behind it there.
        key: The installation's secret key, which signed it.

    Raises:
        NotFound: If no mail of ours carries that, or its reader has to know.
    """
    row = find_delivery(session, delivery_id) if is_signed(proof, key, UNSUBSCRIBE, delivery_id) else None
    if row is None or not _may_leave(session, row):
        raise NotFound("This address for unsubscribing is not valid; use the one in the mail as it is.")
    return session.get_one(RecipientRow, row.recipient_id).address


def leave(session: Session, delivery_id: int, proof: str, *, key: str, now: datetime) -> str:
    """Send nothing more to a delivery's reader, and return the address; repeated, it changes nothing.

    Raises:
        NotFound: As `address_to_leave`.
    """
    address = address_to_leave(session, delivery_id, proof, key=key)
    row = session.get_one(DeliveryRow, delivery_id)
    if ledger.suppress_address(session, row.channel, address, reason="opt_out", now=now):
        session.add(DeliveryEventRow(delivery_id=row.id, at=now, kind=LEFT, state=row.state, detail={}))
        session.flush()
    return address


def _may_leave(session: Session, row: DeliveryRow) -> bool:
    message = session.get_one(MessageRow, row.message_id)
    scope = session.get_one(ScopeRow, message.scope_id)
    return row.channel == "email" and is_free_to_leave(reader_of(scope, first=message.first))
