"""The workspace: who may see what, what needs whom, and every step of an intervention's life by its button."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import Markup
from werkzeug.test import TestResponse

from maintenance.lifecycle import RULES, Role, Step
from maintenance.models import InterventionRow
from maintenance.queries import events_of, get_intervention, latest_published, pending, plan_of
from maintenance.runtime import Runtime
from maintenance.web.plan_night_forms import FORMS
from tests.conftest import MovedClock
from tests.web import case
from tests.web.desk import an_app, at_desk, email_of, fields_of
from tests.web.test_plan_form import TYPED

REF = case.REFERENCE


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    case.load_catalogue(runtime)
    return an_app(runtime)


@pytest.fixture
def planner(app: Flask) -> FlaskClient:
    return at_desk(app, Role.PLANNER)


@pytest.fixture
def approver(app: Flask) -> FlaskClient:
    return at_desk(app, Role.APPROVER)


def a_draft(client: FlaskClient, **changes: str) -> str:
    """Write and save a plan as its author does; returns the address of its page."""
    shown = client.post("/plan/new", data={**TYPED, **changes, "action": "preview"})
    saved = client.post("/plan/new", data={**fields_of(shown.text), "action": "save"})
    assert saved.status_code == 302
    return str(saved.location)


def row_of(runtime: Runtime, reference: str = REF) -> InterventionRow:
    with runtime.database.read() as session:
        row = get_intervention(session, reference)
        assert row.versions
        assert row.gates is not None
        return row


def does(client: FlaskClient, step: str, path: str = f"/plan/{REF}", **typed: Any) -> TestResponse:
    """Open a step's page and press its button."""
    page = client.get(f"{path}/{step}")
    assert page.status_code == 200, page.text
    return client.post(f"{path}/{step}", data=typed)


def took(answer: TestResponse) -> bool:
    return answer.status_code == 302


# ---------------------------------------------------------------- who may

#: Every page of the workspace: method, address, the role that opens it.
PAGES = [
    ("GET", "/plan/", Role.READER),
    ("GET", f"/plan/{REF}", Role.READER),
    ("GET", "/plan/systems.json", Role.READER),
    ("GET", "/account", Role.READER),
    ("POST", "/account", Role.READER),
    ("GET", "/plan/new", Role.PLANNER),
    ("POST", "/plan/new", Role.PLANNER),
    ("GET", f"/plan/{REF}/edit", Role.PLANNER),
    ("POST", f"/plan/{REF}/edit", Role.PLANNER),
    ("GET", f"/plan/{REF}/slots", Role.PLANNER),
    ("POST", f"/plan/{REF}/slots", Role.PLANNER),
    *((method, f"/plan/{REF}/{step}", RULES[step].role) for step in FORMS for method in ("GET", "POST")),
]


@pytest.fixture
def everybody(app: Flask, runtime: Runtime) -> dict[Role, FlaskClient]:
    case.announce(runtime)
    return {role: at_desk(app, role) for role in Role}


@pytest.mark.parametrize(("method", "path", "role"), PAGES)
def test_page_asks_strangers_to_sign_in_and_refuses_roles_below_its_own(
    app: Flask, everybody: dict[Role, FlaskClient], method: str, path: str, role: Role
) -> None:
    stranger = app.test_client().open(path, method=method)
    assert (stranger.status_code, stranger.location.partition("?")[0]) == (302, "/sign-in")

    for other, client in everybody.items():
        refused = client.open(path, method=method).status_code == 403
        assert refused is not other.covers(role)


def test_every_route_of_the_workspace_is_in_the_table_above(app: Flask) -> None:
    ours = {
        (method, rule.rule.replace("<reference>", REF))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {"GET", "POST"}
        if rule.endpoint.partition(".")[0] in ("plan", "systems_search")
    }

    assert ours == {(method, path) for method, path, _ in PAGES if path.startswith("/plan")}


def test_every_step_but_editing_has_a_form() -> None:
    assert set(FORMS) == set(Step) - {Step.EDIT}


# ---------------------------------------------------------------- the way to readers


