"""A mail that comes back says which delivery it was, and why; what cannot prove it changes nothing."""

from __future__ import annotations

import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import select, text

from maintenance.database import Database
from maintenance.runtime import Runtime
from maintenance.settings import ROOT, Settings, secret_key
from notifications.bounces import read_bounce
from notifications.bouncing import take_bounce
from notifications.channels.parcels import FIRST_TEST
from notifications.channels.signatures import BOUNCE, signature
from notifications.models import NoticeRow, SuppressionRow
from notifications.retries import State
from notifications.sending import drain
from tests import ledgers
from tests.builders_mail import ANNOUNCED_AT

FAILED = ("failed", "5.1.1", "smtp; 550 5.1.1 <ana@example.org>: no such user")


def a_report(
    to: str,
    *recipients: tuple[str, str, str],
    message_id: str = "<other@example.org>",
    headers_only: bool = True,
    about: str = "Final-Recipient: rfc822; ana@example.org\r\n",
) -> bytes:
    """Return a delivery status notification as Postfix writes it."""
    blocks = ["Reporting-MTA: dns; relay.example.org\r\n"] + [
        f"{about}Action: {action}\r\nStatus: {status}\r\nDiagnostic-Code: {diagnostic}\r\n"
        for action, status, diagnostic in recipients
    ]
    original = f"From: Janela <janela@example.org>\r\nMessage-ID: {message_id}\r\nSubject: Aviso\r\n\r\n"
    quoted = "text/rfc822-headers" if headers_only else "message/rfc822"
    body = (
        "--=_b\r\nContent-Type: text/plain\r\n\r\nI'm sorry to have to inform you...\r\n"
        "--=_b\r\nContent-Type: message/delivery-status\r\n\r\n" + "\r\n".join(blocks) + "\r\n"
        f"--=_b\r\nContent-Type: {quoted}\r\n\r\n{original}\r\n--=_b--\r\n"
    )
    head = (
        f"From: MAILER-DAEMON@relay.example.org\r\nTo: {to}\r\nSubject: Undelivered Mail\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"\r\n\r\n'
    )
    return (head + body).encode()


@pytest.fixture
def delivery(runtime: Runtime) -> int:
    (delivery_id,) = ledgers.queue(runtime.database, ["ana@example.org"], now=ANNOUNCED_AT)
    return delivery_id


def return_address(runtime: Runtime, delivery_id: int) -> str:
    return f"bounces+{delivery_id}.{signature(secret_key(runtime.settings), BOUNCE, delivery_id)}@example.org"


def take(runtime: Runtime, raw: bytes, *, signed_only: bool = False) -> str:
    with runtime.database.write() as session:
        key = secret_key(runtime.settings)
        return take_bounce(session, raw, key=key, signed_only=signed_only, now=runtime.clock())


def quoted_id(runtime: Runtime, delivery_id: int) -> str:
    """Return the message id of a delivery, of which each reader of the notice knows all but the number."""
    with runtime.database.read() as session:
        return f"<{session.query(NoticeRow.public_id).scalar()}.0.{delivery_id}@janela.example.org>"


def suppressed(runtime: Runtime) -> list[str]:
    with runtime.database.read() as session:
        return list(session.scalars(select(SuppressionRow.address)))


