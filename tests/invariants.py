"""What must hold in every ledger, whatever happened to the processes that wrote it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session, aliased

from maintenance.catalogue_store import load_catalogue
from maintenance.database import Database
from notifications.claims import URGENT
from notifications.contacts import used
from notifications.models import (
    ContactRow,
    DeliveryEventRow,
    DeliveryRow,
    MessageRow,
    NoticeRow,
    RecipientRow,
    RungRow,
    ScopeRow,
    SuppressionRow,
)
from notifications.queries import has_deliveries, reader_of
from notifications.quiet_hours import quiet_until, read_quiet_hours
from notifications.retries import MAY_HAVE_REACHED, UNFINISHED, State
from notifications.second_tries import FINAL_RANK
from notifications.timetable import NoticeKind
from notifications.turns import PATIENCE
from tests.order import sent_out_of_order, version_of

_earlier = aliased(NoticeRow)


def assert_sound(database: Database, *, settled: bool = True) -> None:
    """Fail with every violation; `settled` also asks that nothing is left to do."""
    with database.read() as session:
        found = [*violations(session), *(_unsettled(session) if settled else ())]
    assert not found, "\n".join(found)


def violations(session: Session) -> Iterator[str]:
    """Yield a sentence for everything that must not be."""
    yield from _recipients_left_out(session)
    yield from _concerned_left_out(session)
    yield from _sent_too_late(session)
    yield from _sent_to_suppressed(session)
    yield from _sent_in_quiet_hours(session)
    yield from sent_out_of_order(session)
    yield from _finished_and_not(session)
    yield from _outcomes_without_a_try(session)
    yield from _repetitions_without_a_doubt(session)
    yield from _told_instead_without_a_rung(session)


def _recipients_left_out(session: Session) -> Iterator[str]:
    """Each recipient whose kind of reader a fanned-out notice has a message for has exactly one delivery of it.

    Who surely heard of no intervention gets no word of its end either. Holds as long as the directory did
    not change since.
    """
    has_one = exists().where(
        DeliveryRow.notice_id == NoticeRow.id, DeliveryRow.recipient_id == RecipientRow.id
    )
    heard = (
        exists()
        .where(
            _earlier.reference == NoticeRow.reference,
            _earlier.id < NoticeRow.id,
            DeliveryRow.notice_id == _earlier.id,
            DeliveryRow.recipient_id == RecipientRow.id,
            DeliveryRow.state.in_(MAY_HAVE_REACHED) | (DeliveryRow.ambiguities > 0),
        )
        .correlate(NoticeRow, RecipientRow)
    )
    rows = session.execute(
        select(NoticeRow.public_id, RecipientRow.address)
        .join(MessageRow, MessageRow.notice_id == NoticeRow.id)
        .join(
            RecipientRow,
            (RecipientRow.scope_id == MessageRow.scope_id) & (RecipientRow.channel == MessageRow.channel),
        )
        .where(NoticeRow.fanned_out_at.is_not(None), NoticeRow.lead_notice_id.is_(None), ~has_one)
        .where((NoticeRow.kind != NoticeKind.CANCELLATION) | heard)
        .distinct()
    )
    for notice, address in rows:
        yield f"notice {notice} has a message for {address} and no delivery"
    pairs = session.execute(select(DeliveryRow.notice_id, DeliveryRow.recipient_id))
    twice = Counter((notice_id, recipient_id) for notice_id, recipient_id in pairs)
    for (notice_id, recipient_id), count in twice.items():
        if count > 1:
            yield f"notice {notice_id} has {count} deliveries for recipient {recipient_id}"


def _concerned_left_out(session: Session) -> Iterator[str]:
    """Whoever uses a system that a fanned-out notice tells of has a delivery, by directory and plan alone.

    Of the notices that tell all of a version, and of the start of its only phase. Holds as long as neither changed.
    """
    scopes = session.scalars(select(ScopeRow)).all()
    catalogue = load_catalogue(session)
    for notice in session.scalars(
        select(NoticeRow).where(NoticeRow.fanned_out_at.is_not(None), NoticeRow.lead_notice_id.is_(None))
    ):
        if not (systems := _told_systems(session, notice)):
            continue
        concerned = [row.id for row in scopes if used(reader_of(row, first=True).entries, systems, catalogue)]
        has_one = exists().where(
            DeliveryRow.notice_id == notice.id, DeliveryRow.recipient_id == RecipientRow.id
        )
        for address in session.scalars(
            select(RecipientRow.address).where(RecipientRow.scope_id.in_(concerned), ~has_one)
        ):
            yield f"the {notice.kind} {notice.public_id} concerns {address}, who has no delivery"


def _told_systems(session: Session, notice: NoticeRow) -> frozenset[str]:
    if (found := version_of(session, notice)) is None:
        return frozenset()
    plan, windows = found
    match notice.kind:
        case NoticeKind.ANNOUNCEMENT | NoticeKind.REMINDER | NoticeKind.UPDATE:
            return frozenset(window.system for window in windows)
        case NoticeKind.CHANGE if "because_of" not in notice.details:
            return frozenset(window.system for window in windows)
        case NoticeKind.START if len(plan.impact_phases) == 1:
            begun_at = plan.impact_phases[0].started_at
            return frozenset(window.system for window in windows if begun_at and window.start <= begun_at)
        case _:
            return frozenset()


def _sent_too_late(session: Session) -> Iterator[str]:
    for id_, tried_at, expires_at in session.execute(
        select(DeliveryRow.id, DeliveryRow.tried_at, DeliveryRow.expires_at).where(
            DeliveryRow.tried_at >= DeliveryRow.expires_at
        )
    ):
        yield f"delivery {id_} went out at {tried_at}, useless since {expires_at}"


def _sent_in_quiet_hours(session: Session) -> Iterator[str]:
    """A message that was claimed just before they began may still go: the last try is looked at that much earlier.

    Holds as long as the directory did not change since.
    """
    rows = session.execute(
        select(DeliveryRow.id, DeliveryRow.tried_at, RecipientRow.quiet_hours, ScopeRow.timezone)
        .join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
        .join(MessageRow, MessageRow.id == DeliveryRow.message_id)
        .join(ScopeRow, ScopeRow.id == MessageRow.scope_id)
        .where(
            RecipientRow.quiet_hours != "", DeliveryRow.priority > URGENT, DeliveryRow.tried_at.is_not(None)
        )
    )
    for id_, tried_at, hours, timezone in rows:
        read = read_quiet_hours(hours)
        claimed_at = tried_at - PATIENCE
        if read and quiet_until(read, timezone, tried_at) and quiet_until(read, timezone, claimed_at):
            yield f"delivery {id_} went out at {tried_at}, in the quiet hours {hours} of {timezone}"


def _sent_to_suppressed(session: Session) -> Iterator[str]:
    rows = session.execute(
        select(DeliveryRow.id, RecipientRow.address)
        .join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
        .join(
            SuppressionRow,
            (SuppressionRow.channel == DeliveryRow.channel)
            & (SuppressionRow.address == RecipientRow.address),
        )
        .where(
            DeliveryRow.tried_at > SuppressionRow.at,
            SuppressionRow.expires_at.is_(None) | (SuppressionRow.expires_at > DeliveryRow.tried_at),
        )
    )
    for id_, address in rows:
        yield f"delivery {id_} went to {address}, which gets nothing more"


def _finished_and_not(session: Session) -> Iterator[str]:
    """The indexes of what is unfinished go by `finished_at`: a delivery that has none of it wrongly is never sent."""
    for id_, state, finished_at in session.execute(
        select(DeliveryRow.id, DeliveryRow.state, DeliveryRow.finished_at)
    ):
        if (finished_at is None) != (state in UNFINISHED):
            yield f"delivery {id_} is {state}, and finished at {finished_at}"


def _outcomes_without_a_try(session: Session) -> Iterator[str]:
    happened: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for id_, kind, state in session.execute(
        select(DeliveryEventRow.delivery_id, DeliveryEventRow.kind, DeliveryEventRow.state)
    ):
        happened[id_].append((kind, state))
    for id_, state, attempts in session.execute(
        select(DeliveryRow.id, DeliveryRow.state, DeliveryRow.attempts)
    ):
        events = happened[id_]
        if state in (State.ACCEPTED, State.DELIVERED) and not {"attempt", "receipt"} & {k for k, _ in events}:
            yield f"delivery {id_} is {state}, and no event says how"
        if sum(kind == "attempt" for kind, _ in events) > attempts:
            yield f"delivery {id_} has more tries in its events than in its row ({attempts})"


def _repetitions_without_a_doubt(session: Session) -> Iterator[str]:
    rows = session.execute(
        select(DeliveryEventRow.delivery_id, DeliveryRow.channel, DeliveryRow.ambiguities)
        .join(DeliveryRow, DeliveryRow.id == DeliveryEventRow.delivery_id)
        .where(DeliveryEventRow.kind == "resent")
    )
    for id_, channel, ambiguities in rows:
        if channel == "sms":
            yield f"SMS {id_} was sent again without a person's decision"
        if not ambiguities:
            yield f"delivery {id_} was sent again, and nobody doubted it"
    yield from _texts_repeated_that_may_have_left(session)


def _texts_repeated_that_may_have_left(session: Session) -> Iterator[str]:
    """An SMS is tried again only when nothing was sent, a person decided so, or the provider could not bring it."""
    rows = session.execute(
        select(
            DeliveryEventRow.delivery_id,
            DeliveryEventRow.kind,
            DeliveryEventRow.state,
            DeliveryEventRow.detail,
        )
        .join(DeliveryRow, DeliveryRow.id == DeliveryEventRow.delivery_id)
        .where(DeliveryRow.channel == "sms")
        .order_by(DeliveryEventRow.delivery_id, DeliveryEventRow.id)
    )
    left: dict[int, str] = {}
    for id_, kind, state, detail in rows:
        is_returned = kind == "receipt" and detail.get("failure") and detail.get("rank", 0) >= FINAL_RANK
        if kind == "operator" or is_returned:
            left.pop(id_, None)
        elif kind == "attempt":
            if id_ in left:
                yield f"SMS {id_} was tried again after it was {left[id_]}, without a person's decision"
            if state in (State.ACCEPTED, State.AMBIGUOUS):
                left[id_] = state


def _told_instead_without_a_rung(session: Session) -> Iterator[str]:
    """Who stands by has messages of rungs only, and each rung of an institution is climbed once, in order.

    Holds as long as the directory did not change since.
    """
    rungs = session.scalars(select(RungRow).order_by(RungRow.id)).all()
    numbers: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    for rung in rungs:
        numbers[rung.notice_id, rung.institution, rung.audience].append(rung.number)
    for (notice_id, *pair), found in numbers.items():
        if found != list(range(1, len(found) + 1)):
            yield f"the rungs of notice {notice_id} for {pair} are numbered {found}"
    of_rungs = {told["delivery"]: rung.notice_id for rung in rungs for told in rung.told}
    at_once: set[tuple[str, str]] = set()
    standing_by: set[tuple[str, str]] = set()
    for contact in session.scalars(select(ContactRow).where(ContactRow.retired_at.is_(None))):
        ways = {(channel, getattr(contact, _ADDRESS[channel])) for channel in contact.channels}
        (standing_by if contact.standby else at_once).update(ways)
    rows = session.execute(
        select(DeliveryRow.id, DeliveryRow.notice_id, RecipientRow.channel, RecipientRow.address).join(
            RecipientRow, RecipientRow.id == DeliveryRow.recipient_id
        )
    )
    for id_, notice_id, channel, address in rows:
        if (channel, address) in standing_by - at_once and of_rungs.get(id_) != notice_id:
            yield f"delivery {id_} told {address}, which stands by, and no rung was climbed for it"


_ADDRESS = {"email": "email", "sms": "phone"}


def half_fanned_out() -> Select[str]:
    """Return the query of notices of which some recipients have a delivery, and others are still to get one."""
    return select(NoticeRow.public_id).where(NoticeRow.state == "planned", has_deliveries(NoticeRow.id))


def waits_for_others() -> ColumnElement[bool]:
    """Return the condition that a delivery is an SMS in doubt, which only its receipt settles."""
    return (DeliveryRow.channel == "sms") & (DeliveryRow.state == State.AMBIGUOUS)


def _unsettled(session: Session) -> Iterator[str]:
    for notice in session.scalars(half_fanned_out()):
        yield f"notice {notice} is fanned out in part"
    newest = session.scalar(select(func.max(DeliveryEventRow.at)))
    for public_id, due_at in session.execute(
        select(NoticeRow.public_id, NoticeRow.due_at).where(
            NoticeRow.state == "planned", NoticeRow.due_at <= newest, ~has_deliveries(NoticeRow.id)
        )
    ):
        yield f"notice {public_id} was due at {due_at}, and nobody has a delivery of it"
    for id_, state in session.execute(
        select(DeliveryRow.id, DeliveryRow.state).where(
            DeliveryRow.state.in_(UNFINISHED),
            ~waits_for_others(),
            ~((DeliveryRow.state == State.HELD) & (DeliveryRow.due_at > newest)),
        )
    ):
        yield f"delivery {id_} is still {state}"
