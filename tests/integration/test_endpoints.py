"""Webhooks and chat rooms: registered by commands, told through the ledger, paused when they fail for good."""

from __future__ import annotations

import base64
import html
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from app import cli, create_app, create_runtime
from maintenance import schema
from maintenance.catalogue import Audience
from maintenance.database import Database
from maintenance.importing import import_catalogue
from maintenance.lifecycle import SYSTEM
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from maintenance.texts import Text
from notifications import claims, endpoints, jobs
from notifications.channels.outbox import find_items, folder, read_sms
from notifications.channels.parcels import Outcome
from notifications.directory import DirectoryReport, import_directory, read_directory
from notifications.endpoints import FAILING_TRIES
from notifications.models import DeliveryEventRow, DeliveryRow, EndpointEventRow, RecipientRow
from notifications.queries import Trouble, troubles
from notifications.retries import FailureClass, State
from notifications.sending import drain
from tests.builders import a_catalogue, a_phase, a_plan, a_system, at
from tests.conftest import MovedClock
from tests.fakes.receiver import Answer, Received, Receiver
from tests.ledgers import ScriptedTransport, a_notice, deliveries_of, failed
from tests.lives import announced
from tests.web.signed_in import client_of

HEADER = "institution,institution_name,audience,contact,email,phone,language,timezone,channels,systems\n"
DESK = "HSJ,Hospital,staff,Desk,desk@example.org,,en,,email,PEM\n"
OTHER = "HNO,Other,staff,Desk,other@example.org,,en,,email,NET\n"
NOW = at(8)
WORK = a_plan("W", a_phase(14, 18, "DB"))
SYSTEMS = (a_system("PEM", "DB", public=True), a_system("DB"), a_system("NET"), a_system("LAB", "DB"))
CATALOGUE = a_catalogue(*SYSTEMS, audiences={"staff": Audience("staff", Text.of("Staff"))})
Janela = Callable[..., str]


