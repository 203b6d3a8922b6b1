"""The public pages of a large catalogue: what is down first, the rest counted, found by searching; small in any case."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser

from app import create_runtime
from maintenance import scheduling
from maintenance.catalogue import Catalogue, Impact, Kind, Need, System
from maintenance.database import Base
from maintenance.importing import import_catalogue
from maintenance.lifecycle import SYSTEM
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from maintenance.texts import Text
from tests.conftest import MovedClock
from tests.web import case
from tests.web.test_browser_public import RULES
from tests.web.test_public import words_of
from tests.web.test_public_cost import counted_queries

COUNT, GROUPS = 3_000, 40
#: Bytes of HTML before gzip: a page that lists what happens, and not what does not.
MOST_BYTES = 80_000
#: Systems on the platform that is worked on: the hit ones are more than a page lists, too.
ON_PLATFORM = 700


def the_estate() -> Catalogue:
    """Return 3,000 public systems in 40 groups, and hidden ones below and beside them."""
    systems = [System("PLATFORM", Text.of("Secret platform"), Kind.DATABASE)]
    systems += [
        System(
            f"APP-{number:04}",
            Text.of({"pt": f"Aplicação {number}", "en": f"Application {number} & more"}),
            Kind.APPLICATION,
            group=Text.of({"pt": f"Grupo {number % GROUPS:02}", "en": f"Group {number % GROUPS:02}"}),
            public=True,
            needs=(Need(("PLATFORM",), 1, Impact.DEGRADED if number % 7 == 0 else Impact.OUTAGE),)
            if number < ON_PLATFORM
            else (),
        )
        for number in range(COUNT)
    ]
    systems += [
        System(f"DEV-{number:03}", Text.of("Secret device"), Kind.DEVICE, needs=(Need(("PLATFORM",), 1),))
        for number in range(200)
    ]
    return Catalogue.of(systems, timezone="Europe/Lisbon")


def planned(runtime: Runtime, reference: str, system: str, start: str, **more: object) -> None:
    """Announce an outage of four hours."""
    phase = {
        "kind": "outage",
        "start": start,
        "duration": "PT4H",
        "work": [{"system": system, "impact": "OUTAGE"}],
    }
    case.announce(
        runtime, case.the_plan(reference=reference, title=f"Work {reference}", phases=[phase], **more)
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a database in which the platform is down, and forty more interventions are to come."""
    file = tmp_path_factory.mktemp("estate") / "estate.db"
    clock = MovedClock(case.START - timedelta(days=2))
    runtime = create_runtime(Settings({"DATABASE_URL": f"sqlite:///{file}"}), clock=clock)
    Base.metadata.create_all(runtime.database.engine)
    with runtime.database.write() as session:
        import_catalogue(session, the_estate(), prune=False, by=SYSTEM, now=clock())
    planned(runtime, "NOW", "PLATFORM", "2019-11-30T14:00")
    for number in range(40):
        planned(runtime, f"NEXT-{number}", f"APP-{2000 + number}", f"2019-12-{2 + number // 2:02}T22:00")
    planned(runtime, "AGAIN", "PLATFORM", "2019-12-28T14:00")
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    runtime.database.dispose()
    return file


@pytest.fixture
def runtime(prepared: Path, settings: Settings, clock: MovedClock, tmp_path: Path) -> Iterator[Runtime]:
    """Give an installation with a copy of that database, at the hour at which the work began."""
    shutil.copy(prepared, tmp_path / "janela.db")
    clock.move_to(case.START)
    runtime = create_runtime(settings, clock=clock)
    yield runtime
    runtime.database.dispose()


@pytest.fixture
def client(runtime: Runtime) -> Iterator[FlaskClient]:
    """Give a visitor."""
    with case.the_app(runtime).test_client() as client:
        yield client


PAGES = (
    "/",
    "/systems/",
    "/systems/?hit=1",
    "/systems/?group=Grupo+01",
    "/systems/?intervention=AGAIN&page=2",
    "/systems/?q=app",
    "/systems/APP-0001",
    "/interventions/NOW",
    "/interventions/AGAIN",
    "/history",
    "/subscribe",
)


@pytest.mark.parametrize("path", PAGES)
def test_page_stays_small_and_asks_the_database_little(
    client: FlaskClient, runtime: Runtime, path: str
) -> None:
    with counted_queries(runtime) as sent:
        answer = client.get(path, headers={"Accept-Language": "en"})

    assert answer.status_code == 200
    assert len(answer.data) < MOST_BYTES
    assert len(sent) <= 24, "\n".join(sent)
    assert "Secret" not in answer.text
    assert "DEV-" not in answer.text


