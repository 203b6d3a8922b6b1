"""Why a plan should not stand against other plans, and what is odd about it alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from maintenance.catalogue import Catalogue
from maintenance.errors import Problem
from maintenance.interventions import Plan

Severity = Literal["warn", "block"]


@dataclass(frozen=True, slots=True)
class Clash:
    """One reason against a plan: where, when, with which other plans, and what to do about it."""

    kind: str
    severity: Severity
    systems: tuple[str, ...]
    start: datetime
    end: datetime
    #: References of the plans concerned, the one that was checked first.
    plans: tuple[str, ...]
    #: One sentence that says what to do.
    message: str


def find_clashes(
    catalogue: Catalogue, plan: Plan, others: Iterable[Plan], *, now: datetime
) -> tuple[Clash, ...]:
    """Return what stands against the plan, blocking clashes first."""
    return ()


def warnings_of(plan: Plan) -> tuple[Problem, ...]:
    """Return what is odd about the document alone: clock changes, times that do not exist."""
    return ()
