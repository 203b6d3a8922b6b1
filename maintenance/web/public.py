"""The public pages: what is down, what comes, what was, and where to hear of it."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Flask, abort, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

from maintenance import public_reads, schema
from maintenance.availability import latest_months
from maintenance.catalogue_store import load_public_catalogue
from maintenance.errors import JanelaError
from maintenance.lifecycle import OPEN
from maintenance.measuring import availabilities
from maintenance.public_reads import Told
from maintenance.public_windows import public_windows, readable_catalogue, windows_of_system
from maintenance.status import next_boundary, state_of
from maintenance.web.context import database, now, runtime
from maintenance.web.page_cache import Page, public_page
from maintenance.web.public_view import InterventionView, SystemView, measured_label, percentage, tick_label
from maintenance.web.snapshot import Snapshot, snapshot
from maintenance.web.status_view import LISTED_SYSTEMS, StatusView, headline
from maintenance.web.systems_view import SystemsView, Wanted, group_key
from maintenance.web.versions import phase_label, step_label
from maintenance.windows import Interval

bp = Blueprint("public", __name__)

#: How far back a system's page lists its windows.
PAST_WINDOWS = timedelta(days=365)
HISTORY_PAGE = 25
#: How many months of availability it shows.
MONTHS = 6
#: Nobody reads on so far; a number beyond what databases count in is no reason to fail.
LAST_PAGE = 100_000


def init_app(app: Flask) -> None:
    """Register the pages, and tell templates the address of calendars."""
    app.register_blueprint(bp)
    app.add_template_global(calendar_url)
    for words in (headline, step_label, phase_label, tick_label, measured_label, percentage, group_key):
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
    known = snapshot()
    view = StatusView(known, now(), runtime().settings["TIMEZONE"])
    return Page(render_template("maintenance/public/status.html", view=view), known.valid_until)


@bp.get("/systems/")
@public_page
def systems() -> Page:
    """List the public systems: all, those of a group, those that are hit, or those that a few letters find."""
    known = snapshot()
    wanted = Wanted.of(request.args)
    view = SystemsView(known, wanted, _told(known, wanted.intervention) if wanted.intervention else None)
    return Page(render_template("maintenance/public/systems.html", view=view), known.valid_until)


@bp.get("/systems/<code>")
@public_page
def system(code: str) -> Page:
    """Show one system: its state, its windows, what to do meanwhile, its calendar."""
    with database().read() as session:
        found = load_public_catalogue(session).systems.get(code)
        if found is None:
            # The same answer for both: whether a private system exists is nobody's business.
            abort(404)
        windows = windows_of_system(session, code, now(), since=now() - PAST_WINDOWS)
        catalogue = readable_catalogue(session, (shown.window for shown in windows))
        references = {reference for shown in windows for reference in shown.window.references}
        plans = public_reads.told_plans(session, references)
        # Full hours, so that the figure and the page stay the same in between.
        until = now().replace(minute=0, second=0, microsecond=0)
        months = latest_months(until, catalogue.timezone, MONTHS)
        figures = availabilities(session, [found], windows, months, now=until)[code]
    measured = tuple(figure for figure in figures if figure)
    state = state_of(found, windows, now())
    view = SystemView(catalogue, found, state, tuple(windows), plans, now(), measured)
    return Page(render_template("maintenance/public/system.html", view=view), next_boundary(windows, now()))


@bp.get("/interventions/<reference>")
@public_page
def intervention(reference: str) -> Page:
    """Show one intervention: what, when, whom it hits and why, what was said, what became of it."""
    with database().read() as session:
        told = public_reads.whole_story(session, reference)
        windows = public_windows(session, now(), touching=_span(told)) if told.state in OPEN else []
        explained = [shown.window for shown in windows] + [w for v in told.versions for w in v.windows]
        catalogue = readable_catalogue(session, explained, told.plan.systems)
    view = InterventionView.of(catalogue, told, windows, now())
    page = render_template("maintenance/public/intervention.html", view=view)
    return Page(page, next_boundary(view.windows, now()))


def _told(known: Snapshot, reference: str) -> Told:
    """Return an intervention that readers know; ended long ago it is not in the snapshot."""
    if found := next((told for told in known.told if told.reference == reference), None):
        return found
    with database().read() as session:
        return public_reads.told_by_reference(session, [reference]).get(reference) or abort(404)


def _span(told: Told) -> Interval:
    """Return the time of all that it causes."""
    times = [Interval(window.start, window.end) for window in told.version.windows]
    times.append(Interval(told.plan.start, told.plan.end))
    return Interval(min(each.start for each in times), max(each.end for each in times))


@bp.get("/history")
@public_page
def history() -> Page:
    """List what is completed or cancelled."""
    number = min(max(1, request.args.get("page", 1, type=int)), LAST_PAGE)
    with database().read() as session:
        found = public_reads.ended(session, limit=HISTORY_PAGE + 1, offset=(number - 1) * HISTORY_PAGE)
    return Page(
        render_template(
            "maintenance/public/history.html",
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
        known = load_public_catalogue(session).systems.values()
    systems = [system for system in known if not system.retired]
    listed = systems if len(systems) <= LISTED_SYSTEMS else []
    return Page(render_template("maintenance/public/subscribe.html", systems=listed, count=len(systems)))


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
