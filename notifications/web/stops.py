"""Stopping and resuming channels and notices, and how far a notice has come while one watches."""

from __future__ import annotations

from flask import Blueprint, Flask, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from maintenance.lifecycle import Role
from maintenance.web.access import actor, roles_required, safe_next
from maintenance.web.context import database, now
from notifications import queries, stopping, tallies

bp = Blueprint("stops", __name__, url_prefix="/deliveries")


@bp.post("/pause")
@roles_required(Role.APPROVER)
def pause() -> ResponseReturnValue:
    """Stop the channel or the notice that the form names."""
    name, words = request.form.get("name", ""), request.form.get("words", "").strip()
    with database().write() as session:
        stopping.pause(session, name, words=words[:500], by=actor(), now=now())
    flash(_("Stopped. What expires meanwhile is not sent any more."), "success")
    return redirect(_back())


@bp.post("/resume")
@roles_required(Role.APPROVER)
def resume() -> ResponseReturnValue:
    """Let the channel or the notice go on that the form names."""
    with database().write() as session:
        stopping.resume(session, request.form.get("name", ""), by=actor(), now=now())
    flash(_("It goes on."), "success")
    return redirect(_back())


@bp.get("/notices/<public_id>/progress.json")
@roles_required(Role.READER)
def progress(public_id: str) -> ResponseReturnValue:
    """Give how far a notice has come, in numbers and as the page shows it."""
    with database().read() as session:
        notice = queries.get_notice(session, public_id)
        found = tallies.progress(session, notice, now())
    response = jsonify(
        counts={state.value: count for state, count in found.counts.items()},
        total=sum(found.counts.values()),
        open=found.open,
        more=found.is_watched,
        per_minute=found.per_minute,
        done_at=found.done_at.isoformat() if found.done_at else None,
        paused=found.is_paused,
        html=render_template("notifications/deliveries/_progress.html", far=found),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _back() -> str:
    return safe_next(request.form.get("back")) or url_for("deliveries.index")


def init_app(app: Flask) -> None:
    """Register the pages, and what the pages of deliveries show of stops."""
    app.register_blueprint(bp)
    app.jinja_env.globals["CHANNELS_TO_STOP"] = stopping.CHANNELS
