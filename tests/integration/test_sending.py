from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from maintenance.database import Database
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import claims, upkeep
from notifications.channels.parcels import FIRST_TEST
from notifications.models import ChannelRow, DeliveryRow, NoticeRow, RecipientRow, SuppressionRow
from notifications.retries import FailureClass, State
from notifications.sending import drain, record_receipt
from tests.conftest import MovedClock
from tests.ledgers import (
    HOUR,
    ScriptedTransport,
    addresses,
    delivery,
    failed,
    history,
    queue,
    states,
)

S = State


@pytest.fixture
def installation(any_database: Database, settings: Settings, clock: MovedClock) -> Runtime:
    return Runtime(settings, any_database, clock)


def reap(runtime: Runtime) -> upkeep.Upkeep:
    with runtime.database.write() as session:
        return upkeep.reap(session, runtime.clock())


def take(runtime: Runtime, *, owner: str = "another", channel: str = "email", limit: int = 100) -> list[int]:
    """Claim for a sender that will die."""
    with runtime.database.write() as session:
        found = claims.claim(session, channel, owner=owner, limit=limit, now=runtime.clock())
        return [claim.id for claim in found]


def begin(runtime: Runtime, ids: list[int], *, owner: str = "another") -> set[int]:
    with runtime.database.write() as session:
        return claims.mark_sending(session, ids, owner=owner, transport="smtp", now=runtime.clock())


def test_due_deliveries_are_sent_once_and_recorded(installation: Runtime) -> None:
    ids = queue(installation.database, addresses(25), now=installation.clock())
    transport = ScriptedTransport()

    assert drain(installation, transport) == 25
    assert drain(installation, transport) == 0

    assert states(installation.database, ids) == [S.ACCEPTED] * 25
    assert sorted(parcel.recipient for parcel in transport.sent) == sorted(addresses(25))
    row = delivery(installation.database, ids[0])
    assert (row.attempts, row.transport, row.provider_id) == (1, "scripted", "P1")
    assert row.finished_at == installation.clock()
    assert history(installation.database, ids[0]) == [("attempt", "accepted")]


@pytest.mark.parametrize(("channel", "batch_size"), [("email", 10), ("sms", 1)])
def test_no_more_than_a_batch_is_on_its_way_at_once(
    installation: Runtime, channel: str, batch_size: int
) -> None:
    queue(installation.database, addresses(23), now=installation.clock(), channel=channel)
    under_way = []

    class Watching(ScriptedTransport):
        def send(self, parcels, *, now):
            with installation.database.read() as session:
                under_way.append(
                    session.scalar(
                        select(func.count()).select_from(DeliveryRow).where(DeliveryRow.state == S.SENDING)
                    )
                )
            yield from super().send(parcels, now=now)

    drain(installation, Watching(channel=channel, batch_size=batch_size))

    assert sum(under_way) == 23
    assert max(under_way) == batch_size


def test_two_senders_never_take_the_same_delivery(installation: Runtime) -> None:
    queue(installation.database, addresses(30), now=installation.clock())

    first, second = take(installation, owner="a", limit=20), take(installation, owner="b", limit=20)

    assert len(first) == 20
    assert len(second) == 10
    assert not set(first) & set(second)


def test_urgent_messages_go_before_older_bulk(installation: Runtime) -> None:
    now = installation.clock()
    queue(installation.database, ["bulk@example.org"], now=now - HOUR, reference="INT-1", priority=9)
    queue(installation.database, ["urgent@example.org"], now=now, reference="INT-2", priority=0)
    transport = ScriptedTransport()

    drain(installation, transport)

    assert [parcel.recipient for parcel in transport.sent] == ["urgent@example.org", "bulk@example.org"]


def test_nothing_is_sent_before_it_is_due(installation: Runtime, clock: MovedClock) -> None:
    ids = queue(installation.database, addresses(1), now=clock.now + HOUR)
    transport = ScriptedTransport()

    assert drain(installation, transport) == 0
    clock.move_on(hours=1)
    assert drain(installation, transport) == 1
    assert states(installation.database, ids) == [S.ACCEPTED]


