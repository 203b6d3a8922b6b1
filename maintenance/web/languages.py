"""Which language a page speaks: asked for, chosen before, the account's, or what the browser prefers."""

from __future__ import annotations

from collections.abc import Iterator

from babel import Locale, UnknownLocaleError
from flask import Flask, Response, g, has_request_context, request
from flask_babel import Babel
from flask_login import current_user

from maintenance.web.context import runtime

COOKIE = "language"
_YEAR_SECONDS = 365 * 24 * 3600
#: Where a language is said without a country, how its dates are written: without this, `pt` would
#: mean Brazil and `en` the United States.
_COUNTRY = {"pt": "pt_PT", "en": "en_GB", "fr": "fr_FR", "nl": "nl_NL", "nb": "nb_NO"}


def init_app(app: Flask) -> None:
    """Choose a language for every request, and keep one that was asked for by `?lang=`."""
    app.config.setdefault("BABEL_TRANSLATION_DIRECTORIES", f"{app.root_path}/translations")
    Babel(app, locale_selector=_locale, default_domain="messages", default_locale="en_GB")
    app.after_request(_keep_choice)
    app.context_processor(
        lambda: {
            "page_language": page_language(),
            "languages": [(code, endonym(code)) for code in runtime().settings.locales],
        }
    )


def page_language() -> str:
    """Return the BCP 47 code of the request's language, one of `LOCALES`."""
    if not has_request_context():
        return runtime().settings.locales[0]
    if "language" not in g:
        offered = runtime().settings.locales
        # One that was asked for, or kept, but is not offered is passed over.
        chosen = next((code for code in _asked_for() if code in offered), None)
        preferred = request.accept_languages.best_match(offered)
        g.language = chosen or preferred or offered[0]
    return str(g.language)


def endonym(code: str) -> str:
    """Return what the speakers of a language call it, as in `Português`; the code if nobody knows.

    >>> endonym("pt"), endonym("xx")
    ('Português', 'xx')
    """
    try:
        return (Locale.parse(code, sep="-").get_display_name() or code).capitalize()
    except (UnknownLocaleError, ValueError):
        return code


def _asked_for() -> Iterator[str | None]:
    yield request.args.get("lang")
    yield request.cookies.get(COOKIE)
    yield getattr(current_user, "language", None)


def _locale() -> str:
    code = page_language()
    return _COUNTRY.get(code, code.replace("-", "_"))


def _keep_choice(response: Response) -> Response:
    # A preference is kept on GET: the switch is a link, so that it works without a session or a script.
    if request.args.get("lang") in runtime().settings.locales and request.blueprint != "feeds":
        response.set_cookie(
            COOKIE,
            page_language(),
            max_age=_YEAR_SECONDS,
            samesite="Lax",
            httponly=True,
            secure=runtime().settings.public_url.startswith("https:"),
        )
        # No shared cache may hand one reader's choice to another.
        response.cache_control.public = False
        response.cache_control.private = True
    return response
