"""The desk: threads of a process share claims and transactions, and none pays for another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import Any

import pytest
from sqlalchemy import func, select

from maintenance.database import Database
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import claims, ledger, upkeep
from notifications.channels.parcels import Outcome
from notifications.models import DeliveryRow
from notifications.retries import FailureClass, State
from notifications.sending import drain, drain_together
from tests.conftest import MovedClock
from tests.invariants import assert_sound
from tests.ledgers import ScriptedTransport, addresses, delivery, failed, history, queue, states

THREADS = 4


@pytest.fixture
def installation(any_database: Database, settings: Settings, clock: MovedClock) -> Runtime:
    return Runtime(settings, any_database, clock)


def all_together(
    runtime: Runtime, transport: ScriptedTransport, stop: Callable[[], bool] = lambda: False
) -> int:
    with ThreadPoolExecutor(THREADS) as pool:
        return drain_together(pool, THREADS, runtime, transport, stop=stop)


def test_threads_send_each_delivery_once_and_have_at_most_a_batch_each_on_its_way(
    installation: Runtime,
) -> None:
    ids = queue(installation.database, addresses(330), now=installation.clock())
    under_way, lock = [], Lock()

    class Watching(ScriptedTransport):
        def send(self, parcels, *, now):
            with installation.database.read() as session:
                sending = select(func.count()).where(DeliveryRow.state == State.SENDING)
                count = session.scalar(sending)
            with lock:
                under_way.append(count)
            yield from super().send(parcels, now=now)

    transport = Watching()
    assert all_together(installation, transport) == 330

    assert len({parcel.delivery_id for parcel in transport.sent}) == len(transport.sent) == 330
    assert max(under_way) <= THREADS * transport.batch_size
    assert set(states(installation.database, ids)) == {State.ACCEPTED}
    assert_sound(installation.database)


def test_last_thread_to_leave_gives_back_what_nobody_began_with(installation: Runtime) -> None:
    ids = queue(installation.database, addresses(200), now=installation.clock())
    transport = ScriptedTransport()

    all_together(installation, transport, stop=lambda: len(transport.sent) >= 50)

    found = states(installation.database, ids)
    assert set(found) == {State.ACCEPTED, State.QUEUED}
    assert found.count(State.ACCEPTED) == len(transport.sent)


def test_trouble_of_one_thread_takes_the_batches_of_all(installation: Runtime) -> None:
    ids = queue(installation.database, addresses(400), now=installation.clock())
    wrong = failed(FailureClass.CONFIG, "535 wrong password")
    transport = ScriptedTransport(script={address: [wrong] for address in addresses(400)})

    all_together(installation, transport)

    assert len(transport.sent) <= THREADS * transport.batch_size
    assert set(states(installation.database, ids)) == {State.CONFIG_ERROR, State.QUEUED}


def test_outcomes_that_cannot_be_written_cost_the_others_nothing(
    installation: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = queue(installation.database, addresses(THREADS * 10), now=installation.clock())
    real, together = ledger.record, Barrier(THREADS)

    def moody(session: Any, results: Any, **more: Any) -> None:
        real(session, results, **more)
        if any(found.id == ids[0] for found, _ in results):
            raise ValueError("it cannot be written")

    class Together(ScriptedTransport):
        def send(self, parcels, *, now):
            together.wait(30)
            yield from super().send(parcels, now=now)

    monkeypatch.setattr(ledger, "record", moody)
    with pytest.raises(ValueError, match="it cannot be written"):
        all_together(installation, Together())

    found = states(installation.database, ids)
    assert found == [State.SENDING] * 10 + [State.ACCEPTED] * (THREADS - 1) * 10


def test_answer_to_an_earlier_try_does_not_settle_the_present_one(
    installation: Runtime, clock: MovedClock
) -> None:
    [id_] = queue(installation.database, addresses(1), now=clock.now)

    def begin() -> ledger.Claim:
        with installation.database.write() as session:
            [found] = claims.claim(session, "email", owner="me", limit=1, now=clock.now)
            claims.mark_sending(session, [id_], owner="me", transport="smtp", now=clock.now)
            return found

    def end(found: ledger.Claim, state: State) -> None:
        with installation.database.write() as session:
            results = [(found, Outcome(state))]
            ledger.record(session, results, owner="me", transport="smtp", now=clock.now)

    first = begin()
    clock.move_on(seconds=claims.LEASE.total_seconds())
    with installation.database.write() as session:
        upkeep.reap(session, clock.now)
    second = begin()
    end(first, State.RETRY_WAIT)

    assert states(installation.database, [id_]) == [State.SENDING]
    end(second, State.ACCEPTED)
    row = delivery(installation.database, id_)
    assert (row.state, row.attempts) == (State.ACCEPTED, 2)
    assert [kind for kind, _ in history(installation.database, id_)].count("attempt") == 2
    assert drain(installation, ScriptedTransport()) == 0
