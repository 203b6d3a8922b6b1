"""Mistakes in what was typed are told in the reader's language, as everything else on a page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from maintenance import tokens
from maintenance.lifecycle import Role
from maintenance.runtime import Runtime
from tests.web import case
from tests.web.desk import an_app, at_desk
from tests.web.test_plan_form import MISTAKES, press


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    case.load_catalogue(runtime)
    return an_app(runtime)


@pytest.fixture
def approver(app: Flask) -> FlaskClient:
    return at_desk(app, Role.APPROVER)


def told(page: str) -> set[str]:
    """Return the sentences of a page's list of mistakes."""
    summary = page.partition("error-summary")[2].partition("</ul>")[0]
    return {re.sub("<[^>]+>", "", each).strip() for each in re.findall(r"<li>(.*?)</li>", summary, re.S)}


@pytest.mark.parametrize("typed", [typed for typed, *_ in MISTAKES])
def test_mistakes_in_a_plan_are_told_in_portuguese(approver: FlaskClient, typed: dict[str, Any]) -> None:
    english = told(press(approver, "save", **typed).text)

    portuguese = told(press(approver, "save", "/plan/new?lang=pt", **typed).text)

    assert len(portuguese) == len(english) > 0
    assert not portuguese & english


def test_hint_names_what_was_probably_meant_in_portuguese(approver: FlaskClient) -> None:
    page = press(approver, "save", "/plan/new?lang=pt", **{"phases-0-work-0-system": "EXADTA"})

    assert "EXADTA não está no catálogo. Queria dizer `EXADATA`?" in page.text


def test_clock_change_is_pointed_out_in_portuguese(approver: FlaskClient) -> None:
    page = press(approver, "preview", "/plan/new?lang=pt", **{"phases-0-start": "2020-03-29T01:30"})

    assert "não existe em Europe/Lisbon, porque o relógio salta essa hora" in page.text
    assert "Write the time that you mean" not in page.text


def test_mistakes_in_a_policy_are_told_in_portuguese(approver: FlaskClient) -> None:
    typed = {
        "code": "xmas",
        "start": "2026-12-24T00:00",
        "end": "amanhã",
        "timezone": "Lisboa",
        "tags": "nada",
    }

    page = approver.post("/plan/policies/new/freezes?lang=pt", data=typed)

    assert page.status_code == 422
    assert "«xmas» não é um código" in page.text
    assert "XMAS estaria certo." in page.text
    assert "Não existe o fuso horário «Lisboa»" in page.text


def test_programs_are_told_in_english(approver: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.write() as session:
        token = tokens.add_token(session, "A program", now=runtime.clock())
    heads = {"Authorization": f"Bearer {token}", "Accept-Language": "pt"}

    answer = approver.post("/api/v1/forecast?lang=pt", data=b"{}", headers=heads)

    assert answer.get_json()["errors"][0]["detail"] == "`plans` is missing; add it."
