"""`janela slots` on the reference case."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from app import cli
from maintenance.runtime import Runtime

EXAMPLE = Path(__file__).parents[2] / "examples" / "spms-exadata-2019"


def run(runtime: Runtime, *arguments: str) -> Result:
    files = ["--catalogue", str(EXAMPLE / "catalogue.yaml"), str(EXAMPLE / "intervention.yaml")]
    return CliRunner().invoke(cli, ["slots", *files, *arguments], obj=runtime)


def test_the_chosen_saturday_and_the_best_night_are_told(runtime: Runtime) -> None:
    result = run(runtime, "--within", "P7D", "--count", "2")
    assert result.exit_code == 0, result.output
    assert "As planned, Sat 2019-11-30 14:00 WET" in result.output
    assert "about 43,000 prescriptions" in result.output


def test_json_gives_starts_with_harm_per_unit(runtime: Runtime) -> None:
    result = run(runtime, "--within", "P7D", "--count", "3", "--json")
    slots = json.loads(result.output)["slots"]
    assert len(slots) == 3
    assert [s["score"] for s in slots] == sorted(s["score"] for s in slots)
    assert all({"unit", "amount"} == set(entry) for entry in slots[0]["harm"])


def test_a_start_that_cannot_be_read_gets_a_sentence(runtime: Runtime) -> None:
    result = run(runtime, "--from", "tomorrow")
    assert result.exit_code == 1
    assert "2026-06-06T22:00" in result.output
