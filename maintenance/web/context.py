"""What views take from the application: the runtime, and the time of the request."""

from __future__ import annotations

from datetime import datetime

from flask import current_app, g

from maintenance.database import Database
from maintenance.runtime import Runtime


def runtime() -> Runtime:
    """Return the installation that serves this request."""
    found: Runtime = current_app.extensions["janela"]
    return found


def database() -> Database:
    """Return its database."""
    return runtime().database


def now() -> datetime:
    """Return the time of this request: the clock is read once, so that a page agrees with itself."""
    if "now" not in g:
        g.now = runtime().clock()
    return g.now  # type: ignore[no-any-return]
