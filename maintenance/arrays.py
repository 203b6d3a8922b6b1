"""What the forecast does with many numbers at once: runs of them, and which rows of them are equal."""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager
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


def ordered(owners: Numbers, values: Numbers, bound: int, *, once: bool = False) -> tuple[Numbers, Numbers]:
    """Return the same owners and the values of each in order, an equal one left out with `once`.

    >>> ordered(np.array([1, 1, 1, 4]), np.array([8, 3, 8, 5]), 9, once=True)[1].tolist()
    [3, 8, 5]

    Args:
        owners: Whose each value is; in ascending order.
        values: Not negative.
        bound: Above every value.
        once: Whether equal values of one owner are left out but for one.
    """
    bits = bound.bit_length()
    # An owner and a value in one number; narrow ones are sorted in half the time.
    narrow = not len(owners) or int(owners[-1]) >> (31 - bits) == 0
    width = np.int32 if narrow else np.int64
    keys: Numbers = owners.astype(width)
    keys = np.sort(keys << bits | values.astype(width))
    if once:
        keys = keys[_firsts(keys)]
    return keys >> bits, keys & (1 << bits) - 1


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
    firsts = _firsts(keys[order])
    kinds = np.empty(len(keys), np.int64)
    kinds[order] = np.cumsum(firsts) - 1
    return kinds, order[firsts]


def _firsts(keys: Numbers) -> npt.NDArray[np.bool_]:
    """Return whether each of some keys in order is the first of its equals."""
    firsts = np.ones(len(keys), bool)
    firsts[1:] = keys[1:] != keys[:-1]
    return firsts


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


class _Uncollected:
    """A class, as the exception that ends a generator would itself set the collector off."""

    def __enter__(self) -> None:
        self._enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._enabled:
            gc.enable()


def uncollected() -> AbstractContextManager[None]:
    """Keep the collector of circular garbage from looking through very many values again and again.

    For the making of a large list of values, none of which can be garbage yet.
    """
    return _Uncollected()
