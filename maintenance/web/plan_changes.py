"""Where two intervention documents differ, for people who have to decide between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def changes_between(theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return where two documents differ, in what was saved by somebody else and in what was typed here.

    >>> changes_between({"title": "a", "phases": [{"end": "x"}]}, {"title": "b", "phases": [{"end": "x"}]})
    [('title', 'a', 'b')]
    """
    flat_theirs, flat_mine = dict(_flat(theirs)), dict(_flat(mine))
    # A field left empty and a key that is absent are the same to a reader.
    return [
        (place, flat_theirs.get(place, ""), flat_mine.get(place, ""))
        for place in dict.fromkeys((*flat_theirs, *flat_mine))
        if flat_theirs.get(place, "") != flat_mine.get(place, "")
    ]


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{place} {key}".strip())
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value, 1):
            yield from _flat(inner, f"{place} {number}".strip())
    else:
        yield place, str(value)
