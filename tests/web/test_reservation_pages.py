"""Reserved windows on the pages of policies: the rule, and what becomes of single ones."""

from __future__ import annotations

import re
from datetime import date
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from maintenance.lifecycle import SYSTEM, Role
from maintenance.models import EventRow
from maintenance.policy_book import policies_from_document
from maintenance.policy_editing import import_policies
from maintenance.policy_store import get_policy_row
from maintenance.recurrence import Change, Deviation
from maintenance.reserving import change_occurrence, reservation_of
from maintenance.runtime import Runtime
from tests.web.desk import an_app, at_desk

MONTHLY = {
    "code": "MONTHLY",
    "name": {"pt": "Segundo sábado", "en": "Second Saturday"},
    "timezone": "Europe/Lisbon",
    "start": "2019-11-09T22:00",
    "duration": "PT8H",
    "rule": "FREQ=MONTHLY;BYDAY=2SA",
    "public": True,
}
PAGE, DECEMBER = "/plan/policies/MONTHLY", "/plan/policies/MONTHLY/2019-12-14"


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    with runtime.database.write() as session:
        book = policies_from_document(
            {"reservations": [MONTHLY], "budgets": [{"code": "B", "name": "B", "at_most": "P1D"}]}
        )
        import_policies(session, book, prune=False, by=SYSTEM, now=runtime.clock())
    return an_app(runtime)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return at_desk(app, Role.APPROVER)


def changes(runtime: Runtime) -> list[Change]:
    with runtime.database.read() as session:
        return list(reservation_of(get_policy_row(session, "MONTHLY")).changes)


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_page_lists_the_next_ones_and_the_rule(client: FlaskClient) -> None:
    page = client.get(PAGE).text

    assert f'href="{DECEMBER}"' in page
    assert "Sat, 14 Dec 2019, 22:00 – Sun, 15 Dec 2019, 06:00 WET" in words_of(page)
    assert 'value="FREQ=MONTHLY;BYDAY=2SA"' in page
    assert "Second Saturday" in client.get("/plan/policies").text


@pytest.mark.parametrize("change", ["skipped", "cancelled"])
def test_one_is_taken_out_and_put_back(client: FlaskClient, runtime: Runtime, change: str) -> None:
    assert client.post(DECEMBER, data={"lock_version": "1", "change": change}).status_code == 302
    assert [(c.date, c.deviation) for c in changes(runtime)] == [(date(2019, 12, 14), Deviation(change))]
    assert f"06:00 WET {change} Change" in words_of(client.get(PAGE).text)

    assert client.post(DECEMBER, data={"lock_version": "2", "change": ""}).status_code == 302
    assert changes(runtime) == []
    with runtime.database.read() as session:
        kinds = select(func.count()).where(EventRow.kind == "PoliciesChanged")
        assert session.scalar(kinds) == 3


def test_one_is_moved_with_a_reason_which_the_page_shows_again(client: FlaskClient, runtime: Runtime) -> None:
    typed = {
        "lock_version": "1",
        "change": "moved",
        "start": "2019-12-21T23:00",
        "duration": "4:00",
        "reason-0-language": "en",
        "reason-0-words": "Not before the holidays",
    }

    client.post(DECEMBER, data=typed)

    [change] = changes(runtime)
    assert (str(change.start), str(change.length)) == ("2019-12-21 23:00:00", "4:00:00")
    page = client.get(DECEMBER).text
    assert 'value="2019-12-21T23:00"' in page
    assert "Not before the holidays" in page
    assert "Sat, 21 Dec 2019, 23:00" in words_of(client.get(PAGE).text)


def test_moving_needs_a_time(client: FlaskClient, runtime: Runtime) -> None:
    answer = client.post(
        DECEMBER, data={"lock_version": "1", "change": "moved", "start": "soon", "duration": "x"}
    )

    assert answer.status_code == 422
    assert '<a href="#start">' in answer.text
    assert '<a href="#duration">' in answer.text
    assert changes(runtime) == []


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(
    client: FlaskClient, runtime: Runtime
) -> None:
    with runtime.database.write() as session:
        january = Change(date(2020, 1, 11), Deviation.SKIPPED)
        change_occurrence(session, "MONTHLY", january, by=SYSTEM, now=runtime.clock())

    answer = client.post(DECEMBER, data={"lock_version": "1", "change": "skipped"})

    assert answer.status_code == 409
    assert "Somebody else changed MONTHLY" in answer.text
    assert [c.date for c in changes(runtime)] == [date(2020, 1, 11)]


def test_an_edit_of_the_rule_keeps_what_became_of_single_ones(client: FlaskClient, runtime: Runtime) -> None:
    client.post(DECEMBER, data={"lock_version": "1", "change": "cancelled"})
    typed = {
        "name-0-language": "en",
        "name-0-words": "Second Saturday night",
        "start": "2019-11-09T23:00",
        "duration": "6:00",
        "rule": "FREQ=MONTHLY;BYDAY=2SA",
        "timezone": "Europe/Lisbon",
        "lock_version": "2",
    }

    assert client.post(PAGE, data=typed).status_code == 302
    # The second Friday is no day of the one that was cancelled.
    other = {**typed, "start": "2019-11-08T23:00", "rule": "FREQ=MONTHLY;BYDAY=2FR", "lock_version": "3"}
    refused = client.post(PAGE, data=other)

    with runtime.database.read() as session:
        content = get_policy_row(session, "MONTHLY").content
    assert content["duration"] == "PT6H"
    assert content["exceptions"] == [{"date": "2019-12-14", "change": "cancelled"}]
    assert "public" not in content
    assert refused.status_code == 422
    assert (
        "The rule puts no occurrence on 2019-12-14, which has an exception; correct one of the two."
        in refused.text
    )


@pytest.mark.parametrize("path", ["MONTHLY/2019-12-15", "MONTHLY/soon", "B/2019-12-14", "NOPE/2019-12-14"])
def test_what_is_no_occurrence_has_no_page(client: FlaskClient, path: str) -> None:
    assert client.get(f"/plan/policies/{path}").status_code == 404


def test_planners_change_no_reserved_window(app: Flask) -> None:
    assert at_desk(app, Role.PLANNER).get(DECEMBER).status_code == 403
