"""What programs ask the API, as JSON or YAML: plans to forecast, a plan to find a time for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from maintenance.catalogue import Catalogue
from maintenance.document_fields import Entry, Length, Moment, Truth, Whole
from maintenance.document_problems import check
from maintenance.errors import InvalidDocument, Problem
from maintenance.interventions import Plan
from maintenance.plan_documents import plan_from
from maintenance.reading import Source, read
from maintenance.sentences import Sentence
from maintenance.slots import STEP
from maintenance.suggestions import LONGEST, Search
from maintenance.windows import resolve

#: Candidates that are looked at for one question: a year of quarters of an hour, and some.
_MOST_STARTS = 40_000
#: Where to look unless said.
_WITHIN = timedelta(days=28)
#: Plans of one question.
_MOST_PLANS = 200


class ForecastEntry(Entry):
    """Plans, each as an intervention document."""

    plans: Annotated[list[Any], Field(min_length=1)]


class SlotsEntry(Entry):
    """A plan, and where to look for a better time."""

    plan: Any
    earliest: Moment | None = None
    latest: Moment | None = None
    step: Length = STEP
    apart: Length = timedelta(days=1)
    limit: Annotated[Whole, Field(ge=1, le=100)] = 10
    blocked: Truth = False


def plans_to_forecast(raw: bytes, *, limit_mb: int, catalogue: Catalogue) -> list[Plan]:
    """Return the plans of a question; those without a reference are called NEW-1 and so on.

    Raises:
        InvalidDocument: With every mistake, its line and its path.
    """
    source = read(raw, limit_mb=limit_mb)
    checked = check(ForecastEntry, source.data, {})
    problems = [*source.problems, *checked.problems]
    given = checked.entry.plans if checked.entry else []
    if len(given) > _MOST_PLANS:
        said = Sentence(
            "These are %(count)s plans; ask for at most %(most)s at once.", count=len(given), most=_MOST_PLANS
        )
        problems.append(Problem(said, ("plans",)))
        given = []
    plans: list[Plan] = []
    for position, document in enumerate(given):
        plan, wrong = _plan_at(document, ("plans", position), catalogue)
        problems += wrong
        if plan is not None:
            plans.append(plan if plan.reference else replace(plan, reference=f"NEW-{position + 1}"))
    problems += _doubles(plans)
    if problems:
        raise InvalidDocument(source.located(problems))
    return plans


def slots_to_find(raw: bytes, *, limit_mb: int, catalogue: Catalogue) -> tuple[Plan, Search]:
    """Return the plan of a question, and where to look for a better time.

    Raises:
        InvalidDocument: With every mistake, its line and its path.
    """
    source = read(raw, limit_mb=limit_mb)
    checked = check(SlotsEntry, source.data, {"plan": None})
    problems = [*source.problems, *checked.problems]
    plan, entry = None, checked.entry
    if isinstance(source.data, dict) and "plan" in source.data:
        plan, wrong = _plan_at(source.data["plan"], ("plan",), catalogue)
        problems += wrong
    if problems or plan is None or entry is None:
        raise InvalidDocument(source.located(problems))
    earliest = _instant(entry.earliest, plan.timezone) if entry.earliest else plan.start
    latest = _instant(entry.latest, plan.timezone) if entry.latest else earliest + _WITHIN
    search = Search(earliest, latest, entry.limit, entry.apart, entry.step, entry.blocked)
    if problems := list(_unfit(search)):
        raise InvalidDocument(source.located(problems))
    return replace(plan, reference=plan.reference or "NEW"), search


def _plan_at(
    document: Any, path: tuple[str | int, ...], catalogue: Catalogue
) -> tuple[Plan | None, list[Problem]]:
    try:
        return plan_from(Source(document), catalogue=catalogue), []
    except InvalidDocument as error:
        return None, [replace(problem, path=(*path, *problem.path)) for problem in error.problems]


def _doubles(plans: list[Plan]) -> Iterator[Problem]:
    seen: set[str] = set()
    for position, plan in enumerate(plans):
        if plan.reference in seen:
            said = Sentence(
                "%(reference)s is the reference of more than one plan; give each its own.",
                reference=plan.reference,
            )
            yield Problem(said, ("plans", position, "reference"))
        seen.add(plan.reference)


def _unfit(search: Search) -> Iterator[Problem]:
    if search.latest <= search.earliest:
        yield Problem(Sentence("The latest end must be after the earliest start."), ("latest",))
    elif search.latest - search.earliest > LONGEST:
        yield Problem(Sentence("Look within a year at most."), ("latest",))
    elif search.step < timedelta(minutes=1) or (search.latest - search.earliest) / search.step > _MOST_STARTS:
        said = Sentence("That makes more than %(most)s starts; take a longer step.", most=_MOST_STARTS)
        yield Problem(said, ("step",))


def _instant(moment: datetime, timezone: str) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else resolve(moment, timezone).instant
