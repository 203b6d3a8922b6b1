"""The API for programs: what plans would take down, and when they would harm least."""

from __future__ import annotations

from flask import Blueprint, g, json, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from werkzeug.exceptions import HTTPException

from maintenance import tokens
from maintenance.answers import forecast_document, harm_document, suggestions_document
from maintenance.catalogue_store import load_catalogue
from maintenance.errors import InvalidDocument, JanelaError
from maintenance.forecasting import forecast_beside
from maintenance.questions import plans_to_forecast, slots_to_find
from maintenance.suggesting import suggest_stored
from maintenance.web.context import database, now, runtime
from maintenance.web.errors import SENTENCES, sentence_of
from maintenance.web.openapi import openapi_document
from maintenance.web.problems import problem
from maintenance.web.security import csrf

bp = Blueprint("api", __name__, url_prefix="/api/v1")
# Programs send a token with every request, and no cookie counts.
csrf.exempt(bp)

#: Largest question, in megabytes: two hundred plans with all they can say are smaller.
LIMIT_MB = 4


@bp.before_request
def _prepare() -> None:
    request.max_content_length = LIMIT_MB * 1_000_000
    # Clashes and mistakes are told to programs in English; so nobody's session is asked for a language.
    g.language = "en"


@bp.errorhandler(HTTPException)
def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    title, advice = SENTENCES.get(status, SENTENCES[400 if status < 500 else 500])
    if status == 413:
        advice = gettext("A question may have %(limit)s MB; ask for fewer plans at once.", limit=LIMIT_MB)
    return problem(status, title, str(advice))


@bp.errorhandler(JanelaError)
def _janela_error(error: JanelaError) -> ResponseReturnValue:
    if isinstance(error, InvalidDocument):
        detail = gettext("Nothing of it was used; correct what `errors` lists, and send it again.")
        return problem(422, lazy_gettext("The document has mistakes"), detail, error.problems)
    return problem(422, lazy_gettext("This cannot be answered"), sentence_of(error))


@bp.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    """Return the description of this API."""
    return _answer(openapi_document(runtime().settings.public_url, LIMIT_MB), "public, max-age=3600")


@bp.post("/forecast")
def forecast() -> ResponseReturnValue:
    """Say what some plans would take down beside everything that is announced, and what stands against them."""
    if refused := _refused():
        return refused
    raw = request.get_data()
    with database().read() as session:
        plans = plans_to_forecast(raw, limit_mb=LIMIT_MB, catalogue=load_catalogue(session))
        found = forecast_beside(session, plans, now=now())
    document = forecast_document(found.windows, found.clashes, found.warnings)
    return _answer({**document, "harm": harm_document(found.harm)})


@bp.post("/slots")
def slots() -> ResponseReturnValue:
    """Rank starts for a plan by the harm they add to everything that is announced."""
    if refused := _refused():
        return refused
    raw = request.get_data()
    with database().read() as session:
        plan, search = slots_to_find(raw, limit_mb=LIMIT_MB, catalogue=load_catalogue(session))
        found = suggest_stored(session, plan, search, now=now())
    return _answer(suggestions_document(plan, found))


def _refused() -> ResponseReturnValue | None:
    """Return why the program may not ask; None if its token is good."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        with database().read() as session:
            if tokens.is_valid(session, token.strip()):
                return None
    return problem(
        401,
        lazy_gettext("No token"),
        gettext("Send “Authorization: Bearer” and a token; `janela tokens add` makes one."),
        WWW_Authenticate='Bearer realm="janela"',
    )


def _answer(document: object, cache: str = "no-store") -> ResponseReturnValue:
    text = json.dumps(document, ensure_ascii=False, sort_keys=False)
    return text, 200, {"Content-Type": "application/json", "Cache-Control": cache}
