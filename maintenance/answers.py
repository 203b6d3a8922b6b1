"""What programs are told, as JSON holds it: windows, clashes, harm, suggested starts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from maintenance.clashes import Clash, in_order
from maintenance.errors import Problem
from maintenance.interventions import Plan, Window
from maintenance.suggestions import Amounts, Suggestion, Suggestions
from maintenance.texts import Text


def forecast_document(
    windows: Iterable[Window], clashes: Iterable[Clash], warnings: Iterable[tuple[Plan, Problem]]
) -> dict[str, Any]:
    """Return windows, clashes and warnings as JSON holds them: the document of `janela forecast --json`."""
    return {
        "windows": [window_document(window) for window in windows],
        "clashes": [
            {
                "kind": clash.kind,
                "severity": clash.severity,
                "systems": list(clash.systems),
                "start": utc(clash.start),
                "end": utc(clash.end),
                "plans": list(clash.plans),
                "message": clash.message,
            }
            for clash in clashes
        ],
        "warnings": [
            {"plan": plan.reference, "path": list(problem.path), "message": problem.message}
            for plan, problem in warnings
        ],
    }


def window_document(window: Window) -> dict[str, Any]:
    """Return one window as JSON holds it."""
    return {
        "system": window.system,
        "impact": window.impact.code,
        "start": utc(window.start),
        "end": utc(window.end),
        "because": [list(chain) for chain in window.because],
    }


def harm_document(harm: Iterable[tuple[Text, float]]) -> list[dict[str, Any]]:
    """Return estimated harm as JSON holds it, unit by unit."""
    return [{"unit": unit.document(), "amount": round(amount)} for unit, amount in harm]


def utc(instant: datetime) -> str:
    """Return an instant as in `2019-11-30T14:00:00Z`."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def each_once(clashes: Iterable[Clash]) -> tuple[Clash, ...]:
    """Return the clashes of several plans in order, what two plans have against each other once."""
    found: dict[object, Clash] = {}
    for clash in clashes:
        # The sentence speaks from one plan's side; the other side's says the same.
        pair = frozenset(clash.plans) if len(clash.plans) > 1 else clash.values
        found.setdefault((clash.kind, clash.systems, clash.start, clash.end, pair), clash)
    return in_order(found.values())


def suggestions_document(plan: Plan, suggestions: Suggestions) -> dict[str, Any]:
    """Return suggested starts as JSON holds them: the document of `janela slots --json`."""
    return {
        "planned": {"start": utc(plan.start), "harm": harm_document(suggestions.planned)},
        "slots": [_suggestion_document(each) for each in suggestions.found],
    }


def _suggestion_document(suggestion: Suggestion) -> dict[str, Any]:
    slot = suggestion.slot
    return {
        "start": utc(slot.start),
        "score": round(slot.score, 9),
        "harm": harm_document(slot.harm),
        "alone": harm_document(slot.alone),
        "avoids": harm_document(_signed(suggestion.avoided, suggestion.costs_more)),
        "audiences": list(slot.audiences),
        "reserved": [one.reservation.code for one in suggestion.reserved],
        "clashes": [{"kind": c.kind, "severity": c.severity, "message": c.message} for c in slot.clashes],
    }


def _signed(less: Amounts, more: Amounts) -> Amounts:
    return (*less, *((unit, -amount) for unit, amount in more))
