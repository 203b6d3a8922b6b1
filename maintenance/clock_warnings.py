"""What is odd about one plan alone: phases that meet a clock change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from maintenance.errors import Problem
from maintenance.interventions import Phase, Plan
from maintenance.sentences import Sentence
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
        if local is not None and (said := _odd(phase.id, local, zone_name)) is not None:
            yield Problem(said, (*path, key))
    change = change_within(phase.start, phase.end, zone_name)
    if change:
        said = Sentence(
            "Phase %(phase)s crosses a clock change (%(change)s): it really lasts %(length)s and ends at %(end)s. "
            "Check that the work fits.",
            phase=phase.id,
            change=f"{'+' if change > timedelta(0) else '−'}{in_units(abs(change))}",
            length=in_units(phase.end - phase.start),
            end=_local(phase.end, zone_name),
        )
        yield Problem(said, path)


def _odd(phase_id: str, local: datetime, zone_name: str) -> Sentence | None:
    """Return that the clock skips or repeats a wall time; None if it does not."""
    resolved = resolve(local, zone_name)
    values = {
        "phase": phase_id,
        "time": f"{local:%Y-%m-%d %H:%M}",
        "zone": zone_name,
        "meant": _local(resolved.instant, zone_name),
    }
    if resolved.change == "gap":
        return Sentence(
            "Phase %(phase)s: %(time)s does not exist in %(zone)s, the clock skips it; it is read as %(meant)s. "
            "Write the time that you mean.",
            **values,
        )
    if resolved.change == "fold":
        return Sentence(
            "Phase %(phase)s: %(time)s exists twice in %(zone)s; the first is meant, %(meant)s. "
            "Choose a time outside the repeated hour if that is not what you want.",
            **values,
        )
    return None


def _local(instant: datetime, zone_name: str) -> str:
    """Return the wall time in a zone with its offset, which a clock change makes worth saying."""
    return f"{instant.astimezone(zone(zone_name)):%Y-%m-%d %H:%M (UTC%z)}"
