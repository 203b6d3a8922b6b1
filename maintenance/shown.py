"""Windows as readers and planners are shown them: each once, whatever number of plans it has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from maintenance.interventions import Window
from maintenance.status import ShownWindow


@dataclass(frozen=True, slots=True)
class WindowsChange:
    """What a step, or another catalogue, makes of the windows of one announced plan."""

    reference: str
    before: tuple[Window, ...]
    after: tuple[Window, ...]


def by_plan(windows: Iterable[Window]) -> Mapping[str, tuple[Window, ...]]:
    """Return, for every plan that causes any, the windows that it causes, alone or with others."""
    found: dict[str, list[Window]] = {}
    for window in windows:
        for reference in window.references:
            found.setdefault(reference, []).append(window)
    return {reference: tuple(named) for reference, named in found.items()}


def differ(before: Iterable[Window], after: Iterable[Window]) -> bool:
    """Return whether readers see a difference: systems, impacts or times; causes alone are none."""
    return _seen(before) != _seen(after)


def _seen(windows: Iterable[Window]) -> set[tuple[object, ...]]:
    return {(window.system, window.impact, window.start, window.end) for window in windows}


def lasting(
    planned: Iterable[Window], real: Iterable[Window], overrunning: Collection[str], now: datetime
) -> list[ShownWindow]:
    """Return the windows that last longer than planned because work of these plans overruns.

    Args:
        planned: The forecast as if every open phase ended as planned.
        real: The forecast in which open phases last until just after `now`.
        overrunning: References of plans with a phase open past its planned end.
        now: The instant at which readers look.
    """
    known = _seen(planned)
    return [
        ShownWindow(window, overrun=True)
        for window in real
        if window.start <= now < window.end
        and not known.issuperset(_seen([window]))
        and not set(overrunning).isdisjoint(window.references)
    ]


def united(shown: Iterable[ShownWindow]) -> list[ShownWindow]:
    """Return the windows in order of time, those of one system and impact that touch as one.

    Plans that cause a window together each store it; the causes of all stand in the one that is shown.
    """
    merged: list[ShownWindow] = []
    last: dict[tuple[object, ...], int] = {}
    for item in sorted(shown, key=lambda item: (item.window.start, item.window.end)):
        # A draft's window stays apart from what stands, so that it can be marked.
        key = (item.window.system, item.window.impact, item.draft)
        position = last.get(key)
        if position is not None and item.window.start <= merged[position].window.end:
            merged[position] = _joined(merged[position], item)
        else:
            last[key] = len(merged)
            merged.append(item)
    return sorted(merged, key=lambda item: (item.window.start, item.window.system, -item.window.impact))


def _joined(one: ShownWindow, other: ShownWindow) -> ShownWindow:
    chains = {chain[-1]: chain for chain in (*other.window.because, *one.window.because)}
    window = replace(
        one.window,
        end=max(one.window.end, other.window.end),
        # In the order of the forecast: nearest causes first.
        because=tuple(sorted(chains.values(), key=lambda chain: (len(chain), chain))),
    )
    return ShownWindow(window, one.overrun or other.overrun, one.draft, one.held and other.held)
