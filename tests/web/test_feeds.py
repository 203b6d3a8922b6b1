"""The calendar feeds as calendar programs meet them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import icalendar
import pytest
from flask.testing import FlaskClient

from maintenance.runtime import Runtime
from maintenance.texts import Text
from tests.conftest import MovedClock
from tests.web import case

ALL = "/calendar/all.ics?lang=en"
PEM = "/calendar/systems/PEM.ics?lang=en"


@pytest.fixture
def client(runtime: Runtime) -> Iterator[FlaskClient]:
    """Give a calendar program after the announcement."""
    case.load_catalogue(runtime)
    case.announce(runtime)
    with case.the_app(runtime).test_client() as client:
        yield client


def events(client: FlaskClient, path: str) -> list[icalendar.Event]:
    response = client.get(path)
    assert response.status_code == 200, response.text
    assert response.content_type == "text/calendar; charset=utf-8"
    return list(icalendar.Calendar.from_ical(response.data).walk("VEVENT"))


def test_feed_has_each_phase_with_an_impact_in_utc(client: FlaskClient) -> None:
    (event,) = events(client, ALL)

    assert event["UID"] == f"{case.REFERENCE}.p1@janela.example.org"
    assert (event.start, event.end) == (case.START, case.END)
    assert event["SEQUENCE"] == 0


def test_feed_of_a_system_has_its_own_event(client: FlaskClient) -> None:
    (event,) = events(client, PEM)

    assert event["UID"] == f"{case.REFERENCE}.p1.PEM@janela.example.org"


def test_system_that_is_left_alone_has_an_empty_calendar(client: FlaskClient) -> None:
    assert events(client, "/calendar/systems/SIARS.ics") == []


def test_step_raises_the_sequence_and_keeps_the_uid(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    (before,) = events(client, ALL)
    clock.move_on(hours=1)
    case.step(runtime, "move", start=(case.START + timedelta(days=7)).replace(tzinfo=None))

    (after,) = events(client, ALL)

    assert after["UID"] == before["UID"]
    assert after["SEQUENCE"] == 1
    assert after.start == case.START + timedelta(days=7)


@pytest.mark.parametrize("path", [ALL, PEM, f"/interventions/{case.REFERENCE}.ics?lang=en"])
def test_cancelled_event_stays_marked(client: FlaskClient, runtime: Runtime, path: str) -> None:
    case.step(runtime, "cancel", reason=Text.of("No parts."))

    (event,) = events(client, path)

    assert event["STATUS"] == "CANCELLED"
    assert event.start == case.START


def test_what_ended_half_a_year_ago_is_left_out(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    case.step(runtime, "cancel", reason=Text.of("No parts."))
    clock.move_on(days=181)

    assert events(client, ALL) == []


def test_unchanged_feed_is_answered_304_without_a_body(client: FlaskClient) -> None:
    first = client.get(ALL)
    again = client.get(ALL, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert "max-age" in first.headers["Cache-Control"]


def test_change_gives_another_etag(client: FlaskClient, runtime: Runtime) -> None:
    first = client.get(ALL)
    case.step(runtime, "cancel", reason=Text.of("No parts."))

    assert client.get(ALL, headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_change_that_readers_do_not_see_gives_the_same_etag(client: FlaskClient, runtime: Runtime) -> None:
    first = client.get(ALL)
    case.step(runtime, "hold", reason="Waiting for a crane")

    assert client.get(ALL, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_language_is_that_of_the_address_alone(client: FlaskClient) -> None:
    english = client.get(ALL, headers={"Accept-Language": "pt", "Cookie": "language=pt"})
    portuguese = client.get("/calendar/all.ics", headers={"Accept-Language": "en"})

    assert "Work on the EXADATA platform" in english.text.replace("\r\n ", "")
    assert "Intervenção na infraestrutura EXADATA" in portuguese.text.replace("\r\n ", "")
    assert "Set-Cookie" not in english.headers


def test_feed_asks_to_be_looked_at_again(client: FlaskClient) -> None:
    calendar = icalendar.Calendar.from_ical(client.get(ALL).data)

    assert calendar["REFRESH-INTERVAL"].dt == timedelta(minutes=15)
    assert calendar["X-PUBLISHED-TTL"] == "PT15M"


def test_intervention_is_offered_as_a_file(client: FlaskClient) -> None:
    response = client.get(f"/interventions/{case.REFERENCE}.ics")

    assert response.headers["Content-Disposition"] == f'attachment; filename="{case.REFERENCE}.ics"'
    assert "Exadata X8" not in response.text


def test_a_calendar_is_the_same_for_everybody_whoever_is_signed_in(client: FlaskClient) -> None:
    with client.session_transaction() as cookie:
        cookie["_user_id"] = "1:somebody"

    response = client.get(ALL)

    assert "Cookie" not in response.headers.get("Vary", "")
    assert "Set-Cookie" not in response.headers
