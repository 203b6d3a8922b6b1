"""The public pages in a real browser: accessible, within the screen, usable by keyboard and without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from maintenance import scheduling
from maintenance.lifecycle import SYSTEM
from maintenance.runtime import Runtime
from maintenance.texts import Text
from tests.conftest import MovedClock
from tests.web import case

PAGES = (
    "/",
    "/systems/PEM",
    f"/interventions/{case.REFERENCE}",
    "/history",
    "/subscribe",
    "/accessibility",
    "/no",
)
#: A desktop, a telephone, a desktop zoomed to 400 % (WCAG 1.4.10).
WIDTHS = (1280, 390, 320)
#: The rules of WCAG 2.0 to 2.2, levels A and AA, and axe's own advice.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def address(runtime: Runtime, clock: MovedClock, serve: Callable[[Flask], str]) -> str:
    """Serve the reference night while it overruns, with words published and other work announced."""
    case.load_catalogue(runtime)
    case.announce(runtime)
    later = {
        "id": "p1",
        "kind": "outage",
        "start": "2019-12-04T22:00",
        "duration": "PT4H",
        "work": [
            {"system": "RNU", "impact": "DEGRADED"},
            {"system": "SIARS", "impact": "REDUCED-REDUNDANCY"},
        ],
    }
    case.announce(runtime, case.the_plan(reference="INT-2019-7", phases=[later]))
    case.announce(runtime, case.the_plan(reference="INT-2019-8", title="Nothing"))
    with runtime.database.write() as session:
        scheduling.cancel(session, "INT-2019-8", reason=Text.of("No."), by=SYSTEM, now=clock())
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    case.step(runtime, "publish_update", text=Text.of({"pt": "Metade feita.", "en": "Half is done."}))
    clock.move_to(case.END + timedelta(minutes=5))
    return serve(case.the_app(runtime))


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Give a fresh window of an English reader that fails the test on any message of the browser.

    It asks for the address so that it is closed before the server is.
    """
    # A colour measured while it fades would be neither of the two.
    context = browser.new_context(locale="en-GB", reduced_motion="reduce")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    # A page that is not there is one of those looked at.
    assert [words for words in complaints if "404" not in words] == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_pages_have_no_accessibility_violation(page: Page, address: str, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    found = {}
    for path in PAGES:
        page.goto(address + path)
        results = Axe().run(page, options=RULES).response
        assert len(results["passes"]) > 10, "the rules did not run"
        for violation in results["violations"]:
            node = violation["nodes"][0]
            found[path, violation["id"]] = (violation["help"], node["html"][:200], node["failureSummary"])

    assert found == {}


def test_pages_are_never_wider_than_the_screen(page: Page, address: str) -> None:
    for path in PAGES:
        page.goto(address + path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), (path, width)


def test_targets_are_at_least_24_pixels(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    for path in PAGES:
        page.goto(address + path)
        small = page.evaluate(
            """() => [...document.querySelectorAll("a, button, summary")]
                .filter(e => e.offsetParent && !e.closest("p, dd, td, .spell-systems, .versions"))
                .map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
                .filter(([, box]) => box.height < 24 || box.width < 24)
                .map(([html]) => html)"""
        )
        assert small == [], path


def test_first_tab_leads_over_the_head_into_the_content(page: Page, address: str) -> None:
    page.goto(address)
    page.keyboard.press("Tab")

    expect(page.locator(".skip-link")).to_be_focused()
    expect(page.locator(".skip-link")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_everything_is_there_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, locale="pt-PT")
    page = context.new_page()
    page.goto(address)

    expect(page.get_by_role("heading", level=1)).to_have_text("6 sistemas indisponíveis, 1 sistema degradado")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "6 systems are unavailable, 1 system is degraded"
    )
    page.get_by_role("link", name="Work on the EXADATA platform").first.click()
    expect(page.get_by_text("Half is done.")).to_be_visible()
    context.close()


def test_page_left_open_says_when_there_is_news(page: Page, address: str, runtime: Runtime) -> None:
    page.clock.install()
    page.goto(address)
    page.wait_for_load_state("networkidle")
    case.step(runtime, "publish_update", text=Text.of({"en": "All is done."}))
    page.clock.run_for(61_000)

    expect(page.get_by_role("status")).to_contain_text("There is news on this page.")
    page.get_by_role("link", name="Show it").click()
    expect(page.get_by_text("All is done.")).to_be_visible()


def test_script_says_how_far_away_a_time_is(page: Page, address: str) -> None:
    page.clock.set_fixed_time(case.START + timedelta(hours=21))
    page.goto(f"{address}/systems/PEM")

    expect(page.locator(".hero .distance").first).to_have_text(" (21 hours ago)")


def test_printed_page_keeps_the_facts_and_drops_the_controls(page: Page, address: str) -> None:
    page.emulate_media(media="print")
    page.goto(f"{address}/interventions/{case.REFERENCE}")

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".site-nav")).to_be_hidden()
    expect(page.get_by_text("Half is done.")).to_be_visible()
