"""The checker of invariants fails on each violation that is planted: what it passes has none of them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from maintenance import scheduling
from maintenance.database import Database
from maintenance.runtime import Runtime
from notifications import jobs
from notifications.models import (
    DeliveryEventRow,
    DeliveryRow,
    MessageRow,
    NoticeRow,
    RecipientRow,
    SuppressionRow,
)
from notifications.retries import State
from tests.builders import a_phase, a_plan, a_system, at
from tests.far_side import compare
from tests.invariants import assert_sound
from tests.ledgers import HOUR, a_notice, a_reader, addresses, deliveries_of, queue
from tests.lives import announced, import_systems

NOW = at(10)


@pytest.fixture
def database(runtime: Runtime) -> Database:
    return runtime.database


def sent(database: Database, count: int = 3, **notice: Any) -> list[int]:
    """Queue a notice and write down that all of it went out at ten."""
    ids = queue(database, addresses(count), now=NOW - HOUR, **notice)
    with database.write() as session:
        change(session, ids, state=State.ACCEPTED, attempts=1, tried_at=NOW, finished_at=NOW)
        session.add_all(an_event(id_, "attempt", State.ACCEPTED) for id_ in ids)
    return ids


def change(session: Session, ids: list[int], **values: Any) -> None:
    session.execute(update(DeliveryRow).where(DeliveryRow.id.in_(ids)).values(**values))


def an_event(id_: int, kind: str, state: State) -> DeliveryEventRow:
    return DeliveryEventRow(delivery_id=id_, at=NOW, kind=kind, state=state, detail={})


def assert_found(database: Database, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        assert_sound(database)


def test_sound_ledger_passes(database: Database) -> None:
    sent(database)
    assert_sound(database)


def test_reader_who_was_left_out_is_found(database: Database) -> None:
    ids = sent(database)
    with database.write() as session:
        session.query(DeliveryEventRow).filter_by(delivery_id=ids[0]).delete()
        session.delete(session.get_one(DeliveryRow, ids[0]))
    assert_found(database, "has a message for reader0@example.org and no delivery")


def test_second_outcome_of_one_reader_is_found(database: Database) -> None:
    ids = sent(database)
    with database.write() as session:
        # The key of the ledger has the version in it: a second one of the same notice must not be either.
        old = session.get_one(DeliveryRow, ids[0])
        columns = {
            column.key: getattr(old, column.key)
            for column in DeliveryRow.__mapper__.column_attrs
            if column.key != "id"
        }
        again = DeliveryRow(**columns | {"sequence": old.sequence + 1})
        session.add(again)
        session.flush()
        session.add(an_event(again.id, "attempt", State.ACCEPTED))
    assert_found(database, "has 2 deliveries for recipient")


def test_message_sent_after_its_use_is_found(database: Database) -> None:
    ids = sent(database)
    with database.write() as session:
        change(session, ids[:1], expires_at=NOW)
    assert_found(database, f"delivery {ids[0]} went out at .*, useless since")


def test_message_sent_in_quiet_hours_is_found(database: Database) -> None:
    sent(database)
    with database.write() as session:
        session.execute(
            update(RecipientRow)
            .where(RecipientRow.address == "reader1@example.org")
            .values(quiet_hours="09:00-13:00")
        )
    assert_found(database, "in the quiet hours 09:00-13:00 of Europe/Lisbon")


def test_urgent_message_in_quiet_hours_is_none(database: Database) -> None:
    sent(database, priority=0)
    with database.write() as session:
        session.execute(update(RecipientRow).values(quiet_hours="09:00-13:00"))
    assert_sound(database)


@pytest.mark.parametrize("lasts", [None, timedelta(days=1)])
def test_message_to_a_suppressed_address_is_found(database: Database, lasts: timedelta | None) -> None:
    sent(database)
    with database.write() as session:
        session.add(
            SuppressionRow(
                channel="email",
                address="reader2@example.org",
                reason="opt_out",
                at=NOW - HOUR,
                expires_at=lasts and NOW + lasts,
            )
        )
    assert_found(database, "went to reader2@example.org, which gets nothing more")


def test_message_before_or_after_a_suppression_is_none(database: Database) -> None:
    sent(database)
    with database.write() as session:
        for address, begins, ends in (
            ("reader1@example.org", NOW + HOUR, None),
            ("reader2@example.org", NOW - 2 * HOUR, NOW - HOUR),
        ):
            session.add(
                SuppressionRow(
                    channel="email", address=address, reason="hard_bounce", at=begins, expires_at=ends
                )
            )
    assert_sound(database)


P1, P2 = {"phase": "p1", "phases": ["p1"]}, {"phase": "p2", "phases": ["p2"]}


def both_told(
    database: Database, older: str, newer: str, gap: timedelta, *, about: tuple[Any, Any] = (P1, P1)
) -> None:
    """Write down that a reader had two notices of an intervention, the newer one so long after the older."""
    for sequence, (kind, details) in enumerate(zip((older, newer), about, strict=True)):
        ids = sent(database, 1, reference="W", sequence=sequence, kind=kind)
        with database.write() as session:
            change(session, ids, tried_at=NOW + sequence * gap)
            session.execute(update(NoticeRow).where(NoticeRow.kind == kind).values(details=details))


@pytest.mark.parametrize("gap", [timedelta(minutes=-5), timedelta(0)], ids=["after", "together"])
@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("announcement", "cancellation"),
        ("announcement", "change"),
        ("reminder", "change"),
        ("announcement", "start"),
        ("start", "extension"),
        ("start", "restored"),
        ("extension", "restored"),
        ("update", "restored"),
        ("restored", "completion"),
        ("update", "completion"),
        ("start", "cancellation"),
    ],
)
def test_old_news_after_newer_or_together_with_it_is_found(
    database: Database, older: str, newer: str, gap: timedelta
) -> None:
    both_told(database, older, newer, gap)
    assert_found(database, f"was told the {older} of version 0 of W after the {newer} of version 1 of W")


@pytest.mark.parametrize(
    ("older", "newer", "gap", "about"),
    [
        ("start", "restored", timedelta(minutes=5), (P1, P1)),
        ("start", "restored", timedelta(minutes=-5), (P2, P1)),
        ("start", "extension", timedelta(minutes=-5), (P2, P1)),
        ("start", "update", timedelta(minutes=-5), (P1, {})),
    ],
)
def test_news_in_order_and_news_of_another_phase_are_none(
    database: Database, older: str, newer: str, gap: timedelta, about: tuple[Any, Any]
) -> None:
    both_told(database, older, newer, gap, about=about)
    assert_sound(database)


@pytest.mark.parametrize(
    ("state", "finished_at"), [(State.QUEUED, NOW), (State.AMBIGUOUS, NOW), (State.ACCEPTED, None)]
)
def test_delivery_that_is_finished_by_its_state_alone_or_by_its_time_alone_is_found(
    database: Database, state: State, finished_at: datetime | None
) -> None:
    ids = sent(database)
    with database.write() as session:
        change(session, ids[:1], state=state, finished_at=finished_at)
    assert_found(database, f"delivery {ids[0]} is {state}, and finished at")


def test_outcome_that_no_event_explains_is_found(database: Database) -> None:
    ids = sent(database)
    with database.write() as session:
        session.query(DeliveryEventRow).filter_by(delivery_id=ids[1]).delete()
    assert_found(database, f"delivery {ids[1]} is accepted, and no event says how")


def test_try_that_the_row_does_not_count_is_found(database: Database) -> None:
    ids = sent(database)
    with database.write() as session:
        session.add(an_event(ids[1], "attempt", State.ACCEPTED))
    assert_found(database, f"delivery {ids[1]} has more tries in its events than in its row")


def test_repetition_that_nobody_doubted_is_found(database: Database) -> None:
    ids = sent(database)
    with database.write() as session:
        session.add(an_event(ids[1], "resent", State.QUEUED))
    assert_found(database, f"delivery {ids[1]} was sent again, and nobody doubted it")


def test_sms_sent_again_by_itself_is_found(database: Database) -> None:
    with database.write() as session:
        (id_,) = deliveries_of(session, a_notice(session, now=NOW), ["+351910000000"], channel="sms")
        change(session, [id_], state=State.ACCEPTED, attempts=1, tried_at=NOW, finished_at=NOW, ambiguities=1)
        session.add_all(an_event(id_, kind, State.QUEUED) for kind in ("resent", "attempt"))
    assert_found(database, f"SMS {id_} was sent again without a person's decision")


@pytest.mark.parametrize("first", [State.AMBIGUOUS, State.ACCEPTED])
@pytest.mark.parametrize(
    ("kind", "detail", "is_sound"),
    [
        ("", {}, False),
        ("operator", {}, True),
        ("receipt", {"rank": 4, "failure": "transient"}, True),
        ("receipt", {"rank": 3}, False),
        ("receipt", {"rank": 4}, False),
    ],
    ids=["nothing between", "a person", "did not arrive", "on its way", "delivered"],
)
def test_second_try_of_an_sms_that_may_have_left_is_found_unless_a_person_or_the_provider_allows_it(
    database: Database, first: State, kind: str, detail: dict[str, Any], is_sound: bool
) -> None:
    with database.write() as session:
        (id_,) = deliveries_of(session, a_notice(session, now=NOW), ["+351910000000"], channel="sms")
        change(session, [id_], state=State.ACCEPTED, attempts=2, tried_at=NOW, finished_at=NOW, ambiguities=1)
        session.add(an_event(id_, "attempt", first))
        session.flush()
        if kind:
            session.add(
                DeliveryEventRow(delivery_id=id_, at=NOW, kind=kind, state=State.RETRY_WAIT, detail=detail)
            )
            session.flush()
        session.add(an_event(id_, "attempt", State.ACCEPTED))
    if is_sound:
        assert_sound(database)
    else:
        assert_found(database, f"SMS {id_} was tried again after it was {first}")


@pytest.mark.parametrize("state", [State.RETRY_WAIT, State.CONFIG_ERROR])
def test_second_try_of_an_sms_that_surely_did_not_leave_is_none(database: Database, state: State) -> None:
    with database.write() as session:
        (id_,) = deliveries_of(session, a_notice(session, now=NOW), ["+351910000000"], channel="sms")
        change(session, [id_], state=State.ACCEPTED, attempts=2, tried_at=NOW, finished_at=NOW)
        session.add_all(an_event(id_, "attempt", each) for each in (state, State.ACCEPTED))
    assert_sound(database)


def test_delivery_that_is_not_done_is_found(database: Database) -> None:
    ids = sent(database)
    with database.write() as session:
        change(session, ids[:1], state=State.SENDING, finished_at=None)
    assert_found(database, f"delivery {ids[0]} is still sending")
    assert_sound(database, settled=False)


def test_notice_of_which_only_some_have_a_delivery_is_found(database: Database) -> None:
    sent(database)
    with database.write() as session:
        notice = session.scalars(select(NoticeRow)).one()
        notice.state, notice.fanned_out_at = "planned", None
    assert_found(database, f"notice {notice.public_id} is fanned out in part")
    assert_sound(database, settled=False)


def test_message_that_waits_for_the_end_of_quiet_hours_is_left_to_do_once_they_are_over(
    database: Database,
) -> None:
    ids = sent(database)
    with database.write() as session:
        change(session, ids[:1], state=State.HELD, finished_at=None, tried_at=None, due_at=NOW + HOUR)
    assert_sound(database)
    with database.write() as session:
        change(session, ids[:1], due_at=NOW)
    assert_found(database, f"delivery {ids[0]} is still held")


def test_notice_that_was_due_and_that_nobody_has_is_found(database: Database) -> None:
    sent(database)
    with database.write() as session:
        notice = a_notice(session, now=NOW - HOUR, reference="W")
        notice.state, notice.fanned_out_at = "planned", None
    assert_found(database, f"notice {notice.public_id} was due at .*, and nobody has a delivery of it")
    with database.write() as session:
        session.get_one(NoticeRow, notice.id).due_at = NOW + HOUR
    assert_sound(database)


@pytest.mark.parametrize("whom", ["one", "all"])
@pytest.mark.parametrize("kind", ["announcement", "start"])
def test_reader_whom_fan_out_left_out_with_their_message_is_found(
    runtime: Runtime, kind: str, whom: str
) -> None:
    database = runtime.database
    with database.write() as session:
        import_systems(session, a_system("PEM", "DB", public=True), a_system("DB"))
        a_reader(session, "a@example.org", "PEM")
        a_reader(session, "b@example.org", "PEM", language="en")
        a_reader(session, "c@example.org", "NET")
        announced(session, a_plan("W", a_phase(14, 18, "DB")))
        assert scheduling.start_due(session, at(14))
    for now in (at(8), at(14)):
        jobs.tell(Runtime(runtime.settings, database, lambda now=now: now))
    assert_sound(database, settled=False)

    with database.write() as session:
        notice = session.scalars(select(NoticeRow).where(NoticeRow.kind == kind)).one()
        lost = session.scalars(
            select(MessageRow).where(MessageRow.notice_id == notice.id).order_by(MessageRow.id)
        ).all()
        for message in lost[: 1 if whom == "one" else None]:
            left_out = select(DeliveryRow.id).where(DeliveryRow.message_id == message.id)
            session.query(DeliveryEventRow).filter(DeliveryEventRow.delivery_id.in_(left_out)).delete()
            session.query(DeliveryRow).filter_by(message_id=message.id).delete()
            session.delete(message)
    with pytest.raises(
        AssertionError, match=f"the {kind} {notice.public_id} concerns a@example.org, who has"
    ):
        assert_sound(database, settled=False)


def test_far_side_shows_what_the_ledger_alone_cannot(database: Database) -> None:
    ids = sent(database)
    with database.write() as session:
        change(session, ids[2:], state=State.SUPERSEDED)
        session.execute(update(NoticeRow).values(state="superseded"))

    agreed = compare(database, Counter(ids[:2]))
    assert not agreed.lost
    assert not agreed.unexplained

    never, twice, closed, unknown = ids[0], ids[1], ids[2], max(ids) + 1
    differs = compare(database, Counter({twice: 2, closed: 1, unknown: 1}))
    assert differs.lost == (f"delivery {never} is accepted",)
    assert [words.split(":")[0] for words in differs.unexplained] == [
        f"delivery {twice} arrived 2 times, and was sent again 0 times",
        f"delivery {closed} arrived, and is superseded",
        f"delivery {unknown} arrived, and the ledger does not know it",
    ]
    assert differs.duplicates == 1


def test_what_is_left_to_a_person_is_told_apart_by_whether_it_arrived(database: Database) -> None:
    ids = sent(database)
    with database.write() as session:
        change(session, ids[:2], state=State.NEEDS_REVIEW, ambiguities=2)

    found = compare(database, Counter(ids[1:]))

    assert (found.for_review, found.never_arrived) == (2, 1)
    assert not found.lost
