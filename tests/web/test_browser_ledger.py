"""Outbox and deliveries in a real browser: accessible, within the screen, nothing run or loaded by a mail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Page
from sqlalchemy import update

from app import create_app
from maintenance.lifecycle import Role
from maintenance.runtime import Runtime
from notifications.channels.outbox import OutboxTransport, folder
from notifications.mail import prepare
from notifications.models import DeliveryRow
from notifications.reports import Filter, told
from notifications.retries import FailureClass, State
from notifications.sending import send_due
from tests import ledgers
from tests.builders_mail import ANNOUNCED_AT, CALENDAR, a_composed, a_heading, a_parcel, a_text
from tests.web.signed_in import client_of

#: A desktop, a telephone, a desktop zoomed to 400 % (WCAG 1.4.10).
WIDTHS = (1280, 390, 320)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
REFERENCE = "SPMS-2019-EXADATA"
LONG = "a.very.long.address.of.some.service.desk.in.the.far.north@hospital.example.org"


@pytest.fixture
def paths(runtime: Runtime) -> list[str]:
    """Keep a mail and an SMS, and deliver a notice with every kind of outcome; give the pages to look at."""
    hostile = (
        "<!doctype html><html lang='pt'><title>Aviso</title><main><h1>Olá</h1><p>A PEM estará indisponível.</p>"
        "</main><script>document.title = 'run'</script><img alt='' src='https://tracker.example.org/x.png'>"
    )
    mail = a_parcel(1, message=prepare(a_composed(html=hostile, calendar=CALENDAR), a_heading()))
    for transport, parcel in [
        (OutboxTransport("email", folder(runtime.settings)), mail),
        (OutboxTransport("sms", folder(runtime.settings)), a_text(2)),
    ]:
        list(transport.send([parcel], now=ANNOUNCED_AT))
    [doubtful] = ledgers.queue(runtime.database, [LONG], now=ANNOUNCED_AT, reference="IN-DOUBT")
    with runtime.database.write() as session:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id == doubtful)
            .values(state=State.NEEDS_REVIEW, finished_at=ANNOUNCED_AT)
        )
    addresses = [LONG, *ledgers.addresses(4)]
    ledgers.queue(runtime.database, addresses, now=ANNOUNCED_AT, reference=REFERENCE)
    script = {
        addresses[1]: [ledgers.failed(FailureClass.RECIPIENT_PERMANENT, "550 5.1.1 no such user here")],
        addresses[2]: [ledgers.failed(FailureClass.TRANSIENT, "451 4.3.0 try later")],
    }
    send_due(runtime, {"email": ledgers.ScriptedTransport(script=script)})
    with runtime.database.read() as session:
        rows = list(told(session, Filter()))
    assert {row.state for row in rows} >= {State.ACCEPTED, State.FAILED_PERMANENT}
    return [
        "/outbox/",
        "/outbox/1",
        "/outbox/2",
        "/deliveries/",
        f"/deliveries/notices/{rows[0].notice}",
        f"/deliveries/{rows[1].delivery}",
        "/deliveries/institutions/",
        "/deliveries/review",
        f"/deliveries/{doubtful}",
        "/deliveries/silent",
    ]


@pytest.fixture
def page(
    runtime: Runtime, browser: Browser, serve: Callable[[Flask], str], paths: list[str]
) -> Iterator[Page]:
    """Give a window of somebody who is signed in; what a mail's frame was kept from is no complaint."""
    app = create_app(runtime)
    cookie = client_of(app, runtime, Role.APPROVER).get_cookie("janela_session")
    assert cookie is not None
    address = serve(app)
    # A colour measured while it fades would be neither of the two.
    context = browser.new_context(locale="en-GB", base_url=address, reduced_motion="reduce")
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    yield page
    context.close()
    assert [words for words in complaints if "tracker" not in words and "sandbox" not in words] == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_pages_have_no_accessibility_violation(page: Page, paths: list[str], scheme: str, width: int):
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 900})
    found = {}
    for path in paths:
        page.goto(path)
        for violation in Axe().run(page, options=RULES).response["violations"]:
            node = violation["nodes"][0]
            found[path, violation["id"]] = (violation["help"], node["html"][:200], node["failureSummary"])

    assert found == {}


def test_nothing_is_wider_than_the_screen(page: Page, paths: list[str]):
    wide = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for path in paths:
            page.goto(path)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append((path, width))

    assert wide == []


def test_a_mail_is_drawn_in_its_frame_and_runs_and_loads_nothing(page: Page):
    refused: dict[str, str | None] = {}
    page.on("requestfailed", lambda request: refused.update({request.url: request.failure}))
    page.goto("/outbox/1")
    frame = page.frame_locator("iframe")

    assert frame.locator("h1").inner_text() == "Olá"
    assert frame.locator("title").inner_text() == "Aviso", "its script has not run"
    assert refused == {"https://tracker.example.org/x.png": "csp"}
