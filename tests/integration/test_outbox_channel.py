"""The outbox keeps every message as a file; the guest list sends there whom it does not name."""

from __future__ import annotations

import threading
from email import message_from_bytes
from pathlib import Path

import pytest

from maintenance.errors import JanelaError
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications.channels import transports
from notifications.channels.guests import GuestList, read_guests
from notifications.channels.outbox import OutboxTransport, find_item, find_items, read_sms
from notifications.channels.parcels import Transport
from notifications.retries import State
from tests.builders_mail import ANNOUNCED_AT, a_parcel, a_text
from tests.fakes.smtp import SmtpListener
from tests.fakes.twilio import TwilioStandIn


def states(transport: Transport, *parcels: object) -> dict[int, tuple[State, str]]:
    sent = transport.send(list(parcels), now=ANNOUNCED_AT)  # type: ignore[arg-type]
    return {delivery_id: (outcome.state, outcome.transport) for delivery_id, outcome in sent}


def test_a_mail_becomes_a_file_that_any_mail_program_opens(tmp_path: Path):
    outbox = OutboxTransport("email", tmp_path / "outbox")

    assert states(outbox, a_parcel(7)) == {7: (State.ACCEPTED, "outbox")}
    (path,) = (tmp_path / "outbox").iterdir()
    assert path.name == "0000000007.SPMS-2019-EXADATA.announcement.eml"
    assert message_from_bytes(path.read_bytes())["Message-ID"] == "<n0tice000001.3.7@janela.example.org>"


def test_an_sms_becomes_a_file_with_its_text_and_number(tmp_path: Path):
    states(OutboxTransport("sms", tmp_path), a_text(8, name="Urgência"))

    item = find_item(tmp_path, 8)
    assert item is not None
    assert (item.channel, item.reference, item.kind) == ("sms", "SPMS-2019-EXADATA", "announcement")
    kept = read_sms(item)
    assert (kept.to, kept.name) == ("+351910000001", "Urgência")
    assert kept.text == "PEM indisponivel sab 30/11 14:00 a dom 1/12 08:00."


def test_a_second_delivery_of_the_same_id_replaces_the_first(tmp_path: Path):
    outbox = OutboxTransport("sms", tmp_path)
    states(outbox, a_text(8))
    states(outbox, a_text(8))

    assert len(list(tmp_path.iterdir())) == 1


def test_a_reader_of_the_outbox_never_sees_half_a_message(tmp_path: Path):
    outbox = OutboxTransport("email", tmp_path)
    stop = threading.Event()
    halves: list[Path] = []

    def look() -> None:
        while not stop.is_set():
            halves.extend(i.path for i in find_items(tmp_path) if not i.path.read_bytes().endswith(b"--\r\n"))

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(20):
        states(outbox, *(a_parcel(n) for n in range(5)))
    stop.set()
    reader.join()

    assert halves == []


def test_the_newest_come_first_and_only_those_asked_for(tmp_path: Path):
    states(OutboxTransport("email", tmp_path), a_parcel(1), a_parcel(3, reference="INT-2026-1"))
    states(OutboxTransport("sms", tmp_path), a_text(2))
    (tmp_path / ".0000000009.X.start.eml.1.1").write_bytes(b"unfinished")
    (tmp_path / "notes.txt").write_bytes(b"somebody else's")

    assert [item.delivery_id for item in find_items(tmp_path)] == [3, 2, 1]
    assert [item.delivery_id for item in find_items(tmp_path, channel="sms")] == [2]
    assert [item.delivery_id for item in find_items(tmp_path, reference="SPMS-2019-EXADATA")] == [2, 1]
    assert find_items(tmp_path / "none") == []
    assert find_item(tmp_path, 9) is None


def test_an_address_that_mail_cannot_carry_is_refused_here_as_by_a_relay(tmp_path: Path):
    assert states(OutboxTransport("email", tmp_path), a_parcel(1, "no address")) == {
        1: (State.FAILED_PERMANENT, "")
    }


def test_a_folder_that_cannot_be_written_to_is_tried_again(tmp_path: Path):
    (tmp_path / "outbox").write_text("a file where the folder should be")

    assert states(OutboxTransport("email", tmp_path / "outbox"), a_parcel(1))[1][0] is State.RETRY_WAIT


def test_only_guests_are_reached_until_the_list_is_lifted(tmp_path: Path):
    class Real(OutboxTransport):
        name = "real"

    real, outbox = Real("email", tmp_path / "real"), OutboxTransport("email", tmp_path / "outbox")
    guests = GuestList(real, outbox, read_guests("R1@Example.org +351910000001"))

    assert states(guests, a_parcel(1), a_parcel(2)) == {
        2: (State.ACCEPTED, "outbox"),
        1: (State.ACCEPTED, "real"),
    }
    assert [item.delivery_id for item in find_items(tmp_path / "real")] == [1]
    assert [item.delivery_id for item in find_items(tmp_path / "outbox")] == [2]


def with_settings(runtime: Runtime, **changes: str) -> Runtime:
    base = {"INSTANCE": str(runtime.settings.instance), "SECRET_KEY": "k"}
    return Runtime(Settings(base | changes), runtime.database, runtime.clock)


def test_a_fresh_installation_sends_nothing_out(runtime: Runtime):
    assert {channel: way.name for channel, way in transports(with_settings(runtime)).items()} == {
        "email": "outbox",
        "sms": "outbox",
        "webhook": "outbox",
        "chat": "outbox",
    }


def test_a_relay_without_a_guest_list_reaches_nobody(runtime: Runtime):
    with SmtpListener() as listener, TwilioStandIn() as stand_in:
        settings = stand_in.settings | {"SMTP_URL": listener.url, "GUEST_LIST": ""}
        ways = transports(with_settings(runtime, **settings))
        mail, text = states(ways["email"], a_parcel(1)), states(ways["sms"], a_text(2))

    assert (mail, text) == ({1: (State.ACCEPTED, "outbox")}, {2: (State.ACCEPTED, "outbox")})
    assert (listener.mails, stand_in.messages) == ([], [])


def test_a_relay_with_the_list_lifted_reaches_everybody(runtime: Runtime):
    with SmtpListener() as listener, TwilioStandIn() as stand_in:
        ways = transports(with_settings(runtime, **stand_in.settings, SMTP_URL=listener.url))
        states(ways["email"], a_parcel(1)), states(ways["sms"], a_text(2))
        for way in ways.values():
            way.close()

    assert [mail.recipient for mail in listener.mails] == ["r1@example.org"]
    assert [message["form"]["To"] for message in stand_in.messages] == ["+351910000001"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("SMTP_URL", "relay.example.org:25"), ("MAIL_FROM", "Janela"), ("TWILIO_ACCOUNT_SID", "AC1"),
     ("MAIL_BOUNCES", "nobody")],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_shows_at_the_start(runtime: Runtime, setting: str, value: str):
    given = {"SMTP_URL": "smtp://relay.example.org"} | {setting: value}

    with pytest.raises(JanelaError):
        transports(with_settings(runtime, **given))
