"""The drawing of candidate weeks: a curve of estimated harm, with the suggested starts on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from maintenance.harm_curve import Curve
from maintenance.texts import Text
from maintenance.web.timeline import Tick, draw

#: Height of the curve in the drawing's own units; its width is 1000.
HEIGHT = 160
#: How near two marks may come: in percent of the width, on a telephone, and in units of the height.
_APART = (8.0, 24.0)


@dataclass(frozen=True, slots=True)
class Mark:
    """A start on the curve: its place in percent of the width and in units of the height, and its words."""

    left: float
    top: float
    label: str
    #: Where the curve is below or above it; away from there where another mark would cover it.
    on_curve: float


@dataclass(frozen=True, slots=True)
class HarmDrawing:
    """What the page draws, and what its caption says of it."""

    unit: Text
    least: float
    most: float
    #: Corners of the curve, as SVG wants them.
    points: str
    marks: tuple[Mark, ...]
    #: The planned start; None where it lies outside.
    planned: Mark | None
    ticks: tuple[Tick, ...]


def harm_drawing(
    curve: Curve, planned: datetime, suggested: Sequence[datetime], *, zone_name: str
) -> HarmDrawing:
    """Return the drawing of a curve; suggested starts are numbered in their order."""
    first, last = curve.starts[0], curve.starts[-1]
    most = max(curve.amounts)

    def left(start: datetime) -> float:
        return round(100 * min(1.0, max(0.0, (start - first) / (last - first))), 2)

    def top(amount: float) -> float:
        return round(HEIGHT * (1 - amount / most), 1)

    def mark(start: datetime, label: str, others: Sequence[Mark] = ()) -> Mark:
        where = top(curve.at(start))
        return Mark(left(start), _free(left(start), where, others), label, where)

    as_planned = mark(planned, "") if first <= planned <= last else None
    marks: list[Mark] = []
    for number, start in enumerate(suggested, 1):
        marks.append(mark(start, str(number), [*marks, as_planned] if as_planned else marks))

    corners = (f"{left(s) * 10:.1f},{top(a)}" for s, a in zip(curve.starts, curve.amounts, strict=True))
    axis = draw([], start=first, end=last, zone_name=zone_name, now=first)
    return HarmDrawing(
        curve.unit,
        min(curve.amounts),
        most,
        " ".join(corners),
        tuple(marks),
        as_planned,
        axis.ticks,
    )


def _free(left: float, top: float, others: Sequence[Mark]) -> float:
    """Return how high a mark stands so that it covers no other: on the curve, else above it, else below."""
    near = [other.top for other in others if abs(other.left - left) < _APART[0]]
    # Each of the others can be in the way of two places.
    steps = range(2 * len(near) + 1)
    above = [top - step * _APART[1] for step in steps if top - step * _APART[1] >= 0]
    below = [top + step * _APART[1] for step in steps]
    return next(place for place in [*above, *below] if all(abs(place - taken) >= _APART[1] for taken in near))
