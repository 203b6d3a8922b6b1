"""What a visitor costs: pages are kept until something changes, in the log or by the clock."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from maintenance.runtime import Runtime
from maintenance.texts import Text
from maintenance.web.ahead import ReadingAhead
from tests.conftest import MovedClock
from tests.web import case


@pytest.fixture
def client(runtime: Runtime) -> Iterator[FlaskClient]:
    """Give a visitor after the announcement."""
    case.load_catalogue(runtime)
    case.announce(runtime)
    with case.the_app(runtime).test_client() as client:
        yield client


@contextmanager
def counted_queries(runtime: Runtime) -> Iterator[list[str]]:
    """Give the statements sent while the block lasts."""
    sent: list[str] = []

    def remember(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.upper().startswith("SELECT"):
            sent.append(statement)

    event.listen(runtime.database.engine, "before_cursor_execute", remember)
    yield sent
    event.remove(runtime.database.engine, "before_cursor_execute", remember)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/", 16),
        ("/systems/PEM", 16),
        (f"/interventions/{case.REFERENCE}", 18),
        ("/history", 6),
        ("/calendar/all.ics", 8),
        ("/calendar/systems/PEM.ics", 9),
    ],
)
def test_first_visitor_costs_a_handful_of_queries_the_next_one_small_one(
    client: FlaskClient, runtime: Runtime, path: str, most: int
) -> None:
    with counted_queries(runtime) as first:
        client.get(path)
    with counted_queries(runtime) as second:
        client.get(path)

    assert len(first) <= most, "\n".join(first)
    assert len(second) == 1
    assert "max(events.id)" in second[0]


def test_many_interventions_cost_no_more_queries_than_one(client: FlaskClient, runtime: Runtime) -> None:
    client.get("/subscribe")  # reads the public systems, which no intervention changes
    with counted_queries(runtime) as few:
        client.get("/")
    for number in range(5):
        case.announce(runtime, case.the_plan(reference=f"INT-{number}"))
    with counted_queries(runtime) as many:
        client.get("/")

    assert len(many) == len(few)


def test_unchanged_page_is_answered_304(client: FlaskClient) -> None:
    first = client.get("/")
    again = client.get("/", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["Cache-Control"].startswith("public, max-age=15")
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in first.headers["Vary"].split(",")}


def test_update_is_seen_by_the_next_visitor(client: FlaskClient, runtime: Runtime) -> None:
    client.get("/?lang=en")
    case.step(runtime, "publish_update", text=Text.of("Parts have come"))

    assert "Parts have come" in client.get("/").text


def test_boundary_of_a_window_makes_the_kept_page_invalid(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    case.step(runtime, "start")  # early: from now on only the clock changes what stands on the page
    assert "6 systems are unavailable" in client.get("/?lang=en").text

    clock.move_to(case.END - timedelta(seconds=1))
    assert "The work takes longer" not in client.get("/").text
    clock.move_to(case.END)
    assert "The work takes longer" in client.get("/").text


def test_page_is_kept_apart_for_each_language(client: FlaskClient) -> None:
    texts = {client.get("/", headers={"Accept-Language": code}).headers["ETag"] for code in ("pt", "en")}

    assert len(texts) == 2


def test_zipped_and_plain_page_are_the_same(client: FlaskClient) -> None:
    plain = client.get("/")
    zipped = client.get("/", headers={"Accept-Encoding": "gzip"})

    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.data) == plain.data
    assert "Content-Encoding" not in client.get("/", headers={"Accept-Encoding": "gzip;q=0"}).headers


def test_page_once_rendered_outlives_the_database(client: FlaskClient, runtime: Runtime) -> None:
    known = client.get("/").data

    def refuse(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("the database is being worked on"))

    event.listen(runtime.database.engine, "before_cursor_execute", refuse)

    assert client.get("/").data == known
    with pytest.raises(OperationalError):
        client.get("/history")
    event.remove(runtime.database.engine, "before_cursor_execute", refuse)


def test_answer_that_keeps_a_choice_is_not_for_shared_caches(client: FlaskClient) -> None:
    response = client.get("/?lang=en")

    assert "Set-Cookie" in response.headers
    assert response.cache_control.private
    assert not response.cache_control.public


def test_page_number_beyond_all_counting_is_just_empty(client: FlaskClient) -> None:
    assert client.get("/history?page=99999999999999999999999").status_code == 200
    assert client.get("/history?page=-1").status_code == 200
    assert client.get("/history?page=x").status_code == 200


def test_who_comes_after_a_process_read_ahead_waits_for_no_windows(runtime: Runtime) -> None:
    case.load_catalogue(runtime)
    case.announce(runtime)
    app = case.the_app(runtime)
    ahead = ReadingAhead(app, seconds=0.01)
    ahead.start()
    deadline = monotonic() + 20
    while (kept := app.extensions["janela_snapshot"].kept) is None and monotonic() < deadline:
        sleep(0.01)
    ahead.stop()

    with counted_queries(runtime) as sent:
        page = app.test_client().get("/", headers={"Accept-Language": "en"}).text

    assert kept is not None
    assert "Prescrição Eletrónica Médica" in page
    assert [statement for statement in sent if "FROM events" not in statement] == []


def test_reading_ahead_goes_on_after_the_database_was_away(runtime: Runtime) -> None:
    case.load_catalogue(runtime)
    app = case.the_app(runtime)
    failed: list[str] = []

    def refuse(*_: object) -> None:
        failed.append("once")
        raise OperationalError("SELECT", {}, Exception("the database is being worked on"))

    event.listen(runtime.database.engine, "before_cursor_execute", refuse)
    ahead = ReadingAhead(app, seconds=0.01)
    ahead.start()
    deadline = monotonic() + 20
    while not failed and monotonic() < deadline:
        sleep(0.01)
    event.remove(runtime.database.engine, "before_cursor_execute", refuse)
    while app.extensions["janela_snapshot"].kept is None and monotonic() < deadline:
        sleep(0.01)
    ahead.stop()

    assert app.extensions["janela_snapshot"].kept is not None
