"""What circuit-maintenance-parser, which operators of networks use, makes of our calendars and mails."""

import json
import os
import subprocess
import sys
import venv
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from maintenance.catalogue import Impact
from maintenance.settings import ROOT
from notifications import mail
from notifications.feeds import CalendarFeeds
from notifications.messages import compose
from notifications.timetable import NoticeKind
from tests.stories import (
    HOSPITAL,
    PRESCRIBERS,
    SITE,
    a_phase_from,
    a_reader,
    a_story,
    every_kind,
    lisbon,
    special_cases,
    the_plan,
    windows_of,
)

HERE = Path(__file__).parent
REQUIREMENTS = HERE.parent / "requirements-parser.txt"
URL = "https://janela.example.org/calendar/all.ics"


@pytest.fixture(scope="session")
def parser_python() -> Path:
    """Give the Python of an environment with the parser, made once and kept in `.cache/`."""
    digest = sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = ROOT / ".cache" / f"circuit-maintenance-parser-{digest}"
    python, ready = home / "bin" / "python", home / "ready"
    if not ready.exists():
        venv.create(home, with_pip=True, clear=True)
        pip = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--retries",
            "2",
        ]
        done = subprocess.run([*pip, "-r", str(REQUIREMENTS)], capture_output=True, text=True)
        if done.returncode:
            reason = f"circuit-maintenance-parser could not be installed: {done.stderr.strip()[-300:]}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        ready.touch()
    return python


@pytest.fixture(scope="session")
def parsed(parser_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give what the parser reads in every calendar and mail of ours, by file name; one run for all."""
    folder = tmp_path_factory.mktemp("notices")
    for name, raw in _notices().items():
        (folder / name).write_bytes(raw)
    files = sorted(str(path) for path in folder.iterdir())
    done = subprocess.run(
        [str(parser_python), str(HERE / "parse_notices.py"), *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _notices() -> dict[str, bytes]:
    notices = {}
    for kind, story in every_kind():
        notices[f"{kind}.ics"] = compose(story, a_reader("pt")).calendar
    for name, story, reader in special_cases():
        notices[f"{name}.ics"] = compose(story, reader).calendar
    stories = [_announced(), _degraded()]
    feeds = CalendarFeeds(SITE)
    notices["all.feed.ics"] = feeds.everything(stories, language="pt", url=URL).body
    notices["rnu.feed.ics"] = feeds.of_system(stories, "RNU", language="pt", url=URL).body
    notices["empty.feed.ics"] = feeds.everything([], language="pt", url=URL).body
    notices["announcement.eml"] = _mail()
    return notices


def _announced() -> Any:
    return a_story(NoticeKind.ANNOUNCEMENT)


def _degraded() -> Any:
    phase = a_phase_from("2019-12-10T20:00", "2019-12-10T22:00", "PEM", impact=Impact.DEGRADED)
    plan = the_plan(phase, reference="INT-2019-9")
    return a_story(NoticeKind.ANNOUNCEMENT, plan, windows=windows_of(plan), sequence=3)


def _mail() -> bytes:
    story = _announced()
    heading = mail.Heading(
        mail_from=SITE.mail_from,
        host=SITE.host,
        site_name=SITE.name,
        reference=story.plan.reference,
        notice_public_id="Ab12Cd34Ef56",
        sequence=0,
        kind="announcement",
        language="pt",
        at=story.published_at,
    )
    template = mail.prepare(compose(story, a_reader("pt", HOSPITAL, PRESCRIBERS)), heading)
    return mail.fill(template, {"to": b"direcao@example.org", "delivery": b"7"})


def test_announcement_is_read_with_account_id_systems_and_times(parsed: dict[str, Any]) -> None:
    (maintenance,) = parsed["announcement.ics"]

    assert maintenance["provider"] == "janela.example.org"
    assert maintenance["account"] == "HX"
    assert maintenance["maintenance_id"] == "SPMS-2019-EXADATA"
    assert maintenance["status"] == "CONFIRMED"
    assert maintenance["sequence"] == 0
    assert maintenance["uid"] == "SPMS-2019-EXADATA.p1@janela.example.org"
    assert maintenance["organizer"] == "mailto:janela@example.org"
    assert maintenance["start"] == lisbon("2019-11-30T14:00").timestamp()
    assert maintenance["end"] == lisbon("2019-12-01T08:00").timestamp()
    assert {(c["circuit_id"], c["impact"]) for c in maintenance["circuits"]} == {
        (code, "OUTAGE") for code in ("PEM", "DEM", "RNU", "SICO", "CIT", "SIARS")
    }
    assert "Indisponível" in maintenance["summary"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("change", "CONFIRMED"),
        ("reminder", "CONFIRMED"),
        ("start", "IN-PROCESS"),
        ("update", "IN-PROCESS"),
        ("extension", "IN-PROCESS"),
        ("restored", "COMPLETED"),
        ("completion", "COMPLETED"),
        ("cancellation", "CANCELLED"),
    ],
)
def test_every_kind_is_read_with_its_status(parsed: dict[str, Any], kind: str, status: str) -> None:
    assert [maintenance["status"] for maintenance in parsed[f"{kind}.ics"]] == [status]


@pytest.mark.parametrize("name", [name for name, _, _ in special_cases()])
def test_special_cases_are_read(parsed: dict[str, Any], name: str) -> None:
    assert parsed[f"{name}.ics"]


def test_one_object_keeps_its_milder_impact(parsed: dict[str, Any]) -> None:
    by_id = {m["maintenance_id"]: m for m in parsed["all.feed.ics"]}

    assert by_id["INT-2019-9"]["circuits"] == [{"circuit_id": "PEM", "impact": "DEGRADED"}]
    assert by_id["INT-2019-9"]["sequence"] == 3


def test_public_feed_has_the_public_account_and_public_systems(parsed: dict[str, Any]) -> None:
    maintenance = parsed["all.feed.ics"][0]

    assert maintenance["account"] == "public"
    assert "SIARS" not in {circuit["circuit_id"] for circuit in maintenance["circuits"]}


def test_feed_of_a_system_has_its_recovery(parsed: dict[str, Any]) -> None:
    (maintenance,) = parsed["rnu.feed.ics"]

    assert maintenance["end"] == lisbon("2019-12-01T08:30").timestamp()


def test_empty_feed_is_read_as_nothing(parsed: dict[str, Any]) -> None:
    assert parsed["empty.feed.ics"] == []


def test_mail_is_read_like_its_calendar_accents_included(parsed: dict[str, Any]) -> None:
    (from_mail,) = parsed["announcement.eml"]

    assert from_mail["maintenance_id"] == "SPMS-2019-EXADATA"
    assert "Intervenção na infraestrutura EXADATA" in from_mail["summary"]
    assert from_mail["stamp"] == lisbon("2019-11-28T10:00").timestamp()


def test_mail_has_one_calendar_part() -> None:
    kinds = [part.get_content_type() for part in message_from_bytes(_mail()).walk()]

    assert kinds.count("text/calendar") == 1
    assert kinds.count("application/ics") == 1
