"""What the pages of one system and of one intervention show, put together from what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from babel.dates import format_skeleton
from babel.numbers import format_percent
from flask_babel import get_locale
from markupsafe import Markup

from maintenance.availability import Availability
from maintenance.catalogue import Audience, Catalogue, Contingency, Impact, System
from maintenance.interventions import Phase, Plan
from maintenance.lifecycle import OPEN, RunState
from maintenance.public_reads import ENDED, Told
from maintenance.status import ShownWindow, SystemState
from maintenance.web import timeline
from maintenance.web.presentation import public_name, text
from maintenance.web.spells import Reason, Spell, common_reasons, condensed, reasons, spells
from maintenance.web.versions import differences
from maintenance.windows import zone


def tick_label(tick: timeline.Tick, zone_name: str) -> str:
    """Return what stands under a tick: the day at midnight, else the hour."""
    there = tick.at.astimezone(zone(zone_name))
    if tick.is_midnight:
        return str(format_skeleton("MMMd", there, locale=get_locale()))
    return f"{there:%H:%M}"


def measured_label(figure: Availability, zone_name: str) -> str:
    """Return the month of a figure; with its days where only a part of it was measured."""
    first, last = (each.astimezone(zone(zone_name)) for each in (figure.measured.start, figure.measured.end))
    name = str(format_skeleton("yMMMM", first, locale=get_locale()))
    if figure.is_whole(zone_name):
        return name
    days = (
        format_skeleton("MMMd", first, locale=get_locale()),
        format_skeleton("MMMd", last, locale=get_locale()),
    )
    return f"{name} ({days[0]}, {first:%H:%M} – {days[1]}, {last:%H:%M})"


def percentage(value: float) -> str:
    """Return a percentage with the three decimals that it was worked out to."""
    return str(format_percent(value / 100, "0.000 %", locale=get_locale()))


@dataclass(frozen=True)
class Card:
    """An intervention on the status page, with what it does to whom."""

    told: Told
    spells: tuple[Spell, ...]
    reasons: tuple[Markup, ...]
    now: datetime

    @property
    def is_overrun(self) -> bool:
        """Return whether one of its phases is open past its planned end."""
        return any(phase.is_overrun(self.now) for phase in self.told.plan.phases)

    @property
    def started_at(self) -> datetime | None:
        """Return when it really began."""
        return min((p.started_at for p in self.told.plan.impact_phases if p.started_at), default=None)


#: Lines in which an intervention says what it does when.
SPELLS = 20
#: Names beside a line of a drawing.
_DRAWN_NAMES = 40


@dataclass(frozen=True)
class SystemView:
    """The page of one system."""

    catalogue: Catalogue
    system: System
    state: SystemState
    windows: tuple[ShownWindow, ...]
    #: Those that readers know, by reference.
    plans: Mapping[str, Plan]
    now: datetime
    #: Its figures by month, the latest first; only months of which something was recorded.
    availability: tuple[Availability, ...] = ()

    @property
    def past(self) -> tuple[ShownWindow, ...]:
        """Return the windows that are over, the latest first."""
        known = {*self.state.now, *self.state.to_come}
        return tuple(shown for shown in reversed(self.windows) if shown not in known)

    def reasons(self, shown: ShownWindow) -> tuple[Reason, ...]:
        """Return why the system is hit, in words."""
        return reasons(shown.window, self.catalogue, self.plans)

    @property
    def advice(self) -> tuple[tuple[Audience, Contingency], ...]:
        """Return what each audience does, in the catalogue's order of audiences."""
        by_code = {contingency.audience: contingency for contingency in self.system.contingency}
        return tuple((a, by_code[a.code]) for a in self.catalogue.audiences.values() if a.code in by_code)


