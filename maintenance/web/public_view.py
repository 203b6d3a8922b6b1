"""What the public pages show, put together from what was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from babel.dates import format_skeleton
from babel.numbers import format_percent
from flask_babel import get_locale, gettext, ngettext
from markupsafe import Markup, escape

from maintenance.availability import Availability
from maintenance.catalogue import Audience, Catalogue, Contingency, Impact, System
from maintenance.interventions import InterventionClass, Phase, Plan
from maintenance.lifecycle import OPEN, RunState
from maintenance.public_reads import ENDED, Told
from maintenance.status import Group, Overall, ShownWindow, SystemState, overall
from maintenance.web import timeline
from maintenance.web.presentation import text
from maintenance.web.spells import Reason, Spell, common_reasons, reasons, spells
from maintenance.web.versions import differences
from maintenance.windows import zone

#: How far ahead the status page draws, at least and at most.
SHORTEST_DRAWING = timedelta(days=7)
LONGEST_DRAWING = timedelta(days=28)


def headline(found: Overall) -> Markup:
    """Return the first sentence of the status page."""
    down, degraded = len(found.down), len(found.degraded)
    if not down and not degraded:
        return escape(gettext("All systems work"))
    if down + degraded == 1:
        (state,) = (*found.down, *found.degraded)
        sentence = gettext("%(system)s is unavailable") if down else gettext("%(system)s is degraded")
        return escape(sentence) % {"system": text(state.system.name)}
    parts = [
        ngettext("%(num)d system is unavailable", "%(num)d systems are unavailable", down) if down else "",
        ngettext("%(num)d system is degraded", "%(num)d systems are degraded", degraded) if degraded else "",
    ]
    return escape(", ".join(part for part in parts if part))


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


@dataclass(frozen=True)
class StatusView:
    """The status page."""

    catalogue: Catalogue
    windows: tuple[ShownWindow, ...]
    told: tuple[Told, ...]
    groups: tuple[Group, ...]
    now: datetime
    timezone: str

    @cached_property
    def overall(self) -> Overall:
        """Return what the first sentence says."""
        return overall([state for group in self.groups for state in group.states])

    @cached_property
    def is_emergency(self) -> bool:
        """Return whether all that is felt now comes from emergency work."""
        hit = (*self.overall.down, *self.overall.degraded)
        causes = {ref for state in hit for shown in state.now for ref in shown.window.references}
        classes = {told.plan.intervention_class for told in self.told if told.reference in causes}
        return classes == {InterventionClass.EMERGENCY}

    @cached_property
    def running(self) -> tuple[Card, ...]:
        """Return the interventions under way."""
        return self._cards(RunState.RUNNING, RunState.VERIFYING)

    @cached_property
    def coming(self) -> tuple[Card, ...]:
        """Return the interventions announced, by start."""
        return self._cards(RunState.ANNOUNCED)

    @cached_property
    def over(self) -> tuple[Card, ...]:
        """Return those that ended lately, the latest first."""
        return tuple(
            Card(told, _stored_spells(told, self.catalogue), (), self.now)
            for told in sorted(self.told, key=lambda told: told.version.published_at, reverse=True)
            if told.state in ENDED
        )

    @property
    def next_start(self) -> datetime | None:
        """Return when the next announced work begins to be felt."""
        return min((spell.start for card in self.coming for spell in card.spells), default=None)

    @property
    def changed_at(self) -> datetime | None:
        """Return when readers were last told something of what stands here."""
        return max((told.changed_at for told in self.told), default=None)

    @cached_property
    def drawing(self) -> timeline.Timeline | None:
        """Return the next days as a drawing, a row for each intervention; None if nothing comes."""
        rows = [
            (text(card.told.plan.title), _stretches(card.spells)) for card in (*self.running, *self.coming)
        ]
        ends = [stretch.end for _, stretches in rows for stretch in stretches]
        if not ends:
            return None
        start = timeline.day_start(self.now, self.timezone)
        wanted = min(max(self.now + SHORTEST_DRAWING, *ends), self.now + LONGEST_DRAWING)
        end = timeline.day_start(wanted, self.timezone, days_later=1)
        near = [(label, stretches) for label, stretches in rows if any(s.start < end for s in stretches)]
        return timeline.draw(near, start=start, end=end, zone_name=self.timezone, now=self.now)

    def _cards(self, *states: RunState) -> tuple[Card, ...]:
        return tuple(
            Card(
                told,
                spells(_of(self.windows, told.reference), self.catalogue),
                common_reasons(told.version.windows, self.catalogue, told.reference),
                self.now,
            )
            for told in self.told
            if told.state in states
        )


@dataclass(frozen=True)
class SystemView:
    """The page of one system."""

    catalogue: Catalogue
    system: System
    state: SystemState
    windows: tuple[ShownWindow, ...]
    told: Mapping[str, Told]
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
        plans: dict[str, Plan] = {reference: told.plan for reference, told in self.told.items()}
        return reasons(shown.window, self.catalogue, plans)

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

    @classmethod
    def of(
        cls, catalogue: Catalogue, told: Told, windows: Iterable[ShownWindow], now: datetime
    ) -> InterventionView:
        """Return the view; while it is open its windows are those that stand now, later those it kept."""
        if told.state in OPEN:
            return cls(catalogue, told, tuple(_of(windows, told.reference)), now)
        return cls(catalogue, told, tuple(ShownWindow(window) for window in told.version.windows), now)

    @cached_property
    def card(self) -> Card:
        """Return it as the status page shows it."""
        causes = common_reasons(self.told.version.windows, self.catalogue, self.told.reference)
        return Card(self.told, self.spells, causes, self.now)

    @cached_property
    def spells(self) -> tuple[Spell, ...]:
        """Return who is hit how and when."""
        return spells(self.windows, self.catalogue)

    @cached_property
    def worked_on(self) -> tuple[System | None, ...]:
        """Return the systems that the work is on."""
        return tuple(self.catalogue.systems.get(code) for code in self.told.plan.systems)

    @cached_property
    def drawing(self) -> timeline.Timeline | None:
        """Return its hours as a drawing: a row for each spell."""
        stretches = _stretches(self.spells)
        if not stretches:
            return None
        start, end = timeline.around(stretches)
        rows = [
            (Markup(", ").join([*(text(s.name) for s in spell.systems), *spell.hidden]), [stretch])
            for spell, stretch in zip(self.spells, stretches, strict=True)
        ]
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


def _of(windows: Iterable[ShownWindow], reference: str) -> list[ShownWindow]:
    return [shown for shown in windows if reference in shown.window.references]


def _stored_spells(told: Told, catalogue: Catalogue) -> tuple[Spell, ...]:
    return spells((ShownWindow(window) for window in told.version.windows), catalogue)


def _stretches(found: Sequence[Spell]) -> list[timeline.Stretch]:
    return [timeline.Stretch(spell.impact, spell.start, spell.end, spell.overrun) for spell in found]
