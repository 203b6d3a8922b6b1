"""The outbox shows each message as its reader would see it, to signed-in people only."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from flask.testing import FlaskClient

from app import create_app
from maintenance.runtime import Runtime
from notifications.channels.outbox import OutboxTransport, folder
from notifications.channels.parcels import Parcel
from notifications.mail import prepare
from notifications.web.kept_messages import calendar_events
from tests.builders_mail import ANNOUNCED_AT, a_composed, a_heading, a_parcel, a_text
from tests.web.signed_in import client_of

CALENDAR = (
    "BEGIN:VCALENDAR\r\nMETHOD:PUBLISH\r\nBEGIN:VEVENT\r\nUID:SPMS-2019-EXADATA.p1@janela.example.org\r\n"
    "SUMMARY:Prescrição indisponível\\, DEM também\r\nDTSTART:20191130T140000Z\r\nDTEND:20191201T080000Z\r\n"
    "STATUS:CONFIRMED\r\nDESCRIPTION:Linha um\\nlinha d\r\n ois\r\n"
    'X-MAINTNOTE-OBJECT-ID;ALTREP="https://janela.example.org/systems/PEM":PEM\r\n'
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    app = create_app(runtime)
    app.testing = True
    return client_of(app, runtime)


def keep(runtime: Runtime, channel: str, parcels: Sequence[Parcel]) -> None:
    transport = OutboxTransport(channel, folder(runtime.settings))
    assert len(list(transport.send(parcels, now=ANNOUNCED_AT))) == len(parcels)


def a_mail(delivery_id: int, **composed: object) -> Parcel:
    return a_parcel(delivery_id, message=prepare(a_composed(**composed), a_heading()))


@pytest.mark.parametrize("path", ["/outbox/", "/outbox/1", "/outbox/1/html", "/outbox/1/download"])
def test_only_signed_in_people_see_what_others_are_told(runtime: Runtime, path: str):
    keep(runtime, "email", [a_parcel(1)])
    response = create_app(runtime).test_client().get(path)

    assert response.status_code == 302
    assert "/sign-in" in response.headers["Location"]


def test_an_empty_outbox_says_what_will_appear_in_it(client: FlaskClient):
    assert "The outbox is empty" in client.get("/outbox/?lang=en").text


def test_the_list_shows_both_channels_newest_first(client: FlaskClient, runtime: Runtime):
    keep(runtime, "email", [a_mail(1, subject="Manutenção <b>em</b> novembro")])
    keep(runtime, "sms", [a_text(2)])
    page = client.get("/outbox/").text

    assert page.index("PEM indisponivel sab 30/11") < page.index("Manutenção &lt;b&gt;em&lt;/b&gt; novembro")
    assert "r1@example.org" in page
    assert "SPMS-2019-EXADATA" in page


def test_the_list_is_filtered_and_paged(client: FlaskClient, runtime: Runtime):
    keep(runtime, "email", [a_mail(n, subject=f"Mail {n:03}") for n in range(30)])
    keep(runtime, "sms", [a_text(99)])

    assert client.get("/outbox/?channel=sms").text.count('class="kept"') == 1
    assert "Mail 029" in client.get("/outbox/?channel=email").text
    second = client.get("/outbox/?channel=email&page=2").text
    assert second.count('class="kept"') == 5
    assert "Mail 000" in second
    assert client.get("/outbox/?reference=INT-2026-1").text.count('class="kept"') == 0


def test_a_mail_is_shown_as_it_will_look_in_a_frame_of_its_own(client: FlaskClient, runtime: Runtime):
    keep(runtime, "email", [a_mail(1, calendar=CALENDAR.encode(), text="Olá & bem-vindo\n")])
    page = client.get("/outbox/1").text

    assert 'src="/outbox/1/html" sandbox' in page
    assert "Olá &amp; bem-vindo" in page
    assert "&lt;n0tice000001.3.1@janela.example.org&gt;" in page
    # The calendar part, drawn: what, when on the reader's clock, and the properties for those who ask.
    assert "Prescrição indisponível, DEM também" in page
    assert '<time datetime="2019-11-30T14:00:00' in page
    assert "X-MAINTNOTE-OBJECT-ID" in page


def test_the_frame_runs_nothing_and_loads_nothing(client: FlaskClient, runtime: Runtime):
    hostile = '<p>Olá</p><script>alert(1)</script><img src="https://tracker.example.org/x.png">'
    keep(runtime, "email", [a_mail(1, html=hostile)])
    response = client.get("/outbox/1/html")

    assert response.text.rstrip("\n") == hostile
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")
    assert "frame-ancestors 'self'" in policy
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "<script>alert" not in client.get("/outbox/1").text


def test_an_sms_is_shown_with_its_parts(client: FlaskClient, runtime: Runtime):
    keep(runtime, "sms", [a_text(1, message=("a" * 161).encode(), name="Urgência")])
    page = client.get("/outbox/1?lang=en").text

    assert "2 parts" in page
    assert "161 units" in page
    assert "+351910000001" in page
    assert "Urgência" in page


def test_a_message_can_be_taken_away_as_a_file(client: FlaskClient, runtime: Runtime):
    keep(runtime, "email", [a_parcel(1)])
    with client.get("/outbox/1/download") as response:
        assert response.mimetype == "message/rfc822"
        assert "0000000001.SPMS-2019-EXADATA.announcement.eml" in response.headers["Content-Disposition"]
        assert b"Message-ID: <n0tice000001.3.1@" in response.data


@pytest.mark.parametrize("path", ["/outbox/7", "/outbox/7/html", "/outbox/7/download"])
def test_what_is_not_in_the_outbox_is_not_found(client: FlaskClient, path: str):
    assert client.get(path).status_code == 404


def test_a_file_that_is_broken_hides_no_other(client: FlaskClient, runtime: Runtime):
    keep(runtime, "sms", [a_text(1), a_text(2)])
    (folder(runtime.settings) / "0000000002.SPMS-2019-EXADATA.announcement.json").write_text("{")
    page = client.get("/outbox/").text

    assert page.count('class="kept"') == 1


def test_calendar_lines_are_unfolded_and_unescaped():
    (event,) = calendar_events(CALENDAR)

    assert event.description == "Linha um\nlinha dois"
    assert event.rest == (
        ("UID", "SPMS-2019-EXADATA.p1@janela.example.org"),
        ("X-MAINTNOTE-OBJECT-ID", "PEM"),
    )
