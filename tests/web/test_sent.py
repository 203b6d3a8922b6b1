"""The message of a delivery is looked at as its reader got it, whichever way it went."""

from __future__ import annotations

import email
from email.policy import default

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from app import create_app
from maintenance.runtime import Runtime
from notifications.mail import prepare
from notifications.models import DeliveryRow, MessageRow, RecipientRow
from notifications.sending import send_due
from tests import ledgers
from tests.builders_mail import CALENDAR, a_composed, a_heading
from tests.fakes.smtp import SmtpListener
from tests.relays import open_transport
from tests.web.signed_in import client_of


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    app = create_app(runtime)
    app.testing = True
    return client_of(app, runtime)


def tell(runtime: Runtime, address: str, body: bytes, channel: str = "email") -> int:
    [delivery_id] = ledgers.queue(runtime.database, [address], now=runtime.clock(), channel=channel)
    with runtime.database.write() as session:
        session.execute(update(MessageRow).values(body=body))
        session.execute(update(RecipientRow).values(name="Ana <Sousa>"))
    return delivery_id


def test_mail_that_a_relay_took_is_shown_as_that_relay_got_it(client: FlaskClient, runtime: Runtime):
    body = prepare(a_composed(html="<p>A PEM</p><script>1</script>", calendar=CALENDAR), a_heading())
    delivery_id = tell(runtime, "ana@example.org", body)
    with SmtpListener() as relay, open_transport(relay.url) as transport:
        send_due(runtime, {"email": transport})
    path = f"/deliveries/{delivery_id}"
    page = client.get(f"{path}?lang=en").text
    shown = client.get(f"{path}/message?lang=en").text
    frame = client.get(f"{path}/message/html")
    taken = client.get(f"{path}/message/download")

    assert f'href="{path}/message"' in page
    assert "Ana &lt;Sousa&gt;" in shown
    assert "ana@example.org" in shown
    assert f'src="{path}/message/html"' in shown
    assert "A PEM estará indisponível" in shown
    assert frame.text.startswith("<p>A PEM</p>")
    assert "sandbox" in frame.headers["Content-Security-Policy"]
    assert taken.data.replace(b"\r\n", b"\n").strip() == relay.mails[0].raw.replace(b"\r\n", b"\n").strip()
    assert email.message_from_bytes(taken.data, policy=default)["Message-ID"]


@pytest.mark.parametrize(
    ("channel", "address", "body", "says"),
    [
        ("sms", "+351910000001", "PEM parada às 14:00".encode(), "PEM parada às 14:00"),
        ("chat", "room", "Está em baixo".encode(), "Está em baixo"),
        ("webhook", "https://hook.example.org/", b'{"type": "x", "data": {"n": 1}}', "&#34;n&#34;: 1"),
    ],
)
def test_other_channels_show_their_text(
    client: FlaskClient, runtime: Runtime, channel: str, address: str, body: bytes, says: str
):
    delivery_id = tell(runtime, address, body, channel)
    with runtime.database.write() as session:
        session.execute(update(DeliveryRow).values(state="accepted", transport="twilio"))
    page = client.get(f"/deliveries/{delivery_id}/message").text

    assert says in page
    assert f'/deliveries/{delivery_id}"' in page, "the way back"
    assert client.get(f"/deliveries/{delivery_id}/message/html").status_code == 404
    assert client.get(f"/deliveries/{delivery_id}/message/download").status_code == 404


def test_a_mail_of_unknown_tokens_and_no_delivery_are_not_found(client: FlaskClient, runtime: Runtime):
    body = prepare(a_composed(), a_heading())
    token = next(part for part in (b"delivery",) if part in body)
    delivery_id = tell(runtime, "ana@example.org", body.replace(token, b"delivers"))

    assert client.get(f"/deliveries/{delivery_id}/message").status_code == 404
    assert client.get("/deliveries/99/message").status_code == 404


@pytest.mark.parametrize("end", ["", "/html", "/download"])
def test_only_signed_in_people_see_messages(runtime: Runtime, end: str):
    assert create_app(runtime).test_client().get(f"/deliveries/1/message{end}").status_code == 302
