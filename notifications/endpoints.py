"""Programs and chat rooms of institutions: register, rotate, pause, resume, and the watch over those that fail.

A paused endpoint's address is suppressed: fan-out and claims pass over it, and the ledger says so. Every
change is kept as an event. Each function takes an open write session and leaves the commit to its caller.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from maintenance.database import new_public_id
from maintenance.errors import NotFound
from maintenance.lifecycle import SYSTEM, Actor
from maintenance.models import InstitutionRow
from notifications.errors import InvalidEndpoint
from notifications.models import (
    ContactRow,
    DeliveryEventRow,
    DeliveryRow,
    EndpointEventRow,
    EndpointRow,
    RecipientRow,
    SuppressionRow,
)
from notifications.retries import State
from notifications.scopes import Scope, entries_of, scope_ids

#: Who fails for so long, and at least so often, without one success is paused.
FAILING_FOR = timedelta(days=5)
FAILING_TRIES = 10
#: How long the secret before the last rotation signs as well.
OLD_SECRET_LASTS = timedelta(hours=24)
#: Standard Webhooks asks for 24 to 64 bytes.
_SECRET_BYTES = 32
#: `SuppressionRow.reason` of a paused endpoint.
PAUSED = "paused"


def new_secret() -> str:
    """Return a fresh secret in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def new_name() -> str:
    """Return a short name that no other endpoint has."""
    return new_public_id()[:8]


def add(
    session: Session,
    *,
    channel: str,
    institution: str,
    address: str,
    name: str,
    language: str,
    timezone: str,
    secret: str,
    by: Actor,
    now: datetime,
) -> EndpointRow:
    """Register an endpoint, make it a recipient, and return it.

    Args:
        session: An open write session.
        channel: webhook or chat.
        institution: Whose it is; it hears what the institution's contacts hear.
        address: What the ledger calls it.
        name: For people; may be empty.
        language: Of what it is told.
        timezone: In which times are written.
        secret: What signs, or the chat room's own address.
        by: Who registers it.
        now: The present instant.

    Raises:
        NotFound: When there is no such institution, or nobody of it is in the directory.
        InvalidEndpoint: When the address is registered already.
    """
    owner = session.get(InstitutionRow, institution)
    if owner is None or owner.retired_at is not None:
        raise NotFound(
            "There is no institution %(code)s; `janela directory import` adds them.", code=institution
        )
    known = session.scalar(
        select(EndpointRow).where(EndpointRow.channel == channel, EndpointRow.address == address)
    )
    if known is not None:
        raise InvalidEndpoint(
            "%(address)s is registered for %(institution)s already, as %(id)s.",
            address=address,
            institution=known.institution,
            id=known.public_id,
        )
    row = EndpointRow(
        channel=channel,
        address=address,
        institution=institution,
        name=name,
        language=language,
        timezone=timezone,
        secret=secret,
        created_at=now,
    )
    session.add(row)
    session.flush()
    _note(session, row, "added", by, now)
    _make_recipient(session, row, owner.name)
    return row


def _make_recipient(session: Session, row: EndpointRow, institution_name: str) -> None:
    contacts = session.scalars(
        select(ContactRow).where(
            ContactRow.institution == row.institution,
            ContactRow.retired_at.is_(None),
            ~ContactRow.standby,
        )
    ).all()
    if not contacts:
        raise NotFound(
            "%(code)s has no contact in the directory, so nobody knows which systems it uses.",
            code=row.institution,
        )
    entries = entries_of(contacts, {row.institution: institution_name})
    scope = Scope(row.language, row.timezone, entries)
    session.add(
        RecipientRow(
            channel=row.channel,
            address=row.address,
            name=row.name,
            scope_id=scope_ids(session, [scope])[scope],
        )
    )
    session.flush()


def get(session: Session, channel: str, given: str) -> EndpointRow:
    """Return the endpoint with that id or address.

    Raises:
        NotFound: If there is none.
    """
    row = session.scalar(
        select(EndpointRow).where(
            EndpointRow.channel == channel,
            or_(EndpointRow.public_id == given, EndpointRow.address == given),
        )
    )
    if row is None:
        raise NotFound(
            "There is no %(channel)s %(id)s; `janela %(channel)ss list` shows them.",
            channel=channel,
            id=given,
        )
    return row


def all_of(session: Session, channel: str) -> Sequence[EndpointRow]:
    """Return the endpoints of a channel by institution."""
    query = select(EndpointRow).where(EndpointRow.channel == channel)
    return session.scalars(query.order_by(EndpointRow.institution, EndpointRow.id)).all()