def test_what_has_become_useless_expires_and_is_never_sent(installation: Runtime, clock: MovedClock) -> None:
    ids = queue(installation.database, addresses(2), now=clock.now, useful_for=HOUR)
    clock.move_on(hours=1)
    transport = ScriptedTransport()

    drain(installation, transport)
    reap(installation)

    assert transport.sent == []
    assert states(installation.database, ids) == [S.EXPIRED] * 2
    assert history(installation.database, ids[0]) == [("expired", "expired")]


def test_what_expires_between_claim_and_send_stays_unsent(installation: Runtime, clock: MovedClock) -> None:
    ids = queue(installation.database, addresses(1), now=clock.now, useful_for=timedelta(seconds=10))
    assert take(installation) == ids
    clock.move_on(seconds=10)

    assert begin(installation, ids) == set()


def test_refused_for_now_waits_and_is_tried_again(installation: Runtime, clock: MovedClock) -> None:
    [id_] = queue(installation.database, addresses(1), now=clock.now)
    transport = ScriptedTransport(
        script={"reader0@example.org": [failed(FailureClass.TRANSIENT, "451 busy")]}
    )

    drain(installation, transport)

    row = delivery(installation.database, id_)
    assert (row.state, row.failure, row.outcome) == (S.RETRY_WAIT, "transient", "451 busy")
    assert timedelta(seconds=12) <= row.due_at - clock.now <= timedelta(seconds=18)
    clock.move_on(seconds=18)
    drain(installation, transport)
    assert states(installation.database, [id_]) == [S.ACCEPTED]
    assert delivery(installation.database, id_).attempts == 2
    assert history(installation.database, id_) == [("attempt", "retry_wait"), ("attempt", "accepted")]


def test_address_that_does_not_exist_is_closed_and_gets_nothing_more(
    installation: Runtime, clock: MovedClock
) -> None:
    gone = failed(FailureClass.RECIPIENT_PERMANENT, "550 5.1.1 no such user")
    [first] = queue(installation.database, ["gone@example.org"], now=clock.now, reference="INT-1")
    drain(installation, ScriptedTransport(script={"gone@example.org": [gone]}))
    [second] = queue(installation.database, ["gone@example.org"], now=clock.now, reference="INT-2")
    transport = ScriptedTransport()

    drain(installation, transport)

    assert transport.sent == []
    assert states(installation.database, [first, second]) == [S.FAILED_PERMANENT, S.SUPPRESSED]


def test_suppression_that_has_run_out_no_longer_counts(installation: Runtime, clock: MovedClock) -> None:
    with installation.database.write() as session:
        session.add(
            SuppressionRow(
                channel="email",
                address="back@example.org",
                reason="hard_bounce",
                at=clock.now - 2 * HOUR,
                expires_at=clock.now - HOUR,
            )
        )
    ids = queue(installation.database, ["back@example.org"], now=clock.now)

    drain(installation, ScriptedTransport())

    assert states(installation.database, ids) == [S.ACCEPTED]


def test_our_own_fault_stops_the_batch_and_blames_nobody(installation: Runtime, clock: MovedClock) -> None:
    ids = queue(installation.database, addresses(30), now=clock.now)
    wrong = failed(FailureClass.CONFIG, "535 wrong password")
    transport = ScriptedTransport(script={address: [wrong] for address in addresses(30)})

    drain(installation, transport)

    assert len(transport.sent) == 10
    assert states(installation.database, ids) == [S.CONFIG_ERROR] * 10 + [S.QUEUED] * 20
    with installation.database.read() as session:
        assert session.scalars(select(SuppressionRow)).all() == []
        channel = session.get_one(ChannelRow, "email")
        assert channel.words == "535 wrong password"
        assert channel.paused_until is not None
    assert drain(installation, ScriptedTransport()) == 0
    clock.move_on(minutes=1)
    drain(installation, ScriptedTransport())
    assert states(installation.database, ids) == [S.ACCEPTED] * 30


