"""The public pages: what is down, what comes, what was, and where to hear of it."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

bp = Blueprint("public", __name__)


@bp.get("/")
def status() -> ResponseReturnValue:
    """Show every system's state, what is under way and what comes."""
    return render_template("maintenance/public/status.html")


@bp.get("/history")
def history() -> ResponseReturnValue:
    """List what is over."""
    return render_template("maintenance/public/history.html")


@bp.get("/subscribe")
def subscribe() -> ResponseReturnValue:
    """Explain the calendars and feeds."""
    return render_template("maintenance/public/subscribe.html")


@bp.get("/accessibility")
def accessibility() -> ResponseReturnValue:
    """State how accessible the site is."""
    return render_template("maintenance/public/accessibility.html")
