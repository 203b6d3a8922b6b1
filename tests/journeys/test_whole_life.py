"""The whole life of the reference case, as its readers get to know it.

Commands take the steps, the clock is moved, mail goes to a real listener and SMS to a stand-in of Twilio. What
every reader got after each step is compared with a reviewed file in `tests/snapshots/journey/`. After a change that
is meant, delete the folder, run the test (it writes the files anew and fails), read `git diff`, run it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import cli, create_app, create_runtime
from maintenance import schema
from maintenance.runtime import Runtime
from maintenance.settings import ROOT, Settings
from notifications import channels, jobs
from tests.conftest import MovedClock
from tests.fakes.smtp import SmtpListener
from tests.fakes.twilio import TwilioStandIn

EXAMPLE = ROOT / "examples" / "spms-exadata-2019"
SNAPSHOTS = ROOT / "tests" / "snapshots" / "journey"

#: A prescriber who reads Portuguese; a pharmacy with mail and SMS; a hospital in the Azores that reads English; one
#: address that stands for two institutions; and a desk whose only system is not touched.
DIRECTORY = """\
institution,institution_name,audience,contact,email,phone,language,timezone,channels,systems
CS-12,Centro de Saúde 12,prescribers,Coordenação,cs12@example.org,,pt,Europe/Lisbon,email,PEM CIT
FARM-03,Farmácia 03,pharmacists,Balcão,farm03@example.org,+351500000003,pt,Europe/Lisbon,email sms,DEM
HOSP-07,Hospital 07,hospitals,Informática,hosp07@example.org,,en,Atlantic/Azores,email,PEM RNU
HOSP-08,Hospital 08,hospitals,Informática,partilhado@example.org,,pt,Europe/Lisbon,email,PEM
HOSP-09,Hospital 09,hospitals,Informática,partilhado@example.org,,pt,Europe/Lisbon,email,RNU
ARQ-01,Arquivo 01,hospitals,Balcão,arquivo@example.org,,pt,Europe/Lisbon,email,ARQUIVO
"""
UNTOUCHED = """
  - {code: ARQUIVO, name: Arquivo, kind: application, operator: SPMS, public: true, audiences: [hospitals]}
