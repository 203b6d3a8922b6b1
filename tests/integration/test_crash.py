"""Processes killed with SIGKILL at every place between an event and its last outcome: nothing is lost.

A message may leave twice only where the ledger says that nobody knew whether it had left, and an
SMS never. `JANELA_TEST_KILLS` and `JANELA_TEST_RECIPIENTS` make the last test longer.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute

from maintenance.database import Database
from maintenance.lifecycle import SYSTEM
from maintenance.models import EventRow
from notifications import deciding
from notifications.claims import LEASE
from notifications.deciding import Decision
from notifications.models import DeliveryEventRow, DeliveryRow, NoticeRow, RecipientRow
from notifications.retries import State
from tests import crashing
from tests.builders import a_phase, a_plan, a_system
from tests.crashing import THREADS
from tests.invariants import assert_sound
from tests.ledgers import a_reader, addresses, queue, states
from tests.lives import MORNING, announced, import_systems
from tests.site import fork

KILLS = int(os.environ.get("JANELA_TEST_KILLS", "4"))
RECIPIENTS = int(os.environ.get("JANELA_TEST_RECIPIENTS", "300"))
#: Longer than a lease, and than an ambiguous mail waits for its second try.
LATER = LEASE + timedelta(minutes=1)


class Installation:
    """A database on which one process after the other works, until each dies or is done."""

    def __init__(self, database: Database, log: Path) -> None:
        self.database = database
        self.now = MORNING
        self._log = log

    def run(self, point: str = "never") -> None:
        """Let a fresh process look at everything due; it dies at `point`, and a lease's length passes."""
        process = fork(crashing.main, self.database.url, str(self._log), self.now.isoformat(), point)
        process.join(120)
        assert process.exitcode == (0 if point == "never" else -signal.SIGKILL)
        self.now += LATER

    def taken(self) -> Counter[int]:
        """Return how often the far side took each delivery."""
        text = self._log.read_text() if self._log.exists() else ""
        return Counter(int(line) for line in text.split())

    def told(self, kind: str = "resent") -> Counter[int]:
        """Return how often the ledger has an event of that kind for each delivery."""
        with self.database.read() as session:
            return Counter(
                session.scalars(select(DeliveryEventRow.delivery_id).where(DeliveryEventRow.kind == kind))
            )


@pytest.fixture
def installation(any_database: Database, tmp_path: Path) -> Installation:
    return Installation(any_database, tmp_path / "taken.log")


def announce(installation: Installation) -> None:
    with installation.database.write() as session:
        import_systems(session, a_system("PEM", "DB", public=True), a_system("DB"))
        for address in addresses(25):
            a_reader(session, address, "PEM")
    with installation.database.write() as session:
        announced(session, a_plan("W", a_phase(40, 44, "DB")))


def count_of(installation: Installation, column: InstrumentedAttribute[int]) -> int:
    with installation.database.read() as session:
        return session.scalar(select(func.count(column))) or 0


@pytest.mark.parametrize("point", ["planning", "fan-out", "slice", "claimed"])
def test_process_killed_before_anything_left_loses_and_repeats_nothing(
    installation: Installation, point: str
) -> None:
    announce(installation)

    installation.run(point)
    assert not installation.taken()
    installation.run()
    installation.run()

    with installation.database.read() as session:
        kinds = Counter(session.scalars(select(NoticeRow.kind)))
        ids = list(session.scalars(select(DeliveryRow.id)))
    assert kinds["announcement"] == 1
    assert len(ids) == 25 == count_of(installation, RecipientRow.id), "one for each who is concerned"
    assert set(states(installation.database, ids)) == {State.ACCEPTED}
    assert installation.taken() == dict.fromkeys(ids, 1)
    assert not installation.told("resent")
    assert_sound(installation.database)


def test_event_without_its_notices_is_found_by_the_next_process(installation: Installation) -> None:
    announce(installation)
    installation.run("planning")
    with installation.database.read() as session:
        assert session.scalar(select(func.count()).select_from(EventRow).where(EventRow.reference == "W"))
        assert not session.scalar(select(func.count()).select_from(NoticeRow))

    installation.run()

    with installation.database.read() as session:
        assert session.scalar(select(func.count()).select_from(NoticeRow))