@pytest.mark.parametrize(
    ("recipient", "state"),
    [
        (FAILED, State.BOUNCED_HARD),
        (("failed", "5.1.10", "smtp; 550 5.1.10 RESOLVER.ADR.RecipientNotFound"), State.BOUNCED_HARD),
        (("failed", "5.2.2", "smtp; 552 5.2.2 mailbox full"), State.BOUNCED_SOFT),
        # Policy: our sender or text, never the person's fault.
        (("failed", "5.7.1", "smtp; 550 5.7.1 looks like spam"), State.BOUNCED_SOFT),
        (("failed", "4.4.1", "X-Postfix; connection timed out"), State.BOUNCED_SOFT),
        # Routing: the domain may be back tomorrow.
        (("failed", "5.4.4", "X-Postfix; Host or domain name not found"), State.BOUNCED_SOFT),
        (("failed", "5.1.0", "smtp; 550 rejected"), State.BOUNCED_SOFT),
        (("failed", "5.2.0", "smtp; 550 no"), State.BOUNCED_SOFT),
        (("failed", "5.2.1", "smtp; 550 disabled"), State.BOUNCED_HARD),
        # RFC 3464 allows comments.
        (("Failed (for (good) reasons)", "5.1.1 (no such user)", "smtp; 550"), State.BOUNCED_HARD),
        # Without a status nothing is held against the address.
        (("failed", "", ""), State.BOUNCED_SOFT),
        (("delayed", "4.4.1", "X-Postfix; connection timed out"), State.ACCEPTED),
        (("delivered", "2.0.0", "smtp; 250 Ok"), State.DELIVERED),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_what_came_back_decides_what_becomes_of_the_delivery(
    runtime: Runtime, delivery: int, recipient: tuple[str, str, str], state: State
):
    take(runtime, a_report(return_address(runtime, delivery), recipient))

    assert ledgers.states(runtime.database, [delivery]) == [state]


@pytest.mark.parametrize(
    ("about", "state"),
    [
        ("Final-Recipient: RFC822; Ana@Example.ORG\r\n", State.BOUNCED_HARD),
        ("Final-Recipient: rfc822;<ana@example.org> (Ana)\r\n", State.BOUNCED_HARD),
        # A server that rewrote the address says what it was before.
        (
            "Original-Recipient: rfc822; ana@example.org\r\nFinal-Recipient: rfc822; a.silva@mx.example.org\r\n",
            State.BOUNCED_HARD,
        ),
        ("", State.BOUNCED_HARD),
        # Ana forwards her mail to a mailbox that is gone: hers is not.
        ("Final-Recipient: rfc822; ana@elsewhere.example\r\n", State.BOUNCED_SOFT),
        ("Final-Recipient: x-unknown; somebody\r\n", State.BOUNCED_SOFT),
    ],
    ids=lambda value: value.value if isinstance(value, State) else "",
)
def test_only_what_is_said_of_the_address_itself_is_held_against_it(
    runtime: Runtime, delivery: int, about: str, state: State
):
    take(runtime, a_report(return_address(runtime, delivery), FAILED, about=about))

    assert ledgers.states(runtime.database, [delivery]) == [state]


def test_address_with_an_international_domain_is_recognised_as_it_travels(runtime: Runtime):
    (delivery_id,) = ledgers.queue(runtime.database, ["ana@saúde.example.org"], now=ANNOUNCED_AT)
    about = "Final-Recipient: rfc822; ana@xn--sade-rra.example.org\r\n"
    take(runtime, a_report(return_address(runtime, delivery_id), FAILED, about=about))

    assert ledgers.states(runtime.database, [delivery_id]) == [State.BOUNCED_HARD]


def test_raw_bytes_and_control_characters_in_a_report_are_read_over(
    any_database: Database, settings: Settings
):
    (delivery_id,) = ledgers.queue(any_database, ["ana@example.org"], now=ANNOUNCED_AT)
    installation = Runtime(settings, any_database)
    report = (
        a_report(
            return_address(installation, delivery_id),
            ("failed", "5.1.1", "smtp; 550 n\0on existe: m\x1b[1mb\x85o\xeete"),
            ("fai\xeeed", "5.\xee.1", "smtp; 550"),
        )
        .decode()
        .encode("latin-1")
    )
    take(installation, report)

    row = ledgers.delivery(any_database, delivery_id)
    assert (row.state, row.outcome) == ("bounced_hard", "failed 550 n on existe: m [1mb\ufffdo\ufffdte")


def test_a_report_on_several_recipients_counts_as_its_worst(runtime: Runtime, delivery: int):
    take(runtime, a_report(return_address(runtime, delivery), ("delivered", "2.0.0", ""), FAILED))

    row = ledgers.delivery(runtime.database, delivery)
    assert (row.state, row.outcome) == ("bounced_hard", "failed 550 5.1.1 <ana@example.org>: no such user")


@pytest.mark.parametrize("headers_only", [True, False])
def test_without_an_address_of_its_own_the_quoted_message_id_tells(
    runtime: Runtime, delivery: int, headers_only: bool
):
    report = a_report(
        "janela@example.org", FAILED, message_id=quoted_id(runtime, delivery), headers_only=headers_only
    )
    assert "without proof" in take(runtime, report), "what has not left cannot come back"
    assert ledgers.states(runtime.database, [delivery]) == [State.QUEUED]
    drain(runtime, ledgers.ScriptedTransport())
    take(runtime, report)

    # It may be made up: it is recorded, and held against nobody.
    assert ledgers.states(runtime.database, [delivery]) == [State.BOUNCED_SOFT]
    assert suppressed(runtime) == []


def test_nobody_is_believed_without_proof_that_a_mail_arrived_or_is_late(runtime: Runtime, delivery: int):
    drain(runtime, ledgers.ScriptedTransport())
    for action, status in (("delivered", "2.0.0"), ("delayed", "4.4.1")):
        report = a_report("janela@example.org", (action, status, ""), message_id=quoted_id(runtime, delivery))
        assert "without proof" in take(runtime, report)

    assert ledgers.states(runtime.database, [delivery]) == [State.ACCEPTED]


def test_a_forged_report_suppresses_nobody(runtime: Runtime, delivery: int):
    forged = f"bounces+{delivery}.{'0' * 20}@example.org"
    guessed = f"<000000000000.0.{delivery}@janela.example.org>"

    assert "not to be believed" in take(runtime, a_report(forged, FAILED))
    assert "not to be believed" in take(runtime, a_report("janela@example.org", FAILED, message_id=guessed))
    assert ledgers.states(runtime.database, [delivery]) == [State.QUEUED]


def test_a_reader_cannot_have_another_suppressed(runtime: Runtime):
    own, other = ledgers.queue(runtime.database, ["eve@example.org", "ana@example.org"], now=ANNOUNCED_AT)
    # What Eve knows: the notice, her own return address, and that the next number is somebody else's.
    forged = a_report("bounces@example.org", FAILED, message_id=quoted_id(runtime, other))
    with_hers = a_report(return_address(runtime, own), FAILED, message_id=quoted_id(runtime, other))

    assert "not to be believed" in take(runtime, forged, signed_only=True)
    take(runtime, with_hers, signed_only=True)
    assert ledgers.states(runtime.database, [other]) == [State.QUEUED]
    drain(runtime, ledgers.ScriptedTransport())
    assert "bounced_soft" in take(runtime, forged, signed_only=False)
    assert suppressed(runtime) == []


def test_what_is_piped_has_to_be_signed_where_each_mail_has_a_return_address_of_its_own(
    runtime: Runtime, delivery: int
):
    forged = a_report("bounces@example.org", FAILED, message_id=quoted_id(runtime, delivery))

    drain(runtime, ledgers.ScriptedTransport())
    assert b"not to be believed" in command(runtime, piped=forged, MAIL_BOUNCES="b@example.org").stdout
    assert b"bounced_soft" in command(runtime, piped=forged).stdout


def test_a_report_on_a_test_that_somebody_had_sent_is_about_no_delivery(
    any_database: Database, settings: Settings
):
    installation = Runtime(settings, any_database)
    test = FIRST_TEST + 1

    assert "nothing changed" in take(installation, a_report(return_address(installation, test), FAILED))


def test_the_same_report_twice_is_known_already(runtime: Runtime, delivery: int):
    report = a_report(return_address(runtime, delivery), FAILED)

    assert take(runtime, report) == f"delivery {delivery}: bounced_hard"
    assert take(runtime, report) == f"delivery {delivery}: bounced_hard (known already)"


def test_a_vacation_notice_is_no_report(runtime: Runtime, delivery: int):
    away = EmailMessage()
    away["To"] = return_address(runtime, delivery)
    away["Auto-Submitted"] = "auto-replied"
    away.set_content("I am away; 550 5.1.1 is what I never say.")

    assert read_bounce(away.as_bytes()) is None
    assert "nothing changed" in take(runtime, away.as_bytes())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff",
        b"Content-Type: message/delivery-status\r\n\r\nAction",
        b"To: x\r\n",
        b"Content-Type: message/rfc822\r\n\r\n" * 2000,
    ],
    ids=["nothing", "bytes", "half-a-field", "a-head", "mails-in-mails"],
)
def test_rubbish_is_no_report(raw: bytes):
    assert read_bounce(raw) is None


