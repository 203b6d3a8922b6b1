"""Calendar feeds: every event is written once per version and language, a feed joins the bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from maintenance.interventions import Phase
from maintenance.recurrence import occurrences
from maintenance.reserving import Reserved
from maintenance.windows import Interval
from notifications import ical
from notifications.contacts import Reader
from notifications.occasions import phases_of
from notifications.stories import Site, Story
from notifications.timetable import NoticeKind
from notifications.wording import Words, words_for

#: How many events are kept written; a year of a large centre is some thousands.
KEPT = 20_000
#: The last change of a feed that never had an event.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed as it is answered."""

    body: bytes
    #: Strong, with its quotes: changes exactly when the body does.
    etag: str
    #: Of the newest version in it, for Last-Modified.
    changed_at: datetime

    @property
    def content_type(self) -> str:
        """Return the media type for calendar programs."""
        return "text/calendar; charset=utf-8"


@dataclass
class CalendarFeeds:
    """The public calendar feeds, with the events written so far; one for a process."""

    site: Site
    _events: dict[tuple[object, ...], bytes] = field(default_factory=dict)

    def everything(self, stories: Iterable[Story], *, language: str, url: str) -> Feed:
        """Return the feed of all interventions: each phase with its own times, public systems by name.

        Args:
            stories: The last published version of each; a cancelled one as a CANCELLATION, with the
                windows it had in `windows_before`.
            language: What the reader asked for.
            url: Where this feed is found, for SOURCE.
        """
        words = words_for(language)

        def write(story: Story, phase: Phase, reader: Reader) -> bytes:
            return ical.phase_event(story, phase, reader)

        return self._joined(stories, write, "", words, ical.feed_name(self.site, words), url)

    def of_system(self, stories: Iterable[Story], code: str, *, language: str, url: str) -> Feed:
        """Return the feed of one public system: its own times, recovery included.

        Args:
            stories: As for `everything`; those that leave the system alone add nothing.
            code: Of a system that is public, which the caller has made sure of.
            language: What the reader asked for.
            url: Where this feed is found, for SOURCE.
        """
        words = words_for(language)

        def write(story: Story, phase: Phase, reader: Reader) -> bytes:
            return ical.system_event(story, phase, code, reader)

        name = words.gettext("%(site)s: planned work on %(system)s", site=self.site.name, system=code)
        return self._joined(stories, write, code, words, name, url)

    def reserved(self, reserved: Iterable[Reserved], stretch: Interval, *, language: str, url: str) -> Feed:
        """Return the feed of reserved windows: each occurrence in the stretch as an event of its own.

        Args:
            reserved: Only those that everybody may see.
            stretch: How far back and ahead.
            language: What the reader asked for.
            url: Where this feed is found, for SOURCE.
        """
        words = words_for(language)
        blocks, changed_at = [], _NEVER
        for each in reserved:
            changed_at = max(changed_at, each.changed_at)
            blocks += [
                ical.reserved_event(
                    occurrence,
                    revision=each.revision,
                    changed_at=each.changed_at,
                    site=self.site,
                    language=words.language,
                )
                for occurrence in occurrences(each.reservation, stretch)
            ]
        name = words.gettext("%(site)s: reserved maintenance windows", site=self.site.name)
        page = self.site.public_url + "/"
        body = ical.calendar(blocks, name=name, url=url, page=page, language=words.language)
        return Feed(body, _etag(body), changed_at)

    def _joined(
        self,
        stories: Iterable[Story],
        write: Callable[[Story, Phase, Reader], bytes],
        scope: str,
        words: Words,
        name: str,
        url: str,
    ) -> Feed:
        blocks, changed_at = [], _NEVER
        for story in stories:
            written = b"".join(
                self._event(story, phase, write, scope, words.language) for phase in phases_of(story)
            )
            if written:
                blocks.append(written)
                changed_at = max(changed_at, story.published_at)
        body = ical.calendar(
            blocks, name=name, url=url, page=self.site.public_url + "/", language=words.language
        )
        return Feed(body, _etag(body), changed_at)

    def _event(
        self,
        story: Story,
        phase: Phase,
        write: Callable[[Story, Phase, Reader], bytes],
        scope: str,
        language: str,
    ) -> bytes:
        cancelled = story.kind is NoticeKind.CANCELLATION
        # A published version never changes; names of systems do, with the catalogue's version.
        key = (
            story.plan.reference, story.sequence, cancelled, phase.id, scope, language, story.catalogue.version,
        )  # fmt: skip
        if (written := self._events.get(key)) is not None:
            return written
        if len(self._events) >= KEPT:
            self._events.clear()  # rare enough that writing them anew costs less than keeping order
        written = self._events[key] = write(story, phase, Reader(language, story.plan.timezone, ()))
        return written


def _etag(body: bytes) -> str:
    return f'"{sha256(body).hexdigest()[:32]}"'
