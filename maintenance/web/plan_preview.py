"""What a plan would do, arranged for reading: windows of the same time together, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from maintenance.catalogue import Impact
from maintenance.interventions import Window
from maintenance.standing import Alike

#: Systems listed of one group, and of all groups together; a data centre can take a hundred thousand down.
LISTED, LISTED_IN_ALL = 40, 200


@dataclass(frozen=True, slots=True)
class Row:
    """One system of a group."""

    code: str
    #: Chains without the references: () for work on the system itself.
    chains: tuple[tuple[str, ...], ...]
    #: Other plans that cause the same window.
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Systems that are hit alike, at the same time."""

    impact: Impact
    start: datetime
    end: datetime
    rows: tuple[Row, ...]
    #: How many there are; more than `rows` when the list was cut.
    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """The systems of one time and impact."""

    impact: Impact
    start: datetime
    end: datetime
    systems: tuple[str, ...]


def grouped(windows: Iterable[Window], reference: str) -> list[Group]:
    """Return the windows by time and impact, the worst of a time first; of many, the largest list their systems."""
    # A stable sort: within a group the forecast's order, by code, stays.
    in_order = sorted(windows, key=_time_and_impact)
    members = [tuple(alike) for _, alike in groupby(in_order, _time_and_impact)]
    return brief([Alike(len(alike), alike) for alike in members], reference)


def brief(found: Iterable[Alike], reference: str) -> list[Group]:
    """Return these windows in the same order, and shortened in the same way."""
    members = sorted(found, key=lambda alike: _time_and_impact(alike.first[0]))
    left, rows = LISTED_IN_ALL, [0] * len(members)
    by_weight = sorted(
        range(len(members)), key=lambda place: (-members[place].first[0].impact, -members[place].count)
    )
    for place in by_weight:
        rows[place] = min(left, LISTED, members[place].count)
        left -= rows[place]
    return [_group(alike, reference, listed) for alike, listed in zip(members, rows, strict=True)]


def _time_and_impact(window: Window) -> tuple[datetime, datetime, int]:
    return window.start, window.end, -window.impact


def spans(windows: Iterable[Window]) -> list[Span]:
    """Return the windows by time and impact with their systems alone, for a comparison of before and after."""

    def time_and_impact(window: Window) -> tuple[datetime, datetime, Impact]:
        return window.start, window.end, window.impact

    in_order = sorted(windows, key=time_and_impact)
    return [
        Span(impact, start, end, tuple(window.system for window in members))
        for (start, end, impact), members in groupby(in_order, time_and_impact)
    ]


def _group(alike: Alike, reference: str, listed: int) -> Group:
    first = alike.first[0]
    rows = tuple(_row(window, reference) for window in alike.first[:listed])
    return Group(first.impact, first.start, first.end, rows, alike.count)


def _row(window: Window, reference: str) -> Row:
    own = tuple(chain[:-1] for chain in window.because if chain[-1] == reference)
    others = tuple(name for name in window.references if name != reference)
    return Row(window.system, own, others)


def listed(groups: Iterable[Group]) -> set[str]:
    """Return the codes of the systems that are listed."""
    return {row.code for group in groups for row in group.rows}