def test_plan_goes_from_draft_to_readers_by_two_people(
    planner: FlaskClient, approver: FlaskClient, runtime: Runtime
) -> None:
    path = a_draft(planner)
    assert took(does(planner, "submit", path))
    assert "Waits for your review" in approver.get("/plan/").text
    page = approver.get(f"{path}/approve").text
    # What is agreed to, in every language it is written in, and what it does.
    assert "Substituição de discos" in page
    assert "Disk replacement" in page
    assert "AREA-CIDADAO" in page
    assert took(does(approver, "approve", path, note="As discussed."))
    assert "Approved: to be announced" in approver.get("/plan/").text
    assert took(does(approver, "announce", path))

    row = row_of(runtime, "INT-2019-0001")
    assert row.run_state == "announced"
    shown = planner.get(path).text
    assert "As announced with version 0" in shown
    assert "As discussed." in shown


def test_author_is_told_why_somebody_else_has_to_approve(approver: FlaskClient, runtime: Runtime) -> None:
    path = a_draft(approver)
    does(approver, "submit", path)

    assert "somebody else has to approve it" in approver.get(path).text
    assert f'href="{path}/approve"' not in approver.get(path).text
    refused = does(approver, "approve", path)
    assert refused.status_code == 409
    assert "You submitted this version yourself" in refused.text


def test_returned_version_shows_its_author_the_note(
    planner: FlaskClient, approver: FlaskClient, runtime: Runtime
) -> None:
    path = a_draft(planner)
    does(planner, "submit", path)
    silent = does(approver, "return", path, note="  ")
    assert silent.status_code == 422
    assert 'href="#note"' in silent.text

    assert took(does(approver, "return", path, note="Name the <rollback> plan."))
    assert "Name the &lt;rollback&gt; plan." in planner.get(path).text
    assert took(does(planner, "withdraw", path, reason="Not needed"))
    assert pending(row_of(runtime, "INT-2019-0001")) is None


def test_approval_is_for_what_was_on_the_page_only(
    planner: FlaskClient, approver: FlaskClient, runtime: Runtime
) -> None:
    path = a_draft(planner)
    does(planner, "submit", path)
    read = approver.get(f"{path}/approve").text.partition('name="lock_version"')[2].partition('value="')[2]
    lock_version = read.partition('"')[0]
    does(approver, "return", path, note="Wait")
    does(planner, "submit", path)

    stale = approver.post(f"{path}/approve", data={"lock_version": lock_version, "note": "Fine"})
    assert stale.status_code == 409
    assert "Somebody else changed" in stale.text
    assert "Fine" in stale.text


# ---------------------------------------------------------------- what was announced


def test_moving_shows_the_new_windows_before_it_is_done(approver: FlaskClient, runtime: Runtime) -> None:
    case.announce(runtime)
    new = {"start": "2019-12-07T14:00", "reason-0-language": "pt", "reason-0-words": "Falta de peças"}

    shown = does(approver, "move", **new)
    assert shown.status_code == 200
    assert "7 Dec 2019" in shown.text
    assert "Falta de peças" in shown.text
    assert len(row_of(runtime).versions) == 1
    assert took(approver.post(f"/plan/{REF}/move", data={**new, "seen": new["start"]}))

    version = latest_published(row_of(runtime))
    assert version
    assert plan_of(version).start == datetime(2019, 12, 7, 14, tzinfo=UTC)
    assert version.reason == {"pt": "Falta de peças"}


@pytest.mark.parametrize(
    "typed", ["", "tomorrow", "2019-13-01T10:00", "2019-12-07T14:00Z", "9999-12-31T23:59"]
)
def test_time_that_cannot_be_read_is_said_and_kept(
    approver: FlaskClient, runtime: Runtime, typed: str
) -> None:
    case.announce(runtime)
    refused = does(approver, "move", start=typed, seen=typed)

    assert refused.status_code == 422
    assert 'href="#start"' in refused.text
    assert f'value="{typed}"' in refused.text or not typed