"""


class Journey:
    """An installation whose clock is moved, and what its readers got since they were last asked."""

    def __init__(
        self, runtime: Runtime, clock: MovedClock, mail: SmtpListener, twilio: TwilioStandIn
    ) -> None:
        self.runtime, self.clock, self.mail, self.twilio = runtime, clock, mail, twilio
        self.transports = channels.transports(runtime)
        self.seen_mails = self.seen_sms = 0

    def janela(self, *words: str) -> None:
        """Run a command, as a person would."""
        cli.main(list(words), obj=self.runtime, standalone_mode=False)

    def tick(self) -> None:
        """Let the due work be done until nothing is due."""
        while (looked := jobs.tick(self.runtime, self.transports)) and (
            looked.started or looked.notices or looked.deliveries or looked.tries
        ):
            pass

    def at(self, local: str) -> None:
        """Move the clock to a time in Lisbon (winter: UTC) and let the due work be done."""
        self.clock.move_to(datetime.fromisoformat(local).replace(tzinfo=UTC))
        self.tick()

    def got(self) -> str:
        """Return everything that readers got since the last time, by address."""
        mails = self.mail.mails[self.seen_mails :]
        sms = self.twilio.messages[self.seen_sms :]
        self.seen_mails, self.seen_sms = len(self.mail.mails), len(self.twilio.messages)
        parts = [
            f"=== mail to {mail.recipient}\nSubject: {mail.message['Subject']}\n\n{mail.text.strip()}\n"
            for mail in sorted(mails, key=lambda mail: mail.recipient)
        ]
        parts += [f"=== SMS to {one['form']['To']}\n{one['form']['Body']}\n" for one in sms]
        return "\n".join(parts) or "(nothing)\n"

    def expect(self, name: str) -> None:
        """Compare what readers got with the reviewed file of that name."""
        got = self.got().replace("\r\n", "\n")
        file = SNAPSHOTS / f"{name}.txt"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(got)
            pytest.fail(f"{file.relative_to(ROOT)} was not there; it is now. Read it, then run again.")

        assert got == file.read_text()


@pytest.fixture
def journey(tmp_path: Path, clock: MovedClock) -> Iterator[Journey]:
    clock.move_to(datetime(2019, 11, 20, 10, 0, tzinfo=UTC))
    with SmtpListener() as mail, TwilioStandIn() as twilio:
        settings = Settings(
            {
                "DATABASE_URL": f"sqlite:///{tmp_path}/janela.db",
                "INSTANCE": str(tmp_path / "instance"),
                "SECRET_KEY": "for-tests-only",
                "PUBLIC_URL": "https://janela.example.org",
                "SMTP_URL": mail.url,
                **twilio.settings,
            }
        )
        runtime = create_runtime(settings, clock=clock)
        schema.upgrade(runtime.database)
        journey = Journey(runtime, clock, mail, twilio)
        catalogue = tmp_path / "catalogue.yaml"
        catalogue.write_text((EXAMPLE / "catalogue.yaml").read_text() + UNTOUCHED)
        directory = tmp_path / "directory.csv"
        directory.write_text(DIRECTORY)
        journey.janela("catalogue", "import", str(catalogue))
        journey.janela("directory", "import", str(directory))
        yield journey
        for transport in journey.transports.values():
            transport.close()
        runtime.database.dispose()


def test_every_step_of_a_life_tells_its_readers_what_the_reviewed_texts_say(journey: Journey) -> None:
    ref = "SPMS-2019-EXADATA"
    journey.janela("plan", str(EXAMPLE / "intervention.yaml"), "--announce")
    journey.tick()
    journey.expect("01-announcement")

    journey.at("2019-11-23T14:00")
    journey.expect("02-reminder-7-days")

    journey.janela(
        "interventions", "move", ref, "--start", "2019-11-30T16:00", "--reason", "pt=Chegada tardia do equipamento.",
        "--reason", "en=The equipment arrives late.",
    )  # fmt: skip
    journey.tick()
    journey.expect("03-change")

    journey.at("2019-11-23T16:00")
    journey.expect("04-reminder-7-days-of-the-new-time")
    journey.at("2019-11-27T15:59")
    assert journey.got() == "(nothing)\n", "the reminder of the old time was superseded"
    journey.at("2019-11-27T16:00")
    journey.expect("05-reminder-72-hours")
    journey.at("2019-11-29T16:00")
    journey.at("2019-11-30T15:00")
    journey.expect("06-reminders-24-hours-and-1-hour")

    journey.at("2019-11-30T16:00")
    journey.expect("07-start")

    journey.at("2019-11-30T22:00")
    journey.janela(
        "interventions", "update", ref, "--text", "pt=A migração dos dados está a meio e dentro do previsto.",
        "--text", "en=The data migration is half done and on time.",
    )  # fmt: skip
    journey.tick()
    journey.expect("08-update")

    journey.at("2019-12-01T10:30")
    assert journey.got() == "(nothing)\n", "an overrun is shown; nobody is told before a person says more"
    client = create_app(journey.runtime).test_client()
    page = client.get("/?lang=en").get_data(as_text=True)
    assert "PEM" in page
    assert "longer than planned" in page or "overrun" in page.lower()

    journey.janela(
        "interventions", "extend", ref, "--until", "2019-12-01T13:00", "--reason",
        "pt=A verificação dos discos demora mais.", "--reason", "en=Checking the disks takes longer.",
    )  # fmt: skip
    journey.tick()
    journey.expect("09-extension")

    journey.at("2019-12-01T12:40")
    journey.janela("interventions", "verify", ref)
    journey.tick()
    journey.expect("10-restored")

    journey.at("2019-12-01T18:00")
    journey.janela("interventions", "complete", ref)
    journey.tick()
    journey.expect("11-completion")

    journey.at("2019-12-31T00:00")
    assert journey.got() == "(nothing)\n"
    assert journey.twilio.violations == []


def test_cancelled_one_tells_everybody_who_had_been_told_and_reminds_nobody(
    journey: Journey, tmp_path: Path
) -> None:
    ref = "SPMS-2019-EXADATA"
    journey.janela("plan", str(EXAMPLE / "intervention.yaml"), "--announce")
    journey.tick()
    journey.got()

    journey.at("2019-11-22T09:00")
    journey.janela("interventions", "cancel", ref, "--reason", "pt=O equipamento não chegou.")
    journey.tick()
    journey.expect("20-cancellation")

    journey.clock.move_on(days=30)
    journey.tick()
    assert journey.got() == "(nothing)\n"


def test_moved_intervention_reaches_calendars_under_the_same_uid_with_a_higher_sequence(
    journey: Journey,
) -> None:
    journey.janela("plan", str(EXAMPLE / "intervention.yaml"), "--announce")
    journey.tick()
    journey.janela(
        "interventions", "move", "SPMS-2019-EXADATA", "--start", "2019-11-30T16:00", "--reason", "en=Later."
    )
    journey.tick()

    first, second = (
        next(part for part in mail.message.walk() if part.get_content_type() == "text/calendar").get_content()
        for mail in journey.mail.sent_to("cs12@example.org")
    )

    uid = [line for line in first.splitlines() if line.startswith("UID:")]
    assert uid == ["UID:SPMS-2019-EXADATA.p1@janela.example.org"]
    assert [line for line in second.splitlines() if line.startswith("UID:")] == uid
    assert "SEQUENCE:0" in first.splitlines()
    assert "SEQUENCE:1" in second.splitlines()
    assert "DTSTART:20191130T160000Z" in second.splitlines()