def test_status_page_names_what_is_down_first_and_counts_what_works(client: FlaskClient) -> None:
    html = client.get("/?lang=en").text
    words = words_of(html)

    assert "600 systems are unavailable, 100 systems are degraded" in words
    assert words.index("Affected now") < words.index("Under way") < words.index("What comes next")
    assert "All 700 affected systems" in words
    # Of forty groups some are hit, the others one line each: no system that works is named there.
    assert "Group 05" in words
    assert re.search(r"Group 05\s+Unavailable\s+18 of 75", words)
    assert "Application 2999" not in words
    assert "All 3,000 systems" in words


def test_announced_work_beyond_the_next_is_told_in_a_line_each(client: FlaskClient) -> None:
    words = words_of(client.get("/?lang=en").text)

    assert words.count("What to do meanwhile, and all details") == 1 + 6
    assert "Work NEXT-0" in words
    assert "Work NEXT-20" in words
    assert "more are announced; the calendar has them all" in words


def found(client: FlaskClient, path: str) -> list[str]:
    """Return the codes of the systems that a page of the list shows, in its order."""
    main = client.get(path, headers={"Accept-Language": "en"}).text.partition("<main")[2]
    return re.findall(r'<a href="/systems/([A-Z0-9-]+)">', main)


def test_searching_needs_a_form_and_an_address_only(client: FlaskClient) -> None:
    html = client.get("/?lang=en").text
    form = re.search(r'<form class="system-search".*?</form>', html, re.DOTALL)

    assert form
    assert 'action="/systems/" method="get"' in form[0]
    assert 'name="q"' in form[0]
    assert found(client, "/systems/?q=aplicacao+2718") == ["APP-2718"]
    assert found(client, "/systems/?q=app-27+MORE")[:2] == ["APP-2700", "APP-2701"]
    assert found(client, "/systems/?q=secret") == []
    assert "No system fits" in client.get("/systems/?q=secret&lang=en").text


def test_list_can_be_narrowed_to_a_group_and_turned_page_by_page(client: FlaskClient) -> None:
    assert found(client, "/systems/?group=Grupo+05") == [f"APP-{n:04}" for n in range(5, COUNT, GROUPS)]
    assert found(client, "/systems/?page=30") == [f"APP-{n:04}" for n in range(2900, 3000)]
    assert found(client, "/systems/?page=31") == []
    assert "page=2" in client.get("/systems/").text
    assert 'rel="next"' not in client.get("/systems/?page=30").text


def test_list_of_what_is_hit_begins_with_the_worst(client: FlaskClient) -> None:
    hit = [code for page in range(1, 8) for code in found(client, f"/systems/?hit=1&page={page}")]

    assert len(hit) == ON_PLATFORM
    assert hit[0] == "APP-0001"
    assert hit[-1] == "APP-0693"


def test_list_of_what_an_intervention_affects_outlives_it(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    assert "and 540 more systems" in words_of(client.get("/interventions/AGAIN?lang=en").text)
    assert len(found(client, "/systems/?intervention=AGAIN")) == 100
    clock.move_on(hours=1)
    with runtime.database.write() as session:
        scheduling.complete(session, "NOW", by=SYSTEM, now=clock())
    clock.move_on(days=200)

    assert len(found(client, "/systems/?intervention=NOW&page=7")) == 100
    assert found(client, "/systems/?intervention=NOW&page=8") == []
    assert client.get("/systems/?intervention=NO").status_code == 404


def test_searches_are_kept_by_nobody_else_and_lists_for_everybody(
    client: FlaskClient, runtime: Runtime
) -> None:
    client.get("/systems/?group=Grupo+05")
    with counted_queries(runtime) as sent:
        client.get("/systems/?group=Grupo+05")

    assert len(sent) == 1
    assert client.get("/systems/?q=app").cache_control.public
    assert "ETag" not in client.get("/systems/?q=app").headers


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_pages_of_many_systems_are_accessible_and_fit_the_screen(
    browser: Browser, serve: Callable[[Flask], str], runtime: Runtime, scheme: str, width: int
) -> None:
    address = serve(case.the_app(runtime))
    context = browser.new_context(
        locale="en-GB",
        reduced_motion="reduce",
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 900},
    )
    page = context.new_page()
    wrong = []
    for path in ("/", "/systems/?q=app+27", "/systems/?hit=1", "/interventions/NOW", "/subscribe"):
        page.goto(address + path)
        wrong += [f"{path}: {each}" for each in Axe().run(page, options=RULES).response["violations"]]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wrong.append(f"{path} is wider than the screen")
    context.close()

    assert wrong == []


def test_system_is_found_by_keyboard_without_scripts(
    browser: Browser, serve: Callable[[Flask], str], runtime: Runtime
) -> None:
    address = serve(case.the_app(runtime))
    context = browser.new_context(locale="en-GB", java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.get_by_label("Find a system").fill("application 2718")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Application 2718 & more").click()
    heading = page.get_by_role("heading", level=1).inner_text()
    context.close()

    assert heading == "Application 2718 & more"
