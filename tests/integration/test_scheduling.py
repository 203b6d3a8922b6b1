"""From the draft to the announcement, and what stands in the log."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from maintenance import scheduling
from maintenance.catalogue import Impact
from maintenance.database import Database
from maintenance.errors import InvalidDocument, NotFound, StaleEdit, StepRefused
from maintenance.events import InterventionAnnounced, InterventionApproved, InterventionChanged
from maintenance.lifecycle import SYSTEM, Actor, ReviewState, Role, RunState
from maintenance.models import EventRow, PublishedHistory, VersionRow
from maintenance.queries import (
    event_of,
    get_intervention,
    last_change,
    latest_published,
    list_interventions,
    mark_done,
    pending,
    plan_of,
    published,
    unhandled_events,
)
from maintenance.texts import Text
from tests.builders import a_phase, a_plan, a_system, at
from tests.lives import APPROVER, MORNING, PLANNER, announced, current, import_systems, told

WORK = a_plan("W", a_phase(14, 18, "DB"))


@pytest.fixture
def database(any_database: Database) -> Database:
    """Give each kind of database with PEM, which needs DB, and NET."""
    with any_database.write() as session:
        import_systems(session, a_system("PEM", "DB"), a_system("DB"), a_system("NET"))
    return any_database


def test_an_announcement_goes_through_review_and_publishes_version_0(database: Database) -> None:
    with database.write() as session:
        row = scheduling.draft(session, WORK, by=PLANNER, now=MORNING)
        version = pending(row)
        assert version is not None
        assert (row.run_state, version.review_state) == ("planned", "draft")
        scheduling.submit(session, "W", by=PLANNER, now=MORNING)
        scheduling.approve(session, "W", note="Bem.", by=APPROVER, now=MORNING)
        scheduling.announce(
            session, "W", reason=Text.of({"pt": "Novo", "en": "New"}), by=APPROVER, now=MORNING
        )

    with database.read() as session:
        row = get_intervention(session, "W")
        version = current(session, "W")
        assert row.run_state == RunState.ANNOUNCED
        assert pending(row) is None
        assert (version.sequence, version.review_state, version.step) == (
            0,
            "published",
            "InterventionAnnounced",
        )
        assert (version.submitted_by, version.approved_by) == (PLANNER.name, APPROVER.name)
        assert (version.published_at, version.catalogue_version) == (MORNING, 1)
        assert version.reason == {"pt": "Novo", "en": "New"}
        assert plan_of(version) == WORK
        assert told(session, "W") == [
            ("DB", "OUTAGE", 14, 18, ("W",)),
            ("PEM", "OUTAGE", 14, 18, ("W",)),
        ]


def test_every_step_leaves_an_event_with_who_when_and_why(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, WORK, by=PLANNER, now=at(1))
        scheduling.submit(session, "W", by=PLANNER, now=at(2))
        scheduling.return_(session, "W", note="Falta o contacto.", by=APPROVER, now=at(3))
        scheduling.edit(session, "W", WORK, by=PLANNER, now=at(4))
        scheduling.submit(session, "W", by=PLANNER, now=at(5))
        scheduling.approve(session, "W", by=APPROVER, now=at(6))
        scheduling.announce(session, "W", reason=Text.of("Novo"), by=APPROVER, now=at(7))

    with database.read() as session:
        events = [event_of(e) for e in session.scalars(select(EventRow).where(EventRow.reference == "W"))]
        assert [(e.kind, e.by, e.reason) for e in events] == [
            ("InterventionDrafted", PLANNER.name, ""),
            ("InterventionSubmitted", PLANNER.name, ""),
            ("InterventionReturned", APPROVER.name, "Falta o contacto."),
            ("InterventionEdited", PLANNER.name, ""),
            ("InterventionSubmitted", PLANNER.name, ""),
            ("InterventionApproved", APPROVER.name, ""),
            ("InterventionAnnounced", APPROVER.name, "Novo"),
        ]
        assert [e.at for e in events] == [at(hour) for hour in range(1, 8)]
        assert events[-1] == InterventionAnnounced(
            at=at(7), by=APPROVER.name, reason="Novo", reference="W", sequence=0
        )


def test_a_step_that_fails_after_its_event_leaves_neither(database: Database) -> None:
    with database.read() as session:
        before = last_change(session)

    def power_cut() -> None:
        with database.write() as session:
            scheduling.draft(session, WORK, by=PLANNER, now=MORNING)
            assert last_change(session) > before
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        power_cut()

    with database.read() as session:
        assert last_change(session) == before
        assert list_interventions(session) == []


# -- review


def test_an_edit_after_approval_makes_it_a_draft_again(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, WORK, by=PLANNER, now=MORNING)
        scheduling.submit(session, "W", by=PLANNER, now=MORNING)
        scheduling.approve(session, "W", by=APPROVER, now=MORNING)
        scheduling.edit(session, "W", a_plan("W", a_phase(15, 19, "DB")), by=PLANNER, now=MORNING)

        version = pending(get_intervention(session, "W"))
        assert version is not None
        assert version.review_state == ReviewState.DRAFT
        assert version.approved_digest is None
        with pytest.raises(StepRefused, match="needs a version that is approved"):
            scheduling.announce(session, "W", by=APPROVER, now=MORNING)


def test_content_that_was_not_approved_cannot_be_announced(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, WORK, by=PLANNER, now=MORNING)
        scheduling.submit(session, "W", by=PLANNER, now=MORNING)
        scheduling.approve(session, "W", by=APPROVER, now=MORNING)
        version = pending(get_intervention(session, "W"))
        assert version is not None
        version.content = {**version.content, "title": "Something else"}

        with pytest.raises(StepRefused, match="not the one that was approved"):
            scheduling.announce(session, "W", by=APPROVER, now=MORNING)


def test_whoever_submitted_a_version_may_not_approve_it(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, WORK, by=APPROVER, now=MORNING)
        scheduling.submit(session, "W", by=APPROVER, now=MORNING)

        with pytest.raises(StepRefused, match="somebody else must approve"):
            scheduling.approve(session, "W", by=APPROVER, now=MORNING)


def test_the_system_account_may_approve_what_it_submitted(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, WORK, by=SYSTEM, now=MORNING)
        scheduling.submit(session, "W", by=SYSTEM, now=MORNING)

        assert scheduling.approve(session, "W", by=SYSTEM, now=MORNING).approved_by == "system"


def test_announcing_directly_records_the_steps_it_passes_over(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, WORK, by=PLANNER, now=MORNING)
        scheduling.announce_directly(session, "W", by=APPROVER, now=MORNING)
        scheduling.draft(session, replace(WORK, reference="X"), by=PLANNER, now=MORNING)
        scheduling.submit(session, "X", by=PLANNER, now=MORNING)
        scheduling.announce_directly(session, "X", override="Agreed.", by=APPROVER, now=MORNING)

    with database.read() as session:
        found = session.scalars(select(EventRow).where(EventRow.kind == "InterventionApproved"))
        approvals = [event_of(row) for row in found]
        assert all(isinstance(event, InterventionApproved) for event in approvals)
        assert [event.payload()["passed_over"] for event in approvals] == [
            ("submit", "approve"),
            ("approve",),
        ]
        assert current(session, "W").sequence == 0


def test_a_planner_may_not_announce_directly(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, WORK, by=PLANNER, now=MORNING)

        with pytest.raises(StepRefused, match="needs the role approver"):
            scheduling.announce_directly(session, "W", by=PLANNER, now=MORNING)


def test_a_withdrawn_version_leaves_the_published_one(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        scheduling.edit(session, "W", a_plan("W", a_phase(15, 19, "DB")), by=PLANNER, now=MORNING)
        scheduling.withdraw(session, "W", by=PLANNER, now=MORNING)

        row = get_intervention(session, "W")
        assert pending(row) is None
        assert row.run_state == RunState.ANNOUNCED
        assert plan_of(current(session, "W")) == WORK


# -- changes of what was announced


def test_a_change_stands_beside_the_announced_version_until_it_is_published(database: Database) -> None:
    other = a_plan("W", a_phase(15, 19, "DB"))
    with database.write() as session:
        announced(session, WORK)
        scheduling.edit(session, "W", other, by=PLANNER, now=at(9))
        row = get_intervention(session, "W")
        assert plan_of(current(session, "W")) == WORK
        version = pending(row)
        assert version is not None
        assert plan_of(version) == replace(other, draft=True)
        scheduling.submit(session, "W", by=PLANNER, now=at(9))
        scheduling.approve(session, "W", by=APPROVER, now=at(9))
        scheduling.announce(session, "W", reason=Text.of("Peças em atraso"), by=APPROVER, now=at(9))

    with database.read() as session:
        assert [v.sequence for v in get_intervention(session, "W").versions] == [0, 1]
        assert plan_of(published(session, "W", 0)) == WORK
        assert plan_of(published(session, "W", 1)) == other
        event = event_of(session.scalars(select(EventRow).order_by(EventRow.id.desc())).first())  # type: ignore[arg-type]
        assert isinstance(event, InterventionChanged)
        assert (event.sequence, event.reason) == (1, "Peças em atraso")


def test_a_phase_taken_out_is_remembered_and_its_id_never_used_again(database: Database) -> None:
    with database.write() as session:
        announced(session, a_plan("W", a_phase(14, 18, "DB"), a_phase(18, 20, "NET", id="p2")))
        scheduling.edit(session, "W", WORK, by=PLANNER, now=at(9))
        scheduling.announce_directly(session, "W", by=APPROVER, now=at(9))
        again = a_plan("W", a_phase(14, 18, "DB"), a_phase(19, 20, "NET", id="p2"))
        scheduling.edit(session, "W", again, by=PLANNER, now=at(10))
        scheduling.announce_directly(session, "W", by=APPROVER, now=at(10))

    with database.read() as session:
        assert [p.id for p in plan_of(published(session, "W", 1)).removed_phases] == ["p2"]
        latest = plan_of(published(session, "W", 2))
        assert [p.id for p in latest.phases] == ["p1", "p3"]
        assert [(p.id, p.start) for p in latest.removed_phases] == [("p2", at(18))]


def test_a_published_version_never_changes(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)

    for spoil in (
        lambda version: setattr(version, "content", {}),
        lambda version: setattr(version, "sequence", None),
        lambda version: setattr(version.windows[0], "impact", "DEGRADED"),
        lambda version: version.windows.clear(),
    ):
        with pytest.raises(PublishedHistory), database.write() as session:
            spoil(current(session, "W"))

    with pytest.raises(PublishedHistory), database.write() as session:
        session.delete(session.scalars(select(EventRow)).first())

    with database.read() as session:
        assert plan_of(current(session, "W")) == WORK
        assert len(told(session, "W")) == 2


# -- drafts


def test_a_reference_is_given_where_the_plan_has_none(database: Database) -> None:
    with database.write() as session:
        rows = [
            scheduling.draft(session, replace(WORK, reference=""), by=PLANNER, now=MORNING) for _ in range(2)
        ]

        assert [row.reference for row in rows] == ["INT-2026-0001", "INT-2026-0002"]
        version = pending(rows[0])
        assert version is not None
        assert plan_of(version).reference == "INT-2026-0001"


def test_a_reference_that_is_taken_is_refused(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, WORK, by=PLANNER, now=MORNING)

        with pytest.raises(StepRefused, match="There is an intervention W already"):
            scheduling.draft(session, WORK, by=PLANNER, now=MORNING)


def test_a_plan_on_an_unknown_system_is_not_saved(database: Database) -> None:
    with pytest.raises(InvalidDocument, match="XYZ is not in the catalogue"), database.write() as session:
        scheduling.draft(session, a_plan("W", a_phase(14, 18, "XYZ")), by=PLANNER, now=MORNING)


def test_what_would_be_over_cannot_be_announced(database: Database) -> None:
    with database.write() as session:
        scheduling.draft(session, WORK, by=PLANNER, now=MORNING)

        with pytest.raises(StepRefused, match="It would be over before it was announced"):
            scheduling.announce_directly(session, "W", by=APPROVER, now=at(18))


def test_a_reader_may_not_draft(database: Database) -> None:
    with pytest.raises(StepRefused, match="needs the role planner"), database.write() as session:
        scheduling.draft(session, WORK, by=Actor("rita@example.org", Role.READER), now=MORNING)


def test_a_step_on_an_unknown_intervention_says_so(database: Database) -> None:
    with pytest.raises(NotFound, match="There is no intervention NONE"), database.write() as session:
        scheduling.submit(session, "NONE", by=PLANNER, now=MORNING)


def test_an_edit_begun_before_somebody_elses_is_stale(database: Database) -> None:
    with database.write() as session:
        seen = scheduling.draft(session, WORK, by=PLANNER, now=MORNING).lock_version
    with database.write() as session:
        scheduling.edit(session, "W", WORK, lock_version=seen, by=APPROVER, now=at(9))

    with pytest.raises(StaleEdit, match="Somebody else changed W"), database.write() as session:
        scheduling.edit(session, "W", WORK, lock_version=seen, by=PLANNER, now=at(9))


# -- previews


def test_a_preview_shows_windows_before_anything_is_saved(database: Database) -> None:
    with database.read() as session:
        shown = scheduling.preview(session, replace(WORK, reference=""), now=MORNING)

        assert [(w.system, w.impact, w.start, w.end) for w in shown.windows] == [
            ("DB", Impact.OUTAGE, at(14), at(18)),
            ("PEM", Impact.OUTAGE, at(14), at(18)),
        ]
        assert shown.altered == ()
        assert list_interventions(session) == []


# -- the log


def test_a_consumer_marks_events_one_by_one(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
    with database.write() as session:
        first, second, *_ = unhandled_events(session, "notices", 10)
        mark_done(session, "notices", second, MORNING)

        left = [row.id for row in unhandled_events(session, "notices", 10)]
        assert first.id in left
        assert second.id not in left
        assert second.id in [row.id for row in unhandled_events(session, "another", 10)]
        assert [row.id for row in unhandled_events(session, "notices", 1)] == [first.id]


def test_version_numbers_are_unique_in_the_database(database: Database) -> None:
    with database.write() as session:
        announced(session, WORK)
        row = get_intervention(session, "W")
        first = latest_published(row)
        assert first is not None

    with pytest.raises(Exception, match=r"(?i)unique"), database.write() as session:
        session.add(
            VersionRow(
                intervention_id=row.id,
                sequence=0,
                review_state="published",
                content=first.content,
                content_digest=first.content_digest,
                created_at=MORNING,
                created_by="system",
            )
        )