def test_channel_whose_server_is_away_is_left_alone_longer_each_time(
    installation: Runtime, clock: MovedClock
) -> None:
    queue(installation.database, addresses(30), now=clock.now)
    pauses = []
    for _ in range(7):
        away = failed(FailureClass.RETRY_SAFE, "connection refused")
        transport = ScriptedTransport(script={address: [away] for address in addresses(30)})
        assert drain(installation, transport) <= 10
        with installation.database.read() as session:
            until = session.get_one(ChannelRow, "email").paused_until
        assert until is not None
        pauses.append((until - clock.now).total_seconds())
        clock.move_to(until)

    assert pauses == [15, 30, 60, 120, 240, 300, 300]
    clock.move_on(minutes=40)
    drain(installation, ScriptedTransport())
    with installation.database.read() as session:
        assert session.get_one(ChannelRow, "email").strikes == 0


def test_transport_that_breaks_leaves_the_rest_of_its_batch_ambiguous(installation: Runtime) -> None:
    ids = queue(installation.database, addresses(12), now=installation.clock())
    broken = ScriptedTransport(script={"reader3@example.org": [ConnectionError("lost")]})

    drain(installation, broken)

    assert states(installation.database, ids) == [S.ACCEPTED] * 3 + [S.AMBIGUOUS] * 7 + [S.ACCEPTED] * 2
    assert delivery(installation.database, ids[5]).ambiguities == 1


@contextmanager
def texts_unreadable(database: Database) -> Iterator[None]:
    """Have the database fail wherever the text of a message is asked for."""

    def fail(connection, cursor, statement, *_):
        if "messages.body" in statement:
            raise sqlite3.OperationalError("disk I/O error")

    event.listen(database.engine, "before_cursor_execute", fail)
    yield
    event.remove(database.engine, "before_cursor_execute", fail)


def test_text_that_could_not_be_read_leaves_no_doubt_and_goes_out_later(
    installation: Runtime, clock: MovedClock
) -> None:
    [id_] = queue(installation.database, ["+351000000001"], now=clock.now, channel="sms")
    transport = ScriptedTransport(channel="sms", batch_size=1)
    with texts_unreadable(installation.database):
        drain(installation, transport)

    row = delivery(installation.database, id_)
    assert (row.state, row.failure, row.ambiguities) == (S.RETRY_WAIT, "retry_safe", 0)
    assert "disk I/O error" in row.outcome
    assert transport.sent == []
    clock.move_on(minutes=1)
    drain(installation, transport)
    assert states(installation.database, [id_]) == [S.ACCEPTED]


def test_lease_that_ran_out_before_sending_began_is_queued_again(
    installation: Runtime, clock: MovedClock
) -> None:
    ids = queue(installation.database, addresses(3), now=clock.now)
    assert take(installation) == ids

    clock.move_on(seconds=claims.LEASE.total_seconds() - 1)
    assert reap(installation) == upkeep.Upkeep()
    clock.move_on(seconds=1)
    assert reap(installation).requeued == 3

    assert states(installation.database, ids) == [S.QUEUED] * 3
    assert delivery(installation.database, ids[0]).attempts == 0
    assert begin(installation, ids) == set(), "the late sender must not go on"


def test_ambiguous_mail_is_sent_once_more_and_then_waits_for_a_person(
    installation: Runtime, clock: MovedClock
) -> None:
    [id_] = queue(installation.database, addresses(1), now=clock.now)
    for _ in range(2):
        assert begin(installation, take(installation)) == {id_}
        clock.move_on(seconds=claims.LEASE.total_seconds())
        reap(installation)
    transport = ScriptedTransport()
    drain(installation, transport)

    assert transport.sent == []
    assert states(installation.database, [id_]) == [S.NEEDS_REVIEW]
    assert history(installation.database, id_) == [
        ("lease_expired", "ambiguous"),
        ("resent", "queued"),
        ("lease_expired", "ambiguous"),
        ("review", "needs_review"),
    ]