@dataclass(frozen=True)
class InterventionView:
    """The page of one intervention."""

    catalogue: Catalogue
    told: Told
    windows: tuple[ShownWindow, ...]
    now: datetime

    #: For the template: names in a sentence, and systems with their advice; a list of all is one link away.
    NAMED, ADVISED = 60, 60

    @classmethod
    def of(
        cls, catalogue: Catalogue, told: Told, windows: Iterable[ShownWindow], now: datetime
    ) -> InterventionView:
        """Return the view; while it is open its windows are those that stand now, later those it kept."""
        if told.state in OPEN:
            return cls(catalogue, told, tuple(windows_naming(windows, told.reference)), now)
        return cls(catalogue, told, tuple(ShownWindow(window) for window in told.version.windows), now)

    @cached_property
    def card(self) -> Card:
        """Return it as the status page shows it."""
        causes = common_reasons(self.told.version.windows, self.catalogue, self.told.reference)
        return Card(self.told, self.spells, causes, self.now)

    @cached_property
    def spells(self) -> tuple[Spell, ...]:
        """Return who is hit how and when."""
        return condensed(spells(self.windows, self.catalogue), SPELLS)

    @cached_property
    def worked_on(self) -> tuple[Markup, ...]:
        """Return what the systems are called that the work is on, each name or kind once."""
        systems = self.catalogue.systems
        named = tuple(dict.fromkeys(public_name(systems.get(code)) for code in self.told.plan.systems))
        return named if len(named) <= self.NAMED else (*named[: self.NAMED], Markup("…"))

    @cached_property
    def drawing(self) -> timeline.Timeline | None:
        """Return its hours as a drawing: a row for each spell."""
        stretches = stretches_of(self.spells)
        if not stretches:
            return None
        start, end = timeline.around(stretches)
        rows = [(_label(spell), [stretch]) for spell, stretch in zip(self.spells, stretches, strict=True)]
        return timeline.draw(rows, start=start, end=end, zone_name=self.told.plan.timezone, now=self.now)

    @cached_property
    def advice(self) -> tuple[tuple[Audience, tuple[tuple[System, Contingency], ...]], ...]:
        """Return what each audience does while the systems it uses are away, by audience."""
        hit = {shown.window.system for shown in self.windows if shown.window.impact >= Impact.DEGRADED}
        systems = [s for s in self.catalogue.systems.values() if s.code in hit and s.public]
        found = (
            (
                audience,
                tuple((s, c) for s in systems for c in s.contingency if c.audience == audience.code),
            )
            for audience in self.catalogue.audiences.values()
        )
        return tuple((audience, advice) for audience, advice in found if advice)

    def changes(self, position: int) -> tuple[Markup, ...]:
        """Return what the version at that place of the list says otherwise than the one before it."""
        versions = self.told.versions
        if position + 1 >= len(versions):
            return ()
        return differences(versions[position + 1], versions[position], self.catalogue)

    def phase_state(self, phase: Phase) -> str:
        """Return `ended`, `overrun`, `open`, `held`, `cancelled` or `planned`."""
        if phase.ended_at:
            # A phase that was called off has an end without ever having begun.
            called_off = phase.started_at is None and self.told.state is RunState.CANCELLED
            return "cancelled" if called_off else "ended"
        if phase.is_overrun(self.now):
            return "overrun"
        if phase.is_open:
            return "open"
        if self.told.state in ENDED:
            return "cancelled" if self.told.state is RunState.CANCELLED else "ended"
        return "held" if self.told.held else "planned"


def _label(spell: Spell) -> Markup:
    names = [text(system.name) for system in spell.systems[:_DRAWN_NAMES]]
    more = Markup("…") if len(spell.systems) > _DRAWN_NAMES else Markup("")
    return Markup(", ").join([*names, *spell.hidden]) + more


def windows_naming(windows: Iterable[ShownWindow], reference: str) -> list[ShownWindow]:
    """Return those of the windows that an intervention causes, alone or with others."""
    return [shown for shown in windows if reference in shown.window.references]


def stretches_of(found: Sequence[Spell]) -> list[timeline.Stretch]:
    """Return the spells as a drawing takes them."""
    return [timeline.Stretch(spell.impact, spell.start, spell.end, spell.overrun) for spell in found]
