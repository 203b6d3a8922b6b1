"""What is agreed, in the database: imports, edits, and the steps that blocking clashes stop."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from app import cli, create_runtime
from maintenance import policy_editing, scheduling, schema
from maintenance.database import Database
from maintenance.errors import Blocked, StaleEdit, StepRefused
from maintenance.events import InterventionAnnounced, InterventionMoved, PoliciesChanged
from maintenance.lifecycle import SYSTEM
from maintenance.models import EventRow
from maintenance.policies import Policies
from maintenance.policy_book import PolicyBook, policies_from_document
from maintenance.policy_editing import PolicyChange, compare_policies, import_policies
from maintenance.policy_store import get_policy_row, load_book, load_policies, policy_of
from maintenance.queries import event_of
from maintenance.settings import Settings
from tests.builders import a_phase, a_plan, a_system, at
from tests.conftest import MovedClock
from tests.lives import APPROVER, MORNING, PLANNER, announced, current, import_pair, import_systems

FREEZE = {"code": "F", "name": "Freeze", "start": "2026-06-07T00:00", "end": "2026-06-09T00:00"}
DAY = {"code": "DAY", "name": "A day", "at_least": "P1D"}
WORK = a_plan("W", a_phase(14, 18, "DB"))


def book(**lists: object) -> PolicyBook:
    return policies_from_document(lists)


def agree(database: Database, *, prune: bool = False, **lists: object) -> tuple[PolicyChange, ...]:
    with database.write() as session:
        return import_policies(session, book(**lists), prune=prune, by=SYSTEM, now=MORNING).changes


def events(database: Database) -> list[object]:
    with database.read() as session:
        return [event_of(row) for row in session.scalars(select(EventRow).order_by(EventRow.id))]


def test_importing_writes_what_differs_and_says_so_in_the_log(any_database: Database) -> None:
    agree(any_database, freezes=[FREEZE], notices=[DAY])

    changes = agree(any_database, freezes=[{**FREEZE, "end": "2026-06-10T00:00"}])

    assert changes == (PolicyChange("F", "end", "2026-06-09T00:00", "2026-06-10T00:00"),)
    assert events(any_database)[-1] == PoliciesChanged(
        at=MORNING, by="system", changes=tuple(change.document() for change in changes)
    )
    with any_database.read() as session:
        assert [policy.code for policy in load_book(session).policies] == ["F", "DAY"]


def test_importing_the_same_again_changes_nothing(any_database: Database) -> None:
    agree(any_database, freezes=[FREEZE], notices=[DAY])
    before = events(any_database)

    assert agree(any_database, freezes=[FREEZE], notices=[DAY], prune=True) == ()
    assert events(any_database) == before


def test_what_the_document_does_not_name_stays_unless_pruned(any_database: Database) -> None:
    agree(any_database, freezes=[FREEZE], notices=[DAY])
    with any_database.read() as session:
        assert compare_policies(session, book(notices=[DAY]), prune=False).untouched == ("F",)

    assert agree(any_database, notices=[DAY], prune=True) == (PolicyChange("F", "retired", False, True),)
    with any_database.read() as session:
        assert load_policies(session).freezes == ()
    agree(any_database, freezes=[FREEZE])
    with any_database.read() as session:
        assert len(load_policies(session).freezes) == 1


def test_only_approvers_change_policies(any_database: Database) -> None:
    with any_database.write() as session, pytest.raises(StepRefused, match="role approver"):
        import_policies(session, book(freezes=[FREEZE]), prune=False, by=PLANNER, now=MORNING)
    with any_database.read() as session:
        assert load_policies(session) == Policies()


def test_an_edit_of_what_somebody_else_changed_is_refused(any_database: Database) -> None:
    [policy] = book(freezes=[FREEZE]).policies
    [other] = book(freezes=[{**FREEZE, "name": "Other"}]).policies
    with any_database.write() as session:
        seen = policy_editing.save(session, policy, by=APPROVER, now=MORNING).lock_version
        policy_editing.save(session, other, lock_version=seen, by=APPROVER, now=MORNING)
        with pytest.raises(StaleEdit):
            policy_editing.save(session, policy, lock_version=seen, by=APPROVER, now=MORNING)
        with pytest.raises(StaleEdit):
            policy_editing.retire(session, "F", lock_version=seen, by=APPROVER, now=MORNING)
        assert policy_of(get_policy_row(session, "F")).name.document() == "Other"


def test_a_new_policy_does_not_take_the_code_of_another(any_database: Database) -> None:
    [policy] = book(freezes=[FREEZE]).policies
    with any_database.write() as session:
        policy_editing.save(session, policy, by=APPROVER, now=MORNING)
        with pytest.raises(StepRefused, match="already"):
            policy_editing.save(session, policy, by=APPROVER, now=MORNING)


def test_a_blocking_clash_stops_the_announcement_until_an_approver_overrides_it(
    any_database: Database,
) -> None:
    agree(any_database, notices=[DAY])
    with any_database.write() as session:
        import_systems(session, a_system("DB"))
        scheduling.draft(session, WORK, by=PLANNER, now=MORNING)
        preview = scheduling.preview(session, WORK, now=MORNING)
        assert ([c.kind for c in preview.clashes if c.blocks], preview.blocks) == (["short-notice"], True)
    with any_database.write() as session, pytest.raises(Blocked, match="the policy asks for 1d"):
        scheduling.announce_directly(session, "W", override="  ", by=APPROVER, now=MORNING)
    with any_database.write() as session:
        scheduling.announce_directly(session, "W", override="Disco a falhar", by=APPROVER, now=MORNING)

        version = current(session, "W")
        assert version.override_reason == "Disco a falhar"
        assert len(version.overridden) == 1
    event = events(any_database)[-1]
    assert isinstance(event, InterventionAnnounced)
    assert (event.override, len(event.overridden)) == ("Disco a falhar", 1)


def test_a_warning_does_not_stop_the_announcement_and_no_override_is_kept(any_database: Database) -> None:
    agree(any_database, notices=[{**DAY, "severity": "warn"}])
    with any_database.write() as session:
        import_systems(session, a_system("DB"))
        scheduling.draft(session, WORK, by=PLANNER, now=MORNING)
        scheduling.announce_directly(session, "W", override="Not needed", by=APPROVER, now=MORNING)

        assert (current(session, "W").override_reason, current(session, "W").overridden) == ("", [])


def test_moving_into_a_freeze_is_stopped_and_moving_up_to_it_is_not(any_database: Database) -> None:
    agree(any_database, freezes=[FREEZE])
    with any_database.write() as session:
        import_systems(session, a_system("DB"))
        announced(session, WORK)
    with any_database.write() as session, pytest.raises(Blocked, match="Freeze forbids work on DB"):
        scheduling.move(session, "W", start=at(21).replace(tzinfo=None), by=APPROVER, now=MORNING)
    with any_database.write() as session:
        scheduling.move(session, "W", start=at(20).replace(tzinfo=None), by=APPROVER, now=MORNING)
        scheduling.move(
            session, "W", start=at(21).replace(tzinfo=None), override="Agreed.", by=APPROVER, now=MORNING
        )
    moved = [event for event in events(any_database) if isinstance(event, InterventionMoved)]
    assert [event.override for event in moved] == ["", "Agreed."]


def test_a_plan_on_its_way_only_warns_where_one_that_is_announced_blocks(any_database: Database) -> None:
    first, second = a_plan("FIRST", a_phase(14, 18, "A")), a_plan("SECOND", a_phase(16, 20, "B"))
    with any_database.write() as session:
        import_pair(session)
        scheduling.draft(session, first, by=PLANNER, now=MORNING)
        preview = scheduling.preview(session, second, now=MORNING)
        assert [(c.kind, c.severity) for c in preview.clashes if c.kind == "redundancy-lost"] == [
            ("redundancy-lost", "warn")
        ]
        scheduling.announce_directly(session, "FIRST", by=APPROVER, now=MORNING)
        preview = scheduling.preview(session, second, now=MORNING)
        assert [(c.kind, c.severity) for c in preview.clashes if c.kind == "redundancy-lost"] == [
            ("redundancy-lost", "block")
        ]


def test_a_yearly_budget_counts_plans_of_other_months(any_database: Database) -> None:
    budget = {"code": "Y", "name": "A year", "at_most": "PT5H", "per": "year"}
    agree(any_database, budgets=[budget])
    with any_database.write() as session:
        import_systems(session, a_system("DB"))
        announced(session, WORK)
        later = a_plan("LATER", a_phase(24 * 90, 24 * 90 + 2, "DB"))

        kinds = [clash.kind for clash in scheduling.preview(session, later, now=MORNING).clashes]

    assert "over-budget" in kinds


def test_the_command_imports_a_file_or_says_what_it_would_change(settings: Settings, tmp_path: Path) -> None:
    runtime = create_runtime(settings, clock=MovedClock(at(8)))
    schema.upgrade(runtime.database)
    file = tmp_path / "policies.yaml"
    file.write_text("notices: [{code: DAY, name: A day, at_least: P1D}]", encoding="utf-8")

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["policies", "import", str(file), *arguments], obj=runtime)
        assert result.exit_code == 0, result.output
        return result.output

    entry = '{"kind": "notices", "code": "DAY", "name": "A day", "at_least": "P1D"}'
    assert said("--dry-run") == f"DAY  new: {entry}\nNothing was changed: this was a dry run.\n"
    assert said() == f"DAY  new: {entry}\n"
    assert said() == "Nothing differs; nothing was changed.\n"
    file.write_text("notices: [{code: DAY, name: A day, at_least: P2D}]", encoding="utf-8")
    assert said() == "DAY  at_least: P1D → P2D\n"
    file.write_text("timezone: UTC", encoding="utf-8")
    assert "left in force: DAY" in said("--dry-run")
    assert said("--prune") == "DAY  retired: no → yes\n"
    runtime.database.dispose()
