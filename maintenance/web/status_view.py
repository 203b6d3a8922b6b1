"""What the status page shows, put together from what is known: of any size, on one page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from flask_babel import gettext, ngettext
from markupsafe import Markup, escape

from maintenance.catalogue import NOTIFIED, Impact
from maintenance.interventions import InterventionClass
from maintenance.lifecycle import RunState
from maintenance.public_reads import ENDED, Told
from maintenance.status import Group, Overall, ShownWindow, SystemState, overall
from maintenance.texts import Text
from maintenance.web import timeline
from maintenance.web.presentation import text
from maintenance.web.public_view import Card, stretches_of
from maintenance.web.snapshot import Snapshot
from maintenance.web.spells import Spell, common_reasons, condensed, spells
from maintenance.web.systems_view import group_key

#: How far ahead the status page draws, at least and at most, and how many interventions.
SHORTEST_DRAWING = timedelta(days=7)
LONGEST_DRAWING = timedelta(days=28)
DRAWN = 10
#: A catalogue of so many public systems is listed in full; of a larger one, what works is counted.
LISTED_SYSTEMS = 60
#: Lines of a page that does not list everything: systems that are hit, groups, names in a sentence.
HIT_LISTED = 20
GROUPS_LISTED = 60
NAMED = 12
#: Lines in which an intervention says what it does when.
SPELLS = 4
#: Announced interventions told in full, those told in a line after them, and ended ones.
CARDS = 6
LINES = 20
OVER_LISTED = 20


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


@dataclass(frozen=True, slots=True)
class GroupCount:
    """A group of systems as one line."""

    name: Text
    count: int
    #: How many of them something is wrong with, and with how many others something will be.
    hit: int
    to_come: int
    #: The worst that holds for one of them.
    impact: Impact

    @property
    def address(self) -> Mapping[str, str | int]:
        """Return the arguments of the list of its systems."""
        return {"group": group_key(self.name)} if self.name else {"ungrouped": 1}

    @classmethod
    def of(cls, group: Group) -> GroupCount:
        """Return the line of a group."""
        hit = sum(state.impact in NOTIFIED for state in group.states)
        to_come = sum(state.impact not in NOTIFIED and bool(state.to_come) for state in group.states)
        return cls(group.name, len(group.states), hit, to_come, group.impact)


@dataclass(frozen=True)
class StatusView:
    """The status page. What is down and what comes stands in full; of what works, a page holds so much and no more."""

    known: Snapshot
    now: datetime
    timezone: str

    #: For the template.
    HIT_LISTED, GROUPS_LISTED, NAMED = HIT_LISTED, GROUPS_LISTED, NAMED
    CARDS, LINES = CARDS, LINES

    @property
    def is_large(self) -> bool:
        """Return whether there are more systems than a page lists: then those that work are only counted."""
        return len(self.known.states) > LISTED_SYSTEMS

    @cached_property
    def overall(self) -> Overall:
        """Return what the first sentence says."""
        return overall(self.known.states)

    @cached_property
    def hit(self) -> tuple[SystemState, ...]:
        """Return the systems that readers feel something of now, the worst first."""
        return (*self.overall.down, *self.overall.degraded)

    @cached_property
    def counted_groups(self) -> tuple[GroupCount, ...]:
        """Return the groups as counts, those that something is wrong with first, then those that expect something."""
        found = (GroupCount.of(group) for group in self.known.groups)
        return tuple(sorted(found, key=lambda each: (-each.impact, not each.to_come)))

    @cached_property
    def is_emergency(self) -> bool:
        """Return whether all that is felt now comes from emergency work."""
        hit = (*self.overall.down, *self.overall.degraded)
        causes = {ref for state in hit for shown in state.now for ref in shown.window.references}
        classes = {told.plan.intervention_class for told in self.known.told if told.reference in causes}
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
    def over(self) -> tuple[Told, ...]:
        """Return those that ended lately, the latest first."""
        ended = (told for told in self.known.told if told.state in ENDED)
        return tuple(sorted(ended, key=lambda told: told.version.published_at, reverse=True)[:OVER_LISTED])

    @property
    def next_start(self) -> datetime | None:
        """Return when the next announced work begins to be felt."""
        return min((spell.start for card in self.coming for spell in card.spells), default=None)

    @property
    def changed_at(self) -> datetime | None:
        """Return when readers were last told something of what stands here."""
        return max((told.changed_at for told in self.known.told), default=None)

    @cached_property
    def drawing(self) -> timeline.Timeline | None:
        """Return the next days as a drawing, a row for each intervention; None if nothing comes."""
        cards = (*self.running, *self.coming)[:DRAWN]
        rows = [(text(card.told.plan.title), stretches_of(card.spells)) for card in cards]
        ends = [stretch.end for _, stretches in rows for stretch in stretches]
        if not ends:
            return None
        start = timeline.day_start(self.now, self.timezone)
        wanted = min(max(self.now + SHORTEST_DRAWING, *ends), self.now + LONGEST_DRAWING)
        end = timeline.day_start(wanted, self.timezone, days_later=1)
        near = [(label, stretches) for label, stretches in rows if any(s.start < end for s in stretches)]
        return timeline.draw(near, start=start, end=end, zone_name=self.timezone, now=self.now)

    def _said(self, found: tuple[Spell, ...]) -> tuple[Spell, ...]:
        """Return what a card says of an intervention; of many systems what readers feel, its own page has the rest."""
        if not self.is_large:
            return found
        felt = tuple(spell for spell in found if spell.systems and spell.impact in NOTIFIED)
        return condensed(felt or sorted(found, key=lambda spell: -spell.impact)[:1], SPELLS)

    @cached_property
    def _windows(self) -> Mapping[str, list[ShownWindow]]:
        found: dict[str, list[ShownWindow]] = {}
        for shown in self.known.windows:
            for reference in shown.window.references:
                found.setdefault(reference, []).append(shown)
        return found

    def _cards(self, *states: RunState) -> tuple[Card, ...]:
        catalogue = self.known.catalogue
        return tuple(
            Card(
                told,
                self._said(spells(self._windows.get(told.reference, ()), catalogue)),
                common_reasons(told.version.windows, catalogue, told.reference),
                self.now,
            )
            for told in self.known.told
            if told.state in states
        )
