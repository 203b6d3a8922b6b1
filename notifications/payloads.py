"""What programs and chat rooms are told: a notice as versioned JSON, and as a few lines. PURE.

`docs/webhook-v1.schema.json` describes the JSON; a test holds every kind of notice against it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from maintenance.interventions import Window
from notifications.contacts import Reader
from notifications.facts import Facts
from notifications.messages import Composed
from notifications.situations import one_line
from notifications.stories import Story
from notifications.timetable import NoticeKind
from notifications.wording import words_for

#: Raised only when a field goes or changes its meaning; new fields may come at any time.
SCHEMA = 1
#: What `type` says for each kind of notice.
TYPES = {
    NoticeKind.ANNOUNCEMENT: "intervention.announced",
    NoticeKind.CHANGE: "intervention.changed",
    NoticeKind.REMINDER: "intervention.reminder",
    NoticeKind.START: "intervention.started",
    NoticeKind.UPDATE: "intervention.updated",
    NoticeKind.EXTENSION: "intervention.extended",
    NoticeKind.RESTORED: "intervention.restored",
    NoticeKind.COMPLETION: "intervention.completed",
    NoticeKind.CANCELLATION: "intervention.cancelled",
}
#: Of what `janela webhooks test` sends.
TEST_TYPE = "webhook.test"
#: Chat rooms cut longer texts, each somewhere else.
CHAT_LENGTH = 900


def webhook_body(
    story: Story, reader: Reader, composed: Composed, *, notice_public_id: str, at: datetime
) -> bytes:
    """Return the notice as JSON; the same input gives the same bytes, which is what is signed.

    Args:
        story: What the notice tells.
        reader: For whom; only windows of systems they use are in it.
        composed: The same notice in words.
        notice_public_id: Names the notice.
        at: When the notice went out, aware.
    """
    facts = Facts(story, reader, words_for(reader.language))
    plan = story.plan
    data = {
        "schema": SCHEMA,
        "notice": notice_public_id,
        "kind": story.kind.value,
        "intervention": {
            "reference": plan.reference,
            "version": story.sequence,
            "class": plan.intervention_class.value,
            "title": facts.title,
            "timezone": plan.timezone,
        },
        "institutions": [code for code, _ in reader.institutions],
        "windows": _windows(facts, facts.windows),
        "windows_before": _windows(facts, facts.windows_before),
        "also": [
            {
                "reference": other.story.plan.reference,
                "version": other.story.sequence,
                "windows": _windows(other, other.windows),
                "windows_before": _windows(other, other.windows_before),
            }
            for other in facts.also
        ],
        "language": reader.language,
        "subject": composed.subject,
        "text": composed.text,
        "reason": facts.reason,
        "links": {"intervention": facts.url},
    }
    return _json(TYPES[story.kind], at, data)


def trial_body(institution: str, *, site_url: str, at: datetime) -> bytes:
    """Return what `janela webhooks test` sends: proof that the way and the signature are right."""
    data = {"schema": SCHEMA, "institutions": [institution], "links": {"site": site_url}}
    return _json(TEST_TYPE, at, data)


def chat_body(story: Story, reader: Reader, composed: Composed) -> bytes:
    """Return the notice as chat rooms show it: what the mail begins with, and where the rest is."""
    facts = Facts(story, reader, words_for(reader.language))
    kept = ""
    for paragraph in composed.text.strip().split("\n\n"):
        if kept and len(kept) + len(paragraph) + 2 > CHAT_LENGTH - len(facts.url) - 2:
            break
        kept = f"{kept}\n\n{paragraph}" if kept else paragraph[:CHAT_LENGTH]
    return (kept if facts.url in kept else f"{kept}\n\n{facts.url}").encode()


def _windows(facts: Facts, windows: Iterable[Window]) -> list[dict[str, Any]]:
    return [
        {
            "system": facts.short(window.system),
            "name": _name(facts, window.system),
            "impact": window.impact.code,
            "start": _utc(window.start),
            "end": _utc(window.end),
            "because": [[*(facts.short(code) for code in path), last] for *path, last in window.because],
        }
        for window in sorted(windows, key=lambda w: (w.start, w.system, w.end))
    ]


def _name(facts: Facts, code: str) -> str:
    system = facts.story.catalogue.systems.get(code)
    named = system is not None and facts.may_name(code)
    return (one_line(facts.in_words(system.name)) if system and named else "") or facts.short(code)


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _json(type_: str, at: datetime, data: dict[str, Any]) -> bytes:
    document = {"type": type_, "timestamp": _utc(at), "data": data}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
