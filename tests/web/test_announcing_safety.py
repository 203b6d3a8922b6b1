"""Before announcing: a test to oneself, and whether all SMS can leave in time."""

from __future__ import annotations

import email
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.policy import default

import pytest
from flask import Flask, render_template
from flask.testing import FlaskClient
from sqlalchemy import func, select

from maintenance import scheduling
from maintenance.catalogue_store import load_catalogue
from maintenance.lifecycle import SYSTEM, Role
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import stopping
from notifications.channels.outbox import find_items, folder
from notifications.directory import import_directory
from notifications.directory_file import read_directory
from notifications.feasibility import assess
from notifications.models import DeliveryRow, NoticeRow
from tests.fakes.smtp import SmtpListener
from tests.web import case
from tests.web.desk import an_app, at_desk
from tests.web.test_announcing import HEADER, MESSAGES, ROWS, first_variant, words_of


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    app = an_app(runtime)
    case.load_catalogue(runtime)
    with runtime.database.write() as session:
        raw = "\n".join([HEADER, *ROWS]).encode()
        directory = read_directory(raw, file="directory.csv", catalogue=load_catalogue(session))
        import_directory(session, directory, now=runtime.clock())
        scheduling.draft(session, case.the_plan(), by=SYSTEM, now=runtime.clock())
    return app


def address_of_test(client: FlaskClient, query: str = "") -> str:
    found = first_variant(client.get(f"{MESSAGES}{query}").text)
    path, _, rest = found.partition("?")
    return f"{path}/test?{rest}"


def acts(runtime: Runtime) -> list[tuple[str, str, str]]:
    with runtime.database.read() as session:
        return [(row.by, row.kind, row.name) for row in stopping.acts(session)]


def test_planner_sends_a_variant_to_themselves_and_readers_get_nothing(app: Flask, runtime: Runtime) -> None:
    client = at_desk(app, Role.PLANNER)
    answer = client.post(address_of_test(client, "?kind=reminder"), follow_redirects=True)

    assert "The test is in the outbox" in words_of(answer.text)
    (item,) = find_items(folder(runtime.settings))
    mail = email.message_from_bytes(item.path.read_bytes(), policy=default)
    assert mail["Subject"].startswith("[Test] ")
    assert mail["To"].addresses[0].addr_spec == acts(runtime)[0][0]
    assert acts(runtime)[0][1:] == ("tested", case.REFERENCE)
    kept = client.get(f"/outbox/{item.delivery_id}").text
    assert "[Test]" in kept
    assert f"/deliveries/{item.delivery_id}" not in kept, "there is no such delivery to look at"
    with runtime.database.read() as session:
        assert session.scalar(select(func.count(NoticeRow.id))) == 0
        assert session.scalar(select(func.count(DeliveryRow.id))) == 0


def test_readers_may_look_but_not_send(app: Flask) -> None:
    client = at_desk(app, Role.READER)

    assert client.post(address_of_test(client)).status_code == 403
    assert "Send this mail to myself" not in client.get(first_variant(client.get(MESSAGES).text)).text


def with_settings(app: Flask, **values: str) -> None:
    runtime: Runtime = app.extensions["janela"]
    given = {
        name: runtime.settings[name] for name in ("DATABASE_URL", "INSTANCE", "SECRET_KEY", "PUBLIC_URL")
    }
    app.extensions["janela"] = replace(runtime, settings=Settings(given | values))


def test_test_goes_through_the_relay_to_guests_alone(app: Flask) -> None:
    with SmtpListener() as relay:
        url = relay.url
        with_settings(app, SMTP_URL=url, GUEST_LIST="planner@example.org")
        for role in (Role.PLANNER, Role.APPROVER):
            client = at_desk(app, role)
            client.post(address_of_test(client))

    assert [mail.recipient for mail in relay.mails] == ["planner@example.org"]


def test_relay_that_is_away_is_said_and_recorded(app: Flask, runtime: Runtime) -> None:
    with_settings(app, SMTP_URL="smtp://127.0.0.1:1?starttls=off", GUEST_LIST="*")
    client = at_desk(app, Role.PLANNER)
    answer = client.post(address_of_test(client), follow_redirects=True)

    assert "The test could not be sent" in words_of(answer.text)
    assert acts(runtime)[0][1] == "tested"


def test_texts_that_cannot_all_leave_say_what_to_change(app: Flask) -> None:
    now = datetime(2019, 11, 30, 13, 0, tzinfo=UTC)
    texts = assess(
        recipients=2000, parts=6000, folded_parts=3000, rate=1, price=None, now=now,
        needed_by=now + timedelta(hours=1),
    )  # fmt: skip
    with app.test_request_context("/?lang=en"):
        said = words_of(render_template("notifications/announcing/_texts.html", texts=texts))

    assert "Not all SMS can leave in time" in said
    assert "they take 1 hour 40 minutes, and there are 1 hour" in said
    assert "JANELA_SMS_ACCENTS=fold): that makes 3,000 parts" in said
    assert "one part each: that makes 2,000 parts" in said
    assert "at most 1,200" in said
    assert "by 40 minutes more" in said


def test_senders_rate_is_held_against_the_time_there_is(app: Flask) -> None:
    with_settings(app, TWILIO_RATE="1", SMS_PRICE="0.0413 EUR")
    client = at_desk(app, Role.READER)
    said = words_of(client.get(MESSAGES).text)

    assert "All SMS leave in time" in said
    assert "2 parts in all, 1 recipient; about 0.09 EUR; they take less than a minute" in said


def test_unknown_rate_is_said(app: Flask) -> None:
    said = words_of(at_desk(app, Role.READER).get(MESSAGES).text)

    assert "How long the SMS take is not known" in said
    assert "JANELA_TWILIO_RATE" in said