@pytest.fixture
def clock() -> MovedClock:
    """Stand at the morning of the day of the tests."""
    return MovedClock(NOW)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Allow this machine, and lift the guest list."""
    return with_more(settings, GUEST_LIST="*", WEBHOOK_ALLOW="127.0.0.0/8")


def with_more(settings: Settings, **more: str) -> Settings:
    kept = ("DATABASE_URL", "INSTANCE", "SECRET_KEY", "PUBLIC_URL", "GUEST_LIST", "WEBHOOK_ALLOW")
    return Settings({name: settings[name] for name in kept} | more)


@pytest.fixture
def runtime(settings: Settings, clock: MovedClock) -> Iterator[Runtime]:
    """Give an installation with PEM, which needs DB, and a directory of two institutions."""
    runtime = create_runtime(settings, clock=clock)
    schema.upgrade(runtime.database)
    with runtime.database.write() as session:
        import_catalogue(session, CATALOGUE, prune=False, by=SYSTEM, now=NOW)
    import_csv(runtime, DESK, OTHER)
    yield runtime
    runtime.database.dispose()


def import_csv(runtime: Runtime, *records: str) -> DirectoryReport:
    read = read_directory("".join((HEADER, *records)).encode(), catalogue=CATALOGUE)
    with runtime.database.write() as session:
        return import_directory(session, read, now=runtime.clock())


@pytest.fixture
def janela(runtime: Runtime) -> Janela:
    """Give a function that runs a command and returns what it printed; `fails=True` expects a sentence."""

    def run(*words: str, fails: bool = False, typed: str | None = None) -> str:
        result = CliRunner().invoke(cli, words, obj=runtime, input=typed)
        assert (result.exit_code != 0) is fails, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.output

    return run


def add(janela: Janela, url: str, institution: str = "HSJ") -> dict[str, str]:
    found: dict[str, str] = json.loads(janela("webhooks", "add", institution, url, "--json"))
    return found


def announce(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        announced(session, WORK, now=runtime.clock())


def deliveries(runtime: Runtime, channel: str) -> list[tuple[str, str]]:
    with runtime.database.read() as session:
        rows = session.execute(
            select(RecipientRow.address, DeliveryRow.state)
            .join(DeliveryRow, DeliveryRow.recipient_id == RecipientRow.id)
            .where(DeliveryRow.channel == channel)
            .order_by(DeliveryRow.id)
        )
        return [(address, state) for address, state in rows]


def events(runtime: Runtime) -> list[tuple[str, str]]:
    with runtime.database.read() as session:
        rows = session.execute(
            select(EndpointEventRow.kind, EndpointEventRow.by).order_by(EndpointEventRow.id)
        )
        return [(kind, by) for kind, by in rows]


def signed_by(secret: str, got: Received) -> bool:
    at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)
    signature = Webhook(secret).sign(got.headers["webhook-id"], at, got.body.decode())
    return signature in got.headers["webhook-signature"].split()


def test_a_webhook_hears_through_the_ledger_what_its_institutions_contacts_hear(
    runtime: Runtime, janela: Janela
) -> None:
    with Receiver() as receiver, Receiver() as unconcerned:
        secret = add(janela, receiver.url)["secret"]
        add(janela, unconcerned.url, "HNO")
        announce(runtime)
        jobs.tick(runtime)

    [got] = receiver.received
    document = json.loads(got.body)
    jsonschema.validate(document, json.loads(Path("docs/webhook-v1.schema.json").read_text()))
    assert signed_by(secret, got)
    assert document["type"] == "intervention.announced"
    assert document["data"]["institutions"] == ["HSJ"]
    assert [window["system"] for window in document["data"]["windows"]] == ["PEM"]
    assert unconcerned.received == []
    assert deliveries(runtime, "webhook") == [(receiver.url, "accepted")]
    assert deliveries(runtime, "email") == [("desk@example.org", "accepted")]


def test_a_receiver_in_trouble_is_tried_again_by_the_ledger_under_the_same_id(
    runtime: Runtime, janela: Janela, clock: MovedClock
) -> None:
    with Receiver([Answer(500), Answer(429, {"Retry-After": "600"})]) as receiver:
        add(janela, receiver.url)
        announce(runtime)
        jobs.tick(runtime)
        clock.move_on(seconds=20)
        jobs.tick(runtime)
        clock.move_on(seconds=300)
        jobs.tick(runtime)
        assert deliveries(runtime, "webhook") == [(receiver.url, "retry_wait")]
        clock.move_on(seconds=301)
        jobs.tick(runtime)

    assert deliveries(runtime, "webhook") == [(receiver.url, "accepted")]
    assert len(receiver.received) == 3
    assert len({got.headers["webhook-id"] for got in receiver.received}) == 1


def test_a_dead_receiver_holds_up_no_other(runtime: Runtime, janela: Janela) -> None:
    with Receiver([Answer(500)]) as bad, Receiver() as good:
        add(janela, bad.url)
        announce(runtime)
        jobs.tick(runtime)
        add(janela, good.url)
        with runtime.database.write() as session:
            queue_for(session, good.url)
        jobs.tick(runtime)

    assert ("webhook", good.url) not in [(trouble.what, trouble.name) for trouble in trouble_of(runtime)]
    assert deliveries(runtime, "webhook")[-1] == (good.url, "accepted")


def queue_for(session: Session, address: str) -> None:
    deliveries_of(session, a_notice(session, now=NOW, reference="INT-2"), [address], channel="webhook")


def trouble_of(runtime: Runtime) -> list[Trouble]:
    with runtime.database.read() as session:
        return troubles(session, runtime.clock())


def test_the_directory_keeps_endpoints_and_gives_them_what_the_institution_uses_now(
    runtime: Runtime, janela: Janela
) -> None:
    with Receiver() as receiver:
        add(janela, receiver.url)
        lab = "HSJ,Hospital,staff,Lab,lab@example.org,,en,,email,LAB\n"
        report = import_csv(runtime, DESK, lab, OTHER)
        announce(runtime)
        jobs.tick(runtime)

    assert report.addresses_left == ()
    windows = json.loads(receiver.received[0].body)["data"]["windows"]
    assert [window["system"] for window in windows] == ["LAB", "PEM"]


def test_an_institution_that_left_the_directory_is_told_no_more(runtime: Runtime, janela: Janela) -> None:
    with Receiver() as receiver:
        add(janela, receiver.url)
        import_csv(runtime, OTHER)
        announce(runtime)
        jobs.tick(runtime)

    assert receiver.received == []


def test_rotating_signs_with_both_secrets_for_a_day(
    runtime: Runtime, janela: Janela, clock: MovedClock
) -> None:
    with Receiver() as receiver:
        old = add(janela, receiver.url)
        new = json.loads(janela("webhooks", "rotate", old["id"], "--json"))
        janela("webhooks", "test", old["id"])
        clock.move_on(hours=25)
        janela("webhooks", "test", old["id"])

    first, second = receiver.received
    assert signed_by(old["secret"], first)
    assert signed_by(new["secret"], first)
    assert signed_by(new["secret"], second)
    assert not signed_by(old["secret"], second)
    assert events(runtime) == [("added", "system"), ("rotated", "system")]
    assert new["secret"] not in janela("webhooks", "list", "--json")


def test_a_test_says_how_it_went(janela: Janela) -> None:
    with Receiver([Answer(), Answer(500)]) as receiver:
        id_ = add(janela, receiver.url)["id"]
        assert "HTTP 204" in janela("webhooks", "test", id_)
        assert "HTTP 500" in janela("webhooks", "test", id_, fails=True)

    assert json.loads(receiver.received[0].body)["type"] == "webhook.test"


def test_a_paused_webhook_gets_nothing_and_the_ledger_says_so(runtime: Runtime, janela: Janela) -> None:
    with Receiver() as receiver:
        add(janela, receiver.url)
        janela("webhooks", "pause", receiver.url)
        announce(runtime)
        jobs.tick(runtime)
        assert deliveries(runtime, "webhook") == [(receiver.url, "suppressed")]
        assert [(t.what, t.name) for t in trouble_of(runtime)] == [("webhook", receiver.url)]
        assert "is paused" in CliRunner().invoke(cli, ["deliveries", "list"], obj=runtime).output

        janela("webhooks", "resume", receiver.url)
        with runtime.database.write() as session:
            queue_for(session, receiver.url)
        jobs.tick(runtime)

    assert len(receiver.received) == 1
    [listed] = json.loads(janela("webhooks", "list", "--json"))
    assert [entry["kind"] for entry in listed["history"]] == ["added", "paused", "resumed"]
    assert "webhook" not in [trouble.what for trouble in trouble_of(runtime)]


def test_what_waits_for_a_webhook_is_closed_when_it_is_paused(
    runtime: Runtime, janela: Janela, clock: MovedClock
) -> None:
    with Receiver([Answer(500)]) as receiver:
        add(janela, receiver.url)
        announce(runtime)
        jobs.tick(runtime)
        janela("webhooks", "pause", receiver.url)
        clock.move_on(minutes=1)
        jobs.tick(runtime)

    assert deliveries(runtime, "webhook") == [(receiver.url, "suppressed")]
    assert len(receiver.received) == 1


def test_a_receiver_that_is_gone_is_paused_at_once(runtime: Runtime, janela: Janela) -> None:
    with Receiver([Answer(410)]) as receiver:
        add(janela, receiver.url)
        announce(runtime)
        jobs.tick(runtime)
        jobs.tick(runtime)

    assert deliveries(runtime, "webhook") == [(receiver.url, "failed_permanent")]
    assert "410" in trouble_of(runtime)[0].words
    assert events(runtime) == [("added", "system"), ("paused", "system")]


@pytest.mark.parametrize(
    ("tries", "days", "paused"),
    [(FAILING_TRIES, 5, True), (FAILING_TRIES - 1, 5, False), (FAILING_TRIES, 4.9, False)],
)
def test_a_receiver_that_fails_for_days_is_paused(
    runtime: Runtime, janela: Janela, clock: MovedClock, tries: int, days: float, paused: bool
) -> None:
    url = add(janela, "https://hooks.example.org/")["address"]
    transport = ScriptedTransport(channel="webhook", script={url: [failed(FailureClass.TRANSIENT)] * tries})
    clock.move_on(minutes=1)
    for number in range(tries):
        clock.now = NOW + timedelta(minutes=1) + timedelta(days=days) * number / (tries - 1)
        with runtime.database.write() as session:
            notice = a_notice(
                session, now=clock.now, reference=f"INT-{number}", useful_for=timedelta(minutes=1)
            )
            deliveries_of(session, notice, [url], channel="webhook")
        drain(runtime, transport)
    jobs.watch(runtime, {})

    assert [trouble.what for trouble in trouble_of(runtime)] == (["webhook"] if paused else [])


def test_both_databases_pause_what_fails(any_database: Database, settings: Settings) -> None:
    runtime = Runtime(settings, any_database, MovedClock(NOW))
    with any_database.write() as session:
        import_catalogue(session, CATALOGUE, prune=False, by=SYSTEM, now=NOW)
    import_csv(runtime, DESK)
    with any_database.write() as session:
        address = "https://hooks.example.org/"
        row = endpoints.add(
            session,
            channel="webhook",
            institution="HSJ",
            address=address,
            name="",
            language="pt",
            timezone="Europe/Lisbon",
            secret=endpoints.new_secret(),
            by=SYSTEM,
            now=NOW,
        )
        [id_] = deliveries_of(session, a_notice(session, now=NOW), [address], channel="webhook")
        for days in range(1, 12):
            at_ = NOW + timedelta(days=days)
            session.add(DeliveryEventRow(delivery_id=id_, at=at_, kind="attempt", state="retry_wait"))
        session.flush()
        found = endpoints.failing(session, NOW + timedelta(days=12))
        endpoints.pause_failing(session, found, NOW + timedelta(days=12))

        assert found == {row.id: "11 tries failed in 11 days, and none went through."}
        assert endpoints.failing(session, NOW + timedelta(days=12)) == {}
        assert endpoints.secrets_of(session, "webhook", [address], NOW) == {address: (row.secret,)}
    with any_database.read() as session:
        assert claims.waiting(session, "webhook", now=NOW, limit=5) == 1
    with any_database.write() as session:
        assert claims.claim(session, "webhook", owner="me", limit=5, now=NOW) == []
    assert deliveries(runtime, "webhook") == [(address, "suppressed")]


def test_one_success_starts_the_count_anew(runtime: Runtime, janela: Janela, clock: MovedClock) -> None:
    url = add(janela, "https://hooks.example.org/")["address"]
    bad = failed(FailureClass.TRANSIENT)
    good = Outcome(State.ACCEPTED)
    script: list[Outcome | BaseException] = [*[bad] * 10, good, *[bad] * 10]
    transport = ScriptedTransport(channel="webhook", script={url: script})
    for number in range(len(script)):
        clock.move_on(hours=8)
        with runtime.database.write() as session:
            notice = a_notice(
                session, now=clock.now, reference=f"INT-{number}", useful_for=timedelta(minutes=1)
            )
            deliveries_of(session, notice, [url], channel="webhook")
        drain(runtime, transport)
    jobs.watch(runtime, {})

    assert trouble_of(runtime) == []


def test_a_fresh_installation_keeps_webhooks_in_the_outbox(
    runtime: Runtime, janela: Janela, settings: Settings, clock: MovedClock
) -> None:
    closed = Runtime(with_more(settings, GUEST_LIST=""), runtime.database, clock)
    with Receiver() as receiver:
        add(janela, receiver.url)
        announce(closed)
        jobs.tick(closed)
        said = CliRunner().invoke(cli, ["webhooks", "test", receiver.url], obj=closed).output

    assert receiver.received == []
    assert "JANELA_GUEST_LIST" in said
    [item] = find_items(folder(settings), channel="webhook", reference="W")
    assert json.loads(read_sms(item).text)["type"] == "intervention.announced"
    client = client_of(create_app(closed), closed)
    page = client.get(f"/outbox/{item.delivery_id}?lang=en").text
    # In the list by its subject, like the mail.
    assert json.loads(read_sms(item).text)["data"]["subject"] in html.unescape(
        client.get("/outbox/?lang=en&channel=webhook&reference=W").text
    )
    assert "intervention.announced" in page
    assert f"Message to {receiver.url}" in page


@pytest.mark.parametrize(
    ("institution", "url", "words"),
    [
        ("NIX", "https://hooks.example.org/", "no institution NIX"),
        ("HSJ", "ftp://hooks.example.org/", "https://"),
        ("HSJ", "https://10.0.0.1/", "JANELA_WEBHOOK_ALLOW"),
        ("HSJ", "https://a:b@hooks.example.org/", "password"),
    ],
)
def test_what_cannot_be_registered_is_refused_with_a_sentence(
    runtime: Runtime, janela: Janela, institution: str, url: str, words: str
) -> None:
    assert words in janela("webhooks", "add", institution, url, fails=True)
    assert events(runtime) == []


def test_an_address_is_registered_once_and_languages_are_the_sites(janela: Janela) -> None:
    add(janela, "https://hooks.example.org/")
    assert "registered for HSJ already" in janela(
        "webhooks", "add", "HNO", "https://hooks.example.org:443/", fails=True
    )
    assert "pt en" in janela(
        "webhooks", "add", "HSJ", "https://h.example.org/", "--language", "xx", fails=True
    )
    assert "janela webhooks list" in janela("webhooks", "pause", "nix", fails=True)


def test_a_secret_is_long_and_never_the_same() -> None:
    secrets = {endpoints.new_secret() for _ in range(100)}

    assert len(secrets) == 100
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in secrets)


# -- chat rooms ----------------------------------------------------------------------------------------

needs_apprise = pytest.mark.skipif(
    importlib.util.find_spec("apprise") is None, reason="the extra `chat` is not installed"
)

its_import = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@needs_apprise
@its_import
def test_a_chat_room_is_told_and_its_address_appears_nowhere(
    runtime: Runtime, janela: Janela, caplog: pytest.LogCaptureFixture
) -> None:
    token = "abcdefghijklmnopqrstuvwx"
    with Receiver([Answer(200), Answer(500)]) as receiver:
        said = janela("chats", "add", "HSJ", typed=f"mmost://127.0.0.1:{receiver.port}/{token}\n")
        announce(runtime)
        jobs.tick(runtime)
        said += janela("chats", "list") + janela(
            "chats", "test", deliveries(runtime, "chat")[0][0], fails=True
        )

    assert token in receiver.received[0].path
    text = json.loads(receiver.received[0].body)["text"]
    assert "PEM" in text
    assert "https://janela.example.org/interventions/W" in text
    [(address, state)] = deliveries(runtime, "chat")
    assert (address.partition(":")[0], state) == ("mmost", "accepted")
    everywhere = (
        said + caplog.text + CliRunner().invoke(cli, ["deliveries", "export", "W"], obj=runtime).output
    )
    assert address in everywhere
    assert token not in everywhere


@needs_apprise
@its_import
@pytest.mark.parametrize(
    "address", ["json://127.0.0.1/", "syslog://", "mailto://u:p@example.org", "slack://", "nothing", ""]
)
def test_only_chat_services_can_be_registered_and_the_address_is_not_repeated(
    runtime: Runtime, janela: Janela, address: str
) -> None:
    said = janela("chats", "add", "HSJ", "--address", address, fails=True)

    assert not address or address not in said
    assert events(runtime) == []


def test_without_the_extra_a_sentence_says_what_to_install(
    runtime: Runtime, janela: Janela, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    said = janela("chats", "add", "HSJ", "--address", "slack://a/b/c", fails=True)

    assert "janela[chat]" in said
