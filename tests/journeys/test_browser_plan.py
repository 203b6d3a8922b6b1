"""A planner and an approver at their browsers: from an empty form to an announcement, with and without a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from maintenance.lifecycle import Role
from maintenance.queries import get_intervention
from maintenance.runtime import Runtime
from tests.web import case
from tests.web.desk import PASSWORD, an_app, email_of

Enter = Callable[..., Page]


@pytest.fixture
def site(runtime: Runtime, serve: Callable[[Flask], str]) -> str:
    """Serve an installation with the reference catalogue, forms protected as they are for everybody."""
    case.load_catalogue(runtime)
    app = an_app(runtime, csrf=True)
    app.config["SESSION_COOKIE_SECURE"] = False
    return serve(app)


@pytest.fixture
def enter(browser: Browser, site: str) -> Iterator[Enter]:
    """Give a function that opens a window in which a person of that role has signed in."""
    contexts = []

    def opened(role: Role, *, scripts: bool = True, width: int = 1280) -> Page:
        context = browser.new_context(
            base_url=site,
            locale="en-GB",
            viewport={"width": width, "height": 800},
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        page.goto("/plan/new")
        page.get_by_label("E-mail").fill(email_of(role))
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("main").get_by_role("button", name="Sign in").click()
        return page

    yield opened
    # Before the server ends: an open connection would keep it waiting.
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["with script", "without script"])
def test_two_people_bring_a_plan_from_an_empty_form_to_its_readers(
    enter: Enter, site: str, runtime: Runtime, scripts: bool
) -> None:
    page = enter(Role.PLANNER, scripts=scripts, width=390)
    words = page.get_by_role("group", name="Title")
    words.get_by_label("Português").fill("Substituição de discos")
    words.get_by_label("English").fill("Disk replacement")

    first = page.get_by_role("group", name="Phase 1")
    first.get_by_label("Start").fill("2019-12-07T22:00")
    first.get_by_label("or length").fill("3:00")
    for code, letters in (("RNU", "utentes"), ("SIARS", "siars")):
        first.get_by_label("Find a system to add").fill(letters)
        if scripts:
            first.get_by_role("listbox").get_by_role("option", name=code).click()
        else:
            first.get_by_role("button", name="Find").click()
            first.get_by_role("button", name=f"Add {code}").click()
        first.get_by_role("button", name=f"Remove {code}").wait_for()
    first.get_by_role("button", name="Remove SIARS").click()
    first.get_by_role("button", name="Remove SIARS").wait_for(state="detached")

    page.get_by_role("button", name="Add a phase").click()
    second = page.get_by_role("group", name="Phase 2")
    second.get_by_label("Start").fill("2019-12-08T01:00")
    second.get_by_label("End").fill("2019-12-08T03:00")

    page.get_by_role("button", name="Check what it does").click()
    preview = page.get_by_role("region", name="What this does")
    preview.wait_for()
    assert "Sat, 7 Dec 2019, 22:00" in preview.inner_text()
    assert "AREA-CIDADAO" in preview.inner_text()
    assert "SIARS" not in preview.inner_text()

    page.get_by_role("button", name="Save as draft").click()
    page.get_by_text("Saved as a draft.").wait_for()
    page.get_by_role("link", name="Submit for review").click()
    page.get_by_role("button", name="Submit for review").click()
    page.get_by_text("Submitted.").wait_for()
    address = page.url.removeprefix(site)

    other = enter(Role.APPROVER, scripts=scripts)
    other.goto("/plan/")
    other.get_by_role("link", name="Disk replacement").first.click()
    assert other.url.removeprefix(site) == address
    for step in ("Approve", "Announce"):
        other.get_by_role("link", name=step, exact=True).click()
        other.get_by_role("button", name=step, exact=True).click()
        other.locator(".note-good").wait_for()

    with runtime.database.read() as session:
        row = get_intervention(session, address.rpartition("/")[2])
        assert row.run_state == "announced"
        assert [phase["id"] for phase in row.versions[0].content["phases"]] == ["p1", "p2"]


def test_systems_are_chosen_with_the_keyboard_and_announced_to_those_who_listen(enter: Enter) -> None:
    page = enter(Role.PLANNER)
    field = page.get_by_role("combobox", name="Find a system to add")
    field.press_sequentially("certificados")
    page.get_by_role("listbox").get_by_role("option").nth(2).wait_for()
    assert field.get_attribute("aria-expanded") == "true"
    assert page.get_by_role("status").inner_text() == "3 systems fit; use the arrow keys."

    field.press("ArrowDown")
    field.press("ArrowDown")
    marked = page.locator(f"[id='{field.get_attribute('aria-activedescendant')}']")
    assert marked.get_attribute("aria-selected") == "true"
    code = marked.get_attribute("data-code")
    field.press("Enter")

    page.get_by_role("button", name=f"Remove {code}").wait_for()
    # The person goes on where they were: in the search, ready for the next system.
    assert page.evaluate("document.activeElement.id") == "phases-0-find"
    page.keyboard.type("nothing like it")
    page.get_by_text("No system fits.").wait_for()
    page.keyboard.press("Escape")
    assert page.get_by_role("listbox").count() == 0


def test_enter_in_a_field_checks_the_plan_and_saves_nothing(enter: Enter) -> None:
    page = enter(Role.PLANNER)
    page.get_by_role("group", name="Title").get_by_label("English").fill("Typed so far")
    page.keyboard.press("Enter")

    summary = page.get_by_role("alert")
    summary.wait_for()
    assert page.evaluate("document.activeElement.id") == "errors"
    summary.get_by_role("link", name=re.compile("Enter when the phase starts")).click()
    assert page.evaluate("document.activeElement.id") == "phases-0-start"
    assert page.get_by_role("group", name="Title").get_by_label("English").input_value() == "Typed so far"