def history(session: Session, row: EndpointRow) -> Sequence[EndpointEventRow]:
    """Return what was done with an endpoint, and by whom, the oldest first."""
    query = select(EndpointEventRow).where(EndpointEventRow.endpoint_id == row.id)
    return session.scalars(query.order_by(EndpointEventRow.id)).all()


def rotate(session: Session, row: EndpointRow, *, by: Actor, now: datetime) -> str:
    """Give a webhook a new secret and return it; the one before signs as well for `OLD_SECRET_LASTS`."""
    row.old_secret, row.old_secret_until = row.secret, now + OLD_SECRET_LASTS
    row.secret = new_secret()
    _note(session, row, "rotated", by, now)
    return row.secret


def secrets_of(
    session: Session, channel: str, addresses: Collection[str], now: datetime
) -> dict[str, tuple[str, ...]]:
    """Return the secrets in force of each address, the newest first; unknown addresses are left out."""
    rows = session.scalars(
        select(EndpointRow).where(EndpointRow.channel == channel, EndpointRow.address.in_(addresses))
    )
    return {
        row.address: (row.secret, row.old_secret)
        if row.old_secret_until is not None and row.old_secret_until > now
        else (row.secret,)
        for row in rows
    }


def pause(session: Session, row: EndpointRow, *, why: str, by: Actor, now: datetime) -> None:
    """Send nothing more to an endpoint until it is resumed; what waits for it is closed as suppressed."""
    _forget_suppression(session, row)
    session.add(SuppressionRow(channel=row.channel, address=row.address, reason=PAUSED, at=now))
    row.paused_at, row.paused_why = now, why
    _note(session, row, "paused", by, now, why)


def resume(session: Session, row: EndpointRow, *, by: Actor, now: datetime) -> None:
    """Send to an endpoint again, from the next notice on; what it missed is not sent later."""
    _forget_suppression(session, row)
    row.paused_at, row.paused_why = None, ""
    _note(session, row, "resumed", by, now)


def failing(session: Session, now: datetime) -> dict[int, str]:
    """Return the endpoints that are to be paused, by id, and why; a read that holds nobody up."""
    found = {}
    for row in session.scalars(select(EndpointRow).where(EndpointRow.paused_at.is_(None))):
        if why := _why_pause(session, row, now):
            found[row.id] = why
    return found


def pause_failing(session: Session, found: dict[int, str], now: datetime) -> None:
    """Pause what `failing` found, unless somebody was first."""
    for id_, why in found.items():
        row = session.get_one(EndpointRow, id_)
        if row.paused_at is None:
            pause(session, row, why=why, by=SYSTEM, now=now)


def _why_pause(session: Session, row: EndpointRow, now: datetime) -> str:
    gone = session.scalar(
        select(SuppressionRow.id).where(
            SuppressionRow.channel == row.channel,
            SuppressionRow.address == row.address,
            # What the ledger notes when an address will never work.
            SuppressionRow.reason == "hard_bounce",
        )
    )
    if gone is not None:
        return "It answered that it is gone (HTTP 410)."
    tries = (
        select(DeliveryEventRow)
        .join(DeliveryRow, DeliveryRow.id == DeliveryEventRow.delivery_id)
        .join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
        .where(
            RecipientRow.channel == row.channel,
            RecipientRow.address == row.address,
            DeliveryEventRow.kind == "attempt",
        )
    )
    went = tries.where(DeliveryEventRow.state == State.ACCEPTED)
    last_good = session.scalar(went.with_only_columns(func.max(DeliveryEventRow.at)))
    resumed = session.scalar(
        select(func.max(EndpointEventRow.at)).where(
            EndpointEventRow.endpoint_id == row.id, EndpointEventRow.kind == "resumed"
        )
    )
    since = max(instant for instant in (row.created_at, last_good, resumed) if instant is not None)
    columns = (func.count(), func.min(DeliveryEventRow.at))
    count, first = session.execute(tries.where(DeliveryEventRow.at > since).with_only_columns(*columns)).one()
    if count >= FAILING_TRIES and first <= now - FAILING_FOR:
        return f"{count} tries failed in {(now - first).days} days, and none went through."
    return ""


def _forget_suppression(session: Session, row: EndpointRow) -> None:
    session.execute(
        delete(SuppressionRow).where(
            SuppressionRow.channel == row.channel, SuppressionRow.address == row.address
        )
    )


def _note(session: Session, row: EndpointRow, kind: str, by: Actor, now: datetime, words: str = "") -> None:
    session.add(EndpointEventRow(endpoint_id=row.id, at=now, kind=kind, by=by.name, words=words))
    session.flush()
