"""The workspace in a real browser: accessible and within the screen, by day and at 2 a.m. on a telephone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Page

from maintenance.lifecycle import SYSTEM, Role
from maintenance.policy_book import policies_from_document
from maintenance.policy_editing import import_policies
from maintenance.runtime import Runtime
from tests.conftest import MovedClock
from tests.web import case
from tests.web.desk import an_app, at_desk
from tests.web.test_browser_public import RULES
from tests.web.test_plan_form import TYPED

REF = case.REFERENCE
NIGHTS = {
    "code": "NIGHTS",
    "name": {"pt": "Noites", "en": "Nights"},
    "weekly": [{"days": ["monday", "friday"], "start": "22:00", "end": "06:00"}],
    "scope": {"systems": ["EXADATA"], "kinds": ["database"], "tags": ["national"]},
}
WEEK = {"code": "WEEK", "name": "A week before", "at_least": "P7D"}
FRIDAYS = {
    "code": "FRIDAYS",
    "name": "Friday nights",
    "timezone": "Europe/Lisbon",
    "start": "2019-12-06T22:00",
    "duration": "PT8H",
    "rule": "FREQ=WEEKLY;BYDAY=FR",
    "exceptions": [{"date": "2019-12-13", "change": "cancelled"}],
}


@pytest.fixture
def page(
    browser: Browser, runtime: Runtime, clock: MovedClock, serve: Callable[[Flask], str]
) -> Iterator[Page]:
    """Give the window of an approver, on a night that overruns, with another plan to review."""
    case.load_catalogue(runtime)
    app = an_app(runtime)
    app.config["SESSION_COOKIE_SECURE"] = False
    case.announce(runtime)
    client = at_desk(app, Role.APPROVER)
    case.announce(runtime, case.the_plan(reference="INT-2019-7", phases=[_phase("2019-12-04T22:00")]))
    with runtime.database.write() as session:
        agreed = policies_from_document({"hours": [NIGHTS], "notices": [WEEK], "reservations": [FRIDAYS]})
        import_policies(session, agreed, prune=False, by=SYSTEM, now=clock())
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    clock.move_to(case.END)
    address = serve(app)
    # A colour measured while it fades would be neither of the two.
    context = browser.new_context(locale="en-GB", base_url=address, reduced_motion="reduce")
    cookie = client.get_cookie("janela_session")
    assert cookie
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])
    yield context.new_page()
    context.close()


def _phase(start: str) -> dict[str, object]:
    work = [{"system": "RNU", "impact": "OUTAGE"}]
    return {"id": "p1", "kind": "outage", "start": start, "duration": "PT4H", "work": work}


def looks(page: Page) -> Iterator[str]:
    """Bring every page of the workspace to the window in turn, and name it."""
    paths = [
        "",
        "new",
        "INT-2019-7/slots?earliest=2019-12-02&latest=2019-12-12&blocked=y",
        REF,
        f"{REF}/extend",
        f"{REF}/verify",
        f"{REF}/update",
        f"{REF}/complete",
    ]
    paths += ["policies", "policies/new/hours", "policies/new/freezes", "policies/NIGHTS"]
    paths += ["policies/new/reservations", "policies/FRIDAYS", "policies/FRIDAYS/2019-12-13"]
    paths += [f"INT-2019-7{rest}" for rest in ("", "/edit", "/move", "/cancel", "/hold")]
    for path in paths:
        page.goto(f"/plan/{path}")
        yield path
    page.goto("/account")
    yield "account"
    page.goto("/plan/new")
    page.get_by_role("button", name="Check what it does").click()
    page.get_by_role("alert").wait_for()
    yield "new, with mistakes"
    page.locator("#title-1-words").fill(str(TYPED["title-1-words"]))
    page.locator("#phases-0-start").fill("2019-12-01T07:00")
    page.locator("#phases-0-length").fill("2:00")
    page.locator("#phases-0-find").press_sequentially("exadata")
    page.get_by_role("listbox").wait_for()
    yield "new, looking for a system"
    page.get_by_role("listbox").get_by_role("option").first.click()
    page.get_by_role("button", name="Remove EXADATA").wait_for()
    page.get_by_role("button", name="Check what it does").click()
    page.locator("#preview").wait_for()
    yield "new, with what it does"
    page.context.clear_cookies()
    page.goto("/sign-in")
    yield "sign-in"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390), ("light", 320)])
def test_workspace_is_accessible_and_no_wider_than_its_screen(page: Page, scheme: str, width: int) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})

    found = {}
    for name in looks(page):
        results = Axe().run(page, options=RULES)
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if results.violations_count or wider:
            found[name] = (wider, results.generate_report())
    assert found == {}, "\n".join(f"{name}: {report}" for name, (_, report) in found.items())
