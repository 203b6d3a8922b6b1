"""Mails and their preview in a real browser: accessible, and within the screen of a telephone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Page

from maintenance import scheduling
from maintenance.catalogue_store import load_catalogue
from maintenance.lifecycle import SYSTEM, Role
from maintenance.runtime import Runtime
from notifications.directory import import_directory
from notifications.directory_file import read_directory
from tests.web import case
from tests.web.desk import PASSWORD, an_app, email_of

MAILS = sorted((Path(__file__).parent.parent / "snapshots" / "messages").glob("*.html"))
#: A mail is shown inside a page of the reader's own: advice about landmarks is not for it.
MAIL_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
PAGE_RULES = {"runOnly": [*MAIL_RULES["runOnly"], "best-practice"]}
DIRECTORY = (
    "institution,institution_name,audience,contact,email,phone,language,timezone,channels,systems\n"
    "HX,Hospital do Exemplo,prescribers,Direção,direcao@hx.example.org,+351939999901,pt,Europe/Lisbon,email sms,\n"
)


def violations(page: Page, rules: dict[str, list[str]]) -> list[str]:
    found = Axe().run(page, options=rules).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 900)])
def test_mails_are_accessible_and_fit_the_screen(browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    assert MAILS
    for mail in MAILS:
        page.set_content(mail.read_text())

        assert violations(page, MAIL_RULES) == [], mail.name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, mail.name
    context.close()


@pytest.fixture
def address(runtime: Runtime, serve: Callable[[Flask], str]) -> str:
    app = an_app(runtime)
    app.config.update(PREFERRED_URL_SCHEME="http", SESSION_COOKIE_SECURE=False)
    case.load_catalogue(runtime)
    with runtime.database.write() as session:
        catalogue = load_catalogue(session)
        directory = read_directory(DIRECTORY.encode(), file="directory.csv", catalogue=catalogue)
        import_directory(session, directory, now=runtime.clock())
        scheduling.draft(session, case.the_plan(), by=SYSTEM, now=runtime.clock())
    return serve(app)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_preview_is_accessible_and_fits_the_screen(
    browser: Browser, address: str, scheme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, locale="en")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{address}/sign-in")
    page.fill("[name=email]", email_of(Role.PLANNER))
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_load_state()

    page.goto(f"{address}/plan/{case.REFERENCE}/messages?kind=extension")
    assert violations(page, PAGE_RULES) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.click("a.told-who")
    page.wait_for_load_state()
    assert "Prolongada" in page.frame_locator("iframe").locator("body").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelector('iframe').remove()")  # looked at by itself, above
    assert violations(page, PAGE_RULES) == []
    context.close()
