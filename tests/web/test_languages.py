"""Which language a page speaks, how it is switched, and what is marked as of another one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from maintenance.runtime import Runtime
from tests.web import case


@pytest.fixture
def client(runtime: Runtime) -> Iterator[FlaskClient]:
    """Give a browser before the announced night."""
    case.load_catalogue(runtime)
    case.announce(runtime)
    with case.the_app(runtime).test_client() as client:
        yield client


@pytest.mark.parametrize(
    ("asked", "expected"), [("pt-PT,pt;q=0.9", "pt"), ("en-US", "en"), ("de", "pt"), ("", "pt")]
)
def test_page_speaks_the_browsers_language_else_the_sites_first(
    client: FlaskClient, asked: str, expected: str
) -> None:
    assert f'<html lang="{expected}">' in client.get("/", headers={"Accept-Language": asked}).text


def test_chosen_language_is_kept_and_wins_over_the_browsers(client: FlaskClient) -> None:
    client.get("/?lang=en")

    assert '<html lang="en">' in client.get("/history", headers={"Accept-Language": "pt"}).text


def test_language_nobody_offers_is_passed_over(client: FlaskClient) -> None:
    response = client.get("/?lang=xx", headers={"Accept-Language": "en"})

    assert '<html lang="en">' in response.text
    assert "Set-Cookie" not in response.headers


def test_switching_the_language_keeps_what_was_searched_for(client: FlaskClient) -> None:
    page = client.get("/systems/?q=receitas+%26+%22&lang=en").text

    assert 'href="?q=receitas+%26+%22&amp;lang=pt"' in page


def test_page_for_all_names_nothing_that_one_visitor_added_to_its_address(client: FlaskClient) -> None:
    mine = client.get("/systems/?group=x&campaign=someone", headers={"Accept-Language": "en"}).text

    assert 'href="?group=x&amp;lang=pt"' in mine
    assert "someone" not in mine


def test_text_in_another_language_is_marked_as_such(client: FlaskClient) -> None:
    assert '<span lang="pt">Prescrição Eletrónica Médica</span>' in client.get("/?lang=en").text


def test_times_are_machine_readable_and_name_their_zone(client: FlaskClient) -> None:
    html = client.get("/?lang=en").text.replace("\u00a0", " ")

    assert '<time datetime="2019-11-30T14:00:00Z">Sat, 30 Nov 2019, 14:00 WET</time>' in html
