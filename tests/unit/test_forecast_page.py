"""`docs/forecast.md` says what the code does."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from pathlib import Path

import pytest

from maintenance import clashes, load_clashes, policy_clashes
from maintenance.catalogue import Impact
from maintenance.documents import read_catalogue, read_intervention
from maintenance.forecast import forecast
from maintenance.lines import need_impact

PAGE = (Path(__file__).parents[2] / "docs" / "forecast.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[bytes]:
    return [found.encode() for found in re.findall(rf"```yaml {kind}\n(.*?)```", PAGE, re.DOTALL)]


def table(first_heading: str) -> list[list[str]]:
    lines = PAGE.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


@pytest.mark.parametrize("row", table("impacts of the members"))
def test_every_example_of_a_need_is_what_the_rule_gives(row: list[str]) -> None:
    members, at_least, otherwise, impact = row
    impacts = [Impact.parse(word) for word in members.split(", ")]
    assert need_impact(impacts, int(at_least), Impact.parse(otherwise)) == Impact.parse(impact)


def worked_windows():
    catalogue = read_catalogue(blocks("catalogue")[0])
    return forecast(catalogue, [read_intervention(raw, catalogue=catalogue) for raw in blocks("plan")])


def test_the_windows_worked_by_hand_are_the_computed_ones() -> None:
    assert len(blocks("plan")) == 3
    computed = [
        [
            w.system,
            w.impact.code,
            f"{w.start:%H:%M}",
            f"{w.end:%H:%M}",
            "; ".join(" ".join(chain) for chain in w.because),
        ]
        for w in worked_windows()
    ]
    assert table("system") == computed


def test_the_picture_in_time_shows_the_computed_windows() -> None:
    shades = {Impact.OUTAGE: "█", Impact.DEGRADED: "▒", Impact.REDUCED_REDUNDANCY: "░"}
    windows = worked_windows()
    first = min(w.start for w in windows)
    bars = re.findall(r"^([A-Z0-9-]+) +( *[█▒░]+)$", PAGE, re.MULTILINE)
    assert {code for code, _ in bars} == {w.system for w in windows}
    for line in (line for line in PAGE.splitlines() if re.fullmatch(r"[A-Z0-9-]+ +[█▒░]+", line)):
        drawn = line[8:]
        wanted = [" "] * len(drawn)
        for w in (w for w in windows if w.system == line.split()[0]):
            begin, end = ((t - first) // timedelta(minutes=30) * 3 for t in (w.start, w.end))
            wanted[begin:end] = shades[w.impact] * (end - begin)
        assert drawn == "".join(wanted)


def test_every_kind_of_clash_in_the_code_is_in_the_table() -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(Path(clashes.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "a_clash"
    ]
    kinds = {call.args[0].value for call in calls}
    assert kinds == {row[0].strip("`") for row in table("kind")}


def test_every_policy_clash_on_the_page_is_in_the_code() -> None:
    named = {name.strip("`") for row in table("policy clash") for name in row[0].split(", ")}
    written = {
        node.value
        for module in (policy_clashes, load_clashes)
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert named <= written
    assert len(named) == 7
