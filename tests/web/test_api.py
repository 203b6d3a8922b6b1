"""The API for programs: who may ask, what is answered, and that its description says the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from maintenance import tokens
from maintenance.documents import plan_document
from maintenance.lifecycle import SYSTEM
from maintenance.policy_book import policies_from_document
from maintenance.policy_editing import import_policies
from maintenance.runtime import Runtime
from tests.web import case
from tests.web.desk import an_app

OTHER = {
    "title": "Disks",
    "phases": [
        {
            "kind": "outage",
            "start": "2019-11-30T20:00",
            "duration": "PT2H",
            "work": [{"system": "RNU", "impact": "OUTAGE"}],
        }
    ],
}


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    case.load_catalogue(runtime)
    return an_app(runtime, csrf=True)


@pytest.fixture
def client(app: Flask, runtime: Runtime) -> FlaskClient:
    with runtime.database.write() as session:
        token = tokens.add_token(session, "Service desk", now=runtime.clock())
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


@pytest.fixture
def described(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/openapi.json").get_json()
    return found


def fits(described: dict[str, Any], schema: str, document: object) -> list[str]:
    """Return where a document differs from a schema of the description."""
    whole = {"$ref": f"#/components/schemas/{schema}", "components": described["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(document)]


def ask(client: FlaskClient, path: str, **question: object) -> TestResponse:
    return client.post(f"/api/v1/{path}", json=question)


def test_the_description_is_valid_and_open_to_everybody(app: Flask, described: dict[str, Any]) -> None:
    validate(described)

    assert app.test_client().get("/api/v1/openapi.json").status_code == 200
    routes = {
        rule.rule.removeprefix("/api/v1") for rule in app.url_map.iter_rules() if rule.endpoint[:4] == "api."
    }
    assert routes == set(described["paths"])


def test_a_forecast_is_that_of_the_command_and_as_described(
    client: FlaskClient, described: dict[str, Any]
) -> None:
    plan = plan_document(case.the_plan())

    answer = ask(client, "forecast", plans=[plan])

    document = answer.get_json()
    assert answer.status_code == 200
    assert fits(described, "ForecastQuestion", {"plans": [plan]}) == []
    assert fits(described, "Forecast", document) == []
    assert {
        "system": "PEM",
        "impact": "OUTAGE",
        "start": "2019-11-30T14:00:00Z",
        "end": "2019-12-01T08:00:00Z",
        "because": [["EXADATA", "SPMS-2019-EXADATA"]],
    } in document["windows"]
    assert 42_000 < document["harm"][0]["amount"] < 44_000


def test_what_is_announced_counts_and_the_own_reference_is_replaced(
    client: FlaskClient, runtime: Runtime
) -> None:
    case.announce(runtime)

    beside = ask(client, "forecast", plans=[OTHER]).get_json()
    again = ask(client, "forecast", plans=[plan_document(case.the_plan())]).get_json()

    assert ("needed-down", "SPMS-2019-EXADATA") in {(c["kind"], c["plans"][-1]) for c in beside["clashes"]}
    assert {w["system"] for w in beside["windows"]} >= {"RNU"}
    assert not any(len(clash["plans"]) > 1 for clash in again["clashes"])


def test_plans_of_one_question_meet_and_each_clash_is_told_once(client: FlaskClient) -> None:
    second = {**OTHER, "title": "Cables"}

    clashes = ask(client, "forecast", plans=[OTHER, second]).get_json()["clashes"]

    assert [c["plans"] for c in clashes if c["kind"] == "same-system"] == [["NEW-1", "NEW-2"]]


def test_slots_are_as_described_and_explain_themselves(
    client: FlaskClient, runtime: Runtime, described: dict[str, Any]
) -> None:
    freeze = {"start": "2019-11-29T00:00", "end": "2019-12-02T00:00", "timezone": "Europe/Lisbon"}
    with runtime.database.write() as session:
        agreed = policies_from_document({"freezes": [{"code": "F", "name": "Freeze", **freeze}]})
        import_policies(session, agreed, prune=False, by=SYSTEM, now=runtime.clock())
    question = {
        "plan": plan_document(case.the_plan()),
        "earliest": "2019-11-30T00:00",
        "latest": "2019-12-20T00:00:00Z",
        "step": "PT1H",
        "limit": 3,
    }

    document = ask(client, "slots", **question).get_json()
    with_blocked = ask(client, "slots", **{**question, "blocked": True}).get_json()

    assert fits(described, "SlotsQuestion", question) == []
    assert fits(described, "Slots", document) == []
    assert fits(described, "Slots", with_blocked) == []
    assert len(document["slots"]) == 3
    assert all(slot["start"] >= "2019-12-02" for slot in document["slots"])
    assert "freeze" in {clash["kind"] for clash in with_blocked["slots"][0]["clashes"]}
    assert document["slots"][0]["audiences"] == ["prescribers"]


def test_questions_may_be_yaml(client: FlaskClient) -> None:
    raw = "plans:\n  - title: Disks\n    phases:\n      - {kind: outage, start: 2019-11-30T20:00, duration: PT2H}\n"

    answer = client.post("/api/v1/forecast", data=raw, content_type="application/yaml")

    assert answer.get_json()["windows"] == []


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer janela_nonsense", "Basic x"])
def test_without_a_good_token_nothing_is_answered(app: Flask, described: dict[str, Any], header: str) -> None:
    answer = app.test_client().post("/api/v1/slots", json={}, headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.mimetype == "application/problem+json"
    assert fits(described, "Problem", answer.get_json()) == []
    assert "janela tokens add" in answer.get_json()["detail"]


def test_all_mistakes_are_told_at_once_with_line_and_place(
    client: FlaskClient, described: dict[str, Any]
) -> None:
    wrong = {**OTHER, "phases": [{**OTHER["phases"][0], "work": [{"system": "RNV", "impact": "OUTAGE"}]}]}  # type: ignore[index]
    raw = json.dumps({"plans": [{**OTHER, "titel": "x"}, wrong], "plan": 1}, indent=1)

    answer = client.post("/api/v1/forecast", data=raw, content_type="application/json")

    problem = answer.get_json()
    told = {each["pointer"]: each for each in problem["errors"]}
    assert answer.status_code == 422
    assert fits(described, "Problem", problem) == []
    assert set(told) >= {"#/plan", "#/plans/0/titel", "#/plans/1/phases/0/work/0/system"}
    assert "Did you mean `RNU`?" in told["#/plans/1/phases/0/work/0/system"]["detail"]
    assert raw.splitlines()[told["#/plans/0/titel"]["line"] - 1].strip().startswith('"titel"')


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"latest": "2019-11-01T00:00"}, "#/latest"),
        ({"latest": "2029-11-01T00:00"}, "#/latest"),
        ({"step": "PT1S"}, "#/step"),
        ({"limit": 0}, "#/limit"),
        ({"earliest": "soon"}, "#/earliest"),
        ({"plan": {"title": "x"}}, "#/plan/phases"),
    ],
)
def test_a_search_that_cannot_be_is_refused_at_its_place(
    client: FlaskClient, change: dict[str, object], pointer: str
) -> None:
    answer = ask(client, "slots", **{"plan": OTHER, **change})

    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.get_json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("send", "status"),
    [
        (lambda client: client.post("/api/v1/forecast", data=b"[" + b" " * 4_000_001), 413),
        (lambda client: client.post("/api/v1/forecast", data=b"\xff\xfe"), 422),
        (lambda client: client.post("/api/v1/forecast", data=b""), 422),
        (lambda client: client.post("/api/v1/forecast", data=b"[]"), 422),
        (lambda client: client.post("/api/v1/slots", data=b"3"), 422),
        (lambda client: client.get("/api/v1/slots"), 405),
        (lambda client: client.get("/api/v1/nothing"), 404),
    ],
)
def test_every_refusal_is_a_problem_that_says_what_to_do(
    client: FlaskClient, described: dict[str, Any], send: Any, status: int
) -> None:
    answer = send(client)

    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert fits(described, "Problem", answer.get_json()) == []
    assert answer.get_json()["detail"]


def test_no_cookie_counts_and_none_is_set(client: FlaskClient) -> None:
    answer = ask(client, "forecast", plans=[OTHER])

    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")
