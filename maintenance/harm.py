"""How much work of how many people falls into a downtime window: volume by hour of the week.

Harm = Σ volume × profile × impact weight × system weight, kept per unit: prescriptions and certificates
are never summed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from maintenance.arrays import Numbers
from maintenance.catalogue import Catalogue, System, Volume
from maintenance.interventions import Window
from maintenance.lines import DEGRADED, OUTAGE, tick_of
from maintenance.texts import Text
from maintenance.windows import zone

Amounts = npt.NDArray[np.float64]
#: A volume `per_month` is spread over thirty days.
HOURS_PER_MONTH = 720
#: Rates are constant in each quarter of an hour: every zone's offset is a multiple of it.
_QUARTER = timedelta(minutes=15)
_TICKS_PER_QUARTER = 15 * 60 * 1_000_000
#: Counted for systems where no system that is hit has a volume.
SYSTEM_HOURS = Volume(Text.of({"en": "system hours", "pt": "horas de sistema"}), HOURS_PER_MONTH)


@dataclass(frozen=True, slots=True)
class Profile:
    """How a system's volume lies in the week: 168 weights, from Monday 00:00, wall time."""

    name: str
    hours: tuple[float, ...]

    def factor(self, local: datetime) -> float:
        """Return how the hour compares with the average one, which is 1."""
        return self.hours[local.weekday() * 24 + local.hour] * 168 / sum(self.hours)


ROUND_THE_CLOCK = Profile("round-the-clock", (1.0,) * 168)
#: Monday to Friday 08:00 to 20:00, and an eighth of that at other times.
OFFICE_HOURS = Profile(
    "office-hours", tuple(1.0 if d < 5 and 8 <= h < 20 else 0.125 for d in range(7) for h in range(24))
)


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much."""

    outage: float = 1.0
    degraded: float = 0.3
    #: By system code; 1 unless said.
    systems: Mapping[str, float] = field(default_factory=dict)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    #: For systems without a profile of their own.
    profile: Profile = OFFICE_HOURS

    def of_impact(self, impact: int) -> float:
        """Return the weight of an impact: what is merely less redundant harms nobody."""
        return {OUTAGE: self.outage, DEGRADED: self.degraded}.get(impact, 0.0)

    def per_hour(self, system: System, volume: Volume) -> float:
        """Return the weighted volume of an average hour."""
        return volume.per_month / HOURS_PER_MONTH * self.systems.get(system.code, 1.0)

    def profile_of(self, code: str) -> Profile:
        """Return the profile of a system."""
        return self.profiles.get(code, self.profile)


def weights_of(catalogue: Catalogue) -> Weights:
    """Return what counts how much where nobody says otherwise: each volume by its own profile."""
    known = {OFFICE_HOURS.name: OFFICE_HOURS, ROUND_THE_CLOCK.name: ROUND_THE_CLOCK}
    known |= {code: Profile(code, profile.weights) for code, profile in catalogue.profiles.items()}
    return Weights(profiles={c: known[name] for c, name in catalogue.profiled.items() if name in known})


class Clock:
    """A profile's hours summed up from an instant on: what falls between two instants is a difference."""

    def __init__(self, profile: Profile, timezone: str, start: datetime, end: datetime) -> None:
        there = zone(timezone)
        first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        count = -((first - end) // _QUARTER) + 1
        quarters = (
            profile.factor((first + _QUARTER * n).astimezone(there)) / 4 for n in range(max(count, 1))
        )
        self._sums = np.fromiter(accumulate(quarters, initial=0.0), float)
        # A float holds the microseconds of the next two centuries exactly.
        self._ticks = float(tick_of(first)) + _TICKS_PER_QUARTER * np.arange(len(self._sums))

    def at(self, ticks: Numbers) -> Amounts:
        """Return the average hours from the start until each instant; none before the start and after the end."""
        hours: Amounts = np.interp(ticks, self._ticks, self._sums)
        return hours


def counted_volumes(catalogue: Catalogue, codes: Iterable[str]) -> dict[str, Volume]:
    """Return the volume of each of these systems that has one; if none has, an hour of each system counts."""
    codes = [code for code in codes if code in catalogue.systems]
    found = {code: volume for code in codes if (volume := catalogue.systems[code].volume)}
    return found or dict.fromkeys(codes, SYSTEM_HOURS)


def harm_of(
    catalogue: Catalogue, windows: Iterable[Window], weights: Weights | None = None
) -> dict[Text, float]:
    """Return how much falls into these windows, per unit, for systems with a volume."""
    weights = weights or weights_of(catalogue)
    found: dict[Text, float] = {}
    hours: dict[tuple[Profile, datetime, datetime], float] = {}
    for window in windows:
        system = catalogue.systems.get(window.system)
        weight = weights.of_impact(window.impact)
        if system is None or system.volume is None or not weight:
            continue
        profile = weights.profile_of(system.code)
        # Most of a data centre goes down at the same times.
        key = (profile, window.start, window.end)
        if key not in hours:
            clock = Clock(profile, catalogue.timezone, window.start, window.end)
            begun, ended = clock.at(np.array([tick_of(window.start), tick_of(window.end)])).tolist()
            hours[key] = ended - begun
        harm = hours[key] * weight * weights.per_hour(system, system.volume)
        found[system.volume.unit] = found.get(system.volume.unit, 0.0) + harm
    return found


def two_figures(amount: float) -> int:
    """Return an estimate without pretending to know its last digits.

    >>> two_figures(43_123), two_figures(87.6), two_figures(99.8)
    (43000, 88, 100)
    """
    whole = round(amount)
    return round(whole, 2 - len(str(abs(whole)))) if abs(whole) >= 100 else whole
