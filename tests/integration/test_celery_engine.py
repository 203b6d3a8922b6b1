"""The Celery engine with a real broker and real processes: killed, cut off, woken twice; nothing is lost."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from kombu import Connection

import app as composition
from app import cli
from maintenance.database import Database
from maintenance.runtime import Runtime, utc_now
from maintenance.settings import Settings
from notifications import shards
from notifications.celery_engine import PATIENCE, Broker, CeleryEngine, celery_app
from notifications.channels import transports
from notifications.channels.parcels import LONGEST_SEND
from notifications.claims import LEASE
from notifications.engine import LEAD, take_lead
from notifications.retries import State
from notifications.shards import LONGEST_STAY, SHARE, TIME_LIMIT, Shards, Stay
from tests.brokers import RABBITMQ, REDIS, answering, own_queues
from tests.builders import a_phase, a_plan, a_system, at
from tests.fakes.proxy import Proxy
from tests.fakes.smtp import SmtpListener, late
from tests.invariants import assert_sound
from tests.ledgers import HOUR, ScriptedTransport, a_reader, addresses, queue, states
from tests.lives import announced, import_systems
from tests.site import Site, until


@pytest.fixture
def queues() -> Iterator[str]:
    with own_queues() as prefix:
        yield prefix


@pytest.fixture
def listener() -> Iterator[SmtpListener]:
    with SmtpListener(script={"reader0@example.org": [late(30)]}) as listener:
        yield listener


@pytest.fixture
def site_at(
    postgres_url: str, tmp_path: Path, queues: str, listener: SmtpListener
) -> Iterator[Callable[[str], Site]]:
    sites: list[Site] = []

    def begin(broker_url: str) -> Site:
        site = Site(
            Database(postgres_url),
            tmp_path,
            ENGINE="celery",
            BROKER_URL=broker_url,
            BROKER_QUEUE=queues,
            SMTP_URL=listener.url,
        )
        sites.append(site)
        return site

    yield begin
    for site in sites:
        site.__exit__()


def taken(listener: SmtpListener) -> Counter[str]:
    return Counter(mail.recipient for mail in listener.mails)


@pytest.mark.parametrize(("url", "name"), [(RABBITMQ, "RabbitMQ"), (REDIS, "Redis")])
def test_announcement_reaches_everybody_once_through_two_workers(
    site_at: Callable[[str], Site], listener: SmtpListener, url: str, name: str
) -> None:
    site = site_at(answering(url, name))
    readers = addresses(301)[1:]
    for words in ("scheduler",), ("worker", "--concurrency", "2"), ("worker", "--concurrency", "1"):
        site.start(*words)
    with site.database.write() as session:
        import_systems(session, a_system("PEM", "DB", public=True), a_system("DB"))
        for address in readers:
            a_reader(session, address, "PEM")
    in_two_days = (utc_now() - at(0)) // HOUR + 48
    with site.database.write() as session:
        announced(session, a_plan("W", a_phase(in_two_days, in_two_days + 4, "DB")), now=utc_now())

    until(lambda: len(listener.mails) >= 300, "the last mail")
    until(site.all_settled)

    assert taken(listener) == dict.fromkeys(readers, 1)
    assert_sound(site.database)


def test_workers_killed_in_mid_batch_lose_nothing_and_repeat_only_what_the_ledger_says(
    site_at: Callable[[str], Site], listener: SmtpListener
) -> None:
    site = site_at(answering(RABBITMQ, "RabbitMQ"))
    site.start("scheduler")
    workers = [site.start("worker", "--concurrency", "2") for _ in range(2)]
    # The first mail of all is taken and answered late: the worker that has it waits with ten on their way.
    ids = queue(site.database, addresses(300), now=utc_now())
    until(lambda: "reader0@example.org" in taken(listener), "the first mail")

    for worker in workers:
        site.kill(worker)
    site.start("worker", "--concurrency", "2")
    # The last commits of the dead may still come in.
    until(lambda: site.let_leases_run_out() or site.all_settled(), "the end")

    assert set(states(site.database, ids)) == {State.ACCEPTED}
    by_address = dict(zip(addresses(300), ids, strict=True))
    again = site.resent()
    assert by_address["reader0@example.org"] in again
    mails = taken(listener)
    assert set(mails) == set(addresses(300)), "lost"
    # A killed sender has at most ten mails on its way on each of its connections.
    assert mails.total() - 300 <= 2 * 2 * 10
    assert all(count - 1 <= again[by_address[address]] for address, count in mails.items())
    assert_sound(site.database)


def test_broker_that_is_cut_off_for_a_while_holds_mails_up_and_loses_none(
    site_at: Callable[[str], Site], listener: SmtpListener
) -> None:
    parts = urlsplit(answering(RABBITMQ, "RabbitMQ"))
    with Proxy(parts.hostname or "", parts.port or 5672) as proxy:
        cut_off = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}").geturl()
        site = site_at(cut_off)
        for words in ("scheduler",), ("worker", "--concurrency", "2"):
            site.start(*words)
        queue(site.database, addresses(31)[1:], now=utc_now(), reference="BEFORE")
        until(lambda: len(listener.mails) == 30, "the first mails")

        proxy.cut()
        ids = queue(site.database, addresses(31)[1:], now=utc_now(), reference="MEANWHILE")
        until(lambda: "The broker cannot be reached" in site.log)
        assert set(states(site.database, ids)) == {State.QUEUED}
        proxy.mend()
        until(site.all_settled)

    assert len(listener.mails) == 60
    assert site.log.count("The broker cannot be reached") == 1
    assert_sound(site.database)


def test_second_scheduler_waits_and_takes_over_within_thirty_seconds(
    site_at: Callable[[str], Site], listener: SmtpListener
) -> None:
    site = site_at(answering(RABBITMQ, "RabbitMQ"))
    first = site.start("scheduler")
    until(lambda: site.leader() == first.pid, "a leader")
    second = site.start("scheduler")
    site.start("worker", "--concurrency", "1")
    queue(site.database, addresses(11)[1:], now=utc_now(), reference="FIRST")
    until(lambda: len(listener.mails) == 10, "the first mails")
    assert site.leader() == first.pid

    # Its lead lasts until it has been silent for 20 seconds, which need not be waited for.
    assert timedelta(seconds=30) >= LEAD
    site.kill(first)
    assert site.leader() == first.pid
    site.let_leases_run_out()
    until(lambda: site.leader() == second.pid, "a new leader")
    queue(site.database, addresses(11)[1:], now=utc_now(), reference="SECOND")
    until(lambda: len(listener.mails) == 20, "the last mails")

    # One that is stopped in good order leaves the lead to others at once.
    second.terminate()
    second.join(30)
    assert second.exitcode == 0
    assert site.leader() is None
    assert_sound(site.database)


def woken_by(any_database: Database, settings: Settings, **more: str) -> Runtime:
    values = {"ENGINE": "celery", "INSTANCE": settings["INSTANCE"], "SECRET_KEY": "for-tests-only", **more}
    return Runtime(Settings(values), any_database, utc_now)


def test_scheduler_sends_by_itself_when_no_broker_answers_for_a_while(
    any_database: Database, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = probe.getsockname()[1]
    runtime = woken_by(any_database, settings, BROKER_URL=f"amqp://guest@127.0.0.1:{nobody}//")
    ids = queue(any_database, addresses(120), now=utc_now())
    transport = ScriptedTransport()
    engine = CeleryEngine(runtime, {"email": transport}, patience=timedelta(seconds=1))

    engine.send("email")
    assert not transport.sent
    until(lambda: engine.send("email") > 0)
    engine.stop()

    assert set(states(any_database, ids)) == {State.ACCEPTED}
    assert caplog.text.count("The broker cannot be reached") == 1
    assert_sound(any_database)


def test_wake_up_for_a_shard_that_somebody_has_does_nothing(
    any_database: Database, settings: Settings
) -> None:
    runtime = woken_by(any_database, settings)
    ids = queue(any_database, addresses(20), now=utc_now())
    with any_database.write() as session:
        take_lead(session, "send email 0", owner="somebody", now=utc_now())

    worker = Shards(runtime, Broker(runtime, transports(runtime)))
    assert worker.drain("email", 0) == 0
    assert worker.drain("unheard-of", 0) == 0
    assert set(states(any_database, ids)) == {State.QUEUED}

    assert worker.drain("email", 1) == 20
    assert worker.drain("email", 1) == 0


def test_worker_stays_with_its_shard_until_another_wake_up_waits(
    settings: Settings, runtime: Runtime, queues: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = woken_by(
        runtime.database, settings, BROKER_URL=answering(RABBITMQ, "RabbitMQ"), BROKER_QUEUE=queues
    )
    # Every look is the end of a share.
    monkeypatch.setattr(shards, "SHARE", timedelta(0))
    queue(runtime.database, addresses(300), now=utc_now())
    broker = Broker(ours, transports(ours))
    worker = Shards(ours, broker)

    assert worker.drain("email", 0) == 300
    queue(runtime.database, addresses(300), now=utc_now(), reference="LATER")
    broker.wake("sms", [0])
    assert worker.drain("email", 0) == 0
    broker.close()

    with Connection(RABBITMQ) as connection:
        declared = connection.default_channel.queue_declare(f"{queues}.email", passive=True)
        assert declared.message_count == 0, "it did nothing, and asks for nothing"


def test_stay_ends_although_nobody_waits_and_no_later_than_its_lease_allows() -> None:
    now = [utc_now()]
    asked: list[bool] = []
    stay = Stay(
        lambda: now[0],
        share=timedelta(seconds=5),
        longest=timedelta(seconds=20),
        may_go_on=lambda: asked.append(True) or True,
    )
    over = []
    for _ in range(24):
        now[0] += timedelta(seconds=1)
        over.append(stay.is_over())

    assert over == [False] * 19 + [True] * 5
    assert len(asked) == 3


def test_wake_ups_do_not_pile_up_where_no_worker_is(
    settings: Settings, runtime: Runtime, queues: str
) -> None:
    ours = woken_by(
        runtime.database, settings, BROKER_URL=answering(RABBITMQ, "RabbitMQ"), BROKER_QUEUE=queues
    )
    queue(runtime.database, addresses(850), now=utc_now())
    engine = CeleryEngine(ours, {"email": ScriptedTransport()})

    for _ in range(5):
        engine.send("email")
    engine.stop()

    with Connection(RABBITMQ) as connection:
        declared = connection.default_channel.queue_declare(f"{queues}.email", passive=True)
        assert declared.message_count == 2
        message = connection.default_channel.basic_get(f"{queues}.email")
    assert message.body.startswith('[["email", 0], {}')


def test_broker_that_answers_again_is_used_again(settings: Settings, runtime: Runtime, queues: str) -> None:
    parts = urlsplit(answering(RABBITMQ, "RabbitMQ"))
    proxy = Proxy(parts.hostname or "", parts.port or 5672)
    url = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}").geturl()
    ours = woken_by(runtime.database, settings, BROKER_URL=url, BROKER_QUEUE=queues)
    now = [utc_now()]
    broker = Broker(Runtime(ours.settings, ours.database, lambda: now[0]), ["email"])

    assert not broker.wake("email", [0])
    with proxy:
        assert not broker.wake("email", [0]), "it is left alone for a while"
        now[0] += timedelta(seconds=6)
        assert broker.wake("email", [0])
        broker.close()


def test_tasks_end_before_the_leases_of_what_they_send_run_out(settings: Settings) -> None:
    conf = celery_app(settings, ["email"]).conf
    assert LONGEST_STAY + SHARE + timedelta(seconds=LONGEST_SEND) < TIME_LIMIT
    assert SHARE < LEAD < PATIENCE <= timedelta(seconds=conf.task_time_limit) == TIME_LIMIT < LEASE
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.task_ignore_result
    assert conf.worker_prefetch_multiplier == 1
    assert conf.task_queues[0].queue_arguments == {"x-queue-type": "quorum"}


def test_every_channel_has_a_queue(runtime: Runtime) -> None:
    app = celery_app(runtime.settings, transports(runtime))
    assert {"janela.email", "janela.sms"} <= {queue.name for queue in app.conf.task_queues}


def test_site_with_celery_serves_pages_and_does_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: Runtime
) -> None:
    monkeypatch.setenv("JANELA_DATABASE_URL", runtime.database.url)
    monkeypatch.setenv("JANELA_INSTANCE", str(tmp_path))
    monkeypatch.setenv("JANELA_SECRET_KEY", "for-tests-only")
    monkeypatch.setenv("JANELA_ENGINE", "celery")
    begun: list[object] = []
    monkeypatch.setattr(composition, "Engine", begun.append)

    composition.create_served_app()

    assert not begun


def test_worker_of_an_embedded_installation_says_what_to_do(runtime: Runtime) -> None:
    result = CliRunner().invoke(cli, ["worker"], obj=runtime)
    assert result.exit_code == 1
    assert "belong to the Celery engine" in result.output
