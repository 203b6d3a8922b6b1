"""Events of the log → notice rows, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from maintenance import scheduling
from maintenance.database import Database
from maintenance.events import CatalogueChanged, InterventionCompleted
from maintenance.interventions import Plan
from maintenance.models import EventDone, EventRow
from maintenance.queries import append_event, unhandled_events
from maintenance.texts import NO_TEXT, Text
from notifications.models import DeliveryRow, EventProblem, NoticeRow
from notifications.planning import CONSUMER, plan_notices
from notifications.queries import troubles
from notifications.retries import State
from tests.builders import a_phase, a_plan, a_system, at
from tests.ledgers import deliveries_of, states
from tests.lives import APPROVER, MORNING, announced, import_pair, import_systems

WORK = a_plan("W", a_phase(14, 18, "DB"))


@pytest.fixture
def database(any_database: Database) -> Database:
    """Give each kind of database with PEM, which needs DB."""
    with any_database.write() as session:
        import_systems(session, a_system("PEM", "DB"), a_system("DB"))
    plan_notices(any_database, MORNING)
    return any_database


def announce(database: Database, plan: Plan = WORK) -> None:
    with database.write() as session:
        announced(session, plan)


def notices(database: Database, reference: str = "W") -> list[tuple[int, str, str]]:
    """Return sequence, kind and state of each notice, in the order in which they are due."""
    with database.read() as session:
        rows = session.scalars(
            select(NoticeRow).where(NoticeRow.reference == reference).order_by(NoticeRow.due_at, NoticeRow.id)
        )
        return [(row.sequence, row.kind, row.state) for row in rows]


def test_announcement_owes_its_notice_and_the_reminders_still_to_come(database: Database) -> None:
    announce(database)

    assert plan_notices(database, MORNING) == 2

    assert notices(database) == [(0, "announcement", "planned"), (0, "reminder", "planned")]
    with database.read() as session:
        reminder = session.scalars(select(NoticeRow).where(NoticeRow.kind == "reminder")).one()
        assert (reminder.due_at, reminder.expires_at) == (at(13), at(14))


def test_planning_again_adds_nothing(database: Database) -> None:
    announce(database)
    plan_notices(database, MORNING)

    assert plan_notices(database, MORNING) == 0

    assert len(notices(database)) == 2
    with database.read() as session:
        assert list(unhandled_events(session, CONSUMER)) == []


def test_events_that_owe_nothing_are_marked_done_all_the_same(database: Database) -> None:
    with database.write() as session:
        append_event(session, CatalogueChanged(at=MORNING, by="system", version=2, changes=1))

    assert plan_notices(database, MORNING) == 0
    with database.read() as session:
        assert list(unhandled_events(session, CONSUMER)) == []


def test_move_supersedes_what_is_unsent_of_the_older_version(database: Database) -> None:
    announce(database)
    plan_notices(database, MORNING)
    with database.write() as session:
        old = session.scalars(select(NoticeRow).where(NoticeRow.kind == "announcement")).one()
        old.state = "fanned_out"
        ids = deliveries_of(session, old, [f"r{number}@example.org" for number in range(5)])
        for id_, state in zip(
            ids, [State.QUEUED, State.RETRY_WAIT, State.LEASED, State.SENDING, State.ACCEPTED], strict=True
        ):
            session.get_one(DeliveryRow, id_).state = state
        scheduling.move(
            session, "W", start=at(16).replace(tzinfo=None), reason=NO_TEXT, by=APPROVER, now=at(9)
        )

    plan_notices(database, at(9))

    assert notices(database) == [
        (0, "announcement", "superseded"),
        (1, "change", "planned"),
        (0, "reminder", "superseded"),
        (1, "reminder", "planned"),
    ]
    assert states(database, ids) == [State.SUPERSEDED] * 3 + [State.SENDING, State.ACCEPTED]


def test_notice_that_all_its_readers_have_is_not_called_superseded(database: Database) -> None:
    announce(database)
    plan_notices(database, MORNING)
    with database.write() as session:
        old = session.scalars(select(NoticeRow).where(NoticeRow.kind == "announcement")).one()
        old.state = "fanned_out"
        [id_] = deliveries_of(session, old, ["r@example.org"])
        session.get_one(DeliveryRow, id_).state = State.DELIVERED
        scheduling.move(
            session, "W", start=at(16).replace(tzinfo=None), reason=NO_TEXT, by=APPROVER, now=at(9)
        )

    plan_notices(database, at(9))

    assert (0, "announcement", "fanned_out") in notices(database)


def test_event_dealt_with_late_does_not_call_back_what_a_newer_one_made_pointless(database: Database) -> None:
    announce(database)
    with database.write() as session:
        announcement = session.scalars(select(EventRow).where(EventRow.kind == "InterventionAnnounced")).one()
        session.add(
            EventProblem(
                event_id=announcement.id, failures=1, problem="?", retry_at=at(9) + timedelta(seconds=1)
            )
        )
        scheduling.move(
            session, "W", start=at(16).replace(tzinfo=None), reason=NO_TEXT, by=APPROVER, now=at(9)
        )
    plan_notices(database, at(9))
    assert notices(database) == [(1, "change", "planned"), (1, "reminder", "planned")]

    plan_notices(database, at(10))

    assert (0, "announcement", "superseded") in notices(database)
    with database.read() as session:
        assert session.scalars(select(EventProblem)).all() == []


def test_one_bad_event_is_put_off_and_shown_and_stops_no_other(database: Database) -> None:
    with database.write() as session:
        # No such version was ever published.
        append_event(session, InterventionCompleted(at=MORNING, by="system", reference="W", sequence=7))
    announce(database)

    assert plan_notices(database, MORNING) == 2

    with database.read() as session:
        [trouble] = troubles(session, MORNING)
        assert trouble.what == "event"
        assert "no version 7" in trouble.words
        assert trouble.retry_at == MORNING + timedelta(seconds=30)
    for _ in range(3):
        plan_notices(database, MORNING + timedelta(seconds=30))
    with database.read() as session:
        [trouble] = troubles(session, MORNING)
        assert trouble.failures == 2
        assert trouble.retry_at == MORNING + timedelta(seconds=90)


def test_cancellation_supersedes_everything_else(database: Database) -> None:
    announce(database)
    plan_notices(database, MORNING)
    with database.write() as session:
        scheduling.cancel(session, "W", reason=Text.of("Adiada."), by=APPROVER, now=at(9))

    plan_notices(database, at(9))

    assert notices(database) == [
        (0, "announcement", "superseded"),
        (1, "cancellation", "planned"),
        (0, "reminder", "superseded"),
    ]


def test_altered_plan_follows_the_notice_of_the_step_that_altered_it(any_database: Database) -> None:
    """Two servers, one of two needed: the second plan turns the first one's reduced redundancy into an outage."""
    with any_database.write() as session:
        import_pair(session)
        announced(session, a_plan("FIRST", a_phase(14, 18, "A")))
    plan_notices(any_database, MORNING)
    with any_database.write() as session:
        announced(session, a_plan("SECOND", a_phase(16, 20, "B")), now=at(9))

    plan_notices(any_database, at(9))

    with any_database.read() as session:
        follower = session.scalars(
            select(NoticeRow).where(NoticeRow.reference == "FIRST", NoticeRow.kind == "change")
        ).one()
        assert follower.lead_notice_id is not None
        lead = session.get_one(NoticeRow, follower.lead_notice_id)
        assert (lead.reference, lead.kind) == ("SECOND", "announcement")
        assert follower.details["because_of"] == "SECOND"


def test_mark_and_notices_stand_or_fall_together(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(database)
    import notifications.planning as planning

    def fails(*_: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(planning, "mark_done", fails)
        assert plan_notices(database, MORNING) == 0
    assert notices(database) == []
    with database.read() as session:
        done = session.scalars(select(EventDone.event_id)).all()
        row = session.scalars(select(EventRow).where(EventRow.kind == "InterventionAnnounced")).one()
        assert row.id not in done

    plan_notices(database, at(9))

    assert len(notices(database)) == 2


def test_clock_that_starts_the_work_owes_the_start(database: Database) -> None:
    announce(database)
    with database.write() as session:
        scheduling.start_due(session, at(14))

    plan_notices(database, at(14))

    assert (1, "start", "planned") in notices(database)
