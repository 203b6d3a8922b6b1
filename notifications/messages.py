"""A notice and a variant of reader -> text, HTML, SMS and calendar part; preview and send are this one function."""

from __future__ import annotations

from dataclasses import dataclass

from notifications.contacts import Entry, Reader
from notifications.stories import Site, Story

__all__ = ["Composed", "Entry", "Reader", "Site", "Story", "compose"]


@dataclass(frozen=True, slots=True)
class Composed:
    """One message for one variant of reader, for every channel."""

    #: One line, no control characters.
    subject: str
    text: str
    html: str
    sms: str
    #: An iCalendar object, METHOD:PUBLISH.
    calendar: bytes


def compose(story: Story, reader: Reader) -> Composed:
    """Return the message that tells the story to the reader; the same input gives the same bytes."""
    raise NotImplementedError
