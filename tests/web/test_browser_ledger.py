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
from notifications.models import DeliveryRow, NoticeRow
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
        f"/deliveries/{rows[1].delivery}/message",
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
    expected = ("tracker", "sandbox", "503 (Service Unavailable)")
    assert [words for words in complaints if not any(word in words for word in expected)] == []


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


def wait_for_look(page: Page, *, seconds: int) -> None:
    """Let the page's clock go on until it has asked once more."""
    with page.expect_response("**/progress.json"):
        page.clock.run_for(seconds * 1000)


def test_progress_is_watched_from_before_the_first_slice_to_the_last_outcome(page: Page, runtime: Runtime):
    with runtime.database.write() as session:
        notice = ledgers.a_notice(session, now=runtime.clock(), reference="WATCHED")
        notice.state, notice.fanned_out_at = "planned", None
        public_id, id_ = notice.public_id, notice.id
    page.clock.install()
    page.goto(f"/deliveries/notices/{public_id}")
    panel = page.locator("[data-progress]")
    assert "more is to come" in panel.inner_text()

    with runtime.database.write() as session:
        ledgers.deliveries_of(session, session.get_one(NoticeRow, id_), ledgers.addresses(9)[6:])
    send_due(runtime, {"email": ledgers.ScriptedTransport()})
    wait_for_look(page, seconds=3)
    panel.get_by_text("3 Handed over").wait_for()
    assert "more is to come" in panel.inner_text(), "all of this slice is out, and the next is to come"

    with runtime.database.write() as session:
        notice = session.get_one(NoticeRow, id_)
        notice.state, notice.fanned_out_at = "fanned_out", runtime.clock()
    wait_for_look(page, seconds=3)
    panel.get_by_text("Nothing is left to send").wait_for()
    looks: list[str] = []
    page.on("request", lambda request: looks.append(request.url))
    page.clock.run_for(60_000)
    assert looks == [], "it has seen the end"


def test_progress_is_asked_for_again_after_an_answer_that_failed(page: Page, runtime: Runtime):
    others = ledgers.addresses(9)[7:]
    ids = ledgers.queue(runtime.database, others, now=runtime.clock(), reference="WATCHED")
    with runtime.database.read() as session:
        notice_id = ledgers.delivery(runtime.database, ids[0]).notice_id
        public_id = session.get_one(NoticeRow, notice_id).public_id
    page.clock.install()
    page.goto(f"/deliveries/notices/{public_id}")
    page.route("**/progress.json", lambda route: route.fulfill(status=503), times=1)
    wait_for_look(page, seconds=3)
    send_due(runtime, {"email": ledgers.ScriptedTransport()})
    wait_for_look(page, seconds=20)

    page.locator("[data-progress]").get_by_text("2 Handed over").wait_for()
