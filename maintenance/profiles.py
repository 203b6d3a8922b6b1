"""When in the week a volume comes: profiles that a catalogue defines beside the two that everybody knows."""

from __future__ import annotations

from dataclasses import dataclass

#: The hours of a week, from Monday 00:00.
HOURS = 168
#: What a volume has unless it says otherwise, and what knows no hours.
OFFICE_HOURS, ROUND_THE_CLOCK = "office-hours", "round-the-clock"


@dataclass(frozen=True, slots=True)
class BusyHours:
    """Some whole hours of some days, as busy as `weight` says."""

    #: 0 is Monday.
    days: tuple[int, ...]
    #: An end that is not after the start is on the next day.
    start: int
    end: int
    weight: int

    @property
    def hours(self) -> tuple[int, ...]:
        """Return the hours of the week."""
        count = (self.end - self.start) % 24 or 24
        return tuple((day * 24 + self.start + n) % HOURS for day in self.days for n in range(count))


@dataclass(frozen=True, slots=True)
class WeekProfile:
    """How busy the hours of a week are, compared with one another."""

    code: str
    weekly: tuple[BusyHours, ...]
    #: The weight of all other hours.
    rest: int = 0

    @property
    def weights(self) -> tuple[float, ...]:
        """Return the weight of each hour of the week, wall time."""
        found = [float(self.rest)] * HOURS
        for busy in self.weekly:
            for hour in busy.hours:
                found[hour] = float(busy.weight)
        return tuple(found)
