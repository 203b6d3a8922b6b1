"""What the forecast does with many numbers at once: runs of them, and which rows of them are equal."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

#: Whole numbers of any width.
Numbers = npt.NDArray[Any]


def spans(first: Numbers, count: Numbers) -> Numbers:
    """Return the numbers from each `first` on, `count` of each, one run after the other.

    >>> spans(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist()
    [5, 6, 9, 10, 11]
    """
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    found: Numbers = np.arange(total) + np.repeat(first - (ends - count), count)
    return found


def distinct(keys: Numbers, bound: int) -> tuple[Numbers, Numbers]:
    """Return the kind of each key, equal for equal keys, and for each kind the position of an example.

    Args:
        keys: Not negative.
        bound: Above every key.
    """
    if bound <= 16 * len(keys):
        # A place for every possible key is faster than sorting while there are not many more of them.
        kind_of = np.zeros(bound, np.int64)
        kind_of[keys] = 1
        present = np.flatnonzero(kind_of)
        kind_of[present] = np.arange(len(present))
        kinds = kind_of[keys]
        examples = np.empty(len(present), np.int64)
        examples[kinds] = np.arange(len(keys))
        return kinds, examples
    order = np.argsort(keys)
    ordered = keys[order]
    new = np.ones(len(keys), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    kinds = np.empty(len(keys), np.int64)
    kinds[order] = np.cumsum(new) - 1
    return kinds, order[new]


def alike(heads: Numbers, counts: Numbers, values: Numbers, bound: int) -> tuple[Numbers, Numbers]:
    """Return the kind of each row, equal for equal rows, and for each kind the position of an example.

    Args:
        heads: What each row begins with; not negative.
        counts: How many of the `values` follow in each row.
        values: Those of all rows, one row after the other; not negative.
        bound: Above every value.
    """
    first = np.cumsum(counts) - counts
    kinds, examples = distinct(heads, int(heads.max(initial=0)) + 1)
    used = len(examples)
    rows, column = np.flatnonzero(counts), 0
    while len(rows):
        longer, examples = distinct(kinds[rows] * bound + values[first[rows] + column], used * bound)
        # Above all kinds so far: a row is never like a shorter one.
        kinds[rows] = longer + used
        used += len(examples)
        column += 1
        rows = rows[counts[rows] > column]
    return distinct(kinds, used)


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector of circular garbage from looking through very many values again and again.

    For the making of a large list of values, none of which can be garbage yet.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