def command(
    runtime: Runtime, *arguments: str, piped: bytes = b"", **settings: str
) -> subprocess.CompletedProcess[bytes]:
    names = ("DATABASE_URL", "INSTANCE", "SECRET_KEY", "PUBLIC_URL")
    settings |= {name: runtime.settings[name] for name in names}
    environment = {f"JANELA_{name}": value for name, value in settings.items()}
    return subprocess.run(  # our own command
        [sys.executable, "-c", "from app import cli; cli()", "bounces", *arguments],
        cwd=ROOT, env=environment, input=piped, capture_output=True, check=False, timeout=60,
    )  # fmt: skip


def test_a_maildir_is_read_once(runtime: Runtime, delivery: int, tmp_path: Path):
    (tmp_path / "box" / "new").mkdir(parents=True)
    (tmp_path / "box" / "new" / "1.example").write_bytes(a_report(return_address(runtime, delivery), FAILED))
    first = command(runtime, "--maildir", str(tmp_path / "box"))
    second = command(runtime, "--maildir", str(tmp_path / "box"))

    assert (first.returncode, second.returncode) == (0, 0), first.stderr.decode()
    assert "bounced_hard" in first.stdout.decode()
    assert second.stdout == b""
    assert [path.name for path in (tmp_path / "box" / "cur").iterdir()] == ["1.example:2,S"]


