"""Deciding about deliveries in doubt, and lifting suppressions, on the pages of deliveries."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import update

from app import create_app
from maintenance.lifecycle import Role
from maintenance.runtime import Runtime
from notifications.models import DeliveryRow
from notifications.retries import FailureClass, State
from notifications.sending import drain
from tests import ledgers
from tests.web.signed_in import client_of


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    app = create_app(runtime)
    app.testing = True
    app.config["WTF_CSRF_ENABLED"] = False
    return app


def in_doubt(runtime: Runtime, count: int = 3) -> list[int]:
    ids = ledgers.queue(runtime.database, ledgers.addresses(count), now=runtime.clock(), reference="INT-1")
    with runtime.database.write() as session:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id.in_(ids))
            .values(state=State.NEEDS_REVIEW, ambiguities=2, attempts=2, finished_at=runtime.clock())
        )
    return ids


def test_approver_decides_about_several_at_once_with_a_reason(app: Flask, runtime: Runtime):
    first, second, third = in_doubt(runtime)
    client = client_of(app, runtime, Role.APPROVER)
    assert client.get("/deliveries/review?lang=en").text.count('type="checkbox"') == 3

    again = {"delivery": [first, second], "decision": "again", "words": "the relay's log has no trace"}
    answer = client.post("/deliveries/decide", data=again)

    assert answer.headers["Location"].endswith("/deliveries/review")
    assert ledgers.states(runtime.database, [first, second, third]) == [
        State.QUEUED,
        State.QUEUED,
        State.NEEDS_REVIEW,
    ]
    shown = client.get(f"/deliveries/{first}?lang=en").text
    assert "Decided by a person" in shown
    assert "the relay&#39;s log has no trace" in shown
    assert "approver@example.org" in shown
    assert f"delivery {second}" in client.get("/deliveries/?lang=en").text


def test_a_decision_that_does_not_fit_one_is_taken_about_none(app: Flask, runtime: Runtime):
    [first] = in_doubt(runtime, 1)
    [waiting] = ledgers.queue(runtime.database, ["x@example.org"], now=runtime.clock(), reference="INT-2")
    client = client_of(app, runtime, Role.APPROVER)

    both = client.post("/deliveries/decide", data={"delivery": [first, waiting], "decision": "arrived"})

    assert both.status_code == 409
    assert ledgers.states(runtime.database, [first]) == [State.NEEDS_REVIEW]
    assert client.post("/deliveries/decide", data={"delivery": [first]}).status_code == 409
    assert client.post("/deliveries/decide", data={"decision": "again"}).status_code == 409
    assert client.post("/deliveries/decide", data={"delivery": [999], "decision": "lost"}).status_code == 404


def test_the_page_of_a_delivery_offers_what_fits_its_state(app: Flask, runtime: Runtime):
    [first] = in_doubt(runtime, 1)
    [waiting] = ledgers.queue(runtime.database, ["x@example.org"], now=runtime.clock(), reference="INT-2")
    client = client_of(app, runtime, Role.APPROVER)

    doubtful = client.get(f"/deliveries/{first}?lang=en").text
    assert 'value="again"' in doubtful
    assert 'value="taken_back"' not in doubtful
    assert 'value="taken_back"' in client.get(f"/deliveries/{waiting}?lang=en").text
    client.post(
        "/deliveries/decide",
        data={"delivery": waiting, "decision": "taken_back", "back": f"/deliveries/{waiting}"},
    )
    assert "Taken back" in client.get(f"/deliveries/{waiting}?lang=en").text


def test_address_that_gets_nothing_is_listed_and_lifted(app: Flask, runtime: Runtime):
    ledgers.queue(runtime.database, ["gone@example.org"], now=runtime.clock())
    refusal = [ledgers.failed(FailureClass.RECIPIENT_PERMANENT)]
    drain(runtime, ledgers.ScriptedTransport(script={"gone@example.org": refusal}))
    client = client_of(app, runtime, Role.APPROVER)
    listed = client.get("/deliveries/silent?lang=en").text
    assert "gone@example.org" in listed
    assert "the address does not exist" in listed

    with runtime.database.read() as session:
        reader = session.get_one(DeliveryRow, 1).recipient_id
    client.post(f"/deliveries/silent/{reader}/lift")

    assert "Every address gets its messages" in client.get("/deliveries/silent?lang=en").text
    assert "Gets messages again" in client.get("/deliveries/?lang=en").text
    assert client.post(f"/deliveries/silent/{reader}/lift").status_code == 409


def test_readers_and_planners_look_and_decide_nothing(app: Flask, runtime: Runtime):
    [first] = in_doubt(runtime, 1)
    client = client_of(app, runtime, Role.PLANNER)

    assert 'type="checkbox"' not in client.get("/deliveries/review?lang=en").text
    assert 'name="decision"' not in client.get(f"/deliveries/{first}?lang=en").text
    refused = client.post("/deliveries/decide", data={"delivery": first, "decision": "again"})
    assert refused.status_code == 403
    assert client.post("/deliveries/silent/1/lift").status_code == 403
