"""Taking reports of mail servers into the ledger. USE."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from notifications import sending
from notifications.bounces import Bounce, read_bounce
from notifications.channels.signatures import BOUNCE, is_signed
from notifications.channels.smtp_replies import Reply, Stage, classify
from notifications.models import DeliveryRow, NoticeRow
from notifications.retries import FailureClass, State

#: How far along each action is; a failure is as final as an arrival.
_RANKS = {"delayed": 1, "relayed": 2, "expanded": 2, "delivered": 4, "failed": 4}


def take_bounce(session: Session, raw: bytes, *, key: str, now: datetime) -> str:
    """Return in a sentence what a mail that came back changed; nothing, where it is not to be believed.

    Args:
        session: An open write session.
        raw: The mail as it came in.
        key: The installation's secret key, which signed the return address.
        now: When it came in.
    """
    bounce = read_bounce(raw)
    if bounce is None:
        return "no report about a mail of ours; nothing changed"
    if not _is_ours(session, bounce, key):
        return f"not to be believed: no proof that it is about delivery {bounce.delivery_id}; nothing changed"
    state, failure = _meaning(bounce)
    moved = sending.record_receipt(
        session,
        bounce.delivery_id,
        provider_id="",
        state=state,
        rank=_RANKS[bounce.action],
        words=f"{bounce.action} {bounce.words or bounce.status}".strip(),
        failure=failure,
        at=now,
        detail={"action": bounce.action, "status": bounce.status},
    )
    return f"delivery {bounce.delivery_id}: {state.value}" + ("" if moved else " (known already)")


def _is_ours(session: Session, bounce: Bounce, key: str) -> bool:
    row = session.get(DeliveryRow, bounce.delivery_id)
    if row is None or row.channel != "email":
        return False
    if bounce.signature:
        return is_signed(bounce.signature, key, BOUNCE, bounce.delivery_id)
    # Without an address of its own, knowing the notice's id, which only readers saw, has to do.
    return session.get_one(NoticeRow, row.notice_id).public_id == bounce.notice


def _meaning(bounce: Bounce) -> tuple[State, FailureClass | None]:
    """Return what follows; only a mailbox that does not exist is held against the address."""
    if bounce.action == "delivered":
        return State.DELIVERED, None
    if bounce.action != "failed":
        return State.ACCEPTED, None
    code = int(bounce.status[:1] + "50") if bounce.status else 550
    failure = classify(Reply(Stage.RCPT, code, f"{bounce.status} {bounce.words}"))
    hard = failure is FailureClass.RECIPIENT_PERMANENT and bool(bounce.status)
    return (State.BOUNCED_HARD if hard else State.BOUNCED_SOFT), failure
