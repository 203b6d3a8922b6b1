"""Pages for what went wrong: each says what happened and where to go on."""

from __future__ import annotations

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from maintenance.errors import JanelaError, NotFound, Problem, StaleEdit, StepRefused
from maintenance.web.problems import problem

#: For each status: a heading, and what the reader can do.
SENTENCES = {
    400: (
        lazy_gettext("This request could not be read"),
        lazy_gettext("Go back, load the page again and repeat what you did."),
    ),
    403: (
        lazy_gettext("This is not open to you"),
        lazy_gettext(
            "Sign in with an account that has the role for it, or ask an administrator for the role."
        ),
    ),
    404: (
        lazy_gettext("There is no such page"),
        lazy_gettext(
            "The address may be mistyped, or what it named was renamed. The status page lists every system, "
            "and the history every intervention."
        ),
    ),
    405: (
        lazy_gettext("This address does not work that way"),
        lazy_gettext("Start from the page that led you here."),
    ),
    409: (
        lazy_gettext("This cannot be done now"),
        lazy_gettext("Load the page again to see how things stand."),
    ),
    413: (
        lazy_gettext("That is too large"),
        lazy_gettext("Send a smaller document, or raise JANELA_IMPORT_LIMIT_MB."),
    ),
    500: (
        lazy_gettext("Something broke on our side"),
        lazy_gettext(
            "It has been written to the log. Try again in a minute; if it stays, tell the operator."
        ),
    ),
}


def init_app(app: Flask) -> None:
    """Answer every error with a page."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(JanelaError, _janela_error)
    app.add_template_filter(mistake)


def error_page(status: int, sentence: str = "") -> ResponseReturnValue:
    """Return the page for a status; `sentence` replaces the usual advice where something better is known."""
    heading, advice = SENTENCES.get(status, SENTENCES[400 if status < 500 else 500])
    if request.path.startswith("/api/v1/"):
        return problem(status, heading, sentence or str(advice))
    if request.path.startswith(("/calendar/", "/healthz", "/readyz", "/api/")) or request.path.endswith(
        ".ics"
    ):
        return f"{heading}. {sentence or advice}\n", status, {"Content-Type": "text/plain; charset=utf-8"}
    page = render_template("errors/error.html", status=status, heading=heading, advice=sentence or advice)
    return page, status, {"Cache-Control": "no-store"}


def sentence_of(error: JanelaError) -> str:
    """Return what the error says, in the reader's language."""
    return error.said(gettext)


def mistake(problem: Problem) -> str:
    """Return what a mistake in a document is, in the reader's language, without its place."""
    return problem.sentence.said(gettext)


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if error.response is not None or status < 400:
        return error.get_response()
    if isinstance(error, CSRFError):
        return error_page(
            400, gettext("The form was open for too long. Load it again and repeat what you did.")
        )
    return error_page(status)


def _janela_error(error: JanelaError) -> ResponseReturnValue:
    sentence = sentence_of(error)
    if isinstance(error, NotFound):
        return error_page(404, sentence)
    return error_page(409 if isinstance(error, StepRefused | StaleEdit) else 422, sentence)
