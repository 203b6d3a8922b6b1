"""Channels that stop, notices that are paused, readers who are left alone at night."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import delete, select, update

from app import cli
from maintenance.catalogue import Institution
from maintenance.database import Database
from maintenance.errors import NotFound, StepRefused
from maintenance.lifecycle import Actor, Role
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import claims, fanout, queries, stopping, upkeep
from notifications.directory import import_directory
from notifications.directory_file import Contact, Directory
from notifications.models import ChannelRow, DeliveryRow, NoticeRow, RecipientRow
from notifications.retries import FailureClass
from notifications.retries import State as S
from notifications.sending import drain
from tests.conftest import MovedClock
from tests.invariants import assert_sound
from tests.ledgers import ScriptedTransport, addresses, delivery, failed, history, queue, states

CHIEF = Actor("chief@example.org", Role.APPROVER)


@pytest.fixture
def installation(any_database: Database, settings: Settings, clock: MovedClock) -> Runtime:
    return Runtime(settings, any_database, clock)


def failing(failure: FailureClass, words: str = "no") -> ScriptedTransport:
    return ScriptedTransport(script={address: [failed(failure, words)] * 99 for address in addresses(60)})


def drain_until(installation: Runtime, clock: MovedClock, transport: ScriptedTransport, length: timedelta):
    until = clock.now + length
    while clock.now < until:
        drain(installation, transport)
        clock.move_on(seconds=15)


def notice_of(installation: Runtime, delivery_id: int) -> NoticeRow:
    with installation.database.read() as session:
        return session.get_one(NoticeRow, session.get_one(DeliveryRow, delivery_id).notice_id)


def act(installation: Runtime, do, name: str, **more) -> None:
    with installation.database.write() as session:
        do(session, name, by=CHIEF, now=installation.clock(), **more)


def acts(installation: Runtime, **which: str) -> list[tuple[str, str, str]]:
    with installation.database.read() as session:
        return [(row.kind, row.name, row.by) for row in stopping.acts(session, **which)]


def test_wrong_password_stops_the_channel_until_a_person_resumes_it(
    installation: Runtime, clock: MovedClock
) -> None:
    ids = queue(installation.database, addresses(30), now=clock.now)
    drain_until(installation, clock, failing(FailureClass.CONFIG, "535 wrong"), timedelta(minutes=2))
    clock.move_on(hours=2)

    assert drain(installation, ScriptedTransport()) == 0
    with installation.database.read() as session:
        assert [row.channel for row in stopping.stops(session)] == ["email"]
        trouble = queries.troubles(session, clock.now)[-1]
        assert (trouble.what, trouble.name, trouble.words) == ("stopped", "email", "535 wrong")
    act(installation, stopping.resume, "email")
    drain(installation, ScriptedTransport())
    assert states(installation.database, ids) == [S.ACCEPTED] * 30
    assert acts(installation) == [
        ("resumed", "email", "chief@example.org"),
        ("stopped", "email", "breaker"),
    ]


def test_channel_whose_server_stays_away_stops_after_a_quarter_of_an_hour(
    installation: Runtime, clock: MovedClock
) -> None:
    queue(installation.database, addresses(30), now=clock.now)
    drain_until(installation, clock, failing(FailureClass.RETRY_SAFE), timedelta(minutes=12))
    assert acts(installation) == []

    drain_until(installation, clock, failing(FailureClass.RETRY_SAFE), timedelta(minutes=10))

    assert acts(installation) == [("stopped", "email", "breaker")]


@pytest.mark.parametrize("failure", [FailureClass.CONFIG, FailureClass.RETRY_SAFE])
def test_what_goes_through_is_noted_with_its_outcome_and_not_when_its_process_claims_again(
    installation: Runtime, clock: MovedClock, failure: FailureClass
) -> None:
    queue(installation.database, addresses(5), now=clock.now)
    drain(installation, failing(failure))
    clock.move_on(minutes=1)
    drain(installation, ScriptedTransport())
    with installation.database.read() as session:
        assert session.get_one(ChannelRow, "email").strikes == 0

    # The process ends there; an hour and a day later another one meets a hiccup.
    for later in (timedelta(minutes=30), timedelta(days=1)):
        clock.move_on(seconds=later.total_seconds())
        queue(installation.database, addresses(5), now=clock.now, useful_for=timedelta(hours=2))
        drain(installation, failing(failure))
    assert acts(installation) == []


def test_provider_that_leaves_everything_in_doubt_is_not_tried_on(
    installation: Runtime, clock: MovedClock
) -> None:
    queue(installation.database, addresses(60), now=clock.now, channel="sms")
    doubt = ScriptedTransport(
        channel="sms",
        batch_size=1,
        script={address: [failed(FailureClass.AMBIGUOUS)] for address in addresses(60)},
    )
    drain(installation, doubt)

    assert len(doubt.sent) == 3
    drain_until(installation, clock, doubt, timedelta(minutes=20))
    assert acts(installation) == [("stopped", "sms", "breaker")]
    assert len(doubt.sent) < 30


def test_provider_that_falls_silent_and_leaves_the_rest_untried_is_left_alone_at_once(
    installation: Runtime, clock: MovedClock
) -> None:
    queue(installation.database, addresses(60), now=clock.now)
    classes = [FailureClass.AMBIGUOUS, *[FailureClass.RETRY_SAFE] * 9]
    script = {address: [failed(classes[n % 10])] for n, address in enumerate(addresses(60))}
    silent = ScriptedTransport(script=script)
    drain(installation, silent)

    assert len(silent.sent) == 10


def test_night_itself_is_still_told_on_a_channel_that_stopped_by_itself(
    installation: Runtime, clock: MovedClock
) -> None:
    queue(installation.database, addresses(30), now=clock.now)
    drain_until(installation, clock, failing(FailureClass.CONFIG), timedelta(minutes=1))
    urgent = queue(installation.database, ["duty@example.org"], now=clock.now, kind="extension", priority=0)
    clock.move_on(minutes=5)

    drain(installation, ScriptedTransport())

    assert states(installation.database, urgent) == [S.ACCEPTED]
    act(installation, stopping.pause, "email")
    more = queue(installation.database, ["duty@example.org"], now=clock.now, kind="extension", priority=0)
    assert drain(installation, ScriptedTransport()) == 0, "what a person stopped is stopped for all"
    assert states(installation.database, more) == [S.QUEUED]


def test_paused_channel_sends_nothing_and_others_go_on(installation: Runtime, clock: MovedClock) -> None:
    mails = queue(installation.database, addresses(3), now=clock.now)
    texts = queue(installation.database, ["+351000000001"], now=clock.now, channel="sms")
    act(installation, stopping.pause, "email", words="the relay moves")
    drain(installation, ScriptedTransport())
    drain(installation, ScriptedTransport(channel="sms", batch_size=1))

    assert states(installation.database, mails) == [S.QUEUED] * 3
    assert states(installation.database, texts) == [S.ACCEPTED]
    act(installation, stopping.resume, "email")
    drain(installation, ScriptedTransport())
    assert states(installation.database, mails) == [S.ACCEPTED] * 3


class PausedInMidBatch(ScriptedTransport):
    """Somebody pauses the notice while the first batch goes out."""

    def __init__(self, installation: Runtime, notice: str) -> None:
        super().__init__()
        self.pause = lambda: act(installation, stopping.pause, notice)

    def send(self, parcels, *, now):
        if not self.sent:
            self.pause()
        yield from super().send(parcels, now=now)


def test_running_fan_out_is_paused_after_the_batch_on_its_way_and_resumed(
    installation: Runtime, clock: MovedClock
) -> None:
    ids = queue(installation.database, addresses(60), now=clock.now)
    other = queue(installation.database, ["else@example.org"], now=clock.now, reference="INT-2")
    notice = notice_of(installation, ids[0]).public_id
    drain(installation, PausedInMidBatch(installation, notice))

    assert states(installation.database, ids).count(S.ACCEPTED) == 10
    assert states(installation.database, ids).count(S.QUEUED) == 50
    drain(installation, ScriptedTransport())
    assert states(installation.database, other) == [S.ACCEPTED], "the other notice goes on"
    assert states(installation.database, ids).count(S.QUEUED) == 50
    act(installation, stopping.resume, notice)
    drain(installation, ScriptedTransport())
    assert states(installation.database, ids) == [S.ACCEPTED] * 60
    assert acts(installation, what="notice", name=notice) == [
        ("resumed", notice, "chief@example.org"),
        ("paused", notice, "chief@example.org"),
    ]


def claimed(installation: Runtime, meanwhile: Callable[[], None]) -> list[int]:
    """Claim what is due for a sender; `meanwhile` happens while the claim is open."""
    with installation.database.write() as session:
        found = claims.claim(session, "email", owner="o", limit=500, now=installation.clock())
        meanwhile()
    return [one.id for one in found]


def begun(installation: Runtime, ids: list[int]) -> set[int]:
    with installation.database.write() as session:
        return claims.mark_sending(session, ids, owner="o", transport="smtp", now=installation.clock())


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)  # SQLite has one writer
@pytest.mark.parametrize("what", ["the notice", "email"])
def test_nothing_is_sent_that_was_being_claimed_as_a_person_stopped_it(
    installation: Runtime, clock: MovedClock, what: str
) -> None:
    ids = queue(installation.database, addresses(300), now=clock.now)
    name = notice_of(installation, ids[0]).public_id if what == "the notice" else what
    taken = claimed(installation, lambda: act(installation, stopping.pause, name))
    assert states(installation.database, ids) == [S.LEASED] * 300, "nobody could take them back"

    assert begun(installation, taken) == set()

    assert states(installation.database, ids) == [S.QUEUED] * 300
    act(installation, stopping.resume, name)
    drain(installation, ScriptedTransport())
    assert states(installation.database, ids) == [S.ACCEPTED] * 300


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
def test_only_the_night_itself_is_sent_of_what_was_being_claimed_as_the_breaker_stopped_the_channel(
    installation: Runtime, clock: MovedClock
) -> None:
    bulk = queue(installation.database, addresses(20), now=clock.now)
    failed_before = queue(installation.database, ["x@example.org", "y@example.org"], now=clock.now)
    urgent = queue(installation.database, ["duty@example.org"], now=clock.now, kind="start", priority=0)
    with installation.database.write() as session:
        session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id.in_(failed_before))
            .values(state=S.CONFIG_ERROR, due_at=clock.now + timedelta(minutes=1))
        )

    def trouble() -> None:
        for seconds in (0, 15):
            now = clock.now + timedelta(seconds=seconds)
            with installation.database.write() as session:
                stopping.note_trouble(session, "email", words="535", is_config=True, now=now)

    taken = claimed(installation, trouble)

    assert begun(installation, taken) == set(urgent)
    assert states(installation.database, bulk) == [S.QUEUED] * 20


def test_what_expires_while_it_is_paused_expires(installation: Runtime, clock: MovedClock) -> None:
    ids = queue(installation.database, addresses(3), now=clock.now, useful_for=timedelta(hours=1))
    notice = notice_of(installation, ids[0]).public_id
    act(installation, stopping.pause, notice)
    clock.move_on(hours=2)
    with installation.database.write() as session:
        upkeep.reap(session, clock.now)
    act(installation, stopping.resume, notice)

    assert drain(installation, ScriptedTransport()) == 0
    assert states(installation.database, ids) == [S.EXPIRED] * 3


def test_planned_notice_that_is_paused_is_not_fanned_out(installation: Runtime, clock: MovedClock) -> None:
    ids = queue(installation.database, addresses(1), now=clock.now)
    notice = notice_of(installation, ids[0])
    with installation.database.write() as session:
        session.execute(delete(DeliveryRow))
        session.execute(update(NoticeRow).values(state="planned"))
    act(installation, stopping.pause, notice.public_id)

    with installation.database.read() as session:
        assert queries.due_notices(session, clock.now) == []
    clock.move_on(hours=25)
    fanout.fan_out_due(installation)
    with installation.database.read() as session:
        assert session.get_one(NoticeRow, notice.id).state == "expired"


def test_stops_are_refused_to_planners_and_for_what_is_not_there(installation: Runtime) -> None:
    now = installation.clock()
    with installation.database.write() as session:
        with pytest.raises(StepRefused, match="approvers"):
            stopping.pause(session, "email", by=Actor("p@example.org", Role.PLANNER), now=now)
        with pytest.raises(NotFound, match="email, sms"):
            stopping.pause(session, "pigeon", by=CHIEF, now=now)
        with pytest.raises(StepRefused, match="not stopped"):
            stopping.resume(session, "sms", by=CHIEF, now=now)
        stopping.pause(session, "sms", by=CHIEF, now=now)
        with pytest.raises(StepRefused, match="already"):
            stopping.pause(session, "sms", by=CHIEF, now=now)


# -- quiet hours --------------------------------------------------------------------------------------


def leave_alone(installation: Runtime, hours: str, *who: str) -> None:
    with installation.database.write() as session:
        session.execute(update(RecipientRow).where(RecipientRow.address.in_(who)).values(quiet_hours=hours))


def test_message_is_held_until_the_quiet_hours_of_its_reader_end(
    installation: Runtime, clock: MovedClock
) -> None:
    clock.move_to(datetime(2019, 11, 28, 23, 0, tzinfo=UTC))
    quiet, other = queue(installation.database, addresses(2), now=clock.now)
    leave_alone(installation, "22:00-08:00", "reader0@example.org")
    drain(installation, ScriptedTransport())

    assert states(installation.database, [quiet, other]) == [S.HELD, S.ACCEPTED]
    assert delivery(installation.database, quiet).due_at == datetime(2019, 11, 29, 8, 0, tzinfo=UTC)
    clock.move_to(datetime(2019, 11, 29, 7, 59, tzinfo=UTC))
    assert drain(installation, ScriptedTransport()) == 0
    clock.move_to(datetime(2019, 11, 29, 8, 0, tzinfo=UTC))
    drain(installation, ScriptedTransport())
    assert history(installation.database, quiet) == [("held", "held"), ("attempt", "accepted")]
    assert_sound(installation.database)
    leave_alone(installation, "07:00-09:00", "reader0@example.org")
    with pytest.raises(AssertionError, match="in the quiet hours 07:00-09:00"):
        assert_sound(installation.database)


def test_message_that_would_be_useless_by_morning_expires(installation: Runtime, clock: MovedClock) -> None:
    clock.move_to(datetime(2019, 11, 28, 23, 0, tzinfo=UTC))
    ids = queue(installation.database, addresses(1), now=clock.now, useful_for=timedelta(hours=9))
    leave_alone(installation, "22:00-08:00", *addresses(1))
    drain(installation, ScriptedTransport())

    assert states(installation.database, ids) == [S.EXPIRED]


def test_urgent_message_wakes_its_reader(installation: Runtime, clock: MovedClock) -> None:
    clock.move_to(datetime(2019, 11, 28, 23, 0, tzinfo=UTC))
    ids = queue(installation.database, addresses(1), now=clock.now, kind="extension", priority=0)
    leave_alone(installation, "22:00-08:00", *addresses(1))
    drain(installation, ScriptedTransport())

    assert states(installation.database, ids) == [S.ACCEPTED]


def test_night_of_many_readers_does_not_keep_one_elsewhere_waiting(
    installation: Runtime, clock: MovedClock
) -> None:
    clock.move_to(datetime(2019, 11, 28, 23, 0, tzinfo=UTC))
    many = [f"asleep{number}@example.org" for number in range(450)]
    asleep = queue(installation.database, many, now=clock.now)
    leave_alone(installation, "22:00-08:00", *many)
    awake = queue(installation.database, ["awake@example.org"], now=clock.now)
    drain(installation, ScriptedTransport())

    assert states(installation.database, awake) == [S.ACCEPTED]
    assert set(states(installation.database, asleep)) == {S.HELD}


def test_quiet_hours_of_the_directory_reach_the_address(installation: Runtime, clock: MovedClock) -> None:
    contact = Contact(
        "HX",
        "prescribers",
        "Desk",
        0,
        "desk@example.org",
        "",
        "pt",
        "Europe/Lisbon",
        ("email",),
        (),
        "22:00-08:00",
    )
    later = replace(contact, quiet_hours="21:00-09:00")
    found = []
    for one in (contact, later):
        with installation.database.write() as session:
            directory = Directory({"HX": Institution("HX", "Hospital")}, (one,))
            import_directory(session, directory, now=clock.now)
            found.append(session.scalars(select(RecipientRow.quiet_hours)).one())

    assert found == ["22:00-08:00", "21:00-09:00"]


def test_commands_stop_resume_and_say_who_did(installation: Runtime, clock: MovedClock) -> None:
    ids = queue(installation.database, addresses(2), now=clock.now)
    notice = notice_of(installation, ids[0]).public_id

    def janela(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["deliveries", *arguments], obj=installation)

    assert janela("pause", "sms", "--reason", "no money").exit_code == 0
    assert janela("pause", notice).exit_code == 0
    listed = janela("list").output
    assert "channel sms is stopped: no money" in listed
    assert "paused" in listed
    assert drain(installation, ScriptedTransport()) == 0
    assert janela("resume", notice).exit_code == 0
    assert drain(installation, ScriptedTransport()) == 2
    assert "system  resumed notice" in janela("acts").output
    assert janela("pause", "pigeon").exit_code != 0