def test_system_account_is_called_by_what_it_is(planner: FlaskClient, runtime: Runtime) -> None:
    case.announce(runtime)
    page = planner.get(f"/plan/{REF}?lang=pt").text

    assert "pelo relógio ou por um comando" in page
    assert " system" not in page.split("<main")[1].split("</main>")[0].replace("system-", "")


def test_hold_keeps_the_clock_from_starting_and_release_lets_it(
    planner: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    case.announce(runtime)
    assert does(planner, "hold", reason="").status_code == 422
    assert took(does(planner, "hold", reason="Backup not ready"))
    assert "Backup not ready" in planner.get(f"/plan/{REF}").text
    assert f'href="/plan/{REF}/hold"' not in planner.get(f"/plan/{REF}").text
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    assert row_of(runtime).run_state == "announced"

    assert took(does(planner, "release"))
    case.start_by_clock(runtime)
    assert row_of(runtime).run_state == "running"
    # Nothing is left that the clock could start.
    assert f'href="/plan/{REF}/hold"' not in planner.get(f"/plan/{REF}").text


def test_night_is_told_step_by_step(planner: FlaskClient, runtime: Runtime, clock: MovedClock) -> None:
    case.announce(runtime)
    clock.move_to(case.START)
    assert took(does(planner, "start"))
    assert "In progress" in planner.get("/plan/").text
    assert took(does(planner, "update", **{"text-0-language": "en", "text-0-words": "All goes well."}))
    assert "All goes well." in planner.get(f"/plan/{REF}").text

    clock.move_to(case.END)
    assert "Longer than planned" in planner.get("/plan/").text
    assert took(does(planner, "extend", phase="p1", until="2019-12-01T10:00"))
    version = latest_published(row_of(runtime))
    assert version
    assert plan_of(version).phase("p1").end == datetime(2019, 12, 1, 10, tzinfo=UTC)
    assert took(does(planner, "extend", by_length="0:30"))

    assert took(does(planner, "verify"))
    assert row_of(runtime).run_state == "verifying"
    assert took(does(planner, "complete", **{"reason-0-language": "en", "reason-0-words": "Done"}))
    assert row_of(runtime).run_state == "completed"
    with runtime.database.read() as session:
        people = {event.by for event in events_of(session, REF)[3:]}
    assert people == {email_of(Role.PLANNER)}


def test_service_that_returns_in_stages_is_ticked_off_system_by_system(
    planner: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    work = [{"system": code, "impact": "OUTAGE"} for code in ("RNU", "PEM")]
    phase = {
        "id": "p1",
        "kind": "outage",
        "start": "2019-11-30T14:00",
        "end": "2019-12-01T08:00",
        "work": work,
    }
    case.announce(runtime, case.the_plan(phases=[phase]))
    clock.move_to(case.START)
    does(planner, "start")

    assert "Registo Nacional de Utentes" in planner.get(f"/plan/{REF}/verify").text
    assert took(does(planner, "verify", systems=["RNU"]))
    assert row_of(runtime).run_state == "running"
    assert took(does(planner, "verify", systems=["PEM"]))
    assert row_of(runtime).run_state == "verifying"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({}, "by_length"),
        ({"until": "2019-12-01T10:00", "by_length": "1:00"}, "by_length"),
        ({"until": "late"}, "until"),
        ({"by_length": "long"}, "by_length"),
    ],
)
def test_extension_needs_one_end_that_can_be_read(
    planner: FlaskClient, runtime: Runtime, typed: dict[str, str], field: str
) -> None:
    case.announce(runtime)
    case.step(runtime, "start")

    refused = does(planner, "extend", **typed)

    assert refused.status_code == 422
    assert f'href="#{field}"' in refused.text


def test_refusal_of_a_use_case_is_said_on_the_page_with_what_was_typed(
    planner: FlaskClient, runtime: Runtime
) -> None:
    case.announce(runtime)
    case.step(runtime, "start")

    refused = does(
        planner,
        "extend",
        until="2019-12-01T07:00",
        **{"reason-0-language": "en", "reason-0-words": "We need <more> time"},
    )

    assert refused.status_code == 409
    assert "is not after the planned end" in refused.text
    assert "We need &lt;more&gt; time" in refused.text


