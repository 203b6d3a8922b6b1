"""Signing in and out, and what people change about their own account."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_login import current_user, login_user, logout_user
from wtforms import EmailField, PasswordField
from wtforms.validators import InputRequired, Length

from maintenance import accounts
from maintenance.errors import JanelaError
from maintenance.lifecycle import Role
from maintenance.web.access import SignedIn, roles_required, safe_next
from maintenance.web.context import database, now
from maintenance.web.errors import sentence_of
from maintenance.web.forms import BaseForm, add_error, errors_of

bp = Blueprint("accounts", __name__)


class SignInForm(BaseForm):
    """Who, and the proof."""

    email = EmailField(lazy_gettext("E-mail"), [InputRequired(lazy_gettext("Enter your e-mail address."))])
    password = PasswordField(lazy_gettext("Password"), [InputRequired(lazy_gettext("Enter your password."))])


class PasswordForm(BaseForm):
    """A new password, with the old one as proof that nobody else sits at the screen."""

    current = PasswordField(
        lazy_gettext("Password now"), [InputRequired(lazy_gettext("Enter the password you have now."))]
    )
    password = PasswordField(
        lazy_gettext("New password"),
        [
            InputRequired(lazy_gettext("Enter a new password.")),
            Length(
                accounts.MIN_PASSWORD_LENGTH,
                accounts.MAX_PASSWORD_LENGTH,
                lazy_gettext("Use 12 characters or more."),
            ),
        ],
    )


@bp.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Ask who is there; somebody signed in already goes on to where they wanted."""
    if current_user.is_authenticated:
        return redirect(_onward())
    return _sign_in_page(SignInForm())


@bp.post("/sign-in")
def sign_in_now() -> ResponseReturnValue:
    """Sign somebody in; the answer does not tell an unknown address from a wrong password."""
    form = SignInForm(request.form)
    if not form.validate():
        return _sign_in_page(form), 422
    try:
        account = _checked(str(form.email.data), str(form.password.data))
    except accounts.TooManyAttempts as error:
        add_error(form.email, sentence_of(error))
        return _sign_in_page(form), 429
    if account is None:
        add_error(
            form.email,
            gettext("There is no account with this address and password. Check both and try again."),
        )
        return _sign_in_page(form), 422
    # A session from before signing in is not carried on (session fixation).
    session.clear()
    session.permanent = True
    login_user(SignedIn(account))
    return redirect(_onward())


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Sign the person out; nothing of the session stays."""
    logout_user()
    session.clear()
    return redirect(url_for("public.status"))


@bp.get("/account")
@roles_required(Role.READER)
def profile() -> ResponseReturnValue:
    """Show who is signed in, and offer a new password."""
    return _profile_page(PasswordForm())


@bp.post("/account")
@roles_required(Role.READER)
def change_password() -> ResponseReturnValue:
    """Give the signed-in person the password of their choice; their other sessions end."""
    form = PasswordForm(request.form)
    if not form.validate():
        return _profile_page(form), 422
    try:
        if _checked(current_user.email, str(form.current.data)) is None:
            raise accounts.InvalidAccount("That is not your password. Enter the one you sign in with.")
    except JanelaError as error:
        add_error(form.current, sentence_of(error))
        return _profile_page(form), 422
    with database().write() as db:
        user = accounts.get_user(db, current_user.email)
        accounts.set_password(db, user, str(form.password.data))
        login_user(SignedIn(accounts.account_of(user)))
    flash(gettext("You have a new password. Other devices have to sign in again."), "success")
    return redirect(url_for("accounts.profile"))


def _checked(email: str, password: str) -> accounts.Account | None:
    """Return the account if the password is right, with the attempt counted before it is looked at."""
    place = request.remote_addr or ""
    with database().write() as db:
        accounts.count_attempt(db, email=email, place=place, now=now())
    # Hashing takes long on purpose: not while the only writer waits.
    with database().read() as db:
        account = accounts.authenticate(db, email, password)
    if account is not None:
        with database().write() as db:
            accounts.forget_attempts(db, email=email, place=place)
    return account


def _onward() -> str:
    return safe_next(request.values.get("next")) or url_for("plan.overview")


def _sign_in_page(form: SignInForm) -> str:
    onward = safe_next(request.values.get("next")) or ""
    return render_template(
        "maintenance/accounts/sign_in.html", form=form, onward=onward, errors=errors_of(form)
    )


def _profile_page(form: PasswordForm) -> str:
    return render_template("maintenance/accounts/profile.html", form=form, errors=errors_of(form))
