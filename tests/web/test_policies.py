"""The pages of what is agreed: who sees and edits them, and that the same schema stands behind."""

from __future__ import annotations

from html import unescape

import pytest
from flask import Flask

from maintenance import scheduling
from maintenance.lifecycle import SYSTEM, Role
from maintenance.policies import Policies
from maintenance.policy_book import policies_from_document
from maintenance.policy_editing import import_policies
from maintenance.policy_store import get_policy_row, load_book, load_policies
from maintenance.queries import get_intervention, latest_published
from maintenance.runtime import Runtime
from maintenance.web.policy_forms import FORMS
from tests.builders import a_phase, a_plan, a_system, at
from tests.conftest import MovedClock
from tests.lives import PLANNER, import_systems
from tests.web.desk import an_app, at_desk

FREEZE = {
    "code": "YEAR-END",
    "name-0-language": "en",
    "name-0-words": "Year-end freeze",
    "start": "2026-12-20T18:00",
    "end": "2027-01-02T08:00",
    "timezone": "Europe/Lisbon",
    "reason-0-language": "en",
    "reason-0-words": "small teams",
    "tags": "national",
}
EVERY_KIND = {
    "freezes": [
        {"code": "F", "name": {"pt": "Congelamento", "en": "Freeze"}, "start": "2026-12-20T18:00",
         "end": "2027-01-02T08:00", "timezone": "Europe/Lisbon", "reason": {"en": "small teams"},
         "scope": {"systems": ["PEM"], "tags": ["national"], "kinds": ["service"]}},
    ],
    "hours": [
        {"code": "H", "name": "Nights", "timezone": "Europe/Lisbon",
         "weekly": [{"days": ["friday", "saturday"], "start": "22:00", "end": "06:00"}]},
    ],
    "notices": [{"code": "N", "name": "Notice", "at_least": "P7D", "impact": "OUTAGE", "severity": "warn"}],
    "holidays": [
        {"code": "HO", "name": "Holidays", "country": "PT", "timezone": "Europe/Lisbon",
         "dates": [{"date": "2026-12-24", "name": "Christmas Eve"}]},
    ],
    "budgets": [{"code": "B", "name": "Budget", "at_most": "P1D", "per": "year", "timezone": "UTC"}],
    "down_at_once": [{"code": "D", "name": "At once", "at_most": 3}],
    "reservations": [
        {"code": "R", "name": "Second Saturday", "timezone": "Europe/Lisbon", "start": "2019-11-09T22:00",
         "duration": "PT8H", "rule": "FREQ=MONTHLY;BYDAY=2SA", "until": "2026-12-31", "public": True},
    ],
}  # fmt: skip


@pytest.fixture
def app(runtime: Runtime, clock: MovedClock) -> Flask:
    """Give the application with a national service that needs a database."""
    app = an_app(runtime)
    with runtime.database.write() as session:
        import_systems(session, a_system("PEM", "DB", tags=("national",)), a_system("DB"))
    return app


def agree(runtime: Runtime, lists: dict[str, object]) -> None:
    with runtime.database.write() as session:
        import_policies(session, policies_from_document(lists), prune=False, by=SYSTEM, now=at(0))


def test_an_approver_adds_a_freeze_and_everybody_at_work_sees_it(app: Flask, runtime: Runtime) -> None:
    answer = at_desk(app, Role.APPROVER).post("/plan/policies/new/freezes", data=FREEZE)

    assert answer.status_code == 302, answer.text
    with runtime.database.read() as session:
        [policy] = load_book(session).policies
        assert get_policy_row(session, "YEAR-END").changed_by == "approver@example.org"
    assert policy.document == {
        "code": "YEAR-END",
        "name": {"en": "Year-end freeze"},
        "start": "2026-12-20T18:00",
        "end": "2027-01-02T08:00",
        "timezone": "Europe/Lisbon",
        "reason": {"en": "small teams"},
        "scope": {"tags": ["national"]},
    }
    page = at_desk(app, Role.READER).get("/plan/policies").text
    assert "Year-end freeze" in page
    assert "small teams" in page


@pytest.mark.parametrize("path", ["/plan/policies/new/freezes", "/plan/policies/F"])
def test_a_planner_may_not_edit_policies(app: Flask, runtime: Runtime, path: str) -> None:
    agree(runtime, {"freezes": EVERY_KIND["freezes"]})

    assert at_desk(app, Role.PLANNER).post(path, data=FREEZE).status_code == 403