def test_ambiguous_sms_is_never_sent_again_by_itself(installation: Runtime, clock: MovedClock) -> None:
    [id_] = queue(installation.database, ["+351000000001"], now=clock.now, channel="sms")
    doubt = failed(FailureClass.AMBIGUOUS, "read time-out")
    transport = ScriptedTransport(channel="sms", batch_size=1, script={"+351000000001": [doubt]})
    drain(installation, transport)

    for _ in range(30):
        clock.move_on(hours=1)
        reap(installation)
        drain(installation, transport)

    assert len(transport.sent) == 1
    assert states(installation.database, [id_]) == [S.NEEDS_REVIEW]


def test_late_answer_of_a_slow_sender_settles_the_doubt(installation: Runtime, clock: MovedClock) -> None:
    [id_] = queue(installation.database, ["+351000000001"], now=clock.now, channel="sms")

    class Slow(ScriptedTransport):
        def send(self, parcels, *, now):
            clock.move_on(minutes=5)
            reap(installation)
            yield from super().send(parcels, now=now)

    drain(installation, Slow(channel="sms", batch_size=1))

    assert states(installation.database, [id_]) == [S.ACCEPTED]
    assert history(installation.database, id_) == [("lease_expired", "ambiguous"), ("attempt", "accepted")]


@pytest.mark.parametrize(
    ("priority", "wait", "sent"),
    [
        (5, timedelta(minutes=14), False),
        (5, timedelta(minutes=16), True),
        (0, timedelta(minutes=1), True),
    ],
)
def test_later_message_waits_behind_a_doubt_for_a_quarter_of_an_hour_urgent_ones_do_not(
    installation: Runtime, clock: MovedClock, priority: int, wait: timedelta, sent: bool
) -> None:
    number = "+351000000001"
    doubt = failed(FailureClass.AMBIGUOUS, "read time-out")
    queue(installation.database, [number], now=clock.now, channel="sms")
    drain(installation, ScriptedTransport(channel="sms", batch_size=1, script={number: [doubt]}))
    queue(installation.database, [number], now=clock.now, channel="sms", sequence=1, priority=priority)
    clock.move_on(seconds=wait.total_seconds())
    later = ScriptedTransport(channel="sms", batch_size=1)

    drain(installation, later)

    assert [parcel.sequence for parcel in later.sent] == ([1] if sent else [])


@pytest.mark.parametrize("priorities", [(1, 1), (0, 0), (5, 1)])
def test_two_messages_of_one_intervention_are_never_on_their_way_to_a_reader_at_once(
    installation: Runtime, clock: MovedClock, priorities: tuple[int, int]
) -> None:
    older, newer = (
        queue(
            installation.database, addresses(3), now=clock.now, sequence=n, kind="update", priority=priority
        )
        for n, priority in enumerate(priorities)
    )
    other = queue(installation.database, addresses(3), now=clock.now, reference="INT-2", priority=9)

    assert set(take(installation)) == {*older, *other}, (
        "the older of each, and what is of another intervention"
    )
    assert states(installation.database, newer) == [S.QUEUED] * 3
    with installation.database.write() as session:
        claims.release(session, [*older, *other], owner="another")
    transport = ScriptedTransport()
    for _ in range(2):
        drain(installation, transport)
        clock.move_on(seconds=1)
    told = [parcel.sequence for parcel in transport.sent if parcel.reference == "INT-1"]
    assert told == [0, 0, 0, 1, 1, 1]


def test_urgent_message_does_not_wait_for_an_older_one_with_which_it_is_claimed(
    installation: Runtime, clock: MovedClock
) -> None:
    older = queue(installation.database, addresses(3), now=clock.now, priority=9)
    urgent = queue(installation.database, addresses(3), now=clock.now, sequence=1, kind="start", priority=0)

    assert take(installation) == urgent
    assert states(installation.database, older) == [S.QUEUED] * 3


