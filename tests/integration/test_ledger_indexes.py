"""The ledger's small indexes: what is asked for again and again finds its rows by them, and sending leaves them alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, Table, event
from sqlalchemy.orm import Session

from maintenance.database import Base, Database
from notifications import claims, reconciling, reports, stopping, tallies, upkeep
from notifications.ledger import TABLE
from notifications.models import DeliveryRow, NoticeRow
from notifications.reports import Filter
from tests.builders import at
from tests.ledgers import addresses, queue

NOW = at(10)

#: What a sender changes before an outcome is known.
_SENDING = {"state", "attempts", "tried_at", "lease_owner", "lease_until", "transport"}

LOOKS: dict[str, Callable[[Session], object]] = {
    "count what is due": lambda session: claims.waiting(session, "email", now=NOW, limit=100),
    "claim": lambda session: claims.claim(session, "email", owner="me", limit=2, now=NOW),
    "ask what time did": lambda session: upkeep.is_needed(session, NOW),
    "bring on what no sender will": lambda session: upkeep.reap(session, NOW),
    "note trouble": lambda session: stopping.note_trouble(
        session, "email", words="no", is_config=True, now=NOW
    ),
    "look at a page of a notice": lambda session: list(
        reports.told(session, Filter(notice="x"), limit=9, newest_first=True)
    ),
    "count the deliveries of some notices": lambda session: tallies.tally_of_notices(session, [1, 2]),
    "ask about doubts": lambda session: session.execute(reconciling.doubts("sms", NOW)),
    "ask about stragglers": lambda session: session.execute(reconciling.stragglers("sms", "twilio", NOW)),
}


def plans(session: Session, look: Callable[[Session], object]) -> list[str]:
    """Return how the database goes about each statement on deliveries."""
    said: list[tuple[str, Any]] = []

    def listen(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        said.append((statement, parameters))

    engine: Engine = session.connection().engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        look(session)
    finally:
        event.remove(engine, "before_cursor_execute", listen)
    explain = "EXPLAIN QUERY PLAN " if session.connection().dialect.name == "sqlite" else "EXPLAIN "
    return [
        "\n".join(
            str(row[-1]) for row in session.connection().exec_driver_sql(explain + statement, parameters)
        )
        for statement, parameters in said
        if " deliveries" in statement and not statement.startswith("INSERT")
    ]


@pytest.mark.parametrize("look", LOOKS)
def test_what_is_unfinished_is_found_without_reading_the_whole_ledger(
    any_database: Database, look: str
) -> None:
    queue(any_database, addresses(5), now=NOW)
    with any_database.write() as session:
        if not any_database.is_sqlite:
            # A table of five rows is read whole; one of a million is not.
            session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")
        found = plans(session, LOOKS[look])
    assert found
    for plan in found:
        assert "Seq Scan on deliveries" not in plan, plan
        lines = plan.splitlines()
        assert not [line for line in lines if line.startswith("SCAN deliveries") and "USING" not in line], (
            plan
        )


def test_no_index_names_what_a_sender_changes() -> None:
    """PostgreSQL then writes such an update into no index at all (HOT)."""
    table: Table = TABLE
    assert table.indexes
    for index in table.indexes:
        named = {column.name for column in index.columns}
        named |= set(str(index.dialect_options["postgresql"]["where"]).split())
        assert not named & _SENDING, index.name


def test_a_page_of_an_old_notice_does_not_go_through_all_that_came_after_it(postgres_url: str) -> None:
    database = Database(postgres_url)
    Base.metadata.create_all(database.engine)
    for reference in ("OLD", "LATER", "NEW"):
        ids = queue(database, addresses(600), now=NOW, reference=reference)
    with database.write() as session:
        session.connection().exec_driver_sql("ANALYZE")
        old = session.get_one(NoticeRow, session.get_one(DeliveryRow, ids[0] - 1200).notice_id)
        which = Filter(notice=old.public_id)
        found = plans(session, lambda session: list(reports.told(session, which, limit=9, newest_first=True)))
    database.dispose()

    assert len(found) == 2, "the numbers of the page, then the page"
    for plan in found:
        assert "Backward using pk_deliveries" not in plan or "Index Cond: (id = ANY" in plan, plan
