"""Processes killed at random moments while mail and SMS go out, on each engine and database: nothing is lost.

`JANELA_TEST_KILLS` and `JANELA_TEST_RECIPIENTS` make it longer; `JANELA_TEST_SEED` repeats a run that failed.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app import create_app
from maintenance import scheduling
from maintenance.database import Database
from maintenance.runtime import Runtime, utc_now
from maintenance.settings import Settings
from notifications import channels, jobs
from notifications.channels.sms_codes import meaning
from notifications.models import DeliveryRow, NoticeRow, RecipientRow, SuppressionRow
from notifications.retries import State
from tests.brokers import RABBITMQ, REDIS, answering, own_queues
from tests.builders import a_phase, a_plan, a_system, at
from tests.fakes.reports import UNREACHABLE, Reporter
from tests.fakes.sink import MailSink
from tests.fakes.twilio import Answer, TwilioStandIn, refused
from tests.far_side import compare, delivery_of
from tests.invariants import assert_sound
from tests.ledgers import HOUR, addresses, many_readers, queue
from tests.lives import APPROVER, announced, import_systems
from tests.site import Site, children, kill_alone, until

KILLS = int(os.environ.get("JANELA_TEST_KILLS", "5"))
RECIPIENTS = int(os.environ.get("JANELA_TEST_RECIPIENTS", "1000"))
SEED = os.environ.get("JANELA_TEST_SEED") or secrets.token_hex(4)
#: One SMS for so many mails: each is a request of its own.
MAILS_FOR_AN_SMS = 20
#: To the relay, of each process that is killed.
CONNECTIONS = 4
BATCH = 10
#: One reader of so many is asleep meanwhile, another one has an address that gets nothing more.
EVERY, ASLEEP, GONE = 50, 4, 9

EMBEDDED = (("scheduler",),) * 2
CELERY = (("scheduler",), ("scheduler",), *(("worker", "--concurrency", "2"),) * 2)


class Crew:
    """The processes of a site, of which now and then one is killed and replaced."""

    def __init__(self, site: Site, *roles: tuple[str, ...]) -> None:
        self._site = site
        self._members = [(role, site.start(*role)) for role in roles]
        #: What was killed, how often.
        self.killed: Counter[str] = Counter()

    def strike(self, chance: random.Random) -> None:
        """Kill one process, or all, with or without its children."""
        which = [chance.randrange(len(self._members))] if chance.random() < 0.9 else range(len(self._members))
        for index in which:
            role, process = self._members[index]
            if self._kill(role[0], process, chance):
                self._members[index] = (role, self._site.start(*role))

    def _kill(self, name: str, process: BaseProcess, chance: random.Random) -> bool:
        """Kill a process or one of its children; return whether it has to be replaced."""
        hands = children(process.pid or 0) if name == "worker" else []
        if hands and chance.random() < 0.5:
            kill_alone(chance.choice(hands))
            self.killed["child"] += 1
            return False
        if hands and chance.random() < 0.3:
            kill_alone(process.pid or 0)
            self.killed["parent"] += 1
            return True
        self._site.kill(process)
        self.killed[name] += 1
        return True


@pytest.fixture(params=["embedded-sqlite", "embedded-postgresql", "celery-rabbitmq", "celery-redis"])
def way(request: pytest.FixtureRequest) -> str:
    """Give each engine, with what it stands on."""
    return str(request.param)


@pytest.fixture
def site(way: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:
        url = (
            f"sqlite:///{tmp_path}/any.db"
            if way.endswith("sqlite")
            else request.getfixturevalue("postgres_url")
        )
        engine = {"ENGINE": "embedded"}
        if way.startswith("celery"):
            broker = answering(*((RABBITMQ, "RabbitMQ") if way.endswith("rabbitmq") else (REDIS, "Redis")))
            engine = {
                "ENGINE": "celery",
                "BROKER_URL": broker,
                "BROKER_QUEUE": stack.enter_context(own_queues()),
            }
        yield lambda **more: stack.enter_context(Site(Database(url), tmp_path, **engine, **more))


def misbehaving(numbers: list[str]) -> dict[str, list[Answer]]:
    """Return what the stand-in for Twilio answers to each number; it takes its time, so that kills meet it."""
    script = {number: [Answer(seconds=0.05)] for number in numbers}
    for count, number in enumerate(numbers):
        match count % 20:
            case 3:
                script[number] = [Answer(500, 20500, "accepted all the same")]
            case 7:
                script[number] = [Answer(drop=True)]
            case 11:
                script[number] = [refused(429, 20429, Retry_After="1")]
            case 13:
                script[number] = [Answer(seconds=1)]
            case 17:
                script[number] = [refused(503, 20503)]
    # Longer than the client waits, which takes its time: once in a long run.
    if len(numbers) > 100:
        script[numbers[0]] = [Answer(seconds=12)]
    return script


def test_processes_killed_at_random_lose_nothing_and_repeat_only_what_the_ledger_says(
    way: str, site: Callable[..., Site], record_property: Callable[[str, object], None]
) -> None:
    began, chance = time.monotonic(), random.Random(f"{SEED} {way}")
    told: dict[str, object] = {"way": way, "seed": SEED}
    record_property("crash", told)
    readers = addresses(RECIPIENTS)
    numbers = [f"+3519100{number:05}" for number in range(RECIPIENTS // MAILS_FOR_AN_SMS)]
    with (
        MailSink(busy_once=readers[::50]) as sink,
        TwilioStandIn(misbehaving(numbers), clock=utc_now) as twilio,
    ):
        public = {"PUBLIC_URL": "https://janela.example.org", "SMTP_URL": sink.url}
        ours = site(SMTP_CONNECTIONS=str(CONNECTIONS), **public, **twilio.settings)
        runtime = Runtime(Settings(ours.settings), ours.database, utc_now)
        client = create_app(runtime).test_client()
        with Reporter(
            twilio,
            lambda called: client.post(called.path, data=called.form, headers=called.headers).status_code,
            chance,
        ) as reporter:
            crew = tell_all(ours, readers, numbers, sink, chance)
            until(lambda: in_time(ours, ours.all_settled), "the end", seconds=120)
            until(reporter.finish, "the last report")
        ask_about_the_rest(runtime)

    taken = Counter(delivery_of(mail.raw) for mail in sink.mails)
    messages = Counter(message["form"]["To"] for message in twilio.messages)
    with ours.database.read() as session:
        sms = dict(
            session.execute(
                select(DeliveryRow.id, DeliveryRow.state).where(DeliveryRow.channel == "sms")
            ).all()
        )
    by_id = dict(zip(sorted(sms), numbers, strict=True))
    found = compare(ours.database, taken + Counter({id_: messages[number] for id_, number in by_id.items()}))
    told |= {
        "killed": dict(crew.killed),
        "deliveries": found.deliveries,
        "duplicates": found.duplicates,
        "resent": found.resent,
        "lost": len(found.lost),
        "for review": found.for_review,
        "of which never arrived": found.never_arrived,
        "SMS in doubt": sum(state == State.AMBIGUOUS for state in sms.values()),
        "receipts": reporter.posted,
        "forged": reporter.forged,
        "seconds": round(time.monotonic() - began),
    }

    assert not found.lost, "\n".join(found.lost)
    assert not found.unexplained, "\n".join(found.unexplained)
    assert found.duplicates <= found.resent <= crew.killed.total() * CONNECTIONS * BATCH
    assert_everybody_concerned_has_one(ours.database)
    assert_everybody_heard_the_end(ours.database, taken, [delivery_of(mail.raw) for mail in sink.mails])
    assert not twilio.violations
    assert not reporter.violations
    assert max(messages.values()) == 1
    for id_, state in sms.items():
        end = reporter.ends.get(by_id[id_])
        expected = meaning(end, UNREACHABLE)[0] if end else State.AMBIGUOUS
        assert state == expected, (by_id[id_], end)
    assert_sound(ours.database)


def tell_all(
    site: Site, readers: list[str], numbers: list[str], sink: MailSink, chance: random.Random
) -> Crew:
    """Announce to some, cancel that while it goes out, announce to all; kill meanwhile."""
    some = readers[: len(readers) // 10]
    with site.database.write() as session:
        import_systems(
            session,
            *(a_system("PEM", "DB", public=True), a_system("DB"), a_system("LAB", "LABDB", public=True)),
            a_system("LABDB"),
        )
        many_readers(session, some, "PEM", "LAB")
        many_readers(session, readers[len(some) :], "PEM")
        leave_alone(session, readers)
    queue(site.database, numbers, now=utc_now(), channel="sms", reference="SMS")
    crew = Crew(site, *(CELERY if site.settings["ENGINE"] == "celery" else EMBEDDED))
    day = (utc_now() - at(0)) // HOUR + 72

    def announce(reference: str, system: str, hour: int) -> None:
        with site.database.write() as session:
            announced(session, a_plan(reference, a_phase(hour, hour + 4, system)), now=utc_now())

    def change_plans() -> None:
        with site.database.write() as session:
            scheduling.cancel(session, "SOME", by=APPROVER, now=utc_now())
        announce("ALL", "DB", day + 24)

    announce("SOME", "LABDB", day)
    # One kill in each equal part of the mails, at a random place in it.
    part = len(readers) / KILLS
    acts = [(chance.uniform(0, part) + part * n, lambda: crew.strike(chance)) for n in range(KILLS)]
    acts.append((len(some) // 2, change_plans))
    for count, act in sorted(acts, key=lambda act: act[0]):
        until(lambda count=count: in_time(site, lambda: len(sink.mails) >= count), f"mail {count}")
        time.sleep(chance.uniform(0, 0.1))
        act()
    return crew


def leave_alone(session: Session, readers: list[str]) -> None:
    """Have some readers asleep for the hours to come, and some whose address gets nothing more."""
    now = utc_now()
    begins, ends = (now.astimezone(ZoneInfo("Europe/Lisbon")) + hours * HOUR for hours in (-1, 3))
    session.execute(
        update(RecipientRow)
        .where(RecipientRow.address.in_(readers[ASLEEP::EVERY]))
        .values(quiet_hours=f"{begins:%H:%M}-{ends:%H:%M}")
    )
    session.add_all(
        SuppressionRow(channel="email", address=address, reason="opt_out", at=now - HOUR)
        for address in readers[GONE::EVERY]
    )


def assert_everybody_concerned_has_one(database: Database) -> None:
    """Every reader has a delivery of what goes to all, and of what goes to some each of those, by count."""
    with database.read() as session:
        found = dict(
            session.execute(
                select(NoticeRow.reference, func.count(DeliveryRow.recipient_id.distinct()))
                .join(DeliveryRow, DeliveryRow.notice_id == NoticeRow.id)
                .where(NoticeRow.kind == "announcement", DeliveryRow.channel == "email")
                .group_by(NoticeRow.reference)
            ).all()
        )
        of_all = select(DeliveryRow.state).join(NoticeRow).where(NoticeRow.reference == "ALL")
        states = Counter(session.scalars(of_all))
    assert found == {"ALL": RECIPIENTS, "SOME": RECIPIENTS // 10}
    assert states[State.HELD] == len(range(ASLEEP, RECIPIENTS, EVERY))
    assert states[State.SUPPRESSED] == len(range(GONE, RECIPIENTS, EVERY))


def in_time(site: Site, happened: Callable[[], bool]) -> bool:
    """Return whether it happened; let the minutes pass meanwhile that leases and tries wait."""
    site.let_leases_run_out()
    site.let_waits_pass()
    return happened()


def ask_about_the_rest(runtime: Runtime) -> None:
    """Ask the provider about every SMS whose receipt did not come."""
    for minutes in (2, 25, 50, 75, 100, 125):
        later = Runtime(
            runtime.settings, runtime.database, lambda minutes=minutes: utc_now() + timedelta(minutes=minutes)
        )
        sms = channels.transports(later)["sms"]
        jobs.ask(later, {"sms": sms})
        sms.close()


def assert_everybody_heard_the_end(database: Database, taken: Counter[int], arrived: list[int]) -> None:
    """Who got the announcement that was cancelled got the cancellation after it; nobody else did."""
    with database.read() as session:
        rows = session.execute(
            select(DeliveryRow.recipient_id, NoticeRow.kind, DeliveryRow.id, DeliveryRow.state)
            .join(NoticeRow, NoticeRow.id == DeliveryRow.notice_id)
            .where(NoticeRow.reference == "SOME")
        ).all()
    heard = {(recipient, kind): (id_, state) for recipient, kind, id_, state in rows}
    for (recipient, kind), (id_, state) in heard.items():
        if kind == "announcement" and taken[id_]:
            ended, ended_state = heard[recipient, "cancellation"]
            assert taken[ended] or ended_state == State.NEEDS_REVIEW
            if taken[ended]:
                assert arrived.index(id_) < arrived.index(ended)
        elif kind == "cancellation":
            assert (recipient, "announcement") in heard, state
