"""What is odd about one plan alone: phases that meet a clock change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from maintenance.errors import Problem
from maintenance.interventions import Phase, Plan
from maintenance.windows import change_within, in_units, resolve, zone


def warnings_of(plan: Plan) -> tuple[Problem, ...]:
    """Return what is odd about the document alone: clock changes, times that do not exist or exist twice."""
    return tuple(
        problem
        for position, phase in enumerate(plan.phases)
        for problem in _clock_warnings(phase, plan.timezone, ("phases", position))
    )


def _clock_warnings(phase: Phase, zone_name: str, path: tuple[str | int, ...]) -> Iterator[Problem]:
    for key, local in (("start", phase.local_start), ("end", phase.local_end)):
        if local is None:
            continue
        resolved = resolve(local, zone_name)
        shown = _local(resolved.instant, zone_name)
        if resolved.change == "gap":
            yield Problem(
                f"Phase {phase.id}: {local:%Y-%m-%d %H:%M} does not exist in {zone_name}, the clock skips it; "
                f"it is read as {shown}. Write the time that you mean.",
                (*path, key),
            )
        elif resolved.change == "fold":
            yield Problem(
                f"Phase {phase.id}: {local:%Y-%m-%d %H:%M} exists twice in {zone_name}; the first is meant, "
                f"{shown}. Choose a time outside the repeated hour if that is not what you want.",
                (*path, key),
            )
    change = change_within(phase.start, phase.end, zone_name)
    if change:
        ahead = "ahead" if change > timedelta(0) else "back"
        yield Problem(
            f"Phase {phase.id} crosses a clock change ({in_units(abs(change))} {ahead}): it really lasts "
            f"{in_units(phase.end - phase.start)} and ends at {_local(phase.end, zone_name)}. "
            "Check that the work fits.",
            path,
        )


def _local(instant: datetime, zone_name: str) -> str:
    """Return the wall time in a zone with its offset, which a clock change makes worth saying."""
    return f"{instant.astimezone(zone(zone_name)):%Y-%m-%d %H:%M (UTC%z)}"