def test_words_for_readers_may_hold_markup_but_no_control_characters(
    planner: FlaskClient, runtime: Runtime
) -> None:
    case.announce(runtime)
    evil = {"text-0-language": "en", "text-0-words": "Subject:\x00 gone"}
    assert does(planner, "update", **evil).status_code == 422
    assert does(planner, "update", **{"text-0-language": "en", "text-0-words": ""}).status_code == 422

    marked = {"text-0-language": "en", "text-0-words": "<script>alert(1)</script>"}
    assert took(does(planner, "update", **marked))
    assert "<script>alert" not in planner.get(f"/plan/{REF}").text


def test_cancelling_says_whom_it_concerns_and_ends_everything(
    approver: FlaskClient, runtime: Runtime
) -> None:
    case.announce(runtime)
    assert "everybody who was told is told" in approver.get(f"/plan/{REF}/cancel").text

    assert took(does(approver, "cancel", **{"reason-0-language": "en", "reason-0-words": "No parts"}))
    assert row_of(runtime).run_state == "cancelled"
    assert 'class="btn' not in approver.get(f"/plan/{REF}").text.partition('class="steps"')[2].partition(
        "</section>"
    )[0].replace("btn-link", "")


def test_plan_that_nobody_heard_of_is_given_up_in_silence(approver: FlaskClient, runtime: Runtime) -> None:
    path = a_draft(approver)

    assert "Nobody has been told of it" in approver.get(f"{path}/cancel").text
    assert took(does(approver, "cancel", path))


@pytest.mark.parametrize("step", ["submit", "start", "extend", "verify", "complete", "announce"])
def test_step_out_of_turn_gets_a_page_that_says_why(
    approver: FlaskClient, runtime: Runtime, step: str
) -> None:
    case.announce(runtime)
    case.step(runtime, "cancel")

    for answer in (approver.get(f"/plan/{REF}/{step}"), approver.post(f"/plan/{REF}/{step}")):
        assert answer.status_code == 409
        assert "it is cancelled" in answer.text


# ---------------------------------------------------------------- pages


def test_unknown_intervention_is_not_found(planner: FlaskClient) -> None:
    for path in ("/plan/NOPE", "/plan/NOPE/edit", "/plan/NOPE/hold", "/plan/NOPE/dance"):
        assert planner.get(path).status_code == 404


def test_other_packages_add_panels_to_the_page(app: Flask, planner: FlaskClient, runtime: Runtime) -> None:
    case.announce(runtime)
    app.extensions["janela_panels"] = [
        lambda reference: Markup("<aside>{} deliveries</aside>").format(reference),
        lambda _reference: Markup(""),
    ]

    assert f"<aside>{REF} deliveries</aside>" in planner.get(f"/plan/{REF}").text


def test_change_of_an_announced_plan_is_shown_beside_what_readers_know(
    planner: FlaskClient, runtime: Runtime
) -> None:
    case.announce(runtime)
    path = f"/plan/{REF}/edit"
    typed = {**fields_of(planner.get(path).text), "title-1-words": "Bigger work"}
    shown = planner.post(path, data={**typed, "action": "preview"})
    planner.post(path, data={**fields_of(shown.text), "action": "save"})

    page = planner.get(f"/plan/{REF}").text
    assert "A change is on its way" in page
    assert "Bigger work" in page


def test_times_are_shown_and_labelled_in_the_plans_own_zone(planner: FlaskClient) -> None:
    path = a_draft(planner, timezone="Atlantic/Azores")

    page = planner.get(path).text
    assert "22:00" in page
    assert "UTC−01:00" in page
    assert "Start (Atlantic/Azores)" in planner.get(f"{path}/edit").text


def test_workspace_pages_are_kept_by_nobody(planner: FlaskClient) -> None:
    assert planner.get("/plan/").headers["Cache-Control"] == "private, no-cache"
