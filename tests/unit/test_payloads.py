"""What programs and chat rooms are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from notifications import payloads
from notifications.contacts import Entry
from notifications.messages import compose
from notifications.stories import Story
from notifications.timetable import NoticeKind
from tests.stories import a_reader, a_story, every_kind

SCHEMA = json.loads(Path("docs/webhook-v1.schema.json").read_text())
AT = datetime(2019, 11, 28, 10, 0, 1, 500, tzinfo=UTC)


def told(story: Story) -> dict[str, Any]:
    reader = a_reader("en")
    raw = payloads.webhook_body(story, reader, compose(story, reader), notice_public_id="abc", at=AT)
    document: dict[str, Any] = json.loads(raw)
    return document


@pytest.mark.parametrize(
    ("name", "story"), list(every_kind()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_kind_of_notice_is_what_the_published_schema_says(name: str, story: Story) -> None:
    document = told(story)

    jsonschema.validate(document, SCHEMA)
    assert document["type"] == payloads.TYPES[story.kind]


def test_the_schema_names_every_type_and_no_other() -> None:
    assert set(SCHEMA["$defs"]["notice"]["properties"]["type"]["enum"]) == set(payloads.TYPES.values())
    assert set(payloads.TYPES) == set(NoticeKind)


def test_a_trial_is_what_the_published_schema_says() -> None:
    raw = payloads.trial_body("HSJ", site_url="https://janela.example.org", at=AT)

    jsonschema.validate(json.loads(raw), SCHEMA)


def test_a_notice_without_its_intervention_is_refused_by_the_schema() -> None:
    document = told(a_story(NoticeKind.ANNOUNCEMENT))
    del document["data"]["intervention"]

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_windows_are_those_of_the_systems_that_the_reader_uses_in_utc() -> None:
    story = a_story(NoticeKind.ANNOUNCEMENT)
    reader = a_reader("en", Entry("HX", "Hospital", "hospitals", ("PEM",)))
    raw = payloads.webhook_body(story, reader, compose(story, reader), notice_public_id="abc", at=AT)

    [window] = json.loads(raw)["data"]["windows"]

    assert (window["system"], window["impact"]) == ("PEM", "OUTAGE")
    assert window["start"] == "2019-11-30T14:00:00Z"
    assert window["because"] == [["EXADATA", "SPMS-2019-EXADATA"]]


def test_the_same_notice_gives_the_same_bytes() -> None:
    story, reader = a_story(NoticeKind.ANNOUNCEMENT), a_reader("pt")

    first, second = (
        payloads.webhook_body(story, reader, compose(story, reader), notice_public_id="abc", at=AT)
        for _ in range(2)
    )

    assert first == second


@pytest.mark.parametrize(
    ("name", "story"), list(every_kind()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_chat_text_is_short_and_says_where_the_rest_is(name: str, story: Story) -> None:
    reader = a_reader("pt")

    text = payloads.chat_body(story, reader, compose(story, reader)).decode()

    assert len(text) <= payloads.CHAT_LENGTH + 100
    assert "https://janela.example.org/interventions/" in text
