"""Calendar feeds: what is in them, and that events are written once."""

from dataclasses import replace

from icalendar import Calendar

from maintenance.texts import Text
from notifications.feeds import CalendarFeeds
from notifications.timetable import NoticeKind
from tests.stories import SITE, a_phase_from, a_story, the_catalogue, the_plan

URL = "https://janela.example.org/calendar/all.ics"
ANNOUNCED = a_story(NoticeKind.ANNOUNCEMENT)
OTHER = a_story(
    NoticeKind.ANNOUNCEMENT,
    the_plan(a_phase_from("2019-12-10T14:00", "2019-12-10T16:00", "DEM"), reference="INT-2019-7"),
)


def uids(body: bytes) -> list[str]:
    return [str(event["UID"]) for event in Calendar.from_ical(body).walk("VEVENT")]


def test_feed_of_everything_has_every_phase() -> None:
    feed = CalendarFeeds(SITE).everything([ANNOUNCED, OTHER], language="pt", url=URL)

    assert uids(feed.body) == ["SPMS-2019-EXADATA.p1@janela.example.org", "INT-2019-7.p1@janela.example.org"]
    assert feed.changed_at == ANNOUNCED.published_at
    assert feed.content_type == "text/calendar; charset=utf-8"


def test_feed_of_a_system_has_what_hits_it() -> None:
    feeds = CalendarFeeds(SITE)

    dem = feeds.of_system([ANNOUNCED, OTHER], "DEM", language="en", url=URL)
    pem = feeds.of_system([ANNOUNCED, OTHER], "PEM", language="en", url=URL)

    assert uids(dem.body) == [
        "SPMS-2019-EXADATA.p1.DEM@janela.example.org",
        "INT-2019-7.p1.DEM@janela.example.org",
    ]
    assert uids(pem.body) == ["SPMS-2019-EXADATA.p1.PEM@janela.example.org"]
    assert b"X-WR-CALNAME:Janela: planned work on DEM" in dem.body


def test_etag_changes_with_the_body_and_only_then() -> None:
    feeds = CalendarFeeds(SITE)
    newer = replace(ANNOUNCED, sequence=1)

    once = feeds.everything([ANNOUNCED], language="pt", url=URL)
    again = CalendarFeeds(SITE).everything([ANNOUNCED], language="pt", url=URL)
    changed = feeds.everything([newer], language="pt", url=URL)

    assert once.etag == again.etag
    assert once.body == again.body
    assert once.etag != changed.etag


def test_a_published_version_is_written_once_in_each_language() -> None:
    feeds = CalendarFeeds(SITE)
    feeds.everything([ANNOUNCED], language="pt", url=URL)
    # A version never changes once published: what was written is what is answered.
    tampered = replace(ANNOUNCED, plan=replace(ANNOUNCED.plan, title=Text.of("Another title")))

    kept = feeds.everything([tampered], language="pt", url=URL)
    english = feeds.everything([tampered], language="en", url=URL)

    assert b"Another title" not in kept.body
    assert b"Another title" in english.body.replace(b"\r\n ", b"")


def test_new_names_in_the_catalogue_are_written_anew() -> None:
    feeds = CalendarFeeds(SITE)
    before = feeds.everything([ANNOUNCED], language="pt", url=URL)
    catalogue = the_catalogue()
    hidden = replace(catalogue.systems["PEM"], public=False)
    renamed = replace(catalogue, version=2, systems={**catalogue.systems, "PEM": hidden})

    after = feeds.everything([replace(ANNOUNCED, catalogue=renamed)], language="pt", url=URL)

    assert b"PEM" in before.body
    assert b"PEM" not in after.body


def test_cancelled_intervention_stays_in_the_feed() -> None:
    cancelled = a_story(NoticeKind.CANCELLATION, the_plan(), the_plan(), windows=())

    feed = CalendarFeeds(SITE).everything([cancelled], language="en", url=URL)

    assert b"STATUS:CANCELLED" in feed.body
    assert b"SUMMARY:[CANCELLED] " in feed.body


def test_empty_feed_is_a_calendar() -> None:
    feed = CalendarFeeds(SITE).everything([], language="fr", url=URL)

    assert uids(feed.body) == []
    assert b"PRODID:-//Janela//Janela//EN" in feed.body