def test_one_odd_mail_keeps_none_of_a_maildir_waiting(runtime: Runtime, delivery: int, tmp_path: Path):
    new = tmp_path / "box" / "new"
    new.mkdir(parents=True)
    (new / "1.odd").write_bytes(b"Content-Type: message/rfc822\r\n\r\n" * 2000)
    (new / "2.test").write_bytes(a_report(return_address(runtime, FIRST_TEST + 1), FAILED))
    (new / "3.good").write_bytes(a_report(return_address(runtime, delivery), FAILED))
    done = command(runtime, "--maildir", str(tmp_path / "box"))

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().count("nothing changed") == 2
    assert ledgers.states(runtime.database, [delivery]) == [State.BOUNCED_HARD]
    assert list(new.iterdir()) == []


def test_mails_of_a_maildir_that_cannot_be_recorded_stay_and_the_others_are_taken(
    runtime: Runtime, delivery: int, tmp_path: Path
):
    (other,) = ledgers.queue(runtime.database, ["ana@example.org"], now=ANNOUNCED_AT, reference="INT-2")
    new = tmp_path / "box" / "new"
    new.mkdir(parents=True)
    for number in (delivery, other):
        (new / f"{number}.mail").write_bytes(a_report(return_address(runtime, number), FAILED))
    refusing = f"CREATE TRIGGER no BEFORE UPDATE ON deliveries WHEN OLD.id = {delivery} BEGIN SELECT RAISE(ABORT, 'no'); END"
    with runtime.database.write() as session:
        session.execute(text(refusing))
    first = command(runtime, "--maildir", str(tmp_path / "box"))

    assert first.returncode == 75
    assert [path.name for path in new.iterdir()] == [f"{delivery}.mail"]
    assert ledgers.states(runtime.database, [delivery, other]) == [State.QUEUED, State.BOUNCED_HARD]
    with runtime.database.write() as session:
        session.execute(text("DROP TRIGGER no"))
    assert command(runtime, "--maildir", str(tmp_path / "box")).returncode == 0
    assert ledgers.states(runtime.database, [delivery]) == [State.BOUNCED_HARD]


def test_a_pipe_is_told_to_try_later_when_the_record_cannot_be_written(runtime: Runtime, delivery: int):
    report = a_report(return_address(runtime, delivery), FAILED)
    taken = command(runtime, piped=report)
    runtime.database.dispose()
    Path(runtime.database.url.removeprefix("sqlite:///")).write_bytes(b"not a database")

    assert (taken.returncode, command(runtime, piped=report).returncode) == (0, 75)
