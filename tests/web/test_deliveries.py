"""Who was told what, when, on which channel, with what outcome: on pages, and as a table to take away."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from app import create_app
from maintenance.models import InstitutionRow
from maintenance.runtime import Runtime
from notifications import reach, sending
from notifications.models import (
    ContactRow,
    DeliveryRow,
    NoticeRow,
    RecipientRow,
    RungRow,
    ScopeInstitution,
)
from notifications.retries import State
from tests import ledgers
from tests.builders_mail import ANNOUNCED_AT
from tests.web.signed_in import client_of

REFERENCE = "SPMS-2019-EXADATA"


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    app = create_app(runtime)
    app.testing = True
    return client_of(app, runtime)


def tell(runtime: Runtime, *addresses: str, kind: str = "announcement", channel: str = "email") -> list[int]:
    return ledgers.queue(
        runtime.database, addresses, now=ANNOUNCED_AT, reference=REFERENCE, kind=kind, channel=channel
    )


def settle(runtime: Runtime, delivery_id: int, state: State, outcome: str) -> None:
    with runtime.database.write() as session:
        sending.record_receipt(
            session, delivery_id, provider_id="Q1", state=state, rank=4, words=outcome, failure=None,
            at=ANNOUNCED_AT + timedelta(minutes=1), detail={},
        )  # fmt: skip


def stand_for(runtime: Runtime, code: str, name: str) -> None:
    """Let everybody's messages stand for that institution."""
    with runtime.database.write() as session:
        session.add(InstitutionRow(code=code, name=name))
        session.flush()
        session.add(ScopeInstitution(scope_id=ledgers.a_scope(session).id, institution=code))


def notice_id(runtime: Runtime) -> str:
    with runtime.database.read() as session:
        return session.query(NoticeRow.public_id).order_by(NoticeRow.id.desc()).limit(1).scalar()


@pytest.mark.parametrize(
    "path",
    ["/deliveries/", "/deliveries/1", "/deliveries/notices/x", "/deliveries/institutions/",
     "/deliveries/institutions/HSJ", "/deliveries/export.csv"],
)  # fmt: skip
def test_only_signed_in_people_see_who_was_told(runtime: Runtime, path: str):
    response = create_app(runtime).test_client().get(path)

    assert response.status_code == 302
    assert "/sign-in" in response.headers["Location"]


def test_before_the_first_notice_the_page_says_when_there_will_be_one(client: FlaskClient):
    assert "No notice yet" in client.get("/deliveries/?lang=en").text


def test_each_notice_shows_how_far_it_has_come(client: FlaskClient, runtime: Runtime):
    good, bad, _waiting = tell(runtime, "a@example.org", "b@example.org", "c@example.org")
    settle(runtime, good, State.ACCEPTED, "250 2.0.0 Ok")
    settle(runtime, bad, State.BOUNCED_HARD, "550 5.1.1 no such user")
    page = client.get("/deliveries/?lang=en").text

    assert "<strong>1</strong> Handed over" in page
    assert "<strong>1</strong> Came back" in page
    assert "<strong>1</strong> Waiting" in page
    assert "Announcement" in page


def test_a_notice_lists_its_recipients_filtered_by_outcome_and_by_words(
    client: FlaskClient, runtime: Runtime
):
    good, _ = tell(runtime, "ana@example.org", "rui@example.org")
    settle(runtime, good, State.ACCEPTED, "250 2.0.0 Ok: queued as Q1")
    path = f"/deliveries/notices/{notice_id(runtime)}?lang=en"
    everybody = client.get(path).text
    accepted = client.get(f"{path}&state=accepted").text
    named = client.get(f"{path}&words=RUI").text

    assert "ana@example.org" in everybody
    assert "rui@example.org" in everybody
    assert "queued as Q1" in accepted
    assert "rui@example.org" not in accepted
    assert "ana@example.org" not in named
    assert "Nothing matches" in client.get(f"{path}&words=%25").text, "a per cent sign is only itself"


def test_long_lists_come_in_pages(client: FlaskClient, runtime: Runtime):
    ids = tell(runtime, *ledgers.addresses(60))
    path = f"/deliveries/notices/{notice_id(runtime)}"
    first = client.get(path).text
    second = client.get(f"{path}?before={ids[10]}").text

    assert first.count('class="told-who"') == 50
    assert f"before={ids[10]}" in first
    assert second.count('class="told-who"') == 10
    assert "before=" not in second.partition("<main")[2]


def test_notices_come_in_pages_and_only_those_shown_are_counted(client: FlaskClient, runtime: Runtime):
    for number in range(27):
        ledgers.queue(
            runtime.database, [f"r{number}@example.org"], now=ANNOUNCED_AT, reference=f"INT-{number}"
        )
    first, second = (client.get(f"/deliveries/?lang=en&page={page}").text for page in (1, 2))

    assert "<strong>25</strong> Waiting" in first
    assert "Of the notices on this page" in first
    assert "page=2" in first
    assert "INT-26" in first, "the newest first"
    assert "<strong>2</strong> Waiting" in second
    assert "INT-1<" in second
    assert "page=1" in second
    assert client.get(f"/deliveries/?page={10**30}").status_code == 200
    assert "Of the notices on this page" not in client.get("/deliveries/?lang=en&reference=INT-3").text


