"""Public pages kept as bytes: rendered once for each change and language, checked with one small query."""

from __future__ import annotations

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from threading import Lock
from typing import ParamSpec
from urllib.parse import urlencode

from flask import Flask, Response, current_app, g, make_response, request
from sqlalchemy.exc import SQLAlchemyError

from maintenance.queries import last_change
from maintenance.web.context import database, now
from maintenance.web.languages import page_language
from maintenance.web.navigation import is_signed_in

#: How long browsers and proxies may show a page without asking whether it changed.
FRESH_SECONDS = 15
#: How long they may show it while we cannot be reached: an old status page helps more than none.
STALE_SECONDS = 24 * 3600
#: A page is rendered anew at least so often, since what counts as recent moves with the clock.
LONGEST_VALID = timedelta(hours=1)
_MOST_PAGES = 1024
#: The argument of a search.
SEARCH = "q"
#: What of an address besides its path says which page it is.
_KEYED = ("page", "group", "ungrouped", "intervention", "hit")

_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class Page:
    """What a public view answers: the text, and until when the clock alone leaves it true."""

    html: str
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Kept:
    plain: bytes
    zipped: bytes
    etag: str
    change: int
    valid_until: datetime


class PageCache:
    """The pages of one process, the longest unused thrown out first."""

    def __init__(self) -> None:
        self._pages: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._lock = Lock()

    def find(self, key: tuple[str, ...], change: int, at: datetime) -> _Kept | None:
        """Return the page if nothing was changed since, and the clock has not made it wrong."""
        with self._lock:
            kept = self._pages.get(key)
            if kept is None or kept.change != change or at >= kept.valid_until:
                return None
            self._pages.move_to_end(key)
            return kept

    def last(self, key: tuple[str, ...]) -> _Kept | None:
        """Return the page as it was last known, however old."""
        with self._lock:
            return self._pages.get(key)

    def keep(self, key: tuple[str, ...], page: Page, change: int, at: datetime) -> _Kept:
        """Return the page as bytes, and remember it."""
        plain = page.html.encode()
        limit = at + LONGEST_VALID
        kept = _Kept(
            plain,
            gzip.compress(plain, 6, mtime=0),
            hashlib.sha256(plain).hexdigest()[:32],
            change,
            min(page.valid_until or limit, limit),
        )
        with self._lock:
            self._pages[key] = kept
            while len(self._pages) > _MOST_PAGES:
                self._pages.popitem(last=False)
        return kept


def init_app(app: Flask) -> None:
    """Give the application an empty cache, and its pages the links to themselves in other languages."""
    app.extensions["janela_pages"] = PageCache()
    app.context_processor(lambda: {"in_language": in_language})


def in_language(code: str) -> str:
    """Return the link to the same page, with what was asked of it, in another language.

    On a page for all it names nothing but what says which page it is: no visitor's own words.
    """
    is_shared = g.get("is_shared_page", False)
    asked = [
        (name, value)
        for name, value in request.args.items(multi=True)
        if name != "lang" and (not is_shared or name in (*_KEYED, SEARCH))
    ]
    return f"?{urlencode([*asked, ('lang', code)])}"


def public_page(view: Callable[_P, Page]) -> Callable[_P, Response]:
    """Return the view with its page kept for everybody; people who are signed in get one of their own."""

    @wraps(view)
    def answer(*args: _P.args, **kwargs: _P.kwargs) -> Response:
        if is_signed_in():
            response = make_response(view(*args, **kwargs).html)
            response.headers["Cache-Control"] = "private, no-store"
            return response
        # What belongs to one visitor (messages, tokens) may not be drawn into a page for all.
        g.is_shared_page = True
        if request.args.get(SEARCH):
            # Everybody looks for something else: such pages would throw out those that many open.
            response = make_response(view(*args, **kwargs).html)
            response.headers["Cache-Control"] = f"public, max-age={FRESH_SECONDS}"
            return response
        cache: PageCache = current_app.extensions["janela_pages"]
        key = (request.path, page_language(), *(request.args.get(name, "") for name in _KEYED))
        try:
            with database().read() as session:
                change = last_change(session)
            kept = cache.find(key, change, now()) or cache.keep(key, view(*args, **kwargs), change, now())
        except SQLAlchemyError:
            # The database may be what is being worked on: the last page we know helps more than none.
            if (old := cache.last(key)) is None:
                raise
            current_app.logger.exception("The database does not answer; %s is shown as it was.", request.path)
            kept = old
        return _response(kept)

    return answer


def _response(kept: _Kept) -> Response:
    zipped = request.accept_encodings.quality("gzip") > 0
    response = make_response(kept.zipped if zipped else kept.plain)
    response.content_type = "text/html; charset=utf-8"
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = f"public, max-age={FRESH_SECONDS}, stale-if-error={STALE_SECONDS}"
    response.vary.update(("Accept-Encoding", "Accept-Language", "Cookie"))
    # Weak: the zipped and the plain form of a page share it.
    response.set_etag(kept.etag, weak=True)
    response.make_conditional(request)
    return response
