"""Who was told what: the filters, the CSV, the commands."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from app import cli
from maintenance import schema
from maintenance.database import Database
from maintenance.errors import NotFound
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications.models import DeliveryRow, MessageRow, NoticeRow, RecipientRow
from notifications.reports import Filter, as_csv, get_told, told
from notifications.retries import FailureClass, State
from notifications.sending import drain
from tests.builders import at
from tests.conftest import MovedClock
from tests.ledgers import ScriptedTransport, a_notice, a_reader, failed


@pytest.fixture
def installation(settings: Settings) -> Runtime:
    """Give an installation on SQLite, brought up as `janela db upgrade` does, with three readers told."""
    database = Database(settings["DATABASE_URL"])
    schema.upgrade(database)
    runtime = Runtime(settings, database, MovedClock(at(9)))
    with database.write() as session:
        readers = [
            a_reader(session, "a@example.org", "PEM", institution="HSJ"),
            a_reader(session, "b@example.org", "PEM", institution="HSJ"),
            a_reader(session, "c@example.org", "PEM", institution="CHP", language="en"),
        ]
        readers[1].name = "=HYPERLINK(1)"
        notice = a_notice(session, now=at(8), reference="W")
        for scope_id in sorted({reader.scope_id for reader in readers if reader.scope_id}):
            message = MessageRow(
                notice_id=notice.id, channel="email", scope_id=scope_id, first=True, language="pt", body=b"x"
            )
            session.add(message)
            session.flush()
            session.add_all(
                DeliveryRow(
                    notice_id=notice.id,
                    sequence=0,
                    recipient_id=reader.id,
                    channel="email",
                    message_id=message.id,
                    priority=5,
                    due_at=at(8),
                    expires_at=at(24),
                    queued_at=at(8),
                )
                for reader in readers
                if reader.scope_id == scope_id
            )
    gone = failed(FailureClass.RECIPIENT_PERMANENT, "550 5.1.1 no such user")
    drain(runtime, ScriptedTransport(script={"c@example.org": [gone]}))
    return runtime


def addresses(runtime: Runtime, which: Filter) -> list[str]:
    with runtime.database.read() as session:
        return [row.address for row in told(session, which)]


def test_every_question_has_its_answer(installation: Runtime) -> None:
    with installation.database.read() as session:
        notice = session.scalars(select(NoticeRow.public_id)).one()

    assert addresses(installation, Filter()) == ["a@example.org", "b@example.org", "c@example.org"]
    assert addresses(installation, Filter(institution="HSJ")) == ["a@example.org", "b@example.org"]
    assert addresses(installation, Filter(institution="CHP", reference="W")) == ["c@example.org"]
    assert addresses(installation, Filter(notice=notice, address="b@example.org")) == ["b@example.org"]
    assert addresses(installation, Filter(states=[State.FAILED_PERMANENT])) == ["c@example.org"]
    assert addresses(installation, Filter(channel="sms")) == []
    assert addresses(installation, Filter(reference="OTHER")) == []


def test_pages_of_a_notice_hold_to_its_filters_in_both_directions(installation: Runtime) -> None:
    with installation.database.read() as session:
        notice = session.scalars(select(NoticeRow.public_id)).one()
        rows = list(told(session, Filter(notice=notice)))

        def page(which: Filter, **more: Any) -> list[str]:
            return [row.address[0] for row in told(session, which, limit=2, **more)]

        assert page(Filter(notice=notice)) == ["a", "b"]
        assert page(Filter(notice=notice), newest_first=True) == ["c", "b"]
        assert page(Filter(notice=notice), newest_first=True, before=rows[1].delivery) == ["a"]
        assert page(Filter(notice=notice), after=rows[1].delivery) == ["c"]
        assert page(Filter(notice=notice, words="EXAMPLE", institution="HSJ")) == ["a", "b"]
        assert page(Filter(notice=notice, states=[State.FAILED_PERMANENT])) == ["c"]
        assert page(Filter(notice=notice, address="nobody@example.org")) == []


def test_institution_keeps_what_it_was_told_when_the_directory_forgets_the_address(
    installation: Runtime,
) -> None:
    with installation.database.write() as session:
        for recipient in session.scalars(select(RecipientRow)):
            recipient.scope_id = None

    assert addresses(installation, Filter(institution="HSJ")) == ["a@example.org", "b@example.org"]


def test_no_cell_of_the_csv_is_a_formula(installation: Runtime) -> None:
    with installation.database.read() as session:
        text = "".join(as_csv(told(session, Filter())))

    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 3
    assert rows[1]["name"] == "'=HYPERLINK(1)"
    assert rows[0]["queued_at"] == at(8).isoformat()
    assert rows[2]["outcome"] == "550 5.1.1 no such user"
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


def janela(runtime: Runtime, *arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), obj=runtime, catch_exceptions=False)


def test_commands_list_show_and_export(installation: Runtime) -> None:
    listed = janela(installation, "deliveries", "list", "W")
    assert "W v0 announcement" in listed.output
    assert "2 accepted, 1 failed_permanent" in listed.output

    failures = janela(installation, "deliveries", "list", "--state", "failed_permanent")
    assert failures.output.count("\n") == 1
    number = failures.output.split()[0]
    shown = janela(installation, "deliveries", "show", number)
    assert "attempt → failed_permanent" in shown.output
    assert "institutions: CHP" in shown.output

    exported = janela(installation, "deliveries", "export", "--institution", "HSJ")
    assert len(list(csv.reader(io.StringIO(exported.output)))) == 3


def test_a_list_that_is_cut_shows_the_newest_and_says_so(installation: Runtime) -> None:
    cut = janela(installation, "deliveries", "list", "--address", "c@example.org", "--limit", "1")
    longer = janela(installation, "deliveries", "list", "--institution", "HSJ", "--limit", "1")

    with installation.database.write() as session:
        a_notice(session, now=at(9), reference="LATER")
    notices = janela(installation, "deliveries", "list", "--limit", "1")

    assert "LATER" in notices.stdout
    assert "there are more than these 1" in notices.stderr
    assert "there are more" not in cut.stderr
    assert "b@example.org" in longer.stdout
    assert "a@example.org" not in longer.stdout
    assert "there are more than these 1" in longer.stderr


@pytest.mark.parametrize("number", [0, -1, 4, 2**31, 2**63, 10**30])
def test_no_number_is_too_large_to_be_not_found(any_database: Database, number: int) -> None:
    with any_database.read() as session:
        with pytest.raises(NotFound):
            get_told(session, number)
        assert list(told(session, Filter(), before=number, newest_first=True)) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "4711"],
        ["show", "9000000001"],
        ["show", "9" * 30],
        ["list", "--notice", "nope"],
        ["list", "--institution", "NONE"],
        ["export", "--notice", "nope"],
        ["export", "--institution", "NONE"],
    ],
)
def test_what_does_not_exist_is_said_in_a_sentence(installation: Runtime, arguments: list[str]) -> None:
    done = janela(installation, "deliveries", *arguments)

    assert done.exit_code == 1
    assert "There is no" in done.output


def test_tick_says_what_it_did(installation: Runtime) -> None:
    clock = installation.clock
    assert isinstance(clock, MovedClock)
    clock.now += timedelta(hours=1)

    done = janela(installation, "tick")

    assert done.exit_code == 0
    assert "0 notices planned, 0 deliveries queued, 0 tries to send." in done.output