def test_newer_message_does_not_wait_for_an_older_one_whose_next_try_is_far_away_or_that_is_paused(
    installation: Runtime, clock: MovedClock
) -> None:
    refused = {address: [failed(FailureClass.TRANSIENT)] * 9 for address in addresses(2)}
    queue(installation.database, addresses(2), now=clock.now, kind="update", priority=1)
    drain(installation, ScriptedTransport(script=refused))
    paused = queue(installation.database, addresses(2), now=clock.now, kind="update", priority=1)
    with installation.database.write() as session:
        session.get_one(NoticeRow, session.get_one(DeliveryRow, paused[0]).notice_id).paused_at = clock.now

    newer = queue(installation.database, addresses(2), now=clock.now, sequence=1, kind="restored", priority=1)

    assert take(installation) == newer


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)  # SQLite has one writer
def test_newer_message_waits_for_an_older_one_that_another_process_is_just_claiming(
    installation: Runtime, clock: MovedClock
) -> None:
    older = queue(installation.database, addresses(2), now=clock.now, kind="update", priority=1)
    newer = queue(installation.database, addresses(2), now=clock.now, sequence=1, kind="restored", priority=1)
    with installation.database.write() as session:
        found = claims.claim(session, "email", owner="one", limit=2, now=clock.now)
        assert [one.id for one in found] == older

        assert take(installation, owner="two") == []

    assert take(installation, owner="two") == [], "it is leased"
    assert states(installation.database, newer) == [S.QUEUED] * 2


def test_message_of_another_intervention_does_not_wait_behind_a_doubt(
    installation: Runtime, clock: MovedClock
) -> None:
    queue(installation.database, ["a@example.org"], now=clock.now, reference="INT-1")
    begin(installation, take(installation))
    queue(installation.database, ["a@example.org"], now=clock.now, reference="INT-2")

    assert drain(installation, ScriptedTransport()) == 1


def test_what_was_superseded_while_leased_is_not_sent(installation: Runtime, clock: MovedClock) -> None:
    ids = queue(installation.database, addresses(2), now=clock.now)
    taken = take(installation)
    with installation.database.write() as session:
        notice = session.scalars(select(NoticeRow)).one()
        notice.state = "superseded"
        upkeep.supersede(session, [notice.id], clock.now)

    assert begin(installation, taken) == set()
    assert states(installation.database, ids) == [S.SUPERSEDED] * 2


def test_failed_try_of_a_superseded_notice_is_not_repeated(installation: Runtime, clock: MovedClock) -> None:
    [id_] = queue(installation.database, addresses(1), now=clock.now)
    busy = failed(FailureClass.TRANSIENT, "451")
    drain(installation, ScriptedTransport(script={"reader0@example.org": [busy]}))
    with installation.database.write() as session:
        session.scalars(select(NoticeRow)).one().state = "superseded"
    clock.move_on(minutes=1)
    transport = ScriptedTransport()

    drain(installation, transport)

    assert transport.sent == []
    assert states(installation.database, [id_]) == [S.SUPERSEDED]


def receive(
    runtime: Runtime,
    id_: int,
    state: State,
    rank: int,
    *,
    failure: FailureClass | None = None,
    provider_id: str = "SM1",
) -> bool:
    with runtime.database.write() as session:
        return record_receipt(
            session,
            id_,
            provider_id=provider_id,
            state=state,
            rank=rank,
            words=state.value,
            failure=failure,
            at=runtime.clock(),
            detail={},
        )


def test_receipts_bring_a_delivery_forward_only(installation: Runtime) -> None:
    [id_] = queue(installation.database, ["+351000000001"], now=installation.clock(), channel="sms")
    drain(installation, ScriptedTransport(channel="sms", batch_size=1))

    moved = [
        receive(installation, id_, S.DELIVERED, 4),
        receive(installation, id_, S.ACCEPTED, 3),
        receive(installation, id_, S.UNDELIVERED, 4),
        receive(installation, id_, S.DELIVERED, 4),
    ]

    assert moved == [True, False, False, False]
    assert states(installation.database, [id_]) == [S.DELIVERED]
    assert [kind for kind, _ in history(installation.database, id_)] == ["attempt"] + ["receipt"] * 4


