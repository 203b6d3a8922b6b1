"""Taking reports of mail servers into the ledger. USE."""

from __future__ import annotations

from datetime import datetime
from enum import Enum, auto

from sqlalchemy.orm import Session

from notifications import sending
from notifications.bounces import Bounce, Fate, read_bounce
from notifications.channels.signatures import BOUNCE, is_signed
from notifications.channels.smtp_replies import Reply, Stage, classify
from notifications.errors import UnusableAddress
from notifications.mail import wire_address
from notifications.models import DeliveryRow, NoticeRow, RecipientRow
from notifications.queries import find_delivery
from notifications.retries import FailureClass, State

#: How far along each action is; a failure is as final as an arrival.
_RANKS = {"delayed": 1, "relayed": 2, "expanded": 2, "delivered": 4, "failed": 4}

#: Without proof nobody is believed about what has not left, or is known to have ended.
_MAY_HAVE_FAILED = (State.ACCEPTED, State.AMBIGUOUS, State.NEEDS_REVIEW)


def take_bounce(session: Session, raw: bytes, *, key: str, signed_only: bool, now: datetime) -> str:
    """Return in a sentence what a mail that came back changed; nothing, where it is not to be believed.

    Args:
        session: An open write session.
        raw: The mail as it came in.
        key: The installation's secret key, which signed the return address.
        signed_only: Whether mails go out with a return address of each delivery's own (`JANELA_MAIL_BOUNCES`),
            so that what comes back to another is made up.
        now: When it came in.
    """
    bounce = read_bounce(raw)
    if bounce is None:
        return "no report about a mail of ours; nothing changed"
    row = find_delivery(session, bounce.delivery_id)
    proof = _proof(session, row, bounce, key) if row else Proof.NONE
    if row is None or proof is Proof.NONE or (signed_only and proof is not Proof.SIGNATURE):
        return f"not to be believed: no proof that it is about delivery {bounce.delivery_id}; nothing changed"
    own = _own_address(session, row)
    fate = bounce.worst(own)
    if proof is not Proof.SIGNATURE and (fate.action != "failed" or row.state not in _MAY_HAVE_FAILED):
        return f"not to be believed without proof about delivery {bounce.delivery_id}; nothing changed"
    is_certain = proof is Proof.SIGNATURE and fate.is_about(own)
    state, failure = _meaning(fate, is_certain=is_certain)
    moved = sending.record_receipt(
        session,
        bounce.delivery_id,
        provider_id="",
        state=state,
        rank=_RANKS[fate.action],
        words=f"{fate.action} {fate.words or fate.status}".strip(),
        failure=failure,
        at=now,
        detail={"action": fate.action, "status": fate.status},
    )
    return f"delivery {bounce.delivery_id}: {state.value}" + ("" if moved else " (known already)")


class Proof(Enum):
    """What shows that a report is about a delivery."""

    NONE = auto()
    #: It knows the notice, as every reader of it does, and the numbers of others' deliveries can be guessed.
    NOTICE = auto()
    #: It came back to the address that this delivery alone was sent with.
    SIGNATURE = auto()


def _proof(session: Session, row: DeliveryRow, bounce: Bounce, key: str) -> Proof:
    if row.channel != "email":
        return Proof.NONE
    if bounce.signature:
        return Proof.SIGNATURE if is_signed(bounce.signature, key, BOUNCE, bounce.delivery_id) else Proof.NONE
    is_known = session.get_one(NoticeRow, row.notice_id).public_id == bounce.notice
    return Proof.NOTICE if is_known else Proof.NONE


def _own_address(session: Session, row: DeliveryRow) -> str:
    """Return the address of a delivery as it travels, in lower case."""
    address = session.get_one(RecipientRow, row.recipient_id).address
    try:
        return wire_address(address).lower()
    except UnusableAddress:
        # Nothing was sent to it: a report can only be made up, or about somebody else.
        return address.lower()


def _meaning(fate: Fate, *, is_certain: bool) -> tuple[State, FailureClass | None]:
    """Return what follows; only a mailbox that does not exist is held against the address.

    `is_certain`: whether the report is proven, and about the address that we wrote to. Where that one forwards to
    may be gone without its being so.
    """
    if fate.action == "delivered":
        return State.DELIVERED, None
    if fate.action != "failed":
        return State.ACCEPTED, None
    code = int(fate.status[:1] + "50") if fate.status else 550
    failure = classify(Reply(Stage.RCPT, code, fate.status))
    if not is_certain and failure in (FailureClass.RECIPIENT_PERMANENT, FailureClass.TRANSIENT):
        # Neither the address nor its reader is to pay for what somebody may have made up: no further try either.
        failure = FailureClass.REFUSED
    hard = failure is FailureClass.RECIPIENT_PERMANENT
    return (State.BOUNCED_HARD if hard else State.BOUNCED_SOFT), failure
