"""Whom a window concerns: what a reader stands for, and which of the systems in trouble are theirs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from maintenance.catalogue import Catalogue
from maintenance.interventions import Window


@dataclass(frozen=True, slots=True)
class Entry:
    """One institution (or none, for the public) and one audience that an address stands for."""

    #: Code of the institution; empty for a reader who belongs to none.
    institution: str
    institution_name: str
    audience: str
    #: Codes of the systems asked for; None means all that the audience uses.
    systems: tuple[str, ...] | None = None

    def uses(self, code: str, catalogue: Catalogue) -> bool:
        """Return whether the system is one of theirs: named, or used by the audience."""
        if self.systems is not None:
            return code in self.systems
        system = catalogue.systems.get(code)
        return system is not None and self.audience in system.audiences


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom one variant of a message is written."""

    language: str
    timezone: str
    entries: tuple[Entry, ...]
    #: Whether they had no earlier message of this intervention: a change is then told as news.
    first: bool = False

    @property
    def institutions(self) -> tuple[tuple[str, str], ...]:
        """Return code and name of each institution once, by code: the order is the same in every message."""
        named = {entry.institution: entry.institution_name for entry in self.entries if entry.institution}
        return tuple(sorted(named.items()))

    @property
    def audiences(self) -> tuple[str, ...]:
        """Return the audiences, each once, in the order of the entries."""
        return tuple(dict.fromkeys(entry.audience for entry in self.entries if entry.audience))


def concerned(entries: Iterable[Entry], windows: Iterable[Window], catalogue: Catalogue) -> tuple[str, ...]:
    """Return the systems with an OUTAGE or DEGRADED window that these entries use; none: not concerned.

    For a change or a cancellation hand in the old windows with the new: who is no longer concerned
    wants to hear that too (`Story.told` does).

    Returns:
        Codes in the order of the catalogue, each once.
    """
    hit = {window.system for window in windows if window.is_notified}
    entries = tuple(entries)
    # A code in the windows that the catalogue lost still belongs to whoever named it.
    position = catalogue.positions
    order = sorted(hit, key=lambda code: (position.get(code, len(position)), code))
    return tuple(code for code in order if any(entry.uses(code, catalogue) for entry in entries))
