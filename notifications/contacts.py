"""Whom a window concerns: what a reader stands for, and which of the systems in trouble are theirs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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

    def used(self, codes: Collection[str], catalogue: Catalogue) -> frozenset[str]:
        """Return which of these systems are theirs: named, or used by the audience if they named none."""
        mine = catalogue.used_by.get(self.audience, frozenset()) if self.systems is None else self.systems
        return frozenset(code for code in mine if code in codes)


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
    return used(entries, frozenset(window.system for window in windows if window.is_notified), catalogue)


def used(entries: Iterable[Entry], codes: Collection[str], catalogue: Catalogue) -> tuple[str, ...]:
    """Return which of these systems the entries use, in the order of the catalogue, each once."""
    mine: set[str] = set()
    for entry in entries:
        mine |= entry.used(codes, catalogue)
    # A code in the windows that the catalogue lost still belongs to whoever named it.
    position = catalogue.positions
    return tuple(sorted(mine, key=lambda code: (position.get(code, len(position)), code)))
