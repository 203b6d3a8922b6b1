"""Better times for a plan, among all that is stored: catalogue, plans, policies, reserved windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from maintenance.catalogue_store import load_catalogue
from maintenance.checking import around, clashes_of
from maintenance.interventions import Plan
from maintenance.policy_store import load_policies
from maintenance.queries import counted, plan_of
from maintenance.reserving import reserved
from maintenance.suggestions import Search, Suggestions, suggest
from maintenance.windows import Interval


def suggest_stored(
    session: Session, plan: Plan, search: Search, *, now: datetime, language: str = "en"
) -> Suggestions:
    """Return the starts that harm least among everything that is announced, the best first.

    Each is checked as a preview checks it: what is only on its way to others warns and blocks nothing.
    """
    catalogue, policies = load_catalogue(session), load_policies(session, language)
    tail = timedelta(microseconds=catalogue.graph.longest_tail)
    stretch = Interval(min(search.earliest, plan.start) - tail, max(search.latest, plan.end) + tail)
    others = [
        plan_of(version)
        for row, version in counted(session, touching=around(stretch, policies), with_windows=False)
        if row.reference != plan.reference
    ]
    reservations = [each.reservation for each in reserved(session)]
    found = suggest(catalogue, plan, others, search, now=now, policies=policies, reservations=reservations)
    checked = (
        replace(
            each,
            slot=replace(
                each.slot, clashes=clashes_of(session, catalogue, each.plan, now=now, language=language)
            ),
        )
        for each in found.found
    )
    return replace(found, found=tuple(each for each in checked if search.blocked or not each.slot.is_blocked))
