"""Every system's state at an instant, from the windows that are shown; what a status page says first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from maintenance.catalogue import Catalogue, Impact, System
from maintenance.interventions import Window
from maintenance.texts import Text


@dataclass(frozen=True, slots=True)
class ShownWindow:
    """A window as pages show it."""

    window: Window
    #: The work is open past its planned end: the end is not known, `window.end` is just after now.
    overrun: bool = False
    #: A draft is among its causes: for planners only.
    draft: bool = False
    #: All plans that cause it wait behind a gate: it has not begun, whatever the clock says.
    held: bool = False

    def is_in_force(self, now: datetime) -> bool:
        """Return whether the system is hit by it now."""
        return not self.held and self.window.start <= now < self.window.end

    def is_to_come(self, now: datetime) -> bool:
        """Return whether readers still have to expect it."""
        return now < self.window.start or (self.held and now < self.window.end)


@dataclass(frozen=True, slots=True)
class SystemState:
    """How a system is at an instant, why, and what it has to expect."""

    system: System
    impact: Impact = Impact.NO_IMPACT
    #: The windows that hit it now, the worst first.
    now: tuple[ShownWindow, ...] = ()
    #: Those still to come, by start.
    to_come: tuple[ShownWindow, ...] = ()
    #: Since when, and until when, it is at least as bad as now; `until` is None where nobody knows.
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_overrun(self) -> bool:
        """Return whether it should be back by now: the work lasts longer than planned."""
        return any(shown.overrun for shown in self.now)


@dataclass(frozen=True, slots=True)
class Group:
    """Systems that belong together on a page."""

    name: Text
    states: tuple[SystemState, ...]

    @property
    def impact(self) -> Impact:
        """Return the worst impact of its systems."""
        return max((state.impact for state in self.states), default=Impact.NO_IMPACT)


@dataclass(frozen=True, slots=True)
class Overall:
    """What the first sentence of a status page says."""

    #: The worst impact that readers feel; REDUCED-REDUNDANCY is not felt, so it counts as working.
    impact: Impact
    down: tuple[SystemState, ...]
    degraded: tuple[SystemState, ...]
    #: Until when the last of them is back; None where nobody knows, or nothing is down.
    until: datetime | None
    #: Some of the work lasts longer than planned.
    is_overrun: bool


def state_of(system: System, windows: Iterable[ShownWindow], now: datetime) -> SystemState:
    """Return the state of a system at `now`, from windows of which those of other systems are passed over."""
    own = sorted(
        (shown for shown in windows if shown.window.system == system.code),
        key=lambda shown: (shown.window.start, -shown.window.impact),
    )
    in_force = sorted(
        (shown for shown in own if shown.is_in_force(now)), key=lambda shown: -shown.window.impact
    )
    to_come = tuple(shown for shown in own if shown.is_to_come(now))
    if not in_force:
        return SystemState(system, to_come=to_come)
    impact = in_force[0].window.impact
    since, until = _stretch([shown for shown in own if shown.window.impact >= impact and not shown.held], now)
    return SystemState(system, impact, tuple(in_force), to_come, since, until)


def states_at(catalogue: Catalogue, windows: Iterable[ShownWindow], now: datetime) -> list[SystemState]:
    """Return the state of every public system that is not retired, in catalogue order."""
    by_system: dict[str, list[ShownWindow]] = {}
    for shown in windows:
        by_system.setdefault(shown.window.system, []).append(shown)
    return [
        state_of(system, by_system.get(system.code, ()), now)
        for system in catalogue.systems.values()
        if system.public and not system.retired
    ]


def grouped(states: Iterable[SystemState]) -> tuple[Group, ...]:
    """Return the states by the systems' group, groups as they first appear, systems without one last."""
    found: dict[Text, list[SystemState]] = {}
    for state in states:
        found.setdefault(state.system.group, []).append(state)
    ordered = sorted(found.items(), key=lambda item: not item[0])
    return tuple(Group(name, tuple(members)) for name, members in ordered)


def overall(states: Sequence[SystemState]) -> Overall:
    """Return what is wrong altogether, and until when."""
    down = tuple(state for state in states if state.impact is Impact.OUTAGE)
    degraded = tuple(state for state in states if state.impact is Impact.DEGRADED)
    hit = (*down, *degraded)
    ends = [state.until for state in hit if state.until is not None]
    return Overall(
        impact=Impact.OUTAGE if down else Impact.DEGRADED if degraded else Impact.NO_IMPACT,
        down=down,
        degraded=degraded,
        until=max(ends) if ends and len(ends) == len(hit) else None,
        is_overrun=any(state.is_overrun for state in hit),
    )


def next_boundary(windows: Iterable[ShownWindow], now: datetime) -> datetime | None:
    """Return when the states change next by the clock alone; None if nothing is to come.

    The end of work that overruns is no boundary: only a person can end it.
    """
    instants = [
        instant
        for shown in windows
        for instant in (shown.window.start, *(() if shown.overrun else (shown.window.end,)))
        if instant > now
    ]
    return min(instants, default=None)


def _stretch(windows: Sequence[ShownWindow], now: datetime) -> tuple[datetime, datetime | None]:
    """Return the stretch around `now` that these windows cover without a gap; its end None in an overrun."""
    since = until = now
    grown = True
    while grown:
        grown = False
        for shown in windows:
            window = shown.window
            if window.start <= until < window.end:
                if shown.overrun:
                    return min(since, window.start), None
                until, grown = window.end, True
            if window.start < since <= window.end:
                since, grown = window.start, True
    return since, until
