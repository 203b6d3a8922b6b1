"""The promises that hold for the whole house: imports go one way, what is documented exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from maintenance.settings import ROOT, SETTINGS
from notifications.timetable import NoticeKind


def test_imports_go_one_way() -> None:
    result = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout


def test_every_setting_is_in_the_documentation() -> None:
    documented = set(re.findall(r"`JANELA_([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text()))

    assert documented == {setting.name for setting in SETTINGS}


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_of_notice_has_its_four_templates(kind: NoticeKind) -> None:
    folder = ROOT / "templates" / "messages" / kind.value

    assert {"subject.txt", "body.txt", "body.html", "sms.txt"} <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize("folder", ["maintenance", "notifications"])
def test_no_file_is_too_long_to_hold_in_the_head(folder: str) -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text().splitlines())
        for file in (ROOT / folder).rglob("*.py")
    }

    assert {name: length for name, length in lengths.items() if length > 350} == {}
