"""Which of a reader's systems a story is about, under which names, and when: in the reader's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from maintenance.catalogue import Impact
from maintenance.interventions import Window
from maintenance.texts import Text
from notifications.contacts import Reader, used
from notifications.stories import Story
from notifications.timetable import NoticeKind
from notifications.wording import KINDS, N_, Words

# Line ends and tabs become spaces or go; so do marks that turn the direction of what follows.
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """Return the text without line breaks and control characters: fit for a subject."""
    return " ".join(_CONTROL.sub(" ", text.replace("\n", " ")).split())


def paragraphs(text: str) -> str:
    """Return the text with its line breaks, without other control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(one_line(line) for line in lines).strip()


@dataclass(frozen=True, slots=True)
class Group:
    """Systems of the reader that share impact and times."""

    impact: Impact
    #: As in “unavailable”.
    word: str
    start: datetime
    end: datetime
    #: Written out in the reader's zone, and in the plan's if that is another.
    when: tuple[str, ...]
    length: str
    codes: tuple[str, ...]
    #: Code and name of each.
    systems: tuple[str, ...]


@dataclass(frozen=True)
class Situation:
    """One story seen from one reader: systems, names, times."""

    story: Story
    reader: Reader
    words: Words

    def in_words(self, text: Text) -> str:
        """Return what people wrote, in the reader's language as far as they did."""
        return text.in_language(self.words.language)

    # --- which systems, by which names -------------------------------------------------------------

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Return the reader's systems that the story is about."""
        return self.story.concerned(self.reader.entries)

    def may_name(self, code: str) -> bool:
        """Return whether this reader may be told the system by name."""
        system = self.story.catalogue.systems.get(code)
        return self._is_institutional or (system is not None and system.public)

    @cached_property
    def _is_institutional(self) -> bool:
        return bool(self.reader.institutions)

    def short(self, code: str) -> str:
        """Return the code, or the kind where the name may not stand."""
        if self.may_name(code):
            return code
        system = self.story.catalogue.systems.get(code)
        return self.words.gettext(KINDS[system.kind] if system else N_("a service"))

    def label(self, code: str) -> str:
        """Return code and name, or the kind where the name may not stand."""
        system = self.story.catalogue.systems.get(code)
        if system is None or not self.may_name(code):
            return self.short(code)
        name = one_line(self.in_words(system.name))
        return code if name in ("", code) else f"{code} – {name}"

    def labels(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Return labels, each once."""
        return tuple(dict.fromkeys(self.label(code) for code in codes))

    def shorts(self, codes: Iterable[str]) -> tuple[str, ...]:
        """Return short names, each once."""
        return tuple(dict.fromkeys(self.short(code) for code in codes))

    # --- when --------------------------------------------------------------------------------------

    def mine(self, by_system: Mapping[str, Iterable[Window]]) -> list[Window]:
        """Return the notified ones of the reader's systems."""
        of_mine = (window for code in self.codes for window in by_system.get(code, ()))
        return [window for window in of_mine if window.is_notified]

    @cached_property
    def windows(self) -> list[Window]:
        """Return the windows that hold now, of the reader's systems."""
        mine = self.mine(self.story.by_system)
        if self.story.kind in (NoticeKind.START, NoticeKind.EXTENSION):
            return [window for window in mine if window in self.story.told_set]
        return mine

    @cached_property
    def windows_before(self) -> list[Window]:
        """Return the windows that held before, where the kind tells of them and the reader knew."""
        if self.reader.first:
            return []
        mine = self.mine(self.story.before_by_system)
        if self.story.kind is NoticeKind.EXTENSION:
            return [window for window in mine if window in self.story.told_set]
        return mine if self.story.kind in (NoticeKind.CHANGE, NoticeKind.CANCELLATION) else []

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Return the windows that hold now, those with equal times together."""
        return self._grouped(self.windows)

    @cached_property
    def groups_before(self) -> tuple[Group, ...]:
        """Return the windows that held before, where they differ from those that hold now."""
        if _times(self.windows) == _times(self.windows_before):
            return ()
        return self._grouped(self.windows_before)

    @property
    def same_times(self) -> bool:
        """Return whether a change left the reader's windows as they were."""
        return bool(self.windows_before) and not self.groups_before

    @property
    def freed(self) -> tuple[str, ...]:
        """Return the systems that a change does not affect any more."""
        gone = {w.system for w in self.windows_before} - {w.system for w in self.windows}
        return tuple(code for code in self.codes if code in gone)

    @property
    def back_codes(self) -> tuple[str, ...]:
        """Return the systems that are in service as the story is told."""
        hit = {window.system for window in self.still_hit}
        return tuple(code for code in self.codes if code not in hit)

    @property
    def back(self) -> tuple[str, ...]:
        """Return the names of the systems that are in service as the story is told."""
        return self.labels(self.back_codes)

    @property
    def coming_back(self) -> tuple[Group, ...]:
        """Return the reader's systems still hit as the story is told, with the ends expected."""
        return self._grouped(self.still_hit)

    @cached_property
    def still_hit(self) -> list[Window]:
        """Return the window that each of the reader's systems is in as the story is told, if any.

        Those of systems that the story is not about count too: who reads “restored” must not take them for working.
        """
        found = self.story.under_way
        mine = used(self.reader.entries, found.keys(), self.story.catalogue)
        return [found[code] for code in mine]

    @property
    def to_come(self) -> tuple[Group, ...]:
        """Return the windows that begin after the story is told."""
        return self._grouped(window for window in self.windows if window.start > self.story.published_at)

    def _grouped(self, windows: Iterable[Window]) -> tuple[Group, ...]:
        together: dict[tuple[datetime, datetime, Impact], list[str]] = {}
        windows = tuple(windows)
        others = (window.system for window in windows)
        order = {code: position for position, code in enumerate(dict.fromkeys((*self.codes, *others)))}
        for window in sorted(windows, key=lambda w: (w.start, -w.impact, w.end, order[w.system])):
            together.setdefault((window.start, window.end, window.impact), []).append(window.system)
        return tuple(
            Group(
                impact=impact,
                word=self.words.impact(impact),
                start=start,
                end=end,
                when=self._in_zones(lambda zone, s=start, e=end: self.words.span(s, e, zone)),  # type: ignore[misc]
                length=self.words.length(end - start),
                codes=tuple(codes),
                systems=self.labels(codes),
            )
            for (start, end, impact), codes in together.items()
        )

    def moment(self, at: datetime) -> str:
        """Return an instant in the reader's zone, and in the plan's in brackets if that is another."""
        here, *there = self._in_zones(lambda zone: self.words.moment(at, zone))
        return here + "".join(f" ({other})" for other in there)

    def _in_zones(self, said: Callable[[str], str]) -> tuple[str, ...]:
        zones = dict.fromkeys((self.reader.timezone, self.story.plan.timezone))
        return tuple(said(zone) for zone in zones)


def _times(windows: Iterable[Window]) -> list[tuple[str, Impact, datetime, datetime]]:
    return sorted((w.system, w.impact, w.start, w.end) for w in windows)
