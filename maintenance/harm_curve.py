"""How much a piece of work would harm, by when it starts: what a drawing of candidate weeks shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from maintenance.catalogue import Catalogue
from maintenance.harm import Clock, Profile, Weights, counted_volumes, weights_of
from maintenance.interventions import Plan
from maintenance.lines import tick_of
from maintenance.propagation import spread
from maintenance.texts import Text

#: Points of a curve at most: more than a screen has columns to show.
_MOST_POINTS = 1000


@dataclass(frozen=True, slots=True)
class Curve:
    """Starts, and how much of one unit the work alone would harm from each."""

    unit: Text
    starts: tuple[datetime, ...]
    amounts: tuple[float, ...]

    def at(self, start: datetime) -> float:
        """Return the amount at the point next to a start."""
        nearest = min(range(len(self.starts)), key=lambda n: abs(self.starts[n] - start))
        return self.amounts[nearest]


def harm_curve(
    catalogue: Catalogue, plan: Plan, earliest: datetime, latest: datetime, weights: Weights | None = None
) -> Curve | None:
    """Return the curve of the unit of which most is harmed, measured by a month of it; None where none is.

    What other plans take down meanwhile is left aside: the plan alone is a sum of few terms anywhere.
    """
    weights = weights or weights_of(catalogue)
    alone = spread(catalogue, [plan])
    volumes = counted_volumes(catalogue, dict.fromkeys(code for code, *_ in alone.windows()))
    origin, last = tick_of(plan.start), latest - (plan.end - plan.start)
    factors: dict[Text, dict[tuple[Profile, int], float]] = {}
    monthly: dict[Text, float] = {}
    for code, volume in volumes.items():
        monthly[volume.unit] = monthly.get(volume.unit, 0.0) + volume.per_month
        per_hour = weights.per_hour(catalogue.systems[code], volume)
        terms = factors.setdefault(volume.unit, {})
        for start, end, impact in alone.of(code):
            for tick, sign in ((end, 1), (start, -1)):
                key = (weights.profile_of(code), tick - origin)
                terms[key] = terms.get(key, 0.0) + sign * per_hour * weights.of_impact(impact)
    if not monthly or last <= earliest:
        return None
    step = max(timedelta(hours=1), (last - earliest) / _MOST_POINTS)
    starts = tuple(earliest + step * n for n in range((last - earliest) // step + 1))
    span = timedelta(microseconds=max((offset for t in factors.values() for _, offset in t), default=0))
    clocks = {
        profile: Clock(profile, catalogue.timezone, earliest, last + span + timedelta(days=1))
        for terms in factors.values()
        for profile, _ in terms
    }
    ticks = np.array([tick_of(start) for start in starts])
    curves = []
    for unit, terms in factors.items():
        amounts = np.zeros(len(ticks))
        for (profile, offset), factor in terms.items():
            amounts += factor * clocks[profile].at(ticks + offset)
        curves.append(Curve(unit, starts, tuple(np.maximum(amounts, 0.0).tolist())))
    found = max(curves, key=lambda curve: max(curve.amounts) / max(monthly[curve.unit], 1.0))
    return found if max(found.amounts) >= 0.5 else None
