"""Subscribers leave with one click (RFC 8058); looking changes nothing, and who has to know cannot."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app import create_app
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import channels, jobs
from notifications.models import DeliveryEventRow, RecipientRow, ScopeRow, SuppressionRow
from tests.builders import a_phase, a_plan, a_system, at
from tests.conftest import MovedClock
from tests.fakes.smtp import Received, SmtpListener
from tests.ledgers import a_reader
from tests.lives import announced, import_systems

CITIZEN, DESK = "citizen@example.org", "desk@example.org"


@pytest.fixture
def told(runtime: Runtime, clock: MovedClock) -> tuple[Runtime, dict[str, Received]]:
    """Announce work to a citizen, who follows PEM, and to a contact of an institution; give what each got."""
    clock.move_to(at(8))
    with SmtpListener() as relay:
        names = ("DATABASE_URL", "INSTANCE", "SECRET_KEY", "PUBLIC_URL")
        settings = {name: runtime.settings[name] for name in names} | {
            "SMTP_URL": relay.url,
            "GUEST_LIST": "*",
        }
        runtime = replace(runtime, settings=Settings(settings))
        with runtime.database.write() as session:
            import_systems(session, a_system("PEM", "DB", public=True), a_system("DB"))
            entry = {"institution": "", "institution_name": "", "audience": "", "systems": ["PEM"]}
            scope = ScopeRow(key="citizens", language="en", timezone="Europe/Lisbon", entries=[entry])
            session.add(scope)
            session.flush()
            session.add(RecipientRow(channel="email", address=CITIZEN, name="", scope_id=scope.id))
            a_reader(session, DESK, "PEM")
            announced(session, a_plan("W", a_phase(14, 18, "DB")))
        ways_out = dict(channels.transports(runtime))
        jobs.tick(runtime, ways_out)
        for way in ways_out.values():
            way.close()
    return runtime, {mail.recipient: mail for mail in relay.mails}


def way_out(mail: Received) -> str:
    header = str(mail.message["List-Unsubscribe"]).strip()
    assert header.startswith("<https://janela.example.org/unsubscribe/")
    return urlsplit(header.strip("<>")).path


def client_of(runtime: Runtime) -> FlaskClient:
    # With the check of forms on: mail programs have no token of ours.
    app = create_app(runtime)
    return app.test_client()


def suppressed(runtime: Runtime) -> list[tuple[str, str]]:
    with runtime.database.read() as session:
        return [(row.address, row.reason) for row in session.scalars(select(SuppressionRow))]


def test_subscribers_can_leave_and_contacts_of_institutions_cannot(told: tuple[Runtime, dict[str, Received]]):
    _, mails = told

    assert mails[CITIZEN].message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert way_out(mails[CITIZEN])
    assert mails[DESK].message["List-Unsubscribe"] is None
    assert mails[DESK].message["List-Unsubscribe-Post"] is None


def test_looking_changes_nothing_and_one_click_does(told: tuple[Runtime, dict[str, Received]]):
    runtime, mails = told
    client, path = client_of(runtime), way_out(mails[CITIZEN])

    asked = client.get(path, headers={"Accept-Language": "en"})
    assert asked.status_code == 200
    assert CITIZEN in asked.text
    assert "Stop sending me these messages" in asked.text
    assert client.head(path).status_code == 200
    assert suppressed(runtime) == []

    for _ in range(2):
        done = client.post(path, data={"List-Unsubscribe": "One-Click"}, headers={"Accept-Language": "en"})
        assert done.status_code == 200
        assert f"{CITIZEN} gets no more messages" in done.text

    assert suppressed(runtime) == [(CITIZEN, "opt_out")]
    with runtime.database.read() as session:
        kinds = session.scalars(select(DeliveryEventRow.kind)).all()
    assert kinds.count("unsubscribed") == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda number, proof: f"/unsubscribe/{number + 1}.{proof}",
        lambda number, proof: f"/unsubscribe/{number}.{'0' * 20}",
        lambda number, proof: f"/unsubscribe/{number}.{proof[:-1]}",
        lambda number, proof: f"/unsubscribe/{10**30}.{proof}",
        lambda number, proof: f"/unsubscribe/{number}.é",
    ],
)
def test_what_does_not_stand_in_a_mail_of_ours_takes_nobody_off(
    told: tuple[Runtime, dict[str, Received]], change
):
    runtime, mails = told
    number, _, proof = way_out(mails[CITIZEN]).rpartition("/")[2].partition(".")
    client = client_of(runtime)

    assert client.get(change(int(number), proof)).status_code == 404
    assert client.post(change(int(number), proof)).status_code == 404
    assert suppressed(runtime) == []
