"""What one system goes through in time, and what comes of several such lines together.

Times are whole microseconds since 1970, impacts 0 to 3: plain numbers, because a forecast of the whole
estate compares hundreds of thousands of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from maintenance.catalogue import Impact
from maintenance.graph import Rule

#: Stretches `(start, end, impact)` in order, apart, none touching one of equal impact.
Line = tuple[tuple[int, int, int], ...]

REDUCED, DEGRADED, OUTAGE = Impact.REDUCED_REDUNDANCY.value, Impact.DEGRADED.value, Impact.OUTAGE.value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def tick_of(instant: datetime) -> int:
    """Return the microseconds since 1970 of an aware instant."""
    return (instant - _EPOCH) // _MICROSECOND


def instant_of(tick: int) -> datetime:
    """Return the instant that `tick_of` was given, in UTC."""
    return _EPOCH + timedelta(microseconds=tick)


def need_impact(impacts: Sequence[int], at_least: int, otherwise: int) -> int:
    """Return what a need does to its system while its members are in these impacts.

    *Up* are members not in OUTAGE, *well* those below DEGRADED. Too few up: `otherwise`. Too few
    well: the milder of DEGRADED and `otherwise`. Not all well: REDUCED-REDUNDANCY. Else nothing.
    """
    up = well = 0
    for impact in impacts:
        if impact < OUTAGE:
            up += 1
            if impact < DEGRADED:
                well += 1
    if up < at_least:
        return otherwise
    if well < at_least:
        return min(DEGRADED, otherwise)
    return REDUCED if well < len(impacts) else 0


def felt(line: Line) -> Line:
    """Return what dependants can feel of a line: the stretches at DEGRADED or worse."""
    for _, _, impact in line:
        if impact < DEGRADED:
            return tuple(stretch for stretch in line if stretch[2] >= DEGRADED)
    return line


def as_reduced(line: Line) -> Line:
    """Return the stretches of a felt line as REDUCED-REDUNDANCY: what a member does whose absence is borne."""
    if len(line) == 1:
        return ((line[0][0], line[0][1], REDUCED),)
    return joined((start, end, REDUCED) for start, end, _ in line)


def lengthened(line: Line, recovery: int) -> Line:
    """Return the OUTAGE stretches of a line, each `recovery` longer, joined where they then meet."""
    longer: list[tuple[int, int, int]] = []
    for start, end, impact in line:
        if impact != OUTAGE:
            continue
        if longer and start <= longer[-1][1]:
            longer[-1] = (longer[-1][0], end + recovery, OUTAGE)
        else:
            longer.append((start, end + recovery, OUTAGE))
    return tuple(longer)


def joined(stretches: Iterable[tuple[int, int, int]]) -> Line:
    """Return stretches in order as a line: those of no impact left out, equal neighbours made one."""
    line: list[tuple[int, int, int]] = []
    for stretch in stretches:
        start, end, impact = stretch
        if impact:
            if line and line[-1][1] == start and line[-1][2] == impact:
                line[-1] = (line[-1][0], end, impact)
            else:
                line.append(stretch)
    return tuple(line)


def clipped(line: Line, first: int, last: int) -> Line:
    """Return what of a line lies between two ticks."""
    return tuple(
        (max(start, first), min(end, last), impact)
        for start, end, impact in line
        if start < last and first < end
    )


def overlay(*lines: Line) -> Line:
    """Return the worst of several lines at every instant."""
    worst: Line = ()
    for line in lines:
        worst = _worse(worst, line) if worst and line else worst or line
    return worst


def _worse(a: Line, b: Line) -> Line:
    if a[-1][1] < b[0][0]:
        return a + b
    if b[-1][1] < a[0][0]:
        return b + a
    if len(a) == 1 and len(b) == 1 and a[0][2] == b[0][2]:
        return ((min(a[0][0], b[0][0]), max(a[0][1], b[0][1]), a[0][2]),)
    cuts = sorted({tick for line in (a, b) for start, end, _ in line for tick in (start, end)})
    both = zip(at_cuts(a, cuts), at_cuts(b, cuts), strict=True)
    return joined((start, end, max(x, y)) for (start, end), (x, y) in zip(pairwise(cuts), both, strict=True))


def at_cuts(line: Line, cuts: Sequence[int]) -> list[int]:
    """Return the line's impact between each two of the cuts, which contain all its own."""
    impacts = [0] * (len(cuts) - 1)
    k = 0
    for start, end, impact in line:
        while cuts[k] < start:
            k += 1
        while cuts[k] < end:
            impacts[k] = impact
            k += 1
    return impacts


def from_need(rule: Rule, members: Sequence[Line]) -> Line:
    """Return what a need does to its system while its members go through these lines."""
    at_least, otherwise = rule
    cuts = sorted({tick for line in members for start, end, _ in line for tick in (start, end)})
    if not cuts:
        return ()
    impacts = zip(*(at_cuts(line, cuts) for line in members), strict=True)
    return joined(
        (start, end, need_impact(here, at_least, otherwise))
        for (start, end), here in zip(pairwise(cuts), impacts, strict=True)
    )
