"""Who is signed in, and what their role opens."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec
from urllib.parse import urlsplit

from flask import Flask, Response, abort, redirect, request, url_for
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, current_user

from maintenance import accounts
from maintenance.lifecycle import Actor, Role
from maintenance.settings import Settings, secret_key
from maintenance.web.context import database

#: A signed-in person who does nothing for as long has to sign in again: longer than a night's work.
SESSION_FOR = timedelta(hours=14)

_P = ParamSpec("_P")


class SignedIn(UserMixin):  # type: ignore[misc] # the library ships no types
    """The person of this request, for Flask-Login and the templates (`current_user`)."""

    def __init__(self, account: accounts.Account) -> None:
        self.account = account
        self.name = account.name
        self.email = account.email
        self.role = account.role
        self.language = account.language

    def get_id(self) -> str:
        """Return what the session keeps: it stops fitting when the password changes."""
        return f"{self.account.id}:{self.account.stamp}"

    def may(self, role: str) -> bool:
        """Return whether the person may do what `role` may; for templates."""
        return self.role.covers(Role(role))


class _Sessions(SecureCookieSessionInterface):
    """Signed cookies; answers that are alike for everybody neither set one nor depend on it."""

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie where it changed, and that the answer varies with it."""
        if request.blueprint not in app.extensions.get("janela_without_session", ()):
            super().save_session(app, session, response)


def without_session(app: Flask, blueprint: str) -> None:
    """Say that the answers of a blueprint are alike for everybody, whoever is signed in."""
    app.extensions.setdefault("janela_without_session", set()).add(blueprint)


def init_login(app: Flask) -> None:
    """Make the application know people: signed sessions that last a night, Flask-Login."""
    settings: Settings = app.extensions["janela"].settings
    app.secret_key = secret_key(settings)
    app.session_interface = _Sessions()
    app.config.update(
        SESSION_COOKIE_NAME="janela_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.public_url.startswith("https:"),
        PERMANENT_SESSION_LIFETIME=SESSION_FOR,
        # A token lives as long as its session: a form that took two hours to fill is still accepted.
        WTF_CSRF_TIME_LIMIT=None,
    )
    login = LoginManager()
    # A telephone changes its network address during the night; that ends no session.
    login.session_protection = None
    login.user_loader(_load_person)
    login.unauthorized_handler(_ask_to_sign_in)
    login.init_app(app)


def roles_required(
    role: Role,
) -> Callable[[Callable[_P, ResponseReturnValue]], Callable[_P, ResponseReturnValue]]:
    """Return a decorator that lets only signed-in people of `role` (or above) to the view.

    Others are asked to sign in, or told (403) which role the page needs.
    """

    def decorate(view: Callable[_P, ResponseReturnValue]) -> Callable[_P, ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> ResponseReturnValue:
            if not current_user.is_authenticated:
                return _ask_to_sign_in()
            if not current_user.role.covers(role):
                abort(403)
            return view(*args, **kwargs)

        # The tests read it: every route of the planner states whom it is for.
        guarded.required_role = role  # type: ignore[attr-defined]
        return guarded

    return decorate


def actor() -> Actor:
    """Return the signed-in person as the log and the rules know them; only in guarded views."""
    return Actor(current_user.email, current_user.role)


def safe_next(target: str | None) -> str | None:
    """Return `target` if it is a path of this site, else None: nobody is sent elsewhere after signing in.

    >>> safe_next("/plan/"), safe_next("//evil.example"), safe_next("https://evil.example/plan/")
    ('/plan/', None, None)
    """
    if not target or not target.startswith("/") or not target.isprintable():
        return None
    # Browsers read a backslash as a slash, and "//host" as another site.
    parts = urlsplit(target)
    if target.startswith("//") or "\\" in target or parts.netloc or parts.scheme:
        return None
    return target


def _load_person(session_id: str) -> SignedIn | None:
    number, _, stamp = session_id.partition(":")
    with database().read() as session:
        account = accounts.find_account(session, int(number)) if number.isdecimal() else None
    return SignedIn(account) if account is not None and secrets.compare_digest(account.stamp, stamp) else None


def _ask_to_sign_in() -> ResponseReturnValue:
    # What was posted cannot be repeated after signing in; the page it came from can.
    wanted = request.full_path.rstrip("?") if request.method in ("GET", "HEAD") else None
    return redirect(url_for("accounts.sign_in", next=safe_next(wanted)))
