"""A due notice → messages and deliveries, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from sqlalchemy import func, select

from maintenance import scheduling
from maintenance.database import Database
from maintenance.interventions import InterventionClass, Phase
from maintenance.models import VersionRow
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from maintenance.texts import NO_TEXT, Text
from notifications import fanout, jobs, slices
from notifications.channels.parcels import Outcome
from notifications.fanout import fan_out_due
from notifications.models import (
    DeliveryEventRow,
    DeliveryRow,
    MessageRow,
    NoticeRow,
    RecipientRow,
    SuppressionRow,
)
from notifications.planning import plan_notices
from notifications.queries import troubles
from notifications.retries import FailureClass, State
from notifications.sending import drain
from notifications.slices import Slice
from tests.builders import a_phase, a_plan, a_system, at
from tests.conftest import MovedClock
from tests.invariants import assert_sound
from tests.ledgers import ScriptedTransport, a_reader, failed, firsts
from tests.lives import APPROVER, PLANNER, announced, import_pair, import_systems

WORK = a_plan("W", a_phase(14, 18, "DB"))


@pytest.fixture
def runtime(any_database: Database, settings: Settings) -> Runtime:
    """Give each kind of database with PEM, which needs DB, and NET; it is morning."""
    with any_database.write() as session:
        import_systems(session, a_system("PEM", "DB", public=True), a_system("DB"), a_system("NET"))
    return Runtime(settings, any_database, MovedClock(at(8)))


def tell(runtime: Runtime) -> int:
    """Plan and fan out; return how many deliveries that made."""
    plan_notices(runtime.database, runtime.clock())
    return fan_out_due(runtime)


def announce(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        announced(session, WORK)


def told(runtime: Runtime, kind: str, reference: str = "W") -> list[tuple[str, str]]:
    """Return address and state of each delivery of the notices of a kind, by address."""
    with runtime.database.read() as session:
        rows = session.execute(
            select(RecipientRow.address, DeliveryRow.state)
            .join(DeliveryRow, DeliveryRow.recipient_id == RecipientRow.id)
            .join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
            .where(NoticeRow.kind == kind, NoticeRow.reference == reference)
            .order_by(RecipientRow.address)
        )
        return [(address, state) for address, state in rows]


def messages(runtime: Runtime) -> list[MessageRow]:
    with runtime.database.read() as session:
        return list(session.scalars(select(MessageRow).order_by(MessageRow.id)))


def test_everybody_whom_it_concerns_gets_one_delivery_and_nobody_else(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        for number in range(3):
            a_reader(session, f"pem{number}@example.org", "PEM")
        a_reader(session, "net@example.org", "NET")
        a_reader(session, "+351000000001", "PEM", channel="sms")
        gone = a_reader(session, "gone@example.org", "PEM")
        gone.scope_id = None
    announce(runtime)

    assert tell(runtime) == 4

    assert told(runtime, "announcement") == [
        ("+351000000001", "queued"),
        ("pem0@example.org", "queued"),
        ("pem1@example.org", "queued"),
        ("pem2@example.org", "queued"),
    ]


def test_equal_readers_share_one_message_of_their_channel_and_language(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        for number in range(3):
            a_reader(session, f"pt{number}@example.org", "PEM")
            a_reader(session, f"en{number}@example.org", "PEM", language="en")
        a_reader(session, "+351000000001", "PEM", channel="sms")
    announce(runtime)

    tell(runtime)

    rows = messages(runtime)
    assert sorted((row.channel, row.language) for row in rows) == [
        ("email", "en"),
        ("email", "pt"),
        ("sms", "pt"),
    ]
    sms = next(row for row in rows if row.channel == "sms")
    assert sms.parts >= 1
    assert all(row.first for row in rows)


def test_fanning_out_again_adds_nothing(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        a_reader(session, "a@example.org", "PEM")
    announce(runtime)
    tell(runtime)
    with runtime.database.write() as session:
        notice = session.scalars(select(NoticeRow).where(NoticeRow.kind == "announcement")).one()
        assert slices.insert_deliveries(session, notice, Slice(0, None), runtime.clock()) == 0

    assert tell(runtime) == 0
    assert len(told(runtime, "announcement")) == 1


def test_reminder_meets_the_directory_as_it_is_when_due(runtime: Runtime, settings: Settings) -> None:
    with runtime.database.write() as session:
        a_reader(session, "old@example.org", "PEM")
    announce(runtime)
    tell(runtime)
    with runtime.database.write() as session:
        session.scalars(select(RecipientRow)).one().scope_id = None
        a_reader(session, "new@example.org", "PEM")

    runtime = Runtime(settings, runtime.database, MovedClock(at(13)))
    tell(runtime)

    assert told(runtime, "reminder") == [("new@example.org", "queued")]


def test_notice_whose_use_has_passed_expires_instead_of_being_sent_late(
    runtime: Runtime, settings: Settings
) -> None:
    with runtime.database.write() as session:
        a_reader(session, "a@example.org", "PEM")
    announce(runtime)
    plan_notices(runtime.database, at(8))

    fan_out_due(Runtime(settings, runtime.database, MovedClock(at(20))))

    with runtime.database.read() as session:
        assert set(session.scalars(select(NoticeRow.state))) == {"expired"}
        assert session.scalar(select(func.count()).select_from(DeliveryRow)) == 0


def test_address_that_gets_nothing_more_stands_in_the_ledger_as_such(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        a_reader(session, "a@example.org", "PEM")
        a_reader(session, "b@example.org", "PEM")
        session.add(SuppressionRow(channel="email", address="b@example.org", reason="operator", at=at(0)))
    announce(runtime)

    tell(runtime)

    assert told(runtime, "announcement") == [("a@example.org", "queued"), ("b@example.org", "suppressed")]


def test_who_never_had_a_message_gets_the_change_as_news(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        for name in ("had", "may-have", "had-not"):
            a_reader(session, f"{name}@example.org", "PEM")
    announce(runtime)
    tell(runtime)
    with runtime.database.write() as session:
        ids = dict(
            session.execute(
                select(RecipientRow.address, DeliveryRow.id).join(
                    DeliveryRow, DeliveryRow.recipient_id == RecipientRow.id
                )
            ).all()
        )
        for name, state in (("had", State.ACCEPTED), ("may-have", State.AMBIGUOUS)):
            session.get_one(DeliveryRow, ids[f"{name}@example.org"]).state = state
        scheduling.move(
            session, "W", start=at(16).replace(tzinfo=None), reason=NO_TEXT, by=APPROVER, now=at(8)
        )

    tell(runtime)

    assert firsts(runtime.database, "change") == {
        "had@example.org": False,
        "may-have@example.org": False,
        "had-not@example.org": True,
    }
    assert dict(told(runtime, "announcement"))["had-not@example.org"] == "superseded"


def test_nobody_is_told_that_something_is_off_of_which_they_never_heard(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        a_reader(session, "a@example.org", "PEM")
    announce(runtime)
    tell(runtime)
    with runtime.database.write() as session:
        scheduling.cancel(session, "W", reason=Text.of("Adiada."), by=APPROVER, now=at(8))

    tell(runtime)

    assert told(runtime, "cancellation") == []
    assert told(runtime, "announcement") == [("a@example.org", "superseded")]


def test_who_may_have_had_the_announcement_is_told_that_it_is_off(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        a_reader(session, "ana@example.org", "PEM")
    announce(runtime)
    tell(runtime)
    # It may have left; it waits to be sent once more when the plan is cancelled.
    drain(runtime, ScriptedTransport(script={"ana@example.org": [ConnectionResetError()]}))
    clock = cast(MovedClock, runtime.clock)
    clock.move_on(minutes=1)
    assert jobs.keep_up(runtime).resent == 1
    with runtime.database.write() as session:
        scheduling.cancel(session, "W", by=APPROVER, now=clock())

    tell(runtime)
    drain(runtime, ScriptedTransport())

    assert told(runtime, "announcement") == [("ana@example.org", State.SUPERSEDED)]
    assert told(runtime, "cancellation") == [("ana@example.org", State.ACCEPTED)]
    assert_sound(runtime.database)


def test_reader_of_two_plans_gets_one_message_about_a_step_that_alters_both(
    any_database: Database, settings: Settings
) -> None:
    runtime = Runtime(settings, any_database, MovedClock(at(9)))
    with any_database.write() as session:
        import_pair(session)
        # S needs one of A and B: the second plan makes an outage of what was reduced redundancy.
        announced(session, a_plan("FIRST", a_phase(14, 18, "A")))
        a_reader(session, "both@example.org", "S", "B")
        a_reader(session, "s@example.org", "S")
        a_reader(session, "a@example.org", "A")
    tell(runtime)
    with any_database.write() as session:
        session.execute(DeliveryRow.__table__.update().values(state="accepted"))
        announced(session, a_plan("SECOND", a_phase(16, 20, "B")), now=at(9))

    tell(runtime)

    assert [address for address, _ in told(runtime, "announcement", "SECOND")] == [
        "both@example.org",
        "s@example.org",
    ]
    # Nothing changed for whom only A concerns: it goes down as it was announced.
    assert told(runtime, "change", "FIRST") == []


def test_system_that_is_back_before_the_rest_of_its_phase_is_told_to_its_readers_only(
    runtime: Runtime,
) -> None:
    with runtime.database.write() as session:
        a_reader(session, "net@example.org", "NET")
        a_reader(session, "pem@example.org", "PEM")
        announced(session, a_plan("W", a_phase(14, 18, "DB", "NET")))
    tell(runtime)
    with runtime.database.write() as session:
        session.execute(DeliveryRow.__table__.update().values(state="accepted"))
        scheduling.start_due(session, at(14))
        scheduling.verify(session, "W", systems=("DB",), by=PLANNER, now=at(15))
    runtime.clock.move_to(at(15))  # type: ignore[attr-defined]

    tell(runtime)

    assert [address for address, _ in told(runtime, "restored")] == ["pem@example.org"]


def emergency_announced_late(runtime: Runtime, *phases: Phase) -> None:
    """Announce an emergency at a quarter past two whose start was two; the clock starts it at once."""
    runtime.clock.move_to(at(14.25))  # type: ignore[attr-defined]
    plan = replace(a_plan("E", *phases), intervention_class=InterventionClass.EMERGENCY)
    with runtime.database.write() as session:
        announced(session, plan, now=at(14.25))


def start_what_is_due(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        assert scheduling.start_due(session, runtime.clock())


@pytest.mark.parametrize("looks", ["one", "two"])
def test_emergency_announced_after_its_start_is_told_once_as_started(runtime: Runtime, looks: str) -> None:
    with runtime.database.write() as session:
        a_reader(session, "a@example.org", "PEM")
    emergency_announced_late(runtime, a_phase(14, 18, "DB"))
    if looks == "two":
        tell(runtime)
    start_what_is_due(runtime)
    tell(runtime)
    transport = ScriptedTransport()

    drain(runtime, transport)

    assert [parcel.kind for parcel in transport.sent] == ["start"]
    assert told(runtime, "announcement", "E") == [("a@example.org", "superseded")]
    with runtime.database.read() as session:
        closed = session.scalars(select(DeliveryRow).where(DeliveryRow.state == State.SUPERSEDED)).one()
        assert closed.finished_at == at(14.25)
        event = session.scalars(
            select(DeliveryEventRow).where(DeliveryEventRow.delivery_id == closed.id)
        ).one()
        assert (event.kind, event.state) == ("superseded", "superseded")
        start = select(MessageRow.first).join(NoticeRow).where(NoticeRow.kind == "start")
        assert session.scalars(start).one(), "it stands on its own"
    assert_sound(runtime.database, settled=False)


def test_start_closes_no_announcement_that_still_tells_its_reader_more(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        a_reader(session, "pem@example.org", "PEM")
        a_reader(session, "net@example.org", "NET")
        a_reader(session, "both@example.org", "PEM", "NET")
    emergency_announced_late(runtime, a_phase(14, 18, "DB"), a_phase(20, 22, "NET", id="2"))
    start_what_is_due(runtime)

    tell(runtime)

    assert told(runtime, "start", "E") == [("both@example.org", "queued"), ("pem@example.org", "queued")]
    assert told(runtime, "announcement", "E") == [
        ("both@example.org", "queued"),
        ("net@example.org", "queued"),
        ("pem@example.org", "superseded"),
    ]


class StartsInMidBatch(ScriptedTransport):
    """The start is fanned out while its first batch goes out."""

    def __init__(self, runtime: Runtime, outcome: Outcome | BaseException) -> None:
        super().__init__(script={"a@example.org": [outcome]})
        self.start = [runtime]

    def send(self, parcels, *, now):
        while self.start:
            runtime = self.start.pop()
            runtime.clock.move_on(seconds=1)
            start_what_is_due(runtime)
            tell(runtime)
            assert told(runtime, "announcement", "E") == [("a@example.org", "sending")]
        yield from super().send(parcels, now=now)


@pytest.mark.parametrize(
    ("outcome", "follows"),
    [
        (Outcome(State.ACCEPTED), "accepted"),
        (failed(FailureClass.TRANSIENT), "superseded"),
        (ConnectionResetError(), "superseded"),
    ],
)
def test_announcement_under_way_as_its_start_is_told_ends_as_it_does_and_is_not_tried_again(
    runtime: Runtime, outcome: Outcome | BaseException, follows: str
) -> None:
    with runtime.database.write() as session:
        a_reader(session, "a@example.org", "PEM")
    emergency_announced_late(runtime, a_phase(14, 18, "DB"))
    tell(runtime)
    transport = StartsInMidBatch(runtime, outcome)

    for _ in range(3):
        drain(runtime, transport)
        runtime.clock.move_on(minutes=1)  # type: ignore[attr-defined]
        jobs.keep_up(runtime)

    assert [parcel.kind for parcel in transport.sent] == ["announcement", "start"]
    assert told(runtime, "announcement", "E") == [("a@example.org", follows)]
    assert told(runtime, "start", "E") == [("a@example.org", "accepted")]
    assert_sound(runtime.database)


def test_one_bad_notice_is_put_off_and_shown_and_stops_no_other(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        a_reader(session, "a@example.org", "PEM", "NET")
    with runtime.database.write() as session:
        announced(session, WORK)
        announced(session, a_plan("BAD", a_phase(14, 18, "NET")))
    plan_notices(runtime.database, at(8))
    with runtime.database.write() as session:
        notice = session.scalars(
            select(NoticeRow).where(NoticeRow.reference == "BAD", NoticeRow.kind == "announcement")
        ).one()
        notice.sequence = 7

    assert fan_out_due(runtime) == 1

    with runtime.database.read() as session:
        [trouble] = troubles(session, at(8))
    assert (trouble.what, trouble.failures) == ("notice", 1)
    assert "no version 7" in trouble.words
    with runtime.database.write() as session:
        session.get_one(NoticeRow, notice.id).sequence = 0
    assert fan_out_due(runtime) == 0, "it was put off"
    runtime.clock.move_to(at(9))  # type: ignore[attr-defined]
    assert fan_out_due(runtime) == 1
    with runtime.database.read() as session:
        assert troubles(session, at(9)) == []


def test_directory_that_changes_while_messages_are_rendered_loses_nobody(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runtime.database.write() as session:
        a_reader(session, "a@example.org", "PEM")
    announce(runtime)
    plan_notices(runtime.database, at(8))
    render = fanout._render

    def slow_render(*arguments):
        rendered = render(*arguments)
        monkeypatch.undo()
        with runtime.database.write() as session:
            a_reader(session, "late@example.org", "PEM", institution="HSM")
        return rendered

    monkeypatch.setattr(fanout, "_render", slow_render)

    assert fan_out_due(runtime) == 2
    with runtime.database.read() as session:
        assert troubles(session, at(8)) == []


def test_what_is_sent_names_the_version_it_tells_of(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        a_reader(session, "a@example.org", "PEM")
        scheduling.draft(session, WORK, by=PLANNER, now=at(8))
        scheduling.submit(session, "W", by=PLANNER, now=at(8))
        scheduling.approve(session, "W", by=APPROVER, now=at(8))
        scheduling.announce(session, "W", by=APPROVER, now=at(8))
    tell(runtime)
    transport = ScriptedTransport()

    drain(runtime, transport)

    [parcel] = transport.sent
    with runtime.database.read() as session:
        assert session.scalars(select(VersionRow.sequence)).one() == parcel.sequence == 0
    assert (parcel.reference, parcel.kind, parcel.recipient) == ("W", "announcement", "a@example.org")
    assert parcel.subject
    assert b"text/calendar" in parcel.message
    assert_sound(runtime.database)
