"""Values as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from maintenance.catalogue import Kind
from maintenance.interventions import ContactPoint
from maintenance.runtime import Runtime
from maintenance.texts import Text
from maintenance.web import presentation
from tests.builders import a_system
from tests.web import case


@pytest.fixture
def app_context(runtime: Runtime) -> Iterator[None]:
    """Stand in a request of an English reader in Lisbon."""
    with case.the_app(runtime).test_request_context("/?lang=en"):
        yield


def plain(markup: object) -> str:
    return presentation.Markup(str(markup)).striptags().replace("\u00a0", " ")


pytestmark = pytest.mark.usefixtures("app_context")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("start", "end", "zone", "words"),
    [
        (
            utc(2019, 11, 30, 14),
            utc(2019, 11, 30, 18),
            "Europe/Lisbon",
            "Sat, 30 Nov 2019, 14:00 – 18:00 WET",
        ),
        (
            utc(2019, 11, 30, 14),
            utc(2019, 12, 1, 8),
            "Atlantic/Azores",
            "Sat, 30 Nov 2019, 13:00 – Sun, 1 Dec 2019, 07:00 UTC−01:00",
        ),
        (  # the clock goes back that night: both ends name their zone
            utc(2026, 10, 24, 22),
            utc(2026, 10, 25, 6),
            "Europe/Lisbon",
            "Sat, 24 Oct 2026, 23:00 WEST – Sun, 25 Oct 2026, 06:00 WET",
        ),
        (  # the same day elsewhere, two days here
            utc(2026, 6, 6, 22),
            utc(2026, 6, 7, 1),
            "America/Sao_Paulo",
            "Sat, 6 Jun 2026, 19:00 – 22:00 UTC−03:00",
        ),
    ],
)
def test_range_is_said_once_where_it_can_be(start: datetime, end: datetime, zone: str, words: str) -> None:
    assert plain(presentation.local_range(start, end, zone)) == words


def test_hour_that_exists_twice_is_told_apart_by_its_zone() -> None:
    first, second = utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30)

    assert plain(presentation.local_time(first)) == "Sun, 25 Oct 2026, 01:30 WEST"
    assert plain(presentation.local_time(second)) == "Sun, 25 Oct 2026, 01:30 WET"


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0 minutes"),
        (timedelta(seconds=29), "0 minutes"),
        (timedelta(seconds=31), "1 minute"),
        (timedelta(hours=18), "18 hours"),
        (timedelta(hours=1, minutes=1), "1 hour 1 minute"),
        (timedelta(days=1, hours=3, minutes=5), "1 day 3 hours"),
        (timedelta(days=2), "2 days"),
    ],
)
def test_length_is_said_in_two_units_at_most(length: timedelta, words: str) -> None:
    assert presentation.duration(length) == words


def test_text_is_escaped_and_its_language_marked_where_it_is_not_the_pages() -> None:
    assert presentation.text(Text.of({"pt": "<b>"})) == '<span lang="pt">&lt;b&gt;</span>'
    assert presentation.text(Text.of({"en": "<b>"})) == "&lt;b&gt;"
    assert presentation.text(Text.of("PEM")) == "PEM"


def test_lines_of_a_text_become_paragraphs() -> None:
    assert presentation.paragraphs(Text.of("One & one\n\n two ")) == "<p>One &amp; one</p><p>two</p>"


def test_private_system_is_called_by_its_kind() -> None:
    assert presentation.public_name(a_system("X", kind=Kind.DATABASE)) == "a shared database"
    assert presentation.public_name(None) == "an internal system"
    assert presentation.public_name(a_system("X", public=True)) == "X"


@pytest.mark.parametrize(
    ("kind", "value", "link"),
    [
        ("email", "a@example.org", "mailto:a@example.org"),
        ("phone", "+351 210 000 000", "tel:+351210000000"),
        ("web", "https://example.org/", "https://example.org/"),
        ("web", "javascript:alert(1)", ""),
        ("web", "data:text/html,x", ""),
    ],
)
def test_contact_is_a_link_only_where_that_is_safe(kind: str, value: str, link: str) -> None:
    assert presentation.contact_link(ContactPoint(kind, value)) == link