def test_mail_killed_while_it_went_out_is_sent_again_and_the_ledger_says_so(
    installation: Installation,
) -> None:
    ids = queue(installation.database, addresses(25), now=MORNING)

    installation.run("taken:5")
    installation.run()
    installation.run()

    assert set(states(installation.database, ids)) == {State.ACCEPTED}
    assert installation.taken().keys() == set(ids), "lost"
    twice = {id_ for id_, count in installation.taken().items() if count > 1}
    assert twice
    assert twice <= set(installation.told("resent"))
    assert_sound(installation.database)


def test_mail_killed_before_its_batch_left_is_not_lost(installation: Installation) -> None:
    ids = queue(installation.database, addresses(25), now=MORNING)

    installation.run("sending")
    assert not installation.taken()
    installation.run()
    installation.run()

    assert installation.taken() == dict.fromkeys(ids, 1)


@pytest.mark.parametrize("point", ["sending", "taken:1"])
def test_sms_killed_while_it_went_out_is_never_sent_again_by_itself(
    installation: Installation, point: str
) -> None:
    ids = queue(installation.database, [f"+35100000000{n}" for n in range(4)], now=MORNING, channel="sms")

    installation.run(point)
    installation.run()
    installation.run()

    assert max(installation.taken().values()) == 1
    assert sorted(states(installation.database, ids)) == [State.ACCEPTED] * 3 + [State.AMBIGUOUS]
    assert_sound(installation.database)


def test_many_kills_lose_nothing_and_repeat_at_most_a_batch_per_thread(
    installation: Installation, record_property: Callable[[str, object], None]
) -> None:
    began, chance = time.monotonic(), random.Random(2019)
    ids = queue(installation.database, addresses(RECIPIENTS), now=MORNING, useful_for=timedelta(days=300))

    for _ in range(KILLS):
        left = RECIPIENTS - len(installation.taken())
        installation.run(f"taken:{chance.randint(1, max(left // 3, 1))}")
    installation.run()
    installation.run()

    taken = installation.taken()
    # Doubtful twice: the ledger hands it to a person rather than send it a third time.
    handed_over = set(installation.told("review"))
    assert set(ids) - taken.keys() <= handed_over, "lost"
    for id_, state in zip(ids, states(installation.database, ids), strict=True):
        assert state is (State.NEEDS_REVIEW if id_ in handed_over else State.ACCEPTED)
    again = installation.told("resent")
    crash = {
        "way": f"killed at its nth mail, {installation.database.engine.dialect.name}",
        "killed": {"process": KILLS},
        "deliveries": len(ids),
        "duplicates": taken.total() - len(taken),
        "resent": again.total(),
        "lost": len(set(ids) - taken.keys() - handed_over),
        "for review": len(handed_over),
        "of which never arrived": len(handed_over - taken.keys()),
        "seconds": round(time.monotonic() - began),
    }
    record_property("crash", crash)
    assert taken.total() - len(taken) <= again.total() <= KILLS * THREADS * 10
    assert all(count - 1 <= again[id_] for id_, count in taken.items())
    assert len(ids) == RECIPIENTS == count_of(installation, DeliveryRow.id), "one each"
    assert_sound(installation.database)

    with installation.database.write() as session:
        for id_ in deciding.in_doubt(session):
            deciding.decide(session, id_, Decision.AGAIN, by=SYSTEM, now=installation.now)
    installation.run()
    assert installation.taken().keys() == set(ids), "a person's word brings the last of them"
    assert set(states(installation.database, ids)) == {State.ACCEPTED}
    assert_sound(installation.database)


def test_nothing_is_sent_after_its_use_has_passed_however_long_the_process_was_down(
    installation: Installation,
) -> None:
    ids = queue(installation.database, addresses(5), now=MORNING, useful_for=timedelta(hours=1))
    installation.run("claimed")
    installation.now = MORNING + timedelta(hours=1)

    installation.run()

    assert not installation.taken()
    assert set(states(installation.database, ids)) == {State.EXPIRED}
