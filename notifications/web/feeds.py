"""The calendar feeds: everything, one system, one intervention; a reader without news costs one small query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from flask import Blueprint, Flask, Response, abort, current_app, request

from maintenance import public_reads
from maintenance.catalogue import Catalogue
from maintenance.catalogue_store import load_catalogue
from maintenance.lifecycle import RunState
from maintenance.public_reads import Told
from maintenance.queries import last_change
from maintenance.reserving import reserved
from maintenance.web.access import without_session
from maintenance.web.context import database, now, runtime
from maintenance.windows import Interval
from notifications.feeds import CalendarFeeds, Feed
from notifications.queries import site_of
from notifications.stories import Site, Story
from notifications.timetable import NoticeKind

bp = Blueprint("feeds", __name__)

#: What ended longer ago is no longer in the calendars.
KEPT_FOR = timedelta(days=180)
#: How far the calendar of reserved windows goes.
RESERVED_BACK, RESERVED_AHEAD = timedelta(days=90), timedelta(days=400)
#: How long a calendar program may use its copy without asking.
FRESH_SECONDS = 300
STALE_SECONDS = 7 * 24 * 3600
_MOST_FEEDS = 2048


@dataclass
class _Shelf:
    """The feeds of this process as they were last joined."""

    calendars: CalendarFeeds
    _feeds: dict[tuple[object, ...], Feed] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def take(self, key: tuple[object, ...], make: Callable[[], Feed]) -> Feed:
        """Return the feed of that key, made if it is not there; keys of older changes are thrown out."""
        with self._lock:
            found = self._feeds.get(key)
        if found is None:
            found = make()
            with self._lock:
                if len(self._feeds) >= _MOST_FEEDS:
                    self._feeds.clear()
                self._feeds[key] = found
        return found


def init_app(app: Flask) -> None:
    """Register the feeds."""
    site = site_of(app.extensions["janela"].settings)
    app.extensions["janela_feeds"] = _Shelf(CalendarFeeds(site))
    app.register_blueprint(bp)
    without_session(app, bp.name)


@bp.get("/calendar/all.ics")
def everything() -> Response:
    """Answer the calendar of all interventions."""

    def make(calendars: CalendarFeeds) -> Feed:
        return calendars.everything(_stories(calendars.site), language=_language(), url=_address())

    return _answer(make)


@bp.get("/calendar/systems/<code>.ics")
def of_system(code: str) -> Response:
    """Answer the calendar of one public system."""

    def make(calendars: CalendarFeeds) -> Feed:
        with database().read() as session:
            system = load_catalogue(session).systems.get(code)
        if system is None or not system.public:
            abort(404)
        stories = _stories(calendars.site)
        return calendars.of_system(stories, code, language=_language(), url=_address())

    return _answer(make)


@bp.get("/calendar/reserved.ics")
def of_reservations() -> Response:
    """Answer the calendar of reserved windows: apart from the others, whose events are all maintenance notes."""

    def make(calendars: CalendarFeeds) -> Feed:
        with database().read() as session:
            public = [each for each in reserved(session) if each.reservation.public]
        # Whole days, so that the feed stays the same through the day.
        today = now().replace(hour=0, minute=0, second=0, microsecond=0)
        stretch = Interval(today - RESERVED_BACK, today + RESERVED_AHEAD)
        return calendars.reserved(public, stretch, language=_language(), url=_address())

    return _answer(make)


@bp.get("/interventions/<reference>.ics")
def of_intervention(reference: str) -> Response:
    """Answer one intervention as a calendar file."""

    def make(calendars: CalendarFeeds) -> Feed:
        with database().read() as session:
            told = public_reads.for_calendar(session, reference)
            story = _story(told, load_catalogue(session), calendars.site)
        return calendars.everything([story], language=_language(), url=_address())

    response = _answer(make)
    response.headers["Content-Disposition"] = f'attachment; filename="{reference}.ics"'
    return response


def _answer(make: Callable[[CalendarFeeds], Feed]) -> Response:
    shelf: _Shelf = current_app.extensions["janela_feeds"]
    with database().read() as session:
        change = last_change(session)
    key = (request.path, _language(), change, now().date())
    feed = shelf.take(key, lambda: make(shelf.calendars))
    response = Response(feed.body, content_type=feed.content_type)
    response.headers["Cache-Control"] = f"public, max-age={FRESH_SECONDS}, stale-if-error={STALE_SECONDS}"
    response.headers["ETag"] = feed.etag
    response.last_modified = feed.changed_at
    response.make_conditional(request)
    return response


def _language() -> str:
    """Return the language of the address alone, so that an address always means the same calendar."""
    offered = runtime().settings.locales
    asked = request.args.get("lang", "")
    return asked if asked in offered else offered[0]


def _address() -> str:
    return f"{runtime().settings.public_url}{request.path}?lang={_language()}"


def _stories(site: Site) -> list[Story]:
    with database().read() as session:
        catalogue = load_catalogue(session)
        told = public_reads.for_calendars(session, ended_since=now() - KEPT_FOR)
    return [_story(one, catalogue, site) for one in told]


def _story(told: Told, catalogue: Catalogue, site: Site) -> Story:
    cancelled = told.state is RunState.CANCELLED
    before = told.versions[1] if len(told.versions) > 1 else None
    return Story(
        # Which notice went with the version does not matter in a feed, unless it called the work off.
        kind=NoticeKind.CANCELLATION if cancelled else NoticeKind.ANNOUNCEMENT,
        plan=told.plan,
        sequence=told.version.sequence,
        windows=told.version.windows,
        catalogue=catalogue,
        site=site,
        published_at=told.version.published_at,
        created_at=told.created_at,
        plan_before=before.plan if before else None,
        windows_before=before.windows if before else (),
        reason=told.version.reason,
    )
