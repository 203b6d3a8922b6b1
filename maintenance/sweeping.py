"""Many rows of stretches at once: at every instant so many of each impact, and what follows from that."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from maintenance.arrays import Numbers

#: Start, end and impact of each stretch, one below the other.
Stretches = npt.NDArray[np.int64]
#: By impact, how many stretches of it go on; nothing at 0; up to 3 at least, else up to the greatest that occurs.
Counts = Sequence[Numbers]


def swept(
    rows: Numbers, stretches: Stretches, decide: Callable[[Numbers, Counts], Numbers]
) -> tuple[Numbers, Stretches]:
    """Return the joined stretches of what `decide` makes of each row at every instant, with their rows, in order.

    Args:
        rows: The row in which each stretch stands.
        stretches: Of any length above zero, with impacts up to 7; those of a row may overlap.
        decide: Is given the rows of some instants and what is counted there, and returns the impacts;
            where nothing goes on it must be 0.
    """
    if not len(rows):
        return rows, stretches
    origin = int(stretches[:, 0].min())
    # An instant, a row, what begins or ends there: one number, so that sorting these sorts everything.
    width = (int(stretches[:, 1].max()) - origin).bit_length()
    at_once = 1 << (59 - width)
    found = []
    for first in range(0, int(rows.max()) + 1, at_once):
        here = (rows >= first) & (rows < first + at_once)
        found.append(_swept(rows[here], stretches[here], decide, origin, width, first))
    return np.concatenate([each for each, _ in found]), np.concatenate([each for _, each in found])


def _swept(
    rows: Numbers,
    stretches: Stretches,
    decide: Callable[[Numbers, Counts], Numbers],
    origin: int,
    width: int,
    first: int,
) -> tuple[Numbers, Stretches]:
    base, impacts = (rows - first) << width, stretches[:, 2] << 1
    changes = np.concatenate(
        [
            (base + (stretches[:, 0] - origin)) << 4 | impacts | 1,
            (base + (stretches[:, 1] - origin)) << 4 | impacts,
        ]
    )
    changes.sort()
    moments, kinds = changes >> 4, changes & 15
    # What goes on after the last change of a moment goes on until the next one.
    last = np.flatnonzero(np.diff(moments, append=-1))
    moments = moments[last]
    counted = [moments]
    for impact in range(1, max(4, int(stretches[:, 2].max()) + 1)):
        steps = (kinds == (impact << 1 | 1)).astype(np.int32) - (kinds == impact << 1)
        counted.append(np.cumsum(steps)[last])
    row_of = (moments >> width) + first
    results = decide(row_of, counted)
    # Each row ends with nothing, so neighbours of different rows differ, or are both nothing.
    turns = np.flatnonzero(np.diff(results, prepend=0))
    ticks = (moments[turns] & ((1 << width) - 1)) + origin
    begun = results[turns] > 0
    ends = np.append(ticks[1:], 0)
    return row_of[turns][begun], np.column_stack([ticks[begun], ends[begun], results[turns][begun]])
