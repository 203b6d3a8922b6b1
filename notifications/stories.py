"""What a message tells: one notice of one version, with everything a composer needs to know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from maintenance.catalogue import Catalogue, Impact
from maintenance.interventions import Phase, Plan, Window
from maintenance.texts import NO_TEXT, Text
from notifications.contacts import Entry, Reader, concerned, used
from notifications.timetable import NoticeKind, actual_stretch, brought_back


@dataclass(frozen=True, slots=True)
class Site:
    """The installation that speaks."""

    name: str
    #: Without a slash at its end.
    public_url: str
    #: The right side of every calendar UID; it must never change, whatever `public_url` becomes.
    host: str
    #: `Name <address>`; the address is the calendar's organizer.
    mail_from: str
    timezone: str
    #: `fold` accents in SMS to plain letters, or `keep` them.
    sms_accents: str = "fold"


@dataclass(frozen=True, kw_only=True)
class Story:
    """One notice of one version of one intervention."""

    kind: NoticeKind
    plan: Plan
    sequence: int
    windows: tuple[Window, ...]
    catalogue: Catalogue
    site: Site
    #: When the version was published, aware UTC.
    published_at: datetime
    #: When the intervention came to be.
    created_at: datetime
    #: The version published before this one; None for the first.
    plan_before: Plan | None = None
    windows_before: tuple[Window, ...] = ()
    #: `Owed.details`.
    details: Mapping[str, Any] = field(default_factory=dict)
    #: Why, in the words of whoever took the step; for an update, its words.
    reason: Text = NO_TEXT
    #: Other announced plans that the same step altered, told in the same message.
    also: tuple[Story, ...] = ()

    @cached_property
    def told(self) -> tuple[Window, ...]:
        """Return the notified windows that decide who hears of it.

        Old and new ones for a change, a cancellation and an ending; those of its phase that have begun for a
        start; those that differ for an extension; those that end for a restoration. Altered plans (`also`) do not
        count: whom only they concern has a notice of theirs.
        """
        match self.kind:
            case NoticeKind.CHANGE | NoticeKind.CANCELLATION | NoticeKind.COMPLETION:
                found = (*self.windows, *self.windows_before)
            case NoticeKind.START:
                found = self._begun(self.plan.phase(self.details["phase"]))
            case NoticeKind.EXTENSION:
                found = _differing(self.windows, self.windows_before) or self.windows
            case NoticeKind.RESTORED:
                found = self._ending()
            case _:
                found = self.windows
        return tuple(window for window in found if window.is_notified)

    def is_news_for(self, reader: Reader) -> bool:
        """Return whether it is worth a message to this reader.

        Who never had a message of the intervention needs no word that it was called off, is over, or
        changed into something that does not concern them. Who had one is not told again because another
        plan's step altered the windows of systems that they do not use.
        """
        if reader.first:
            if self.kind in (NoticeKind.CANCELLATION, NoticeKind.COMPLETION, NoticeKind.RESTORED):
                return False
            if self.kind is NoticeKind.CHANGE:
                return bool(concerned(reader.entries, self.windows, self.catalogue))
        elif self.kind is NoticeKind.CHANGE and "because_of" in self.details:
            differing = _differing(self.windows, self.windows_before)
            return bool(concerned(reader.entries, differing, self.catalogue))
        return bool(self.concerned(reader.entries))

    def concerned(self, entries: Iterable[Entry]) -> tuple[str, ...]:
        """Return the systems of these entries that the story is about, in catalogue order."""
        return used(entries, self._told_systems, self.catalogue)

    def left_unsaid(self, systems_before: Iterable[str]) -> frozenset[str]:
        """Return the systems of which older notices say what this start does not.

        They are hit later, by another phase, or were in an older version only, one of `systems_before`.
        """
        later = {
            window.system
            for window in self.windows
            if window.is_notified and window.end > self.published_at and window not in self.told_set
        }
        return frozenset(systems_before) - self._told_systems | later

    @cached_property
    def told_set(self) -> frozenset[Window]:
        """Return `told`, to ask whether a window is in it."""
        return frozenset(self.told)

    @cached_property
    def _told_systems(self) -> frozenset[str]:
        return frozenset(window.system for window in self.told)

    @cached_property
    def under_way(self) -> Mapping[str, Window]:
        """Return the notified window, by system, that each is in at the instant this was said."""
        now = self.published_at
        found = [w for w in self.windows if w.is_notified and w.start <= now < w.end]
        return {window.system: window for window in reversed(found)}

    @cached_property
    def by_system(self) -> Mapping[str, tuple[Window, ...]]:
        """Return the windows that hold now of each system: one reader has few of thousands."""
        return _by_system(self.windows)

    @cached_property
    def before_by_system(self) -> Mapping[str, tuple[Window, ...]]:
        """Return the windows that held before of each system."""
        return _by_system(self.windows_before)

    def reach(self, phase: Phase) -> frozenset[str]:
        """Return the systems that could feel a phase's work; the graph is walked once for all readers."""
        work = _work_of(phase)
        if work not in self._reached:
            self._reached[work] = work.union(self.catalogue.reached_from(sorted(work)))
        return self._reached[work]

    @cached_property
    def _reached(self) -> dict[frozenset[str], frozenset[str]]:
        return {}

    def _begun(self, phase: Phase) -> tuple[Window, ...]:
        """Return the windows of a phase that hold when it begins; what another plan adds later has its own start."""
        start, _ = actual_stretch(phase)
        return tuple(w for w in during([phase], self.windows, self.catalogue) if w.start <= start)

    def _ending(self) -> tuple[Window, ...]:
        every = (*self.windows, *self.windows_before)
        phases, systems = self.details.get("phases", ()), self.details.get("systems", ())
        found = dict.fromkeys(
            window
            for phase, roots in brought_back(self.plan, phases, systems)
            for window in during([phase], every, self.catalogue, roots=roots)
        )
        unchanged = set(_times(self.windows)) & set(_times(self.windows_before))
        # A system that something else keeps down as before has nothing to be glad about yet.
        still = {
            window.system
            for window in self.windows
            if window.is_notified
            and window.start <= self.published_at
            and _times([window])[0] in unchanged
            and window.end > self.published_at + self.catalogue.systems[window.system].recovery
        }
        return tuple(window for window in found if window.system not in still)