def test_a_page_beyond_every_number_is_the_first(client: FlaskClient, runtime: Runtime):
    tell(runtime, "ana@example.org")
    path = f"/deliveries/notices/{notice_id(runtime)}"

    assert "ana@example.org" in client.get(f"{path}?before={2**64}").text
    assert "ana@example.org" not in client.get(f"{path}?before=-{2**64}").text


def test_an_institution_sees_everything_that_stood_for_it(client: FlaskClient, runtime: Runtime):
    stand_for(runtime, "HSJ", "Hospital de S. José")
    mail = tell(runtime, "ana@example.org")[0]
    settle(runtime, mail, State.UNDELIVERED, "no")
    tell(runtime, "+351910000001", kind="reminder", channel="sms")
    overview = client.get("/deliveries/institutions/?lang=en").text
    page = client.get("/deliveries/institutions/HSJ?lang=en").text

    assert "Hospital de S. José" in overview
    assert page.index("+351910000001") < page.index("ana@example.org"), "newest first"
    assert "Reminder" in page
    assert "Not delivered" in page


def test_one_delivery_shows_every_try_and_receipt(client: FlaskClient, runtime: Runtime):
    (delivery_id,) = tell(runtime, "ana@example.org")
    settle(runtime, delivery_id, State.ACCEPTED, "250 taken")
    page = client.get(f"/deliveries/{delivery_id}?lang=en").text

    assert "250 taken" in page
    assert "Reported by the provider" in page
    assert "Q1" in page


@pytest.mark.parametrize(
    "path",
    ["/deliveries/9", f"/deliveries/{2**63}", "/deliveries/notices/none", "/deliveries/institutions/NONE",
     "/deliveries/export.csv?notice=none", "/deliveries/export.csv?institution=NONE"],
)  # fmt: skip
def test_what_does_not_exist_is_not_found(client: FlaskClient, path: str):
    assert client.get(path).status_code == 404


def test_the_table_has_one_line_for_each_delivery_and_no_formula(client: FlaskClient, runtime: Runtime):
    stand_for(runtime, "HSJ", "Hospital de S. José")
    first, _ = tell(runtime, "ana@example.org", "rui@example.org")
    with runtime.database.write() as session:
        session.execute(update(RecipientRow).values(name="=HYPERLINK(1)"))
        session.execute(update(DeliveryRow).where(DeliveryRow.id == first).values(outcome="250, taken"))
    tell(runtime, "+351910000001", kind="reminder", channel="sms")
    response = client.get(f"/deliveries/export.csv?reference={REFERENCE}")
    rows = list(csv.DictReader(io.StringIO(response.text)))

    assert response.mimetype == "text/csv"
    assert len(rows) == 3
    assert [row["kind"] for row in rows] == ["announcement", "announcement", "reminder"]
    assert rows[0]["outcome"] == "250, taken"
    assert rows[0]["institutions"] == "HSJ"
    assert not rows[0]["name"].startswith("=")
    other = client.get("/deliveries/export.csv?reference=INT-2026-1").text
    assert len(list(csv.DictReader(io.StringIO(other)))) == 0


def test_what_was_kept_in_the_outbox_is_not_called_handed_over(client: FlaskClient, runtime: Runtime):
    (delivery_id,) = tell(runtime, "ana@example.org")
    with runtime.database.write() as session:
        session.execute(update(DeliveryRow).values(state="accepted", transport="outbox"))

    assert "1 of these messages was kept in the outbox" in client.get("/deliveries/?lang=en").text
    for path in (f"/deliveries/{delivery_id}", f"/deliveries/notices/{notice_id(runtime)}"):
        page = client.get(f"{path}?lang=en").text
        assert "Kept in the outbox" in page


def test_who_was_told_instead_and_who_is_unreachable_stand_on_the_pages_and_in_the_table(
    client: FlaskClient, runtime: Runtime
):
    stand_for(runtime, "HSJ", "Hospital de S. José")
    missed, deputy = tell(runtime, "ward@example.org", "deputy@example.org")
    settle(runtime, missed, State.BOUNCED_HARD, "no such mailbox")
    with runtime.database.write() as session:
        session.add(
            ContactRow(
                institution="HSJ", audience="prescribers", name="Ward", position=0, email="ward@example.org",
                language="pt", timezone="Europe/Lisbon", channels=["email"], systems=[],
            )
        )  # fmt: skip
        (notice,) = session.query(NoticeRow).all()
        row = session.get_one(DeliveryRow, missed)
        session.add(
            RungRow(
                notice_id=notice.id, institution="HSJ", audience="prescribers", number=1, kind="standby",
                at=ANNOUNCED_AT, missed=reach.missed(session, notice.id, [row.message_id])[:1],
                told=[{"delivery": deputy, "channel": "email", "address": "deputy@example.org", "name": "Deputy"}],
            )
        )  # fmt: skip

    pages = [
        client.get(f"/deliveries/notices/{notice_id(runtime)}?lang=en").text,
        client.get("/deliveries/institutions/HSJ?lang=en").text,
    ]
    for page in pages:
        assert "a contact who stands by" in page
        assert "(Deputy)" in page
        assert "no such mailbox" in page
    assert "Unreachable" in pages[1]
    assert "the address does not exist" in pages[1]
    assert "standby HSJ/prescribers" in client.get(f"/deliveries/{deputy}?lang=en").text
    rows = list(csv.DictReader(io.StringIO(client.get("/deliveries/export.csv").text)))
    assert [row["instead"] for row in rows] == ["", "standby HSJ/prescribers"]
