"""Availability of the reference case: on the page, and as `janela availability`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from click.testing import CliRunner

from app import cli, create_runtime
from maintenance import schema
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from maintenance.texts import Text
from tests.conftest import MovedClock
from tests.web import case


@pytest.fixture
def runtime(settings: Settings, clock: MovedClock) -> Iterator[Runtime]:
    """Give a fresh installation with the schema of this release, which commands look at."""
    runtime = create_runtime(settings, clock=clock)
    schema.upgrade(runtime.database)
    yield runtime
    runtime.database.dispose()


def figures(runtime: Runtime, *arguments: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(cli, ["availability", *arguments, "--json"], obj=runtime)
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.output)
    return found


@pytest.fixture
def night_over(runtime: Runtime, clock: MovedClock) -> Runtime:
    """Announce 52 hours ahead, take two hours longer than announced, and look in January."""
    case.load_catalogue(runtime)
    case.announce(runtime)
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    clock.move_to(case.END)
    case.step(runtime, "extend", by_length=timedelta(hours=2), reason=Text.of({"en": "A disk is slow."}))
    clock.move_on(hours=2)
    case.step(runtime, "complete", reason=Text.of({"en": "Done."}))
    clock.move_on(days=40)
    return runtime


def test_announced_part_is_planned_and_the_extension_is_not(night_over: Runtime) -> None:
    (november,) = figures(night_over, "PEM", "--month", "2019-11")
    (december,) = figures(night_over, "PEM", "--month", "2019-12")

    # The log begins on the 28th at 10:00, so 62 hours of November were measured; 10 of them down.
    assert (november["hours"], november["down_hours"], november["planned_hours"]) == (62, 10, 10)
    assert (november["gross_percent"], november["planned_removed_percent"]) == (83.870, 100)
    assert (december["hours"], december["down_hours"]) == (744, 10)
    assert (december["planned_hours"], december["unplanned_hours"]) == (8, 2)
    assert (december["gross_percent"], december["planned_removed_percent"]) == (98.655, 99.728)  # 734 / 736


def test_emergency_is_never_planned(runtime: Runtime, clock: MovedClock) -> None:
    case.load_catalogue(runtime)
    case.announce(runtime, case.the_plan(**{"class": "emergency"}))
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    clock.move_to(case.END)

    (november,) = figures(runtime, "PEM", "--month", "2019-11")

    assert (november["down_hours"], november["planned_hours"]) == (10, 0)


def test_without_a_system_all_that_is_public_or_was_down_is_listed(night_over: Runtime) -> None:
    found = {str(entry["system"]): entry for entry in figures(night_over, "--month", "2019-12")}
    assert {"EXADATA", "PEM", "SIARS"} <= found.keys()
    assert found["SIARS"]["gross_percent"] == 100
    # Degraded, not down.
    assert found["AREA-CIDADAO"]["down_hours"] == 0


def test_table_names_its_formula(night_over: Runtime) -> None:
    result = CliRunner().invoke(cli, ["availability", "PEM", "--month", "2019-12"], obj=night_over)
    assert "98.655 %" in result.output
    assert "planned removed = (T - D) / (T - P)" in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["NONE"], "There is no system NONE"),
        (["--month", "2019-13"], "write one such as 2026-11"),
        (["PEM", "--month", "2018-01"], "Nothing was recorded of 2018-01"),
    ],
)
def test_what_cannot_be_answered_gets_a_sentence(
    night_over: Runtime, arguments: list[str], sentence: str
) -> None:
    assert sentence in CliRunner().invoke(cli, ["availability", *arguments], obj=night_over).output


def test_system_page_shows_months_with_the_formula(night_over: Runtime) -> None:
    with case.the_app(night_over).test_client() as client:
        page = " ".join(client.get("/systems/PEM?lang=en").text.split())
    assert "98.655 %" in page
    assert "99.728 %" in page
    assert "planned work removed is (T − D) / (T − P)" in page