def during(
    phases: Iterable[Phase],
    windows: Iterable[Window],
    catalogue: Catalogue,
    *,
    roots: Iterable[str] | None = None,
) -> tuple[Window, ...]:
    """Return the windows that the work of these phases reaches and that share an instant with them.

    Args:
        phases: With their real times where known.
        windows: Of one plan, old or new.
        catalogue: Whose graph says what the work can reach: the chain of a window names one way only,
            and a window may span phases that work on different systems.
        roots: Only the work on these systems, where service returns in stages.
    """
    found: dict[Window, None] = {}
    windows = tuple(windows)
    for phase in phases:
        start, end = actual_stretch(phase)
        work = _work_of(phase)
        if roots is not None:
            work &= frozenset(roots)
        reached = work.union(catalogue.reached_from(sorted(work)))
        for window in windows:
            if window.system in reached and window.start < end and start < window.end:
                found[window] = None
    return tuple(found)


def _work_of(phase: Phase) -> frozenset[str]:
    return frozenset(work.system for work in phase.work if work.impact > Impact.NO_IMPACT)


def _by_system(windows: Iterable[Window]) -> Mapping[str, tuple[Window, ...]]:
    found: dict[str, list[Window]] = {}
    for window in windows:
        found.setdefault(window.system, []).append(window)
    return {code: tuple(of_system) for code, of_system in found.items()}


def _times(windows: Iterable[Window]) -> list[tuple[str, Impact, datetime, datetime]]:
    return [(w.system, w.impact, w.start, w.end) for w in windows]


def _differing(new: Iterable[Window], old: Iterable[Window]) -> tuple[Window, ...]:
    new, old = tuple(new), tuple(old)
    was, is_now = set(_times(old)), set(_times(new))
    return tuple(
        [w for w in new if _times([w])[0] not in was] + [w for w in old if _times([w])[0] not in is_now]
    )
