"""Signing in and out, and what a stranger cannot learn or do on the way."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from maintenance import accounts
from maintenance.lifecycle import Role
from maintenance.runtime import Runtime
from maintenance.web.access import safe_next
from tests.conftest import MovedClock
from tests.web.desk import PASSWORD, an_app, at_desk, email_of

PLANNER = email_of(Role.PLANNER)


@pytest.fixture
def stranger(runtime: Runtime) -> FlaskClient:
    client = an_app(runtime).test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


def sign_in(client: FlaskClient, email: str = PLANNER, password: str = PASSWORD, **rest: str) -> TestResponse:
    return client.post("/sign-in", data={"email": email, "password": password, **rest})


def without_token(answer: TestResponse) -> str:
    """Return the page without what differs between any two requests."""
    return re.sub(r'name="csrf_token" value="[^"]+"', "", answer.text)


def test_signing_in_leads_where_the_person_wanted_to_go(stranger: FlaskClient) -> None:
    asked = stranger.get("/plan/new?x=1")
    assert asked.location == "/sign-in?next=/plan/new?x%3D1"

    assert sign_in(stranger, next="/plan/new?x=1").location == "/plan/new?x=1"
    assert stranger.get("/plan/new").status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\/evil.example",
        "/a\r\nSet-Cookie: x",
    ],
)
def test_nobody_is_sent_to_another_site_after_signing_in(stranger: FlaskClient, elsewhere: str) -> None:
    assert safe_next(elsewhere) is None
    assert sign_in(stranger, next=elsewhere).location == "/plan/"


def test_unknown_address_and_wrong_password_get_the_same_answer(stranger: FlaskClient) -> None:
    wrong = sign_in(stranger, PLANNER, "not the password")
    unknown = sign_in(stranger, "nobody@example.org", "not the password")

    assert wrong.status_code == unknown.status_code == 422
    assert without_token(wrong).replace(PLANNER, "") == without_token(unknown).replace(
        "nobody@example.org", ""
    )
    assert "not the password" not in wrong.text


def test_session_cookie_is_for_this_site_and_https_alone(stranger: FlaskClient) -> None:
    cookie = sign_in(stranger).headers["Set-Cookie"]

    assert cookie.startswith("janela_session=")
    assert {"HttpOnly", "Secure", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}


def test_guessing_is_slowed_down_with_a_sentence(stranger: FlaskClient, clock: MovedClock) -> None:
    for _ in range(5):
        assert sign_in(stranger, password="a guess").status_code == 422

    refused = sign_in(stranger)
    assert refused.status_code == 429
    assert "Wait 15 minutes" in refused.text
    clock.move_on(minutes=15)
    assert sign_in(stranger).status_code == 302


def test_signing_out_takes_a_button_and_ends_the_session(runtime: Runtime) -> None:
    client = at_desk(an_app(runtime), Role.PLANNER)

    assert client.get("/sign-out").status_code == 405
    assert client.get("/plan/").status_code == 200
    assert client.post("/sign-out").status_code == 302
    assert client.get("/plan/").status_code == 302


def test_new_password_ends_other_sessions_and_keeps_this_one(runtime: Runtime) -> None:
    app = an_app(runtime)
    here, elsewhere = at_desk(app, Role.PLANNER), at_desk(app, Role.PLANNER)

    changed = here.post("/account", data={"current": PASSWORD, "password": "five words make it better"})

    assert changed.status_code == 302
    assert here.get("/plan/").status_code == 200
    assert elsewhere.get("/plan/").status_code == 302


@pytest.mark.parametrize(
    ("current", "password", "sentence"),
    [
        ("not mine", "five words make it better", "That is not your password"),
        (PASSWORD, "short", "Use 12 characters or more"),
        ("", "", "Enter the password you have now"),
    ],
)
def test_password_is_changed_only_with_the_old_one(
    runtime: Runtime, current: str, password: str, sentence: str
) -> None:
    client = at_desk(an_app(runtime), Role.PLANNER)

    refused = client.post("/account", data={"current": current, "password": password})

    assert refused.status_code == 422
    assert sentence in refused.text


def test_disabled_person_is_signed_out_at_the_next_click(runtime: Runtime) -> None:
    client = at_desk(an_app(runtime), Role.PLANNER)
    with runtime.database.write() as session:
        accounts.disable_user(session, PLANNER, now=runtime.clock())

    assert client.get("/plan/").status_code == 302


def test_form_without_our_token_is_refused_with_a_page_that_helps(runtime: Runtime) -> None:
    client = an_app(runtime, csrf=True).test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    refused = sign_in(client)
    assert refused.status_code == 400
    assert "Load it again" in refused.text

    page = client.get("/sign-in").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    same_site = {"Referer": "https://localhost/sign-in"}
    accepted = client.post(
        "/sign-in",
        data={"email": PLANNER, "password": PASSWORD, "csrf_token": token[1]},
        headers=same_site,
    )
    assert accepted.status_code == 302
    assert client.post("/plan/new", data={"action": "save"}, headers=same_site).status_code == 400
