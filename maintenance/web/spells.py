"""Windows put together as readers take them in: the same fate at the same time is said once, with its reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for
from flask_babel import gettext
from markupsafe import Markup, escape

from maintenance.catalogue import Catalogue, Impact, Kind, System
from maintenance.interventions import Plan, Window
from maintenance.status import ShownWindow
from maintenance.web.presentation import KIND_WORDS, public_name, text


@dataclass(frozen=True, slots=True)
class Spell:
    """Systems that are hit alike from one instant to another."""

    impact: Impact
    start: datetime
    end: datetime
    #: Those that may be named, in catalogue order.
    systems: tuple[System, ...]
    #: What the others are called, each once.
    hidden: tuple[str, ...]
    windows: tuple[Window, ...]
    overrun: bool = False
    held: bool = False
    #: Told as one although each system is hit for a part of this time only.
    varied: bool = False

    @property
    def length(self) -> timedelta:
        """Return how long it lasts."""
        return self.end - self.start


def spells(windows: Iterable[ShownWindow], catalogue: Catalogue) -> tuple[Spell, ...]:
    """Return the windows by impact and time, in order of time, the worst first."""
    found: dict[tuple[datetime, int, datetime, bool, bool], list[Window]] = {}
    for shown in windows:
        window = shown.window
        key = (window.start, -window.impact, window.end, shown.overrun, shown.held)
        found.setdefault(key, []).append(window)
    order = catalogue.positions
    return tuple(
        _spell(key, sorted(members, key=lambda window: order.get(window.system, len(order))), catalogue)
        for key, members in sorted(found.items())
    )


def _spell(
    key: tuple[datetime, int, datetime, bool, bool], windows: list[Window], catalogue: Catalogue
) -> Spell:
    start, impact, end, overrun, held = key
    systems = [catalogue.systems.get(window.system) for window in windows]
    return Spell(
        Impact(-impact),
        start,
        end,
        systems=tuple(system for system in systems if system is not None and system.public),
        hidden=tuple(
            dict.fromkeys(str(public_name(system)) for system in systems if not (system and system.public))
        ),
        windows=tuple(windows),
        overrun=overrun,
        held=held,
    )


def condensed(found: Sequence[Spell], most: int) -> tuple[Spell, ...]:
    """Return the spells; where there are more than `most`, those alike that overlap or touch are told as one.

    A data centre comes back system by system: seven hundred lines of its own times tell nobody anything.
    """
    if len(found) <= most:
        return tuple(found)
    open_ones: dict[tuple[Impact, bool, bool], list[list[Spell]]] = {}
    for spell in sorted(found, key=lambda spell: spell.start):
        stretches = open_ones.setdefault((spell.impact, spell.overrun, spell.held), [])
        if stretches and spell.start <= max(each.end for each in stretches[-1]):
            stretches[-1].append(spell)
        else:
            stretches.append([spell])
    told = [_as_one(members) for stretches in open_ones.values() for members in stretches]
    return tuple(sorted(told, key=lambda spell: (spell.start, -spell.impact, spell.end)))


def _as_one(members: Sequence[Spell]) -> Spell:
    if len(members) == 1:
        return members[0]
    first = members[0]
    return Spell(
        first.impact,
        first.start,
        max(spell.end for spell in members),
        systems=tuple({system.code: system for spell in members for system in spell.systems}.values()),
        hidden=tuple(dict.fromkeys(word for spell in members for word in spell.hidden)),
        windows=tuple(window for spell in members for window in spell.windows),
        overrun=first.overrun,
        held=first.held,
        varied=True,
    )


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause of a window in words, and the intervention it leads to."""

    words: Markup
    reference: str
    title: Markup
    url: str


def reasons(window: Window, catalogue: Catalogue, plans: Mapping[str, Plan]) -> tuple[Reason, ...]:
    """Return why a system is hit: one sentence for each plan that causes the window.

    Args:
        window: The window to explain.
        catalogue: Names of the systems on the way; those that are not public are called by kind.
        plans: Plans that readers know, by reference, for their titles.
    """
    return tuple(
        Reason(
            chain_words(window.system, chain, catalogue),
            chain[-1],
            text(plans[chain[-1]].title) if chain[-1] in plans else escape(chain[-1]),
            url_for("public.intervention", reference=chain[-1]),
        )
        for chain in window.because
    )


def common_reasons(
    windows: Iterable[Window], catalogue: Catalogue, reference: str, *, limit: int = 3
) -> tuple[Markup, ...]:
    """Return what one plan works on that others feel, in words, the most frequent first."""
    counts: dict[Markup, int] = {}
    for window in windows:
        for chain in window.because:
            if chain[-1] == reference and len(chain) > 1:
                words = chain_words(window.system, chain[-2:], catalogue)
                counts[words] = counts.get(words, 0) + 1
    return tuple(sorted(counts, key=lambda words: -counts[words])[:limit])


def chain_words(system: str, chain: tuple[str, ...], catalogue: Catalogue) -> Markup:
    """Return a chain as a clause: `because of work on a shared database, through RNU`."""
    *through, _reference = chain
    if not through:
        return escape(gettext("because of work on the system itself"))
    *between, root = through
    names = dict.fromkeys(str(_named(code, catalogue)) for code in between)
    worked_on = _named(root, catalogue, with_kind=True)
    if not names:
        return escape(gettext("because of work on %(system)s")) % {"system": worked_on}
    return escape(gettext("because of work on %(system)s, through %(others)s")) % {
        "system": worked_on,
        "others": Markup(", ").join(Markup(name) for name in names),  # noqa: S704 - each is escaped above
    }


def _named(code: str, catalogue: Catalogue, *, with_kind: bool = False) -> Markup:
    system = catalogue.systems.get(code)
    name = public_name(system)
    # What a service is called says what it is; of a database or a server the reader needs to be told.
    plain = (Kind.SERVICE, Kind.APPLICATION)
    if with_kind and system is not None and system.public and system.kind not in plain:
        return Markup("{} ({})").format(name, KIND_WORDS[system.kind])
    return name
