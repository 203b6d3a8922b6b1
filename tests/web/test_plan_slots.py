"""The page on which a better time is found, and taken over into the draft."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from maintenance import scheduling
from maintenance.lifecycle import SYSTEM, Role
from maintenance.policy_book import policies_from_document
from maintenance.policy_editing import import_policies
from maintenance.queries import get_intervention, latest_published, pending, plan_of
from maintenance.runtime import Runtime
from tests.conftest import MovedClock
from tests.web import case
from tests.web.desk import an_app, at_desk

PAGE = f"/plan/{case.REFERENCE}/slots"
ELECTION = {
    "code": "ELECTION",
    "name": {"pt": "Eleições", "en": "Election"},
    "start": "2019-11-29T00:00",
    "end": "2019-12-02T00:00",
    "timezone": "Europe/Lisbon",
}


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    case.load_catalogue(runtime)
    with runtime.database.write() as session:
        scheduling.draft(session, case.the_plan(), by=SYSTEM, now=runtime.clock())
    return an_app(runtime)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return at_desk(app, Role.PLANNER)


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def version_of(runtime: Runtime) -> int:
    with runtime.database.read() as session:
        return get_intervention(session, case.REFERENCE).lock_version


def times_of(runtime: Runtime) -> list[tuple[str, str]]:
    with runtime.database.read() as session:
        version = pending(get_intervention(session, case.REFERENCE))
        assert version
        return [(phase["start"], phase["end"]) for phase in version.content["phases"]]


def test_starts_say_what_falls_into_them_and_who_feels_it(client: FlaskClient) -> None:
    said = words_of(client.get(PAGE).text)

    assert "beyond what others take down: about 43,000 prescriptions." in said
    assert "Starts that harm least, the best first" in said
    assert "Falls into it about 43,000 prescriptions Compared the same as planned Felt by Prescribers" in said
    assert "by when the work starts: about 43,000 prescriptions to about 240,000 prescriptions" in said


def test_switching_the_language_keeps_the_question(client: FlaskClient) -> None:
    page = client.get(f"{PAGE}?within=P14D&lang=en").text

    assert 'href="?within=P14D&amp;lang=pt"' in page


def test_a_worse_time_is_compared_with_the_planned_one(client: FlaskClient) -> None:
    said = words_of(client.get(f"{PAGE}?earliest=2019-12-03&latest=2019-12-05").text)

    assert re.search(r"Costs about \d+,000 prescriptions more than as planned", said)


def test_a_start_that_is_taken_moves_every_phase_and_tells_nobody(
    client: FlaskClient, runtime: Runtime
) -> None:
    page = client.get(PAGE).text
    start = unescape(re.findall(r'name="start" value="([^"]+)"', page)[0])

    answer = client.post(PAGE, data={"start": start, "lock_version": version_of(runtime)})

    assert answer.status_code == 302
    assert times_of(runtime) == [
        ("2019-11-29T20:00", "2019-11-30T14:00"),
        ("2019-11-30T14:00", "2019-12-01T02:00"),
    ]
    with runtime.database.read() as session:
        assert latest_published(get_intervention(session, case.REFERENCE)) is None


def test_times_stay_on_the_wall_over_a_clock_change(client: FlaskClient, runtime: Runtime) -> None:
    # Saturday 28 March 2020, 14:00 in Lisbon; the night after it has an hour less.
    client.post(PAGE, data={"start": "2020-03-28T14:00:00+00:00", "lock_version": version_of(runtime)})

    assert times_of(runtime) == [
        ("2020-03-28T14:00", "2020-03-29T08:00"),
        ("2020-03-29T08:00", "2020-03-29T20:00"),
    ]


def test_what_somebody_else_saved_meanwhile_is_not_overwritten(client: FlaskClient, runtime: Runtime) -> None:
    seen = version_of(runtime)
    with runtime.database.write() as session:
        other = case.the_plan(title={"en": "Another title"})
        scheduling.edit(session, case.REFERENCE, other, by=SYSTEM, now=runtime.clock())

    answer = client.post(PAGE, data={"start": "2019-12-06T20:00:00+00:00", "lock_version": seen})

    assert answer.status_code == 409
    assert times_of(runtime)[0][0] == "2019-11-30T14:00"


@pytest.mark.parametrize("start", ["", "tomorrow", "2019-12-06T20:00"])
def test_a_start_that_is_no_instant_is_refused(client: FlaskClient, runtime: Runtime, start: str) -> None:
    answer = client.post(PAGE, data={"start": start, "lock_version": version_of(runtime)})

    assert answer.status_code == 409
    assert "Choose one of the starts that the page offers." in answer.text


def test_what_a_freeze_blocks_is_left_out_unless_asked_for_and_named_in_the_readers_language(
    client: FlaskClient, runtime: Runtime
) -> None:
    with runtime.database.write() as session:
        agreed = policies_from_document({"freezes": [ELECTION]})
        import_policies(session, agreed, prune=False, by=SYSTEM, now=runtime.clock())
    days = "earliest=2019-11-29&latest=2019-12-01"

    free = client.get(f"{PAGE}?{days}").text
    blocked = words_of(client.get(f"{PAGE}?{days}&blocked=y&lang=pt").text)

    assert "No start is free in that time." in free
    assert "Bloqueia : Eleições proíbe trabalhos em EXADATA" in blocked


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ("earliest=2019-12-05&latest=2019-12-03", "Choose a day that is not before the first one."),
        ("earliest=2019-12-05&latest=2021-12-03", "Choose days that are a year apart at most."),
        ("earliest=soon&latest=2019-12-03", "Enter a day, as in 2019-11-30."),
    ],
)
def test_days_that_cannot_be_are_refused(client: FlaskClient, days: str, sentence: str) -> None:
    answer = client.get(f"{PAGE}?{days}")

    assert answer.status_code == 422
    assert sentence in answer.text


def test_nothing_that_is_over_is_offered(client: FlaskClient, clock: MovedClock) -> None:
    clock.move_to(case.START)

    starts = re.findall(r'name="start" value="([^"]+)"', client.get(PAGE).text)

    assert starts
    assert all(start >= "2019-11-30T14:00" for start in starts)


def test_an_announced_plan_gets_a_new_draft(client: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.write() as session:
        scheduling.announce_directly(
            session, case.REFERENCE, override="Agreed.", by=SYSTEM, now=runtime.clock()
        )

    assert "Find a better time" in client.get(f"/plan/{case.REFERENCE}").text
    client.post(PAGE, data={"start": "2019-12-06T20:00:00+00:00", "lock_version": version_of(runtime)})

    with runtime.database.read() as session:
        row = get_intervention(session, case.REFERENCE)
        known, coming = latest_published(row), pending(row)
        assert known
        assert coming
        assert plan_of(known).start == case.START
        assert coming.content["phases"][0]["start"] == "2019-12-06T20:00"


def test_readers_look_for_no_times(app: Flask) -> None:
    client = at_desk(app, Role.READER)

    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, data={"start": "2019-12-06T20:00:00+00:00"}).status_code == 403
    assert "Find a better time" not in client.get(f"/plan/{case.REFERENCE}").text
