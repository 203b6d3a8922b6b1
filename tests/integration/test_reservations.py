"""Reserved windows in the database: imported, changed one by one, in a calendar of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import icalendar
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from app import cli, create_app, create_runtime
from maintenance import schema
from maintenance.events import PoliciesChanged
from maintenance.lifecycle import SYSTEM, Role
from maintenance.policy_book import policies_from_document
from maintenance.policy_editing import import_policies
from maintenance.queries import event_of, unhandled_events
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from tests.conftest import MovedClock
from tests.web import case
from tests.web.signed_in import client_of

MONTHLY = {
    "code": "MONTHLY",
    "name": {"pt": "Segundo sábado", "en": "Second Saturday"},
    "timezone": "Europe/Lisbon",
    "start": "2019-11-09T22:00",
    "duration": "PT8H",
    "rule": "FREQ=MONTHLY;BYDAY=2SA",
    "public": True,
}
INTERNAL = {**MONTHLY, "code": "INTERNAL", "name": "Rack 4", "rule": "FREQ=WEEKLY;BYDAY=SA", "public": False}


@pytest.fixture
def runtime(settings: Settings, clock: MovedClock) -> Iterator[Runtime]:
    """Give an installation with a public monthly and an internal weekly window."""
    runtime = create_runtime(settings, clock=clock)
    schema.upgrade(runtime.database)
    book = policies_from_document({"reservations": [MONTHLY, INTERNAL]})
    with runtime.database.write() as session:
        import_policies(session, book, prune=False, by=SYSTEM, now=runtime.clock())
    yield runtime
    runtime.database.dispose()


@pytest.fixture
def client(runtime: Runtime) -> Iterator[FlaskClient]:
    with create_app(runtime).test_client() as client:
        yield client


def run(runtime: Runtime, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["reservations", *arguments], obj=runtime)
    return result.output


def listed(runtime: Runtime) -> dict[str, dict[str, object]]:
    entries = json.loads(run(runtime, "list", "--json"))
    return {entry["date"]: entry for entry in entries if entry["reservation"] == "MONTHLY"}


def events(client: FlaskClient, path: str = "/calendar/reserved.ics?lang=en") -> dict[str, icalendar.Event]:
    response = client.get(path)
    assert response.status_code == 200
    found = icalendar.Calendar.from_ical(response.data).walk("VEVENT")
    return {str(event["UID"]).partition("@")[0]: event for event in found}


def test_import_brings_them_in_and_no_policy_comes_of_them(runtime: Runtime) -> None:
    assert list(listed(runtime)) == ["2019-12-14", "2020-01-11"]
    assert "not used unless work is announced" in run(runtime, "list")


def test_one_occurrence_is_skipped_moved_cancelled_and_restored(runtime: Runtime) -> None:
    assert run(runtime, "skip", "MONTHLY", "2019-12-14") == "MONTHLY 2019-12-14: skipped.\n"
    assert list(listed(runtime)) == ["2020-01-11"]

    run(runtime, "move", "MONTHLY", "2019-12-14", "--to", "2019-12-21T22:00", "--duration", "PT4H")
    moved = listed(runtime)["2019-12-14"]
    assert (moved["start"], moved["end"]) == ("2019-12-21T22:00:00Z", "2019-12-22T02:00:00Z")

    run(runtime, "cancel", "MONTHLY", "2020-01-11", "--reason", "pt=Pico de gripe")
    assert listed(runtime)["2020-01-11"]["reason"] == {"pt": "Pico de gripe"}

    run(runtime, "restore", "MONTHLY", "2019-12-14")
    assert listed(runtime)["2019-12-14"]["change"] is None
    with runtime.database.read() as session:
        log = [event_of(row) for row in unhandled_events(session, "nobody")]
    assert [type(event) for event in log] == [PoliciesChanged] * 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["skip", "MONTHLY", "2019-12-15"], "puts no occurrence on 2019-12-15"),
        (["skip", "NONE", "2019-12-14"], "There is no policy NONE"),
        (["skip", "MONTHLY", "14.12.2019"], "write one such as 2026-12-24"),
        (["move", "MONTHLY", "2019-12-14", "--to", "soon"], "is no local time"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(runtime: Runtime, arguments: list[str], sentence: str) -> None:
    assert sentence in run(runtime, *arguments)


def test_calendar_says_that_nothing_is_used_unless_announced(client: FlaskClient) -> None:
    found = events(client)

    assert {"MONTHLY-occ-2019-11-09", "MONTHLY-occ-2019-12-14", "MONTHLY-occ-2020-12-12"} <= found.keys()
    event = found["MONTHLY-occ-2019-12-14"]
    assert event["SUMMARY"] == "Reserved: Second Saturday (not used unless announced)"
    assert (event["STATUS"], event["TRANSP"]) == ("TENTATIVE", "TRANSPARENT")
    assert event.start == datetime(2019, 12, 14, 22, tzinfo=UTC)
    assert event.end - event.start == timedelta(hours=8)
    # Instants only: programs make different things of a rule.
    assert all("RRULE" not in each for each in found.values())
    portuguese = events(client, "/calendar/reserved.ics?lang=pt")["MONTHLY-occ-2019-12-14"]
    assert portuguese["SUMMARY"] == "Reservado: Segundo sábado (não será usado salvo anúncio)"


def test_cancelled_stays_struck_out_under_a_higher_sequence(runtime: Runtime, client: FlaskClient) -> None:
    before = events(client)["MONTHLY-occ-2019-12-14"]
    run(runtime, "cancel", "MONTHLY", "2019-12-14", "--reason", "Christmas market")

    after = events(client)["MONTHLY-occ-2019-12-14"]

    assert (before["SEQUENCE"], after["SEQUENCE"]) == (0, 1)
    assert after["STATUS"] == "CANCELLED"
    assert after["SUMMARY"].startswith("[CANCELLED] Reserved: Second Saturday")
    assert "Christmas market" in after["DESCRIPTION"]


def test_internal_windows_are_in_no_calendar_and_reserved_ones_in_no_other(
    runtime: Runtime, client: FlaskClient
) -> None:
    assert "Rack 4" not in client.get("/calendar/reserved.ics").text
    case.load_catalogue(runtime)
    case.announce(runtime)
    assert list(events(client, "/calendar/all.ics")) == [f"{case.REFERENCE}.p1"]


def test_workspace_lists_what_comes_and_that_it_need_not_be_used(runtime: Runtime) -> None:
    run(runtime, "cancel", "MONTHLY", "2019-12-14", "--reason", "Christmas market")
    page = " ".join(client_of(create_app(runtime), runtime, Role.READER).get("/plan/?lang=en").text.split())
    assert "not used unless work is announced in them" in page
    assert "Rack 4" in page
    assert "Christmas market" in page
