"""The ladder over real wires: a relay that refuses, a mail that comes back, an SMS through Twilio's stand-in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from app import create_app
from maintenance.database import Database
from maintenance.runtime import Runtime
from maintenance.settings import Settings, secret_key
from notifications import channels, jobs
from notifications.bouncing import take_bounce
from notifications.channels.parcels import Transport
from notifications.models import DeliveryRow, RecipientRow
from tests.fakes.smtp import SmtpListener, refuse
from tests.fakes.twilio import TwilioStandIn
from tests.integration.test_bounces import FAILED, a_report, return_address
from tests.integration.test_escalating import installation, pass_time, rungs, the_settings
from tests.invariants import assert_sound

WARD_PHONE = "+351500000001"


def take_back(runtime: Runtime, address: str) -> None:
    """Have the mail to an address come back for good, as the mail server reports it."""
    with runtime.database.write() as session:
        delivery = session.scalars(
            select(DeliveryRow.id)
            .join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
            .where(RecipientRow.address == address)
        ).one()
        raw = a_report(return_address(runtime, delivery), FAILED)
        take_bounce(session, raw, key=secret_key(runtime.settings), signed_only=True, now=runtime.clock())


def look(runtime: Runtime, ways_out: dict[str, Transport], **later: float) -> None:
    pass_time(runtime, **later)
    jobs.tick(runtime, ways_out)


def test_refused_returned_and_undelivered_messages_climb_the_ladder_and_a_receipt_ends_it(
    any_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    runtime = installation(any_database, the_settings(tmp_path_factory))
    dead = {"ward@example.org": [refuse("rcpt", "550 5.1.1 no such user")]}
    with SmtpListener(script=dead) as relay, TwilioStandIn(clock=runtime.clock) as twilio:
        settings = {
            name: runtime.settings[name] for name in ("INSTANCE", "SECRET_KEY", "PUBLIC_URL", "ONCALL")
        }
        settings |= {"SMTP_URL": relay.url, "MAIL_BOUNCES": "bounces@example.org"} | twilio.settings
        runtime = replace(runtime, settings=Settings(settings))
        ways_out = dict(channels.transports(runtime))

        look(runtime, ways_out)
        assert sorted(mail.recipient for mail in relay.mails) == ["desk@example.org", "ward2@example.org"]
        look(runtime, ways_out, minutes=30)
        assert rungs(runtime) == [], "the desk has it"

        take_back(runtime, "desk@example.org")
        look(runtime, ways_out, minutes=30)
        assert rungs(runtime) == [("H1", 1, "channel", [WARD_PHONE])]
        (text,) = twilio.sent_to(WARD_PHONE)

        app = create_app(runtime)
        failed = twilio.callback(text, "undelivered", 30003)
        assert (
            app.test_client().post(failed.path, data=failed.form, headers=failed.headers).status_code == 204
        )
        look(runtime, ways_out, minutes=30)
        assert rungs(runtime)[1:] == [("H1", 2, "standby", ["deputy@example.org"])]
        (mail,) = relay.sent_to("deputy@example.org")
        assert mail.message["List-Unsubscribe"] is None
        assert "Hospital One" in mail.text

        for _ in range(3):
            look(runtime, ways_out, minutes=30)
        assert len(rungs(runtime)) == 2
        for way in ways_out.values():
            way.close()
    assert_sound(any_database)
