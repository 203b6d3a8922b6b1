"""`janela plan` and `janela interventions`: what people type, what they read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from app import cli, create_runtime
from maintenance import accounts, schema
from maintenance.commands.options import instant, text_of
from maintenance.database import Base
from maintenance.errors import InvalidTime
from maintenance.lifecycle import Role
from maintenance.models import EventRow
from maintenance.queries import get_intervention, latest_published, list_interventions, plan_of
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from tests.builders import a_need, a_system, at
from tests.conftest import MovedClock
from tests.lives import import_systems, told

PLAN = """
reference: W
title: {pt: Troca de discos, en: Disk replacement}
timezone: UTC
phases:
  - {start: 2026-06-06T14:00, end: 2026-06-06T18:00, kind: outage, work: [{system: A, impact: OUTAGE}]}
  - {start: 2026-06-06T18:00, end: 2026-06-06T20:00, kind: outage, work: [{system: NET, impact: DEGRADED}]}
"""
Janela = Callable[..., str]


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    """Give an installation at 08:00 of the day of the tests: S needs one of A and B."""
    runtime = create_runtime(settings, clock=MovedClock(at(8)))
    schema.upgrade(runtime.database)
    Base.metadata.create_all(runtime.database.engine)
    with runtime.database.write() as session:
        import_systems(
            session,
            a_system("S", a_need("A", "B", at_least=1)),
            a_system("A"),
            a_system("B"),
            a_system("NET"),
        )
        for name, role in (("paula", Role.PLANNER), ("afonso", Role.APPROVER)):
            accounts.add_user(
                session,
                email=f"{name}@example.org",
                name=name.title(),
                role=role,
                password="correct horse battery",
                now=at(8),
            )
    yield runtime
    runtime.database.dispose()


@pytest.fixture
def janela(runtime: Runtime) -> Janela:
    """Give a function that runs a command and returns what it printed; `fails=True` expects a sentence."""

    def run(*words: str, fails: bool = False) -> str:
        result = CliRunner().invoke(cli, words, obj=runtime, catch_exceptions=False)
        assert (result.exit_code != 0) is fails, result.output
        return result.output

    return run


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    """Give a file with a plan."""
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN, encoding="utf-8")
    return file


def move_clock(runtime: Runtime, hour: float) -> None:
    assert isinstance(runtime.clock, MovedClock)
    runtime.clock.move_to(at(hour))


def state(runtime: Runtime) -> str:
    with runtime.database.read() as session:
        return get_intervention(session, "W").run_state


# -- plan


def test_a_plan_is_drafted_and_its_windows_are_printed(
    janela: Janela, runtime: Runtime, plan_file: Path
) -> None:
    output = janela("plan", str(plan_file), "--by", "paula@example.org")

    assert output.startswith("W: drafted.\n")
    assert "A       OUTAGE              Sat 2026-06-06 14:00 UTC" in output
    assert "S       REDUCED-REDUNDANCY" in output
    with runtime.database.read() as session:
        row = get_intervention(session, "W")
        assert (row.run_state, row.created_by) == ("planned", "paula@example.org")


def test_a_plan_is_announced_at_once_and_the_log_names_what_was_passed_over(
    janela: Janela, runtime: Runtime, plan_file: Path
) -> None:
    output = janela("plan", str(plan_file), "--announce", "--reason", "pt=Avaria", "--reason", "en=Failure")

    assert output.startswith("W: drafted, announced as version 0.\n")
    with runtime.database.read() as session:
        approval = session.query(EventRow).filter_by(kind="InterventionApproved").one()
        assert (approval.by, approval.payload["passed_over"]) == ("system", ["submit", "approve"])
        version = latest_published(get_intervention(session, "W"))
        assert version is not None
        assert version.reason == {"pt": "Avaria", "en": "Failure"}


def test_the_same_plan_again_changes_nothing(janela: Janela, runtime: Runtime, plan_file: Path) -> None:
    janela("plan", str(plan_file), "--announce")

    output = janela("plan", str(plan_file), "--announce")

    assert output.startswith("W: nothing to change.\n")
    with runtime.database.read() as session:
        assert len(get_intervention(session, "W").versions) == 1


def test_another_content_becomes_a_change(janela: Janela, runtime: Runtime, plan_file: Path) -> None:
    janela("plan", str(plan_file), "--announce")
    plan_file.write_text(
        PLAN.replace("T18:00, kind", "T17:00, kind").replace("start: 2026-06-06T18", "start: 2026-06-06T17")
    )

    assert janela("plan", str(plan_file)).startswith("W: edited.\n")
    assert janela("plan", str(plan_file), "--announce").startswith("W: announced as version 1.\n")
    with runtime.database.read() as session:
        assert told(session, "W")[0] == ("A", "OUTAGE", 14, 17, ("W",))


def test_a_plan_that_alters_another_says_so_before_and_after(
    janela: Janela, runtime: Runtime, plan_file: Path
) -> None:
    janela("plan", str(plan_file), "--announce")
    plan_file.write_text(PLAN.replace("reference: W", "reference: X").replace("system: A", "system: B"))

    before = json.loads(janela("plan", str(plan_file), "--json"))
    output = janela("plan", str(plan_file), "--announce", "--override", "Agreed.")

    (altered,) = before["altered"]
    assert altered["reference"] == "W"
    assert {"OUTAGE"} == {w["impact"] for w in altered["after"] if w["system"] == "S"}
    assert "redundancy-lost" in [clash["kind"] for clash in before["clashes"]]
    assert "Altered W, now:" in output


def test_a_plan_without_a_reference_gets_one(janela: Janela, plan_file: Path) -> None:
    plan_file.write_text(PLAN.replace("reference: W", ""))

    document = json.loads(janela("plan", str(plan_file), "--json"))

    assert (document["reference"], document["done"], document["version"]) == (
        "INT-2026-0001",
        ["drafted"],
        None,
    )
    assert document["windows"][0]["because"] == [["INT-2026-0001"]]


def test_a_plan_with_mistakes_names_them_all_and_saves_nothing(
    janela: Janela, runtime: Runtime, plan_file: Path
) -> None:
    plan_file.write_text(PLAN.replace("system: A", "system: AA").replace("T20:00", "T17:00"))

    output = janela("plan", str(plan_file), "--announce", fails=True)

    assert "AA is not in the catalogue" in output
    assert f"{plan_file}:7" in output
    with runtime.database.read() as session:
        assert list_interventions(session) == []


def test_a_planner_cannot_announce_with_plan_and_nothing_is_saved(
    janela: Janela, runtime: Runtime, plan_file: Path
) -> None:
    output = janela("plan", str(plan_file), "--announce", "--by", "paula@example.org", fails=True)

    assert "needs the role approver; you are planner" in output
    with runtime.database.read() as session:
        assert list_interventions(session) == []


# -- interventions


def test_a_whole_life_from_the_command_line(janela: Janela, runtime: Runtime, plan_file: Path) -> None:
    def step(*words: str, by: str = "paula") -> str:
        return janela("interventions", words[0], "W", *words[1:], "--by", f"{by}@example.org")

    janela("plan", str(plan_file), "--by", "paula@example.org")
    assert step("submit") == "W: planned, one version in review.\n"
    assert step("return", "--note", "Falta o contacto.", by="afonso") == "W: planned, one version draft.\n"
    step("submit")
    assert step("approve", "--note", "Bem.", by="afonso") == "W: planned, one version approved.\n"
    assert step("announce", "--reason", "pt=Novo", by="afonso") == "W: announced (version 0).\n"
    assert step("move", "--start", "2026-06-06T15:00", by="afonso") == "W: announced (version 1).\n"
    assert step("hold", "--reason", "Cópia por acabar") == "W: announced (version 1), start held.\n"
    assert step("release") == "W: announced (version 1).\n"
    move_clock(runtime, 15)
    assert step("start") == "W: running (version 2).\n"
    move_clock(runtime, 20)
    assert "W: running (version 2), overrun" in step(
        "update", "--text", "pt=Demora.", "--text", "en=It takes longer."
    )
    assert step("extend", "--until", "21:30", "--reason", "Discos") == "W: running (version 3).\n"
    with runtime.database.read() as session:
        assert told(session, "W")[0] == ("A", "OUTAGE", 15, 21.5, ("W",))
    assert step("extend", "--by-length", "PT30M") == "W: running (version 4).\n"
    assert step("verify", "--system", "A") == "W: running (version 5).\n"
    assert step("start", "--phase", "p2") == "W: running (version 6).\n"
    assert step("verify") == "W: verifying (version 7).\n"
    assert step("complete", "--reason", "Feito") == "W: completed (version 8).\n"

    shown = janela("interventions", "show", "W")
    for words in (
        "W  Disk replacement",
        "State: completed (version 8)",
        "Sat 2026-06-06 22:00 UTC",
        "It takes longer.",
        "InterventionReturned  afonso@example.org  “Falta o contacto.”",
        "ServiceRestored  paula@example.org",
    ):
        assert words in shown


def test_a_step_prints_json_where_asked(janela: Janela, plan_file: Path) -> None:
    janela("plan", str(plan_file), "--announce")

    document = json.loads(janela("interventions", "start", "W", "--json"))

    assert (document["state"], document["version"]) == ("running", 1)
    assert document["actuals"] == {"p1": {"started_at": "2026-06-06T08:00:00+00:00"}}
    assert document["windows"][0] == {
        "system": "A",
        "impact": "OUTAGE",
        "start": "2026-06-06T08:00:00Z",
        "end": "2026-06-06T18:00:00Z",
        "because": [["W"]],
    }


def test_a_step_names_the_plans_it_alters(janela: Janela, plan_file: Path) -> None:
    janela("plan", str(plan_file), "--announce")
    plan_file.write_text(PLAN.replace("reference: W", "reference: X").replace("system: A", "system: B"))
    janela("plan", str(plan_file), "--announce", "--override", "Agreed.")

    output = janela("interventions", "cancel", "X")

    assert output == "X: cancelled (version 1).\nW: windows altered by this, published as version 2.\n"


def test_interventions_are_listed_by_state(janela: Janela, plan_file: Path) -> None:
    assert "No interventions" in janela("interventions", "list")
    janela("plan", str(plan_file))
    plan_file.write_text(PLAN.replace("reference: W", "reference: X"))
    janela("plan", str(plan_file), "--announce")

    header, first, second = janela("interventions", "list").splitlines()
    assert header.split() == ["REFERENCE", "STATE", "FROM", "TO", "TITLE"]
    assert first.startswith("X          announced (version 0)")
    assert second.startswith("W          planned, one version draft")
    announced = json.loads(janela("interventions", "list", "--state", "announced", "--json"))
    assert [entry["reference"] for entry in announced] == ["X"]


def test_windows_that_a_catalogue_change_made_stale_are_listed_and_published_by_announcing_anew(
    janela: Janela, runtime: Runtime, plan_file: Path
) -> None:
    janela("plan", str(plan_file), "--announce")
    with runtime.database.write() as session:
        import_systems(session, a_system("S", "A"))

    assert "W was announced with other windows than today's" in janela("interventions", "list")
    assert janela("plan", str(plan_file), "--announce").startswith("W: edited, announced as version 1.\n")
    assert "other windows" not in janela("interventions", "list")
    with runtime.database.read() as session:
        assert ("S", "OUTAGE", 14, 18, ("W",)) in told(session, "W")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("show", "NONE"), "There is no intervention NONE"),
        (("submit", "NONE"), "There is no intervention NONE"),
        (
            ("extend", "W", "--by-length", "PT2H"),
            "possible while the intervention is running; it is announced",
        ),
        (("start", "W", "--by", "nobody@example.org"), "Nobody has the address nobody@example.org"),
        (("move", "W", "--start", "amanhã"), "“amanhã” is no local time"),
        (("move", "W", "--start", "2026-06-07T14:00Z"), "is no local time"),
        (("move", "W", "--start", "2026-06-05T14:00"), "is past"),
        (("cancel", "W", "--by", "paula@example.org"), "needs the role approver"),
        (("release", "W"), "Nothing to release"),
        (("hold", "W"), "Say why the start is held"),
        (("update", "W", "--text", " "), "Write what readers are to know"),
    ],
)
def test_a_step_that_fails_says_why_and_changes_nothing(
    janela: Janela, runtime: Runtime, plan_file: Path, words: tuple[str, ...], sentence: str
) -> None:
    janela("plan", str(plan_file), "--announce")

    output = janela("interventions", *words, fails=True)

    assert sentence in output
    assert "Traceback" not in output
    assert state(runtime) == "announced"
    with runtime.database.read() as session:
        version = latest_published(get_intervention(session, "W"))
        assert version is not None
        assert (version.sequence, plan_of(version).start) == (0, at(14))


def test_a_disabled_person_takes_no_step(janela: Janela, runtime: Runtime, plan_file: Path) -> None:
    janela("plan", str(plan_file))
    with runtime.database.write() as session:
        accounts.disable_user(session, "paula@example.org", now=at(8))

    assert "is disabled" in janela("interventions", "submit", "W", "--by", "paula@example.org", fails=True)


# -- options


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["Adiada"], "Adiada"),
        (["pt=Adiada", "en=Postponed"], {"pt": "Adiada", "en": "Postponed"}),
        (["pt-br=Adiada"], {"pt-BR": "Adiada"}),
        (["a = b é verdade"], "a = b é verdade"),
        ([], ""),
        (["pt="], ""),
    ],
)
def test_texts_are_given_per_language_or_for_all(parts: list[str], expected: object) -> None:
    assert text_of(parts).document() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:00", "2019-12-01T10:00+00:00"),  # now is 09:00 UTC, which is 09:00 in Lisbon
        ("08:00", "2019-12-02T08:00+00:00"),  # the next one
        ("2019-12-01T10:00", "2019-12-01T10:00+00:00"),
        ("2019-12-01 10:00", "2019-12-01T10:00+00:00"),
        ("2019-12-01T10:00+01:00", "2019-12-01T09:00+00:00"),
        ("2019-12-01T10:00Z", "2019-12-01T10:00+00:00"),
    ],
)
def test_an_instant_is_read_in_the_plans_zone(text: str, expected: str) -> None:
    now = datetime.fromisoformat("2019-12-01T09:00+00:00")

    assert instant(text, "Europe/Lisbon", now=now) == datetime.fromisoformat(expected)


@pytest.mark.parametrize("text", ["25:00", "soon", "", "2019-13-01T10:00"])
def test_a_time_that_is_none_says_how_to_write_it(text: str) -> None:
    with pytest.raises(InvalidTime, match="is no time; write"):
        instant(text, "Europe/Lisbon", now=at(8))
