"""The list of public systems: searched, narrowed to a group or to what is hit, in pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from maintenance.catalogue import NOTIFIED
from maintenance.public_reads import Told
from maintenance.status import SystemState
from maintenance.texts import Text, folded
from maintenance.web.page_cache import SEARCH
from maintenance.web.snapshot import Snapshot

#: Systems of one page.
PER_PAGE = 100
#: Groups of which the form lets one choose; with more of them, searching is quicker.
MOST_GROUPS = 200
#: Longest search, and most words of it, that are looked at; and the last page that anybody turns to.
_MAX_LENGTH, _MAX_WORDS, _LAST_PAGE = 100, 5, 100_000


def group_key(name: Text) -> str:
    """Return what stands for a group in addresses, the same in every language; "" for systems without one."""
    return name.variants[0][1] if name.variants else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the list is asked for; each as it stands in the address."""

    words: str = ""
    #: A `group_key`; None for all groups.
    group: str | None = None
    #: The reference of an intervention that hits them, now or later.
    intervention: str = ""
    #: Only systems of which readers feel something now.
    hit: bool = False
    page: int = 1

    @classmethod
    def of(cls, arguments: Mapping[str, str]) -> Wanted:
        """Return what an address asks for; what makes no sense there is passed over."""
        page = arguments.get("page", "")
        return cls(
            arguments.get(SEARCH, "")[:_MAX_LENGTH].strip(),
            "" if arguments.get("ungrouped") else arguments.get("group") or None,
            arguments.get("intervention", ""),
            bool(arguments.get("hit")),
            min(max(1, int(page)), _LAST_PAGE) if page.isdecimal() and len(page) < 9 else 1,
        )


@dataclass(frozen=True)
class SystemsView:
    """The page."""

    known: Snapshot
    wanted: Wanted
    #: What the list is narrowed to.
    intervention: Told | None = None

    @cached_property
    def found(self) -> tuple[SystemState, ...]:
        """Return the systems that are asked for, in catalogue order; those that are hit the worst first."""
        wanted = self.wanted
        words = folded(wanted.words).split()[:_MAX_WORDS]
        by_code = self.known.search_words
        affected = (
            {window.system for window in self.intervention.version.windows} if self.intervention else ()
        )
        found = [
            state
            for state in self.known.states
            if (wanted.group is None or group_key(state.system.group) == wanted.group)
            and (not wanted.hit or state.impact in NOTIFIED)
            and (self.intervention is None or state.system.code in affected)
            and all(word in by_code[state.system.code] for word in words)
        ]
        return tuple(sorted(found, key=lambda state: -state.impact) if wanted.hit else found)

    @property
    def shown(self) -> tuple[SystemState, ...]:
        """Return those of this page."""
        first = (self.wanted.page - 1) * PER_PAGE
        return self.found[first : first + PER_PAGE]

    @property
    def has_more(self) -> bool:
        """Return whether another page follows."""
        return len(self.found) > self.wanted.page * PER_PAGE

    @property
    def groups(self) -> tuple[Text, ...]:
        """Return the groups to choose from; none where there are too many, or only one."""
        names = tuple(group.name for group in self.known.groups if group.name)
        return names if 1 < len(names) <= MOST_GROUPS else ()

    @property
    def is_narrowed(self) -> bool:
        """Return whether there are others that it does not list."""
        return len(self.found) < len(self.known.states)

    def page_address(self, number: int) -> dict[str, str | int]:
        """Return the arguments of another page of the same list."""
        wanted = self.wanted
        given: dict[str, str | int] = {SEARCH: wanted.words, "intervention": wanted.intervention}
        given |= {"group": wanted.group or "", "ungrouped": int(wanted.group == ""), "hit": int(wanted.hit)}
        found = {name: value for name, value in given.items() if value}
        return found | {"page": number} if number > 1 else found
