"""What plans that are not stored would take down, beside everything that is announced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from maintenance.answers import each_once
from maintenance.catalogue_store import load_catalogue
from maintenance.checking import clashes_of
from maintenance.clashes import Clash, warnings_of
from maintenance.errors import Problem
from maintenance.forecast import forecast
from maintenance.harm import harm_of
from maintenance.interventions import Plan, Window
from maintenance.queries import neighbours
from maintenance.texts import Text


@dataclass(frozen=True, slots=True)
class Beside:
    """What some plans would do together with what is announced."""

    #: Those that the plans cause, alone or with announced ones.
    windows: tuple[Window, ...]
    clashes: tuple[Clash, ...]
    warnings: tuple[tuple[Plan, Problem], ...]
    harm: tuple[tuple[Text, float], ...]


def forecast_beside(
    session: Session, plans: Sequence[Plan], *, now: datetime, language: str = "en"
) -> Beside:
    """Return what the plans would do; each stands in place of a stored one of its reference."""
    catalogue = load_catalogue(session)
    own = {plan.reference for plan in plans}
    together = forecast(catalogue, [*plans, *neighbours(session, catalogue, plans).values()])
    windows = tuple(window for window in together if not own.isdisjoint(window.references))
    clashes = (
        clash
        for plan in plans
        for clash in clashes_of(
            session, catalogue, plan, now=now, language=language, beside=[o for o in plans if o is not plan]
        )
    )
    return Beside(
        windows,
        each_once(clashes),
        tuple((plan, problem) for plan in plans for problem in warnings_of(plan)),
        tuple(harm_of(catalogue, windows).items()),
    )
