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


def test_every_suggestion_says_what_it_costs_who_feels_it_and_what_it_avoids(
    runtime: Runtime, tmp_path: Path
) -> None:
    text = (EXAMPLE / "intervention.yaml").read_text()
    # The same eighteen hours, from Tuesday morning.
    busy = tmp_path / "busy.yaml"
    busy.write_text(
        text.replace("2019-11-30T14:00", "2019-12-03T08:00")
        .replace("2019-12-01T08:00", "2019-12-04T02:00")
        .replace("2019-12-01T20:00", "2019-12-04T14:00")
    )
    files = ["--catalogue", str(EXAMPLE / "catalogue.yaml"), str(busy)]

    result = CliRunner().invoke(cli, ["slots", *files, "--within", "P7D"], obj=runtime)

    assert result.exit_code == 0, result.output
    assert "As planned, Tue 2019-12-03 08:00 WET" in result.output
    assert "The best start found, Fri 2019-12-06 20:00 WET, avoids about 1," in result.output
    assert "avoids, compared with the plan:" in result.output
    assert "felt by: Prescribers, Hospitals, Pharmacists, Citizens" in result.output


def test_slots_are_nights_apart_unless_quarters_are_asked_for(runtime: Runtime) -> None:
    def starts(*arguments: str) -> list[str]:
        slots = json.loads(run(runtime, "--count", "3", "--json", *arguments).output)["slots"]
        return [slot["start"] for slot in slots]

    assert starts() == ["2019-11-30T14:00:00Z", "2019-12-01T14:00:00Z", "2019-12-06T20:00:00Z"]
    assert starts("--apart", "PT0S")[:2] == ["2019-11-30T14:00:00Z", "2019-11-30T14:15:00Z"]


def test_policies_are_held_against_every_start(runtime: Runtime) -> None:
    result = run(runtime, "--count", "1", "--policies", str(EXAMPLE / "policies.yaml"))
    assert "warns: 2019-12-01 is a holiday" in result.output


def test_no_start_is_better_than_the_chosen_saturday(runtime: Runtime) -> None:
    assert "The best start found, Sat 2019-11-30 14:00 WET, costs no less." in run(runtime).output