def test_receipt_that_comes_before_the_answer_stands(installation: Runtime) -> None:
    [id_] = queue(installation.database, ["+351000000001"], now=installation.clock(), channel="sms")

    class Hasty(ScriptedTransport):
        def send(self, parcels, *, now):
            receive(installation, parcels[0].delivery_id, S.DELIVERED, 4)
            yield from super().send(parcels, now=now)

    drain(installation, Hasty(channel="sms", batch_size=1))

    assert states(installation.database, [id_]) == [S.DELIVERED]


def test_receipt_settles_a_doubt(installation: Runtime, clock: MovedClock) -> None:
    [id_] = queue(installation.database, ["+351000000001"], now=clock.now, channel="sms")
    begin(installation, take(installation, channel="sms"))
    clock.move_on(minutes=5)
    reap(installation)

    assert states(installation.database, [id_]) == [S.AMBIGUOUS]
    assert receive(installation, id_, S.ACCEPTED, 2)
    assert states(installation.database, [id_]) == [S.ACCEPTED]


def test_hard_bounce_and_opt_out_stop_what_follows(installation: Runtime, clock: MovedClock) -> None:
    ids = queue(installation.database, ["a@example.org", "b@example.org"], now=clock.now)
    drain(installation, ScriptedTransport())
    # Reports on mails do not know what the relay called them.
    receive(installation, ids[0], S.BOUNCED_HARD, 4, failure=FailureClass.RECIPIENT_PERMANENT, provider_id="")
    receive(installation, ids[1], S.OPTED_OUT, 4, failure=FailureClass.OPT_OUT, provider_id="")
    later = queue(installation.database, ["a@example.org", "b@example.org"], now=clock.now, reference="INT-2")

    drain(installation, ScriptedTransport())

    assert states(installation.database, later) == [S.SUPPRESSED] * 2
    with installation.database.read() as session:
        reasons = dict(session.execute(select(SuppressionRow.address, SuppressionRow.reason)).all())
    assert reasons == {"a@example.org": "hard_bounce", "b@example.org": "opt_out"}


@pytest.mark.parametrize("number", [FIRST_TEST + 1, 2**31, 10**30, 0, -(2**40)])
def test_receipt_for_a_number_that_no_delivery_can_have_is_refused(
    installation: Runtime, number: int
) -> None:
    assert not receive(installation, number, S.DELIVERED, 4)


def test_receipt_for_a_delivery_that_is_not_ours_is_refused(installation: Runtime) -> None:
    assert not receive(installation, 4711, S.DELIVERED, 4)


def test_bulk_claimed_long_ago_is_given_back_for_something_urgent(
    installation: Runtime, clock: MovedClock
) -> None:
    queue(installation.database, addresses(50), now=clock.now, priority=9)

    class Slow(ScriptedTransport):
        def send(self, parcels, *, now):
            if not self.sent:
                queue(installation.database, ["x@example.org"], now=now, reference="INT-2", priority=0)
            clock.move_on(seconds=6)
            yield from super().send(parcels, now=now)

    transport = Slow()
    drain(installation, transport)

    order = [parcel.recipient for parcel in transport.sent]
    assert order.index("x@example.org") == 10
    assert len(order) == 51


def test_recipients_are_told_apart_by_channel(installation: Runtime) -> None:
    queue(installation.database, ["a@example.org"], now=installation.clock())
    queue(installation.database, ["+351000000001"], now=installation.clock(), channel="sms")

    assert drain(installation, ScriptedTransport(channel="sms", batch_size=1)) == 1
    with installation.database.read() as session:
        assert session.scalar(select(func.count()).select_from(RecipientRow)) == 2
