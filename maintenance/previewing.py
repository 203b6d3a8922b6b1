"""What a step would do, shown before it is taken: the same computation as when it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from maintenance import steps
from maintenance.catalogue_store import load_catalogue
from maintenance.checking import clashes_of
from maintenance.clashes import Clash, warnings_of
from maintenance.errors import Problem
from maintenance.harm import harm_of
from maintenance.interventions import Plan, Window
from maintenance.lifecycle import RunState
from maintenance.publishing import counts, effect_of, standing, standing_if_counted
from maintenance.queries import find_intervention, get_intervention
from maintenance.shown import WindowsChange
from maintenance.texts import Text

#: Stands for a plan that has no reference yet.
UNNAMED = "NEW"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a step would do, shown before it is taken."""

    windows: tuple[Window, ...]
    clashes: tuple[Clash, ...]
    warnings: tuple[Problem, ...]
    #: Other announced plans whose windows the step would alter.
    altered: tuple[WindowsChange, ...]
    #: How much is estimated to fall into the windows, per unit.
    harm: tuple[tuple[Text, float], ...] = ()

    @property
    def blocks(self) -> bool:
        """Return whether the step needs an approver's override."""
        return any(clash.blocks for clash in self.clashes)


def preview(session: Session, plan: Plan, *, now: datetime, language: str = "en") -> Preview:
    """Return what announcing `plan` would do: its windows, clashes, warnings, the plans it alters.

    Clashes name policies in `language`.
    """
    plan = replace(plan, reference=plan.reference or UNNAMED)
    row = find_intervention(session, plan.reference)
    before = standing_if_counted(row) if row and row.versions else None
    return _preview(session, before, plan, plan, now, language)


def preview_move(
    session: Session, reference: str, start: datetime, *, now: datetime, language: str = "en"
) -> Preview:
    """Return what moving the first phase with an impact to the local time `start` would do."""
    plan = standing(get_intervention(session, reference))
    after = steps.moved(plan, start)
    return _preview(session, plan, after, after, now, language)


def preview_cancel(session: Session, reference: str, *, now: datetime) -> Preview:
    """Return what cancelling would do: `windows` are those that remain of work already begun."""
    row = get_intervention(session, reference)
    before = standing_if_counted(row)
    if before is None:
        return Preview((), (), (), ())
    after = steps.ended(before, now)
    return _preview(session, before, after if counts(after, RunState.CANCELLED) else None, None, now)


def _preview(
    session: Session,
    before: Plan | None,
    after: Plan | None,
    checked: Plan | None,
    now: datetime,
    language: str = "en",
) -> Preview:
    catalogue = load_catalogue(session)
    effect = effect_of(session, catalogue, before, after)
    if checked is None:
        return Preview(effect.windows, (), (), effect.altered)
    return Preview(
        windows=effect.windows,
        clashes=clashes_of(session, catalogue, checked, now=now, language=language),
        warnings=warnings_of(checked),
        altered=effect.altered,
        harm=tuple(harm_of(catalogue, effect.windows).items()),
    )
