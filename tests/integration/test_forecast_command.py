"""`janela forecast` as a person or a program meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app import cli
from maintenance.runtime import Runtime

CATALOGUE = """
timezone: Europe/Lisbon
operators: [{code: SPMS, name: "SPMS, EPE", email: servicedesk@example.org}]
audiences: [{code: prescribers, name: {pt: Prescritores, en: Prescribers}}]
systems:
  - {code: EXADATA, name: Exadata, kind: database, operator: SPMS}
  - {code: PEM, name: Prescrição Eletrónica Médica, kind: service, operator: SPMS, needs: [EXADATA]}
"""
PLAN = """
reference: SPMS-2019-EXADATA
title: {pt: Remodelação, en: Upgrade}
timezone: Europe/Lisbon
phases:
  - {id: p1, kind: outage, start: 2019-11-30T14:00, end: 2019-12-01T08:00, work: [{system: EXADATA, impact: OUTAGE}]}
  - {kind: verification, start: 2019-12-01T08:00, end: 2019-12-01T20:00, work: [{system: EXADATA, impact: NO-IMPACT}]}
"""
SECOND = """
reference: SPMS-2019-PATCH
title: {en: Patch}
timezone: Europe/Lisbon
phases:
  - {id: p1, kind: outage, start: 2019-11-30T20:00, duration: PT2H, work: [{system: EXADATA, impact: OUTAGE}]}
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    written = {}
    for name, text in (("catalogue", CATALOGUE), ("plan", PLAN), ("second", SECOND)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        written[name] = str(tmp_path / f"{name}.yaml")
    return written


def run(runtime: Runtime, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["forecast", *arguments], obj=runtime)


def test_json_is_the_documented_shape(runtime: Runtime, files: dict[str, str]) -> None:
    result = run(runtime, "--catalogue", files["catalogue"], files["plan"], "--json")
    assert result.exit_code == 0, result.output
    stretch = {"start": "2019-11-30T14:00:00Z", "end": "2019-12-01T08:00:00Z"}
    assert json.loads(result.output) == {
        "windows": [
            {"system": "EXADATA", "impact": "OUTAGE", **stretch, "because": [["SPMS-2019-EXADATA"]]},
            {"system": "PEM", "impact": "OUTAGE", **stretch, "because": [["EXADATA", "SPMS-2019-EXADATA"]]},
        ],
        "clashes": [],
        "warnings": [],
    }


def test_the_table_gives_local_times_with_their_zone_and_chains_in_words(
    runtime: Runtime, files: dict[str, str]
) -> None:
    result = run(runtime, "--catalogue", files["catalogue"], files["plan"])
    assert "Europe/Lisbon" in result.output
    assert "Sat 2019-11-30 14:00 WET" in result.output
    assert "needs EXADATA, worked on in SPMS-2019-EXADATA" in result.output


def test_fail_on_decides_the_exit_code(runtime: Runtime, files: dict[str, str]) -> None:
    alone = ("--catalogue", files["catalogue"], files["plan"])
    both = (*alone, files["second"])
    assert run(runtime, *both).exit_code == 0
    assert run(runtime, *both, "--fail-on", "block").exit_code == 1
    assert run(runtime, *both, "--fail-on", "warn").exit_code == 1
    assert run(runtime, *alone, "--fail-on", "warn").exit_code == 0
    warns = ("--catalogue", files["catalogue"], files["second"])  # nobody verifies
    assert run(runtime, *warns, "--fail-on", "block").exit_code == 0
    assert run(runtime, *warns, "--fail-on", "warn").exit_code == 1


def test_what_two_plans_have_against_each_other_is_said_once(runtime: Runtime, files: dict[str, str]) -> None:
    result = run(runtime, "--catalogue", files["catalogue"], files["plan"], files["second"], "--json")
    kinds = [clash["kind"] for clash in json.loads(result.output)["clashes"]]
    assert sorted(kinds) == ["same-system", "verification-missing"]


def test_mistakes_of_all_plans_are_told_at_once(runtime: Runtime, files: dict[str, str]) -> None:
    for name in ("plan", "second"):
        path = Path(files[name])
        path.write_text(
            path.read_text(encoding="utf-8").replace("system: EXADATA", "system: EXADATTA"), "utf-8"
        )
    result = run(runtime, "--catalogue", files["catalogue"], files["plan"], files["second"])
    assert result.exit_code == 1
    assert "plan.yaml:6" in result.output
    assert "second.yaml:6" in result.output
    assert result.output.count("EXADATTA") >= 2


def test_one_reference_twice_is_refused_with_a_sentence(runtime: Runtime, files: dict[str, str]) -> None:
    result = run(runtime, "--catalogue", files["catalogue"], files["plan"], files["plan"])
    assert result.exit_code == 1
    assert "give each plan once" in result.output


def test_plans_are_held_against_a_policy_document(
    runtime: Runtime, files: dict[str, str], tmp_path: Path
) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text("holidays: [{code: PT, name: Feriados, country: PT}]", encoding="utf-8")
    arguments = ("--catalogue", files["catalogue"], "--policies", str(policies), files["plan"])

    result = run(runtime, *arguments, "--json", "--fail-on", "block")

    # 1 December: Restoration of Independence.
    assert [(c["kind"], c["severity"]) for c in json.loads(result.output)["clashes"]] == [("holiday", "warn")]
    assert result.exit_code == 0
    assert run(runtime, *arguments, "--fail-on", "warn").exit_code == 1


def test_a_mistake_in_the_policies_is_told_and_nothing_is_forecast(
    runtime: Runtime, files: dict[str, str], tmp_path: Path
) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text("freezes: [{code: F, name: F, scope: {systems: [PME]}}]", encoding="utf-8")

    result = run(runtime, "--catalogue", files["catalogue"], "--policies", str(policies), files["plan"])

    assert result.exit_code != 0
    assert "There is no system PME in the catalogue. Did you mean `PEM`?" in result.output
