"""`janela slots` on the reference case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app import cli
from maintenance import scheduling
from maintenance.lifecycle import SYSTEM
from maintenance.policy_book import policies_from_document
from maintenance.policy_editing import import_policies
from maintenance.runtime import Runtime
from tests.web import case

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
    assert "The best start found, Sat 2019-12-07 13:00 WET, avoids about 1," in result.output
    assert "avoids, compared with the plan:" in result.output
    assert "felt by: Prescribers, Hospitals, Pharmacists, Citizens" in result.output


def test_slots_are_nights_apart_unless_quarters_are_asked_for(runtime: Runtime) -> None:
    def starts(*arguments: str) -> list[str]:
        slots = json.loads(run(runtime, "--count", "3", "--json", *arguments).output)["slots"]
        return [slot["start"] for slot in slots]

    assert starts() == ["2019-11-30T14:00:00Z", "2019-12-01T14:00:00Z", "2019-12-07T13:00:00Z"]
    assert starts("--apart", "PT0S")[:2] == ["2019-11-30T14:00:00Z", "2019-11-30T14:15:00Z"]


def test_policies_are_held_against_every_start(runtime: Runtime) -> None:
    result = run(runtime, "--count", "1", "--policies", str(EXAMPLE / "policies.yaml"))
    assert "warns: 2019-12-01 is a holiday" in result.output


def test_no_start_is_better_than_the_chosen_saturday(runtime: Runtime) -> None:
    assert "The best start found, Sat 2019-11-30 14:00 WET, costs no less." in run(runtime).output


def stored(runtime: Runtime, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["slots", *arguments], obj=runtime)


@pytest.fixture
def drafted(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Give an installation with the reference case as a draft."""
    monkeypatch.setattr("maintenance.schema.check", lambda database: None)
    case.load_catalogue(runtime)
    with runtime.database.write() as session:
        scheduling.draft(session, case.the_plan(), by=SYSTEM, now=runtime.clock())
    return runtime


def agree(runtime: Runtime, **document: object) -> None:
    with runtime.database.write() as session:
        import_policies(
            session, policies_from_document(document), prune=False, by=SYSTEM, now=runtime.clock()
        )


def test_a_stored_plan_is_held_against_what_is_stored(drafted: Runtime) -> None:
    result = stored(drafted, case.REFERENCE, "--within", "P7D", "--count", "2")

    assert result.exit_code == 0, result.output
    assert "As planned, Sat 2019-11-30 14:00 WET: about 43,000 prescriptions." in result.output


def test_a_stored_freeze_keeps_starts_out_and_a_reserved_window_is_named(drafted: Runtime) -> None:
    weekend = {"start": "2019-11-29T00:00", "end": "2019-12-02T00:00", "timezone": "Europe/Lisbon"}
    night = {"start": "2019-12-06T18:00", "duration": "PT24H", "rule": "FREQ=WEEKLY;BYDAY=FR"}
    agree(
        drafted,
        freezes=[{"code": "ELECTION", "name": "Election", **weekend}],
        reservations=[{"code": "FRIDAYS", "name": "Fridays", "timezone": "Europe/Lisbon", **night}],
    )

    first, *_ = json.loads(stored(drafted, case.REFERENCE, "--within", "P14D", "--json").output)["slots"]
    shown = json.loads(stored(drafted, case.REFERENCE, "--blocked", "--count", "1", "--json").output)["slots"]

    assert first["start"] >= "2019-12-02"
    assert "freeze" in {c["kind"] for c in shown[0]["clashes"] if c["severity"] == "block"}
    friday = stored(drafted, case.REFERENCE, "--from", "2019-12-06T18:00", "--within", "P1D").output
    assert "in the reserved window: Fridays (FRIDAYS)" in friday


def test_a_draft_of_others_warns_and_blocks_no_start(drafted: Runtime) -> None:
    with drafted.database.write() as session:
        scheduling.draft(session, case.the_plan(reference="INT-2019-9"), by=SYSTEM, now=drafted.clock())

    slot = json.loads(stored(drafted, case.REFERENCE, "--count", "1", "--json").output)["slots"][0]

    assert slot["start"] == "2019-11-30T14:00:00Z"
    assert ("same-system", "warn") in {(c["kind"], c["severity"]) for c in slot["clashes"]}


def test_files_beside_the_plan_go_with_a_catalogue_file(runtime: Runtime) -> None:
    result = stored(runtime, "X", "--policies", str(EXAMPLE / "policies.yaml"))

    assert result.exit_code == 2
    assert "--catalogue" in result.output


def test_a_plan_that_is_no_file_and_no_intervention_is_named(drafted: Runtime) -> None:
    catalogue = ["--catalogue", str(EXAMPLE / "catalogue.yaml")]

    assert "There is no intervention NOPE" in stored(drafted, "NOPE").output
    assert "There is no file NOPE" in stored(drafted, "NOPE", *catalogue).output
