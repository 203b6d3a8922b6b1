"""The content of an intervention: its phases in time, and the work done in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from maintenance.catalogue import NOTIFIED, Impact
from maintenance.texts import NO_TEXT, Text


class InterventionClass(StrEnum):
    """Whether the work was planned or forced."""

    PLANNED = "planned"
    EMERGENCY = "emergency"


class PhaseKind(StrEnum):
    """What a phase is for."""

    PREPARATION = "preparation"
    OUTAGE = "outage"
    VERIFICATION = "verification"


@dataclass(frozen=True, slots=True)
class Work:
    """What a phase does to one system."""

    system: str
    impact: Impact
    #: When this system's part was really over, where service returns in stages.
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of an intervention: planned instants (UTC), the wall times they came from, the real ones."""

    id: str
    kind: PhaseKind
    #: Planned, aware UTC, half-open.
    start: datetime
    end: datetime
    work: tuple[Work, ...] = ()
    #: What the author wrote, naive, in the plan's zone; the end is None where a duration was given.
    local_start: datetime | None = None
    local_end: datetime | None = None
    duration: timedelta | None = None
    #: When it really began and ended; None until then.
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def impact(self) -> Impact:
        """Return the worst impact of its work."""
        return max((work.impact for work in self.work), default=Impact.NO_IMPACT)

    @property
    def is_open(self) -> bool:
        """Return whether it has begun and nobody has ended it."""
        return self.started_at is not None and self.ended_at is None

    def is_overrun(self, now: datetime) -> bool:
        """Return whether it is open past its planned end; checks without impact may take their time."""
        return self.is_open and now >= self.end and self.impact > Impact.NO_IMPACT

    def stretches(self, now: datetime | None = None) -> Iterator[tuple[Work, datetime, datetime]]:
        """Yield each work with the start and end that count: the real ones where known.

        An open phase past its planned end keeps its impact: with `now` its end is just after it.
        """
        start = self.started_at or self.start
        planned_end = max(self.end, start)
        if self.is_open and now is not None:
            planned_end = max(planned_end, now + timedelta(seconds=1))
        for work in self.work:
            end = work.ended_at or self.ended_at or planned_end
            if end > start:
                yield work, start, end


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a part in the work."""

    role: str
    name: str
    team: str = ""


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """Where readers can ask: `kind` is email, phone or web."""

    kind: str
    value: str


#: How long before the start readers are reminded, unless the plan says otherwise.
DEFAULT_REMINDERS = (
    timedelta(days=7),
    timedelta(hours=72),
    timedelta(hours=24),
    timedelta(hours=1),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The content of an intervention at one time, with what really happened so far."""

    reference: str
    title: Text
    timezone: str
    phases: tuple[Phase, ...]
    description: Text = NO_TEXT
    intervention_class: InterventionClass = InterventionClass.PLANNED
    people: tuple[Person, ...] = ()
    reminders: tuple[timedelta, ...] = DEFAULT_REMINDERS
    contacts: tuple[ContactPoint, ...] = ()
    #: Ids of phases that were published and taken out later: their calendar events stay, cancelled.
    removed_phases: tuple[Phase, ...] = ()
    #: Drafts count for the planner and are marked.
    draft: bool = False

    @property
    def impact_phases(self) -> tuple[Phase, ...]:
        """Return the phases with work above NO-IMPACT, by start."""
        return tuple(
            sorted(
                (phase for phase in self.phases if phase.impact > Impact.NO_IMPACT),
                key=lambda phase: (phase.start, phase.id),
            )
        )

    @property
    def start(self) -> datetime:
        """Return when the first phase with an impact begins as planned (any phase if none has one)."""
        return min(phase.start for phase in self.impact_phases or self.phases)

    @property
    def end(self) -> datetime:
        """Return when the last phase with an impact ends as planned (any phase if none has one)."""
        return max(phase.end for phase in self.impact_phases or self.phases)

    @property
    def systems(self) -> tuple[str, ...]:
        """Return the systems worked on, each once, in order."""
        return tuple(dict.fromkeys(work.system for phase in self.phases for work in phase.work))

    def phase(self, phase_id: str) -> Phase:
        """Return the phase of that id; `KeyError` if there is none."""
        return {phase.id: phase for phase in self.phases}[phase_id]

    def with_phases(self, phases: Mapping[str, Phase]) -> Plan:
        """Return the plan with the phases of these ids replaced."""
        return replace(self, phases=tuple(phases.get(phase.id, phase) for phase in self.phases))


@dataclass(frozen=True, slots=True)
class Window:
    """A downtime window: computed, never typed. Half-open `[start, end)`, aware UTC."""

    system: str
    impact: Impact
    start: datetime
    end: datetime
    #: One shortest chain for each plan that causes it: systems from the nearest need to the one
    #: worked on, then the reference.
    because: tuple[tuple[str, ...], ...] = field(default=())

    @property
    def references(self) -> tuple[str, ...]:
        """Return the plans that cause it, each once."""
        return tuple(dict.fromkeys(chain[-1] for chain in self.because))

    @property
    def is_notified(self) -> bool:
        """Return whether readers are told, or it is only shown."""
        return self.impact in NOTIFIED
