"""A notice that reaches nobody of an institution: the ladder, on both databases, with a real relay."""

from __future__ import annotations

import multiprocessing
import os
import signal
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from maintenance import scheduling
from maintenance.catalogue import Audience
from maintenance.database import Database
from maintenance.importing import import_catalogue
from maintenance.lifecycle import SYSTEM
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from maintenance.texts import Text
from notifications import escalating, jobs, reach, stopping
from notifications.directory import import_directory
from notifications.directory_file import read_directory
from notifications.escalation import LEAST_PATIENCE
from notifications.models import DeliveryRow, MessageRow, NoticeRow, RecipientRow, RungRow
from notifications.planning import plan_notices
from notifications.queries import troubles
from notifications.retries import FailureClass, State
from notifications.sending import drain, record_receipt
from tests.builders import a_catalogue, a_phase, a_plan, a_system, at
from tests.conftest import MovedClock
from tests.invariants import assert_sound
from tests.ledgers import ScriptedTransport, failed
from tests.lives import APPROVER, announced

WORK = a_plan("W", a_phase(14, 18, "DB"))
HEADER = "institution,institution_name,audience,contact,email,phone,language,timezone,channels,systems"
DIRECTORY = (
    "H1,Hospital One,prescribers,Ward,ward@example.org,+351500000001,pt,Europe/Lisbon,email,",
    "H1,Hospital One,prescribers,Desk,desk@example.org,,pt,Europe/Lisbon,email,",
    "H1,Hospital One,prescribers,Deputy,deputy@example.org,+351500000003,en,Europe/Lisbon,standby email,",
    "H1,Hospital One,prescribers,Second,second@example.org,,pt,Europe/Lisbon,standby email,",
    "H2,Hospital Two,prescribers,Ward,ward2@example.org,,pt,Europe/Lisbon,email,",
)
BOUNCED = FailureClass.RECIPIENT_PERMANENT


def catalogue_of_all() -> object:
    audiences = {code: Audience(code, Text.of(code)) for code in ("prescribers", "pharmacists")}
    pem = a_system("PEM", "DB", public=True, audiences=("prescribers",))
    return a_catalogue(pem, a_system("DB"), a_system("NET"), audiences=audiences, timezone="Europe/Lisbon")


def import_contacts(runtime: Runtime, *records: str) -> None:
    document = "\n".join((HEADER, *records, "")).encode()
    directory = read_directory(document, catalogue=catalogue_of_all(), language="pt")  # type: ignore[arg-type]
    with runtime.database.write() as session:
        import_directory(session, directory, now=runtime.clock())


def installation(database: Database, settings: Settings, now: float = 8) -> Runtime:
    runtime = Runtime(settings, database, MovedClock(at(now)))
    with database.write() as session:
        import_catalogue(session, catalogue_of_all(), prune=False, by=SYSTEM, now=at(now))  # type: ignore[arg-type]
    import_contacts(runtime, *DIRECTORY)
    with database.write() as session:
        announced(session, WORK, now=at(now))
    return runtime


