"""People at their desks: an application that knows a planner, an approver and a reader, and how they sign in."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash

from maintenance import accounts
from maintenance.lifecycle import Role
from maintenance.models import UserRow
from maintenance.runtime import Runtime
from maintenance.web.access import SignedIn
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
    runtime: Runtime = app.extensions["janela"]
    with runtime.database.read() as session:
        person = SignedIn(accounts.account_of(accounts.get_user(session, email_of(role))))
    # As signing in leaves it; `test_accounts` goes through the page itself.
    with client.session_transaction() as cookie:
        cookie["_user_id"] = person.get_id()
    return client


class _Fields(HTMLParser):
    """Collects what a browser would send of the plan's form."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str | list[str]] = {}
        self._inside = False
        self._text: str | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self._inside |= told.get("id") == "plan-form"
        name = told.get("name", "")
        if not self._inside:
            return
        if tag == "textarea":
            self._text, self.values[name] = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in told or self._select not in self.values):
            # Without a choice a browser takes the first.
            self.values[self._select] = told["value"]
        elif tag == "input" and told.get("type") == "checkbox":
            if "checked" in told:
                kept = self.values.setdefault(name, [])
                assert isinstance(kept, list)
                kept.append(told["value"])
        elif tag == "input" and (told.get("type") != "radio" or "checked" in told):
            self.values[name] = told.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self.values[self._text] += data.replace("\r\n", "\n").removeprefix("\n")  # type: ignore[operator]

    def handle_endtag(self, tag: str) -> None:
        self._text = None if tag == "textarea" else self._text
        self._select = None if tag == "select" else self._select
        self._inside = self._inside and tag != "form"


def fields_of(page: str) -> dict[str, str | list[str]]:
    """Return what a browser would send of the plan's form, without pressing a button."""
    fields = _Fields()
    fields.feed(page)
    return fields.values
