"""Transactions that commit in another order than their events are numbered: all have their notices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from maintenance.database import Base, Database
from maintenance.events import UpdatePublished
from maintenance.queries import append_event
from notifications.models import NoticeRow
from notifications.planning import plan_notices
from tests.builders import a_phase, a_plan, a_system, at
from tests.lives import MORNING, announced, import_systems


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """Give a PostgreSQL, where several may write at once, with two announced plans."""
    database = Database(postgres_url)
    Base.metadata.create_all(database.engine)
    with database.write() as session:
        import_systems(session, a_system("DB"), a_system("NET"))
        announced(session, a_plan("SLOW", a_phase(14, 18, "DB")))
        announced(session, a_plan("QUICK", a_phase(14, 18, "NET")))
    plan_notices(database, MORNING)
    yield database
    database.dispose()


def updates(database: Database) -> list[tuple[str, int]]:
    """Return reference and event of each update that is planned, in the order of the events."""
    with database.read() as session:
        rows = session.execute(
            select(NoticeRow.reference, NoticeRow.event_id)
            .where(NoticeRow.kind == "update")
            .order_by(NoticeRow.event_id)
        )
        return [(reference, event_id) for reference, event_id in rows]


def test_event_with_a_lower_number_that_commits_later_has_its_notices(database: Database) -> None:
    def update(reference: str) -> UpdatePublished:
        return UpdatePublished(at=at(9), by="paula@example.org", reference=reference, sequence=0, update="u1")

    with database.write() as slow:
        lower = append_event(slow, update("SLOW")).id
        with database.write() as quick:
            higher = append_event(quick, update("QUICK")).id
        assert lower < higher
        plan_notices(database, at(9))
        assert updates(database) == [("QUICK", higher)]

    plan_notices(database, at(9))

    assert updates(database) == [("SLOW", lower), ("QUICK", higher)]


def test_event_whose_transaction_was_undone_owes_nothing(database: Database) -> None:
    update = UpdatePublished(at=at(9), by="paula@example.org", reference="SLOW", sequence=0, update="u1")
    with contextlib.suppress(InterruptedError), database.write() as session:
        append_event(session, update)
        raise InterruptedError

    assert plan_notices(database, at(9)) == 0
    assert updates(database) == []