@pytest.fixture
def runtime(any_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """Give each kind of database with two hospitals; work was announced at eight, the window is 14 to 18."""
    return installation(any_database, the_settings(tmp_path_factory))


def the_settings(folder: pytest.TempPathFactory) -> Settings:
    return Settings(
        {
            "INSTANCE": str(folder.mktemp("instance")),
            "SECRET_KEY": "for-tests-only",
            "PUBLIC_URL": "https://janela.example.org",
            "ONCALL": "oncall@example.org",
        }
    )


def pass_time(runtime: Runtime, **length: float) -> None:
    runtime.clock.move_on(**length)  # type: ignore[attr-defined]


def scripted(*dead: str, channel: str = "email") -> ScriptedTransport:
    """Return a way out that refuses these addresses for good."""
    return ScriptedTransport(channel=channel, script={address: [failed(BOUNCED)] for address in dead})


def send(runtime: Runtime, mail: ScriptedTransport) -> list[str]:
    """Send the mail that is due; return to whom that was."""
    before = len(mail.sent)
    drain(runtime, mail)
    return [parcel.recipient for parcel in mail.sent[before:]]


def rungs(runtime: Runtime) -> list[tuple[str, int, str, list[str]]]:
    with runtime.database.read() as session:
        return [
            (row.institution, row.number, row.kind, [told["address"] for told in row.told])
            for row in session.scalars(select(RungRow).order_by(RungRow.id))
        ]


def climb(runtime: Runtime, mail: ScriptedTransport) -> list[str]:
    """Wait for as long as the announcement may, have others told, and send; return to whom."""
    pass_time(runtime, minutes=30)
    jobs.escalate(runtime)
    return send(runtime, mail)


def test_nobody_who_stands_by_is_told_while_somebody_was_reached(runtime: Runtime) -> None:
    mail = scripted("desk@example.org")
    jobs.tell(runtime)

    assert sorted(send(runtime, mail)) == ["desk@example.org", "ward2@example.org", "ward@example.org"]
    assert [climb(runtime, mail) for _ in range(6)] == [[]] * 6

    assert rungs(runtime) == []
    assert_sound(runtime.database)


def test_ladder_is_climbed_rung_by_rung_until_somebody_is_reached(runtime: Runtime) -> None:
    mail = scripted("ward@example.org", "desk@example.org", "deputy@example.org")
    sms = scripted(channel="sms")
    jobs.tell(runtime)
    send(runtime, mail)

    assert jobs.escalate(runtime) == 0, "it just left"
    assert climb(runtime, mail) == []
    assert rungs(runtime) == [("H1", 1, "channel", ["+351500000001"])]
    assert jobs.escalate(runtime) == 0, "the next rung has its time too"
    sms_to = ScriptedTransport(channel="sms", script={"+351500000001": [failed(FailureClass.CONTENT)]})
    drain(runtime, sms_to)

    assert climb(runtime, mail) == ["deputy@example.org"]
    assert climb(runtime, mail) == ["second@example.org"]
    assert climb(runtime, mail) == []

    assert rungs(runtime)[1:] == [
        ("H1", 2, "standby", ["deputy@example.org"]),
        ("H1", 3, "standby", ["second@example.org"]),
    ]
    assert sms.sent == []
    with runtime.database.read() as session:
        row = session.scalars(select(RungRow).where(RungRow.number == 2)).one()
        assert [(m["address"], m["state"]) for m in row.missed] == [
            ("ward@example.org", "failed_permanent"),
            ("desk@example.org", "failed_permanent"),
            ("+351500000001", "failed_permanent"),
        ]
        message = session.scalars(
            select(MessageRow)
            .join(DeliveryRow, DeliveryRow.message_id == MessageRow.id)
            .where(DeliveryRow.id == row.told[0]["delivery"])
        ).one()
        assert message.language == "en", "that of the deputy"
        assert b"Hospital One" in message.body
        assert reach.beyond_reach(session, runtime.clock()) == []
    assert_sound(runtime.database)


def test_where_no_rung_reaches_anybody_the_operators_are_told_and_the_page_says_so(runtime: Runtime) -> None:
    mail = scripted("ward2@example.org")
    jobs.tell(runtime)
    send(runtime, mail)

    assert climb(runtime, mail) == ["oncall@example.org"]

    assert rungs(runtime) == [("H2", 1, "operators", ["oncall@example.org"])]
    assert mail.sent[-1].subject.startswith(("Nobody reached", "Ninguém contactado"))
    with runtime.database.read() as session:
        found = [trouble for trouble in troubles(session, runtime.clock()) if trouble.what == "institution"]
        assert [(trouble.name, trouble.words) for trouble in found] == [("H2", "W announcement: prescribers")]
    assert [climb(runtime, mail) for _ in range(3)] == [[]] * 3, "they are told once"
    assert len(rungs(runtime)) == 1


def test_institution_that_a_late_bounce_leaves_without_anybody_is_found(runtime: Runtime) -> None:
    mail = scripted()
    jobs.tell(runtime)
    send(runtime, mail)
    assert climb(runtime, mail) == []
    with runtime.database.write() as session:
        ids = session.scalars(
            select(DeliveryRow.id)
            .join(RecipientRow, RecipientRow.id == DeliveryRow.recipient_id)
            .where(RecipientRow.address == "ward2@example.org")
        ).all()
        for id_ in ids:
            record_receipt(
                session,
                id_,
                provider_id="",
                state=State.BOUNCED_HARD,
                rank=4,
                words="no such mailbox",
                failure=BOUNCED,
                at=runtime.clock(),
            )

    assert climb(runtime, mail) == ["oncall@example.org"]


def test_mail_that_waits_or_is_in_doubt_reached_nobody_and_one_that_arrives_stops_the_ladder(
    runtime: Runtime,
) -> None:
    jobs.tell(runtime)
    mail = ScriptedTransport(script={"ward2@example.org": [failed(FailureClass.TRANSIENT)]})
    drain(runtime, mail)
    pass_time(runtime, minutes=30)
    assert jobs.escalate(runtime) == 1
    assert rungs(runtime) == [("H2", 1, "operators", ["oncall@example.org"])]

    send(runtime, mail)

    with runtime.database.read() as session:
        assert reach.beyond_reach(session, runtime.clock()) == []


def test_sms_reaches_somebody_when_it_left_the_provider(runtime: Runtime) -> None:
    mail, sms = scripted("ward@example.org", "desk@example.org"), scripted(channel="sms")
    jobs.tell(runtime)
    send(runtime, mail)
    climb(runtime, mail)
    drain(runtime, sms)
    (parcel,) = sms.sent
    assert parcel.recipient == "+351500000001"

    assert climb(runtime, mail) == ["deputy@example.org"], "the provider has it, and nobody else"
    with runtime.database.write() as session:
        record_receipt(
            session,
            parcel.delivery_id,
            provider_id="SM1",
            state=State.DELIVERED,
            rank=4,
            words="delivered",
            failure=None,
            at=runtime.clock(),
        )
    assert climb(runtime, mail) == []
    assert_sound(runtime.database)


def test_newer_version_ends_the_ladder_of_the_older(runtime: Runtime) -> None:
    mail = scripted("ward2@example.org")
    jobs.tell(runtime)
    send(runtime, mail)
    with runtime.database.write() as session:
        scheduling.cancel(session, "W", reason=Text.of("Off."), by=APPROVER, now=runtime.clock())
    plan_notices(runtime.database, runtime.clock())
    pass_time(runtime, minutes=30)

    assert jobs.escalate(runtime) == 0
    with runtime.database.read() as session:
        row = session.scalars(select(NoticeRow).where(NoticeRow.kind == "announcement")).one()
        assert row.escalate_at is None


def test_nothing_is_climbed_for_a_paused_notice_nor_where_escalation_is_off(runtime: Runtime) -> None:
    mail = scripted("ward2@example.org")
    jobs.tell(runtime)
    send(runtime, mail)
    with runtime.database.write() as session:
        row = session.scalars(select(NoticeRow).where(NoticeRow.kind == "announcement")).one()
        row.paused_at = runtime.clock()
    pass_time(runtime, minutes=30)
    assert jobs.escalate(runtime) == 0
    with runtime.database.write() as session:
        stopping.resume(session, row.public_id, by=APPROVER, now=runtime.clock())

    off = Runtime(Settings({"ESCALATION": "off"}), runtime.database, runtime.clock)
    assert jobs.escalate(off) == 0
    assert jobs.escalate(runtime) == 1


def test_contact_whose_address_gets_nothing_is_passed_over_and_shown_as_unreachable(runtime: Runtime) -> None:
    mail = scripted("deputy@example.org", "ward@example.org", "desk@example.org")
    jobs.tell(runtime)
    send(runtime, mail)
    climb(runtime, mail)
    climb(runtime, mail)

    with runtime.database.read() as session:
        found = reach.unreachable(session, "H1", runtime.clock())
    assert [(one.name, one.channel, one.reason) for one in found] == [
        ("Ward", "email", "hard_bounce"),
        ("Desk", "email", "hard_bounce"),
        ("Deputy", "email", "hard_bounce"),
    ]
    move_to_16(runtime)
    assert send(runtime, mail) == ["ward2@example.org"]
    assert climb(runtime, mail) == []
    assert climb(runtime, mail) == ["second@example.org"], "the deputy is passed over"


def move_to_16(runtime: Runtime) -> None:
    """Move the work, and tell whoever is told of it at once."""
    with runtime.database.write() as session:
        start = at(16).replace(tzinfo=None)
        scheduling.move(session, "W", start=start, by=APPROVER, now=runtime.clock())
    jobs.tell(runtime)


def test_who_was_told_instead_hears_the_rest_of_the_intervention(runtime: Runtime) -> None:
    mail = scripted("ward@example.org", "desk@example.org")
    jobs.tell(runtime)
    send(runtime, mail)
    climb(runtime, mail)
    assert climb(runtime, mail) == ["deputy@example.org"]
    pass_time(runtime, seconds=1)
    with runtime.database.write() as session:
        scheduling.cancel(session, "W", reason=Text.of("Off."), by=APPROVER, now=runtime.clock())
    jobs.tell(runtime)
    assert send(runtime, mail) == ["ward2@example.org"]

    assert jobs.escalate(runtime) == 0
    assert send(runtime, mail) == ["deputy@example.org"], "the ward never heard of it, the deputy did"

    assert mail.sent[-1].kind == "cancellation"
    assert rungs(runtime)[-1] == ("H1", 1, "follow", ["deputy@example.org"])
    assert [climb(runtime, mail) for _ in range(3)] == [[]] * 3
    assert_sound(runtime.database)


@pytest.fixture
def night(any_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """Give each kind of database at two in the night, when work was announced to a ward that sleeps until eight."""
    runtime = Runtime(the_settings(tmp_path_factory), any_database, MovedClock(at(2)))
    with any_database.write() as session:
        import_catalogue(session, catalogue_of_all(), prune=False, by=SYSTEM, now=at(2))  # type: ignore[arg-type]
    document = (
        f"{HEADER},quiet_hours\n"
        "H1,Hospital One,prescribers,Ward,ward@example.org,,pt,UTC,email,,22:00-08:00\n"
        "H1,Hospital One,prescribers,Deputy,deputy@example.org,,pt,UTC,standby email,,\n"
    ).encode()
    directory = read_directory(document, catalogue=catalogue_of_all(), language="pt")  # type: ignore[arg-type]
    with any_database.write() as session:
        import_directory(session, directory, now=at(2))
        announced(session, WORK, now=at(2))
    jobs.tell(runtime)
    return runtime


def test_reader_who_is_left_alone_in_the_night_is_waited_for(night: Runtime) -> None:
    mail = scripted("ward@example.org")

    assert send(night, mail) == []
    while night.clock() < at(8):
        assert climb(night, mail) in ([], ["ward@example.org"])
    assert rungs(night) == []
    assert climb(night, mail) == ["deputy@example.org"]
    assert_sound(night.database)


def test_reader_whose_night_is_over_is_waited_for_no_longer_where_the_channel_is_stopped(
    night: Runtime,
) -> None:
    mail = scripted()
    send(night, mail)
    with night.database.write() as session:
        stopping.pause(session, "email", by=APPROVER, now=night.clock())
    while night.clock() < at(8):
        climb(night, mail)
    assert rungs(night) == []

    night.clock.move_to(at(8) + LEAST_PATIENCE)  # type: ignore[attr-defined]
    for _ in range(2):
        climb(night, mail)

    assert [rung[2] for rung in rungs(night)] == ["standby", "operators"]


def test_two_looks_at_once_climb_one_rung(runtime: Runtime) -> None:
    mail = scripted("ward2@example.org")
    jobs.tell(runtime)
    send(runtime, mail)
    pass_time(runtime, minutes=30)
    with runtime.database.read() as session:
        row = session.scalars(select(NoticeRow).where(NoticeRow.kind == "announcement")).one()
        looks = [escalating._look(session, row, runtime.settings, runtime.clock()) for _ in range(2)]

    with runtime.database.write() as session:
        climbed = [escalating._write(session, row.id, look, runtime.clock()) for look in looks]

    assert climbed == [1, 0]
    assert len(rungs(runtime)) == 1


def _die_after_the_rung(url: str, now: object, folder: str) -> None:
    settings = Settings({"DATABASE_URL": url, "INSTANCE": folder, "ONCALL": "oncall@example.org"})
    write = escalating._write

    def dying(*arguments: object) -> int:
        write(*arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    escalating._write = dying  # type: ignore[assignment]
    escalating.escalate(Runtime(settings, Database(url), lambda: now), now)  # type: ignore[arg-type, return-value]


def test_process_that_dies_on_a_rung_leaves_all_of_it_or_nothing(runtime: Runtime) -> None:
    mail = scripted("ward2@example.org")
    jobs.tell(runtime)
    send(runtime, mail)
    pass_time(runtime, minutes=30)
    url = runtime.database.engine.url.render_as_string(hide_password=False)
    dying = multiprocessing.get_context("spawn").Process(
        target=_die_after_the_rung, args=(url, runtime.clock(), str(runtime.settings.instance))
    )
    dying.start()
    dying.join(60)
    assert dying.exitcode == -signal.SIGKILL
    assert rungs(runtime) == []
    with runtime.database.read() as session:
        assert session.scalar(select(func.count()).select_from(DeliveryRow)) == 3

    assert jobs.escalate(runtime) == 1
    assert jobs.escalate(runtime) == 0
    assert send(runtime, mail) == ["oncall@example.org"]
    assert len(rungs(runtime)) == 1


def test_several_institutions_without_anybody_make_one_message_for_the_operators(
    any_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    runtime = Runtime(the_settings(tmp_path_factory), any_database, MovedClock(at(8)))
    with any_database.write() as session:
        import_catalogue(session, catalogue_of_all(), prune=False, by=SYSTEM, now=at(8))  # type: ignore[arg-type]
    import_contacts(
        runtime,
        *(f"I{n},Institution {n},prescribers,Desk,i{n}@example.org,,en,UTC,email," for n in range(3)),
        "SHARED,Shared,prescribers,Desk,i0@example.org,,en,UTC,email,",
        # Nothing that they use is concerned: nobody need be told instead.
        "OTHER,Other,prescribers,Desk,i1@example.org,,en,UTC,email,NET",
    )
    with any_database.write() as session:
        announced(session, WORK, now=at(8))
    mail = scripted("i0@example.org", "i1@example.org")
    jobs.tell(runtime)
    send(runtime, mail)

    assert climb(runtime, mail) == ["oncall@example.org"]

    assert [name for name, *_ in rungs(runtime)] == ["I0", "I1", "SHARED"]
    with runtime.database.read() as session:
        body = session.scalars(
            select(MessageRow.body)
            .join(DeliveryRow, DeliveryRow.message_id == MessageRow.id)
            .where(DeliveryRow.id == mail.sent[-1].delivery_id)
        ).one()
    for name in (b"Institution 0", b"Institution 1", b"Shared"):
        assert name in body
    assert b"Other" not in body
    assert_sound(any_database)


def test_patience_is_counted_from_when_the_notice_left(runtime: Runtime) -> None:
    pass_time(runtime, hours=2)
    jobs.tell(runtime)
    mail = scripted("ward2@example.org")
    send(runtime, mail)

    assert jobs.escalate(runtime) == 0
    with runtime.database.read() as session:
        row = session.scalars(select(NoticeRow).where(NoticeRow.kind == "announcement")).one()
        assert row.escalate_at == runtime.clock() + timedelta(minutes=30)


def test_installation_that_was_down_sends_what_waits_before_it_tells_others(runtime: Runtime) -> None:
    jobs.tell(runtime)
    mail = scripted("ward2@example.org")
    pass_time(runtime, hours=2)

    assert jobs.escalate(runtime) == 0, "nothing could have left meanwhile"
    assert sorted(send(runtime, mail)) == ["desk@example.org", "ward2@example.org", "ward@example.org"]

    pass_time(runtime, minutes=5)
    assert jobs.escalate(runtime) == 1
    assert rungs(runtime) == [("H2", 1, "operators", ["oncall@example.org"])]
