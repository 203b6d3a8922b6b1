"""People at their desks: an application that knows a planner, an approver and a reader, and how they sign in."""

from __future__ import annotations

import re
from functools import cache
from html import unescape

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash

from maintenance.lifecycle import Role
from maintenance.models import UserRow
from maintenance.runtime import Runtime
from tests.web import case

PASSWORD = "four plain words here"


@cache
def _hash() -> str:
    # One scrypt hash for the whole run: what is tested with it is not hashing.
    return generate_password_hash(PASSWORD, method="scrypt")


def email_of(role: Role) -> str:
    return f"{role.value}@example.org"


def an_app(runtime: Runtime, *, csrf: bool = False) -> Flask:
    """Return the application with one person of each role; forms need no token unless asked."""
    app = case.the_app(runtime)
    # The session's cookie is for https alone, as it is where the site is.
    app.config.update(PREFERRED_URL_SCHEME="https", WTF_CSRF_ENABLED=csrf)
    with runtime.database.write() as session:
        session.add_all(
            UserRow(
                email=email_of(role),
                name=role.value.title(),
                role=role.value,
                password_hash=_hash(),
                created_at=runtime.clock(),
            )
            for role in Role
        )
    return app


def at_desk(app: Flask, role: Role) -> FlaskClient:
    """Return the browser of the person with that role, signed in, speaking English."""
    client = app.test_client()
    client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    answer = client.post("/sign-in", data={"email": email_of(role), "password": PASSWORD})
    assert answer.status_code == 302
    return client


def fields_of(page: str) -> dict[str, str | list[str]]:
    """Return what a browser would send of the plan's form, without pressing a button."""
    form = page[page.index('id="plan-form"') :]
    values: dict[str, str | list[str]] = {}
    for tag, attributes, inner in re.findall(
        r"<(input|textarea|select)\b([^>]*)>(?:(.*?)</(?:textarea|select)>)?", form, re.DOTALL
    ):
        told = dict(re.findall(r'([a-z-]+)="([^"]*)"', attributes))
        if "name" not in told or (told.get("type") in ("checkbox", "radio") and "checked" not in attributes):
            continue
        value = told.get("value", "")
        if tag == "textarea":
            value = inner.removeprefix("\r\n").removeprefix("\n")
        if tag == "select":
            chosen = re.search(r'<option selected value="([^"]*)"', inner)
            value = chosen[1] if chosen else ""
        name = told["name"]
        if told.get("type") == "checkbox":
            kept = values.setdefault(name, [])
            assert isinstance(kept, list)
            kept.append(unescape(value))
        else:
            values[name] = unescape(value)
    return values
