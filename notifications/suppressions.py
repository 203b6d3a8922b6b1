"""The addresses that get nothing more on a channel: which there are, adding one, lifting one; each on record. USE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from maintenance.errors import NotFound, StepRefused
from maintenance.lifecycle import Actor, Role
from notifications import endpoints, stopping
from notifications.models import RecipientRow, SuppressionRow

#: `SuppressionRow.reason` of what a person added.
BY_OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Silent:
    """An address that gets nothing on a channel."""

    recipient: int
    channel: str
    address: str
    name: str
    #: hard_bounce, complaint, opt_out, operator, paused (an endpoint).
    reason: str
    since: datetime
    #: None: until somebody lifts it.
    until: datetime | None


def silent(session: Session, now: datetime, *, channel: str | None = None, limit: int = 500) -> list[Silent]:
    """Return the addresses that get nothing now, the newest first."""
    query = (
        select(SuppressionRow, RecipientRow)
        .join(
            RecipientRow,
            (RecipientRow.channel == SuppressionRow.channel)
            & (RecipientRow.address == SuppressionRow.address),
        )
        .where(or_(SuppressionRow.expires_at.is_(None), SuppressionRow.expires_at > now))
        .order_by(SuppressionRow.at.desc(), SuppressionRow.id.desc())
        .limit(limit)
    )
    if channel is not None:
        query = query.where(SuppressionRow.channel == channel)
    return [
        Silent(reader.id, row.channel, row.address, reader.name, row.reason, row.at, row.expires_at)
        for row, reader in session.execute(query)
    ]


def lift(session: Session, recipient_id: int, *, words: str = "", by: Actor, now: datetime) -> RecipientRow:
    """Let an address get messages again, from the next one on, and return its recipient.

    Args:
        session: An open write session.
        recipient_id: Of the ledger.
        words: Why, for the record.
        by: An approver.
        now: The present instant.

    Raises:
        NotFound: If there is no such recipient.
        StepRefused: If the role is not enough, the address gets messages as it is, or its endpoint is paused.
    """
    reader, rows = _addressed(session, recipient_id, by)
    if not rows:
        raise StepRefused("Nothing keeps messages from recipient %(id)s.", id=recipient_id)
    for row in rows:
        if row.reason == endpoints.PAUSED:
            raise StepRefused(
                "Recipient %(id)s is paused: `janela %(channel)ss resume` lets it go on.",
                id=recipient_id,
                channel=row.channel,
            )
        session.delete(row)
        said = f"{row.reason} {row.at:%Y-%m-%d}" + (f": {words}" if words else "")
        stopping.note(session, "lifted", "recipient", str(reader.id), by=by, words=said, now=now)
    return reader


def silence(
    session: Session, recipient_id: int, *, words: str = "", by: Actor, now: datetime
) -> RecipientRow:
    """Keep all messages from an address until that is lifted, and return its recipient.

    Raises:
        NotFound: If there is no such recipient.
        StepRefused: If the role is not enough, or the address gets nothing as it is.
    """
    reader, rows = _addressed(session, recipient_id, by)
    if any(row.expires_at is None or row.expires_at > now for row in rows):
        raise StepRefused("Recipient %(id)s gets nothing as it is.", id=recipient_id)
    for row in rows:
        session.delete(row)
    session.flush()
    session.add(SuppressionRow(channel=reader.channel, address=reader.address, reason=BY_OPERATOR, at=now))
    stopping.note(session, "silenced", "recipient", str(reader.id), by=by, words=words, now=now)
    return reader


def find(session: Session, channel: str, address: str) -> int:
    """Return the number of the recipient with that address on a channel.

    Raises:
        NotFound: If the ledger knows none.
    """
    found = session.scalar(
        select(RecipientRow.id).where(RecipientRow.channel == channel, RecipientRow.address == address)
    )
    if found is None:
        raise NotFound(
            "The ledger knows no %(address)s on the channel %(channel)s.", address=address, channel=channel
        )
    return found


def _addressed(
    session: Session, recipient_id: int, by: Actor
) -> tuple[RecipientRow, Sequence[SuppressionRow]]:
    if not by.role.covers(Role.APPROVER):
        raise StepRefused("Only approvers may change who gets nothing; ask one of them.")
    reader = session.get(RecipientRow, recipient_id)
    if reader is None:
        raise NotFound("There is no recipient %(id)s.", id=recipient_id)
    rows = session.scalars(
        select(SuppressionRow)
        .where(SuppressionRow.channel == reader.channel, SuppressionRow.address == reader.address)
        .with_for_update()
    ).all()
    return reader, rows
