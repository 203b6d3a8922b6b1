"""Stopping and resuming on the pages of deliveries, and progress that can be watched."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from app import create_app
from maintenance.lifecycle import Role
from maintenance.runtime import Runtime
from notifications import sending
from notifications.models import NoticeRow
from tests import ledgers
from tests.conftest import MovedClock
from tests.web.signed_in import client_of


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    app = create_app(runtime)
    app.testing = True
    app.config["WTF_CSRF_ENABLED"] = False
    return app


def a_notice(runtime: Runtime, count: int = 3) -> str:
    ids = ledgers.queue(runtime.database, ledgers.addresses(count), now=runtime.clock(), reference="INT-1")
    notice_id = ledgers.delivery(runtime.database, ids[0]).notice_id
    with runtime.database.read() as session:
        return session.get_one(NoticeRow, notice_id).public_id


def test_approver_stops_a_channel_with_a_reason_and_resumes_it(app: Flask, runtime: Runtime):
    client = client_of(app, runtime, Role.APPROVER)
    a_notice(runtime)
    client.post("/deliveries/pause", data={"name": "email", "words": "the relay moves"})
    stopped = client.get("/deliveries/?lang=en").text

    assert "Channel E-mail is stopped until a person resumes it" in stopped
    assert "the relay moves" in stopped
    assert sending.drain(runtime, ledgers.ScriptedTransport()) == 0
    client.post("/deliveries/resume", data={"name": "email"})
    assert sending.drain(runtime, ledgers.ScriptedTransport()) == 3
    resumed = client.get("/deliveries/?lang=en").text
    assert "is stopped until" not in resumed
    assert "approver@example.org" in resumed, "who did it stays on the page"


def test_notice_is_paused_and_resumed_where_its_deliveries_are_listed(app: Flask, runtime: Runtime):
    client = client_of(app, runtime, Role.APPROVER)
    path = f"/deliveries/notices/{(notice := a_notice(runtime))}"
    answer = client.post("/deliveries/pause", data={"name": notice, "back": path})

    assert answer.headers["Location"].endswith(path)
    assert "Paused since" in client.get(f"{path}?lang=en").text
    assert "Paused" in client.get("/deliveries/?lang=en").text
    client.post("/deliveries/resume", data={"name": notice, "back": "https://evil.example/"})
    assert "Paused since" not in client.get(f"{path}?lang=en").text


def test_readers_and_planners_see_no_button_and_are_refused(app: Flask, runtime: Runtime):
    client = client_of(app, runtime, Role.PLANNER)
    notice = a_notice(runtime)

    assert "Stop a channel" not in client.get("/deliveries/?lang=en").text
    assert "Stop this notice" not in client.get(f"/deliveries/notices/{notice}?lang=en").text
    assert client.post("/deliveries/pause", data={"name": "email"}).status_code == 403
    assert client.post("/deliveries/resume", data={"name": "email"}).status_code == 403


def test_what_cannot_be_stopped_is_said(app: Flask, runtime: Runtime):
    client = client_of(app, runtime, Role.APPROVER)

    assert client.post("/deliveries/pause", data={"name": "pigeon"}).status_code == 404
    assert client.post("/deliveries/pause", data={}).status_code == 404
    assert client.post("/deliveries/resume", data={"name": "sms"}).status_code == 409


def test_forms_need_their_token(runtime: Runtime):
    app = create_app(runtime)
    client = client_of(app, runtime, Role.APPROVER)

    assert client.post("/deliveries/pause", data={"name": "email"}).status_code == 400


def test_progress_says_when_a_notice_is_done_at_the_rate_of_the_last_minute(
    app: Flask, runtime: Runtime, clock: MovedClock
):
    client = client_of(app, runtime)
    path = f"/deliveries/notices/{a_notice(runtime, 40)}"
    clock.move_on(seconds=30)
    stop = iter([False])
    sending.drain(runtime, ledgers.ScriptedTransport(batch_size=1), stop=lambda: next(stop, True))
    first = client.get(f"{path}/progress.json").json

    assert first["counts"] == {"queued": 39, "accepted": 1}
    assert (first["total"], first["open"], first["per_minute"]) == (40, 39, 2)
    assert first["done_at"] == (clock.now + timedelta(seconds=39 * 30)).isoformat()
    assert "data-progress" in client.get(path).text
    sending.drain(runtime, ledgers.ScriptedTransport())
    last = client.get(f"{path}/progress.json").json
    assert (last["open"], last["done_at"]) == (0, None)
    assert "<strong>40</strong>" in last["html"]
    assert "data-progress" not in client.get(path).text, "nothing is asked for when all is done"


def test_notice_that_is_about_to_begin_is_watched_and_one_of_tomorrow_is_not(
    app: Flask, runtime: Runtime, clock: MovedClock
):
    with runtime.database.write() as session:
        notice = ledgers.a_notice(session, now=clock.now + timedelta(minutes=10), reference="INT-2")
        notice.state, notice.fanned_out_at = "planned", None
        path = f"/deliveries/notices/{notice.public_id}"
    client = client_of(app, runtime)

    assert "data-progress" in client.get(path).text
    assert client.get(f"{path}/progress.json").json["more"] is True
    clock.move_on(hours=-12)
    assert "data-progress" not in client.get(path).text
    assert client.get(f"{path}/progress.json").json["more"] is False


def test_paused_notice_makes_no_promise(app: Flask, runtime: Runtime, clock: MovedClock):
    client = client_of(app, runtime, Role.APPROVER)
    notice = a_notice(runtime, 5)
    clock.move_on(seconds=10)
    stop = iter([False])
    sending.drain(runtime, ledgers.ScriptedTransport(batch_size=1), stop=lambda: next(stop, True))
    client.post("/deliveries/pause", data={"name": notice})
    found = client.get(f"/deliveries/notices/{notice}/progress.json?lang=en").json

    assert found["paused"] is True
    assert found["done_at"] is None
    assert "Paused" in found["html"]


def test_progress_is_for_signed_in_people(runtime: Runtime):
    answer = create_app(runtime).test_client().get("/deliveries/notices/x/progress.json")

    assert answer.status_code == 302
