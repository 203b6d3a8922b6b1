"""Messages: every kind, in both languages, on every channel, against texts that people have read.

After a wording was changed on purpose: `JANELA_TEST_WRITE_SNAPSHOTS=1 pytest tests/unit/test_messages.py`,
then read what `git diff tests/snapshots` shows.
"""

import os
from pathlib import Path

import pytest

from notifications import sms_text
from notifications.messages import Composed, compose
from notifications.timetable import NoticeKind
from tests.stories import (
    a_reader,
    every_kind,
    special_cases,
)

SNAPSHOTS = Path(__file__).parent.parent / "snapshots" / "messages"
KINDS = dict(every_kind())
SPECIAL = {name: (story, reader) for name, story, reader in special_cases()}


def _files(composed: Composed) -> dict[str, str]:
    count = sms_text.count(composed.sms)
    mail = f"Subject: {composed.subject}\n\n{composed.text}"
    sms = f"{composed.sms}\n[{count.encoding}, {count.parts} part(s), {len(composed.sms)} characters]\n"
    return {
        "txt": mail,
        "html": composed.html,
        "sms.txt": sms,
        "ics": composed.calendar.decode().replace("\r\n", "\n"),
    }


def _compare(name: str, composed: Composed) -> None:
    for ending, text in _files(composed).items():
        path = SNAPSHOTS / f"{name}.{ending}"
        if os.environ.get("JANELA_TEST_WRITE_SNAPSHOTS"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

        assert text == path.read_text(), f"{path.name} reads differently now"


@pytest.mark.parametrize("language", ["pt", "en"])
@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_reads_as_reviewed(kind: NoticeKind, language: str) -> None:
    _compare(f"{kind}.{language}", compose(KINDS[kind], a_reader(language)))


@pytest.mark.parametrize("name", SPECIAL)
def test_special_cases_read_as_reviewed(name: str) -> None:
    _compare(name, compose(*SPECIAL[name]))