def test_what_the_schema_refuses_is_said_at_its_field(app: Flask, runtime: Runtime) -> None:
    wrong = {**FREEZE, "start": "tomorrow", "tags": "nationl", "name-0-words": ""}

    answer = at_desk(app, Role.APPROVER).post("/plan/policies/new/freezes", data=wrong)

    page = unescape(answer.text)
    assert answer.status_code == 422
    assert '<a href="#start">“tomorrow” is no time.' in page
    assert '<a href="#tags">No system has the tag “nationl”. Did you mean `national`?</a>' in page
    assert '<a href="#name-0-words">This is empty; write some text.</a>' in page
    assert 'value="tomorrow"' in page
    with runtime.database.read() as session:
        assert load_policies(session) == Policies()


@pytest.mark.parametrize("kind", FORMS)
def test_a_form_that_is_saved_as_it_came_changes_nothing(app: Flask, runtime: Runtime, kind: str) -> None:
    agree(runtime, {kind: EVERY_KIND[kind]})
    [document] = EVERY_KIND[kind]
    with app.test_request_context():
        form = FORMS[kind]()
        form.fill(document, ["pt", "en"])  # type: ignore[arg-type]

        [policy] = policies_from_document({kind: [form.document()]}).policies

    with runtime.database.read() as session:
        assert policy.document == load_book(session).policies[0].document


@pytest.mark.parametrize("kind", FORMS)
def test_every_kind_has_its_pages(app: Flask, runtime: Runtime, kind: str) -> None:
    agree(runtime, EVERY_KIND)  # type: ignore[arg-type]
    desk = at_desk(app, Role.APPROVER)
    [document] = EVERY_KIND[kind]

    assert desk.get(f"/plan/policies/new/{kind}").status_code == 200
    assert desk.get(f"/plan/policies/{document['code']}").status_code == 200  # type: ignore[index]
    assert str(document["code"]) in desk.get("/plan/policies").text  # type: ignore[index]


def test_an_edit_of_what_somebody_else_changed_is_refused(app: Flask, runtime: Runtime) -> None:
    agree(runtime, {"freezes": EVERY_KIND["freezes"]})
    desk = at_desk(app, Role.APPROVER)

    first = desk.post("/plan/policies/F", data={**FREEZE, "lock_version": "1"})
    second = desk.post("/plan/policies/F", data={**FREEZE, "lock_version": "1", "tags": ""})

    assert (first.status_code, second.status_code) == (302, 409)
    with runtime.database.read() as session:
        assert load_book(session).policies[0].document["scope"] == {"tags": ["national"]}


def test_a_retired_policy_counts_no_more_and_stays_on_the_page(app: Flask, runtime: Runtime) -> None:
    agree(runtime, {"freezes": EVERY_KIND["freezes"]})
    desk = at_desk(app, Role.APPROVER)

    assert desk.post("/plan/policies/F/retire", data={"lock_version": "1"}).status_code == 302

    with runtime.database.read() as session:
        assert load_policies(session) == Policies()
    assert "No longer in force" in desk.get("/plan/policies").text


def test_announcing_asks_for_a_reason_only_while_something_blocks(app: Flask, runtime: Runtime) -> None:
    now = runtime.clock()
    hours = (now - at(0)).total_seconds() / 3600
    with runtime.database.write() as session:
        scheduling.draft(session, a_plan("W", a_phase(hours + 10, hours + 12, "DB")), by=PLANNER, now=now)
        scheduling.submit(session, "W", by=PLANNER, now=now)
        scheduling.approve(session, "W", by=SYSTEM, now=now)
    desk = at_desk(app, Role.APPROVER)
    assert 'name="override"' not in desk.get("/plan/W/announce").text
    agree(runtime, {"notices": [{"code": "N", "name": "Notice", "at_least": "P7D"}]})
    assert 'name="override"' in desk.get("/plan/W/announce").text

    refused = desk.post("/plan/W/announce", data={})
    assert refused.status_code == 409
    assert '<a href="#override">' in refused.text
    assert 'name="override"' in refused.text
    taken = desk.post("/plan/W/announce", data={"override": "The disk is failing"})

    assert taken.status_code == 302
    with runtime.database.read() as session:
        version = latest_published(get_intervention(session, "W"))
        assert version is not None
        assert version.override_reason == "The disk is failing"
    page = desk.get("/plan/W").text
    assert "The disk is failing" in page
    assert "the policy asks for 7d" in page
