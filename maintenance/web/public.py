"""The public pages: what is down, what comes, what was, and where to hear of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Blueprint, Flask, abort, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

from maintenance import public_reads, schema
from maintenance.availability import latest_months
from maintenance.catalogue_store import load_catalogue
from maintenance.errors import JanelaError
from maintenance.measuring import availabilities
from maintenance.queries import current_windows
from maintenance.status import grouped, next_boundary, state_of, states_at
from maintenance.web.context import database, now, runtime
from maintenance.web.page_cache import Page, public_page
from maintenance.web.public_view import (
    InterventionView,
    StatusView,
    SystemView,
    headline,
    measured_label,
    percentage,
    tick_label,
)
from maintenance.web.versions import phase_label, step_label
from maintenance.windows import Interval

bp = Blueprint("public", __name__)

#: How long what is over stays on the status page.
RECENT = timedelta(days=14)
#: How far back a system's page lists its windows.
PAST_WINDOWS = timedelta(days=365)
HISTORY_PAGE = 25
#: How many months of availability it shows.
MONTHS = 6
#: Nobody reads on so far; a number beyond what databases count in is no reason to fail.
LAST_PAGE = 100_000
_FAR = datetime(9999, 1, 1, tzinfo=UTC)


def init_app(app: Flask) -> None:
    """Register the pages, and tell templates the address of calendars."""
    app.register_blueprint(bp)
    app.add_template_global(calendar_url)
    for words in (headline, step_label, phase_label, tick_label, measured_label, percentage):
        app.add_template_filter(words)


def calendar_url(system: str = "", *, scheme: str = "") -> str:
    """Return the address of a calendar: of all systems, or of one; `scheme` webcal opens calendar programs."""
    path = f"/calendar/systems/{system}.ics" if system else "/calendar/all.ics"
    address = runtime().settings.public_url + path
    return f"{scheme}:{address.partition(':')[2]}" if scheme else address


@bp.get("/")
@public_page
def status() -> Page:
    """Show every system's state, what is under way and what comes."""
    with database().read() as session:
        catalogue = load_catalogue(session)
        windows = current_windows(session, now(), touching=Interval(now(), _FAR))
        told = public_reads.told_of(session, ended_since=now() - RECENT)
    groups = grouped(states_at(catalogue, windows, now()))
    view = StatusView(catalogue, tuple(windows), tuple(told), groups, now(), runtime().settings["TIMEZONE"])
    return Page(render_template("maintenance/public/status.html", view=view), next_boundary(windows, now()))


@bp.get("/systems/<code>")
@public_page
def system(code: str) -> Page:
    """Show one system: its state, its windows, what to do meanwhile, its calendar."""
    with database().read() as session:
        catalogue = load_catalogue(session)
        found = catalogue.systems.get(code)
        if found is None or not found.public:
            # The same answer for both: whether a private system exists is nobody's business.
            abort(404)
        since = Interval(now() - PAST_WINDOWS, _FAR)
        windows = [w for w in current_windows(session, now(), touching=since) if w.window.system == code]
        references = {reference for shown in windows for reference in shown.window.references}
        told = public_reads.told_by_reference(session, references)
        # Full hours, so that the figure and the page stay the same in between.
        until = now().replace(minute=0, second=0, microsecond=0)
        months = latest_months(until, catalogue.timezone, MONTHS)
        figures = availabilities(session, [found], windows, months, now=until)[code]
    measured = tuple(figure for figure in figures if figure)
    state = state_of(found, windows, now())
    view = SystemView(catalogue, found, state, tuple(windows), told, now(), measured)
    return Page(render_template("maintenance/public/system.html", view=view), next_boundary(windows, now()))


@bp.get("/interventions/<reference>")
@public_page
def intervention(reference: str) -> Page:
    """Show one intervention: what, when, whom it hits and why, what was said, what became of it."""
    with database().read() as session:
        catalogue = load_catalogue(session)
        told = public_reads.whole_story(session, reference)
        span = Interval(now() - PAST_WINDOWS, _FAR)
        windows = current_windows(session, now(), touching=span)
    view = InterventionView.of(catalogue, told, windows, now())
    page = render_template("maintenance/public/intervention.html", view=view)
    return Page(page, next_boundary(view.windows, now()))


@bp.get("/history")
@public_page
def history() -> Page:
    """List what is completed or cancelled."""
    number = min(max(1, request.args.get("page", 1, type=int)), LAST_PAGE)
    with database().read() as session:
        catalogue = load_catalogue(session)
        found = public_reads.ended(session, limit=HISTORY_PAGE + 1, offset=(number - 1) * HISTORY_PAGE)
    return Page(
        render_template(
            "maintenance/public/history.html",
            catalogue=catalogue,
            ended=found[:HISTORY_PAGE],
            number=number,
            has_more=len(found) > HISTORY_PAGE,
        )
    )


@bp.get("/subscribe")
@public_page
def subscribe() -> Page:
    """Explain the calendars, and list them."""
    with database().read() as session:
        catalogue = load_catalogue(session)
    systems = [s for s in catalogue.systems.values() if s.public and not s.retired]
    return Page(render_template("maintenance/public/subscribe.html", systems=systems))


@bp.get("/accessibility")
@public_page
def accessibility() -> Page:
    """State how accessible the site is."""
    return Page(render_template("maintenance/public/accessibility.html"))


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer that the process lives."""
    return "ok\n", {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}


@bp.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Answer whether pages can be served: the database answers, its schema is that of this release."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    try:
        with database().read() as session:
            session.execute(sql("SELECT 1"))
        schema.check(database())
    except JanelaError as error:
        return f"{error}\n", 503, headers
    except SQLAlchemyError:
        return "The database does not answer.\n", 503, headers
    return "ok\n", headers
