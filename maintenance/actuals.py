"""What really happened to a plan: real times to JSON and back, apart from the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from maintenance.interventions import Plan


def actuals_of(plan: Plan) -> dict[str, Any]:
    """Return the real times as JSON holds them; phases to which nothing happened are left out."""
    actuals: dict[str, Any] = {}
    for phase in plan.phases:
        times: dict[str, Any] = {}
        if phase.started_at is not None:
            times["started_at"] = phase.started_at.isoformat()
        if phase.ended_at is not None:
            times["ended_at"] = phase.ended_at.isoformat()
        if ended := {w.system: w.ended_at.isoformat() for w in phase.work if w.ended_at is not None}:
            times["systems"] = ended
        if times:
            actuals[phase.id] = times
    return actuals


def with_actuals(plan: Plan, actuals: Mapping[str, Any]) -> Plan:
    """Return the plan with the real times that `actuals_of` wrote; phases it does not name have none."""

    def instant(text: str | None) -> datetime | None:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None

    phases = []
    for phase in plan.phases:
        times = actuals.get(phase.id, {})
        ended = times.get("systems", {})
        phases.append(
            replace(
                phase,
                started_at=instant(times.get("started_at")),
                ended_at=instant(times.get("ended_at")),
                work=tuple(replace(work, ended_at=instant(ended.get(work.system))) for work in phase.work),
            )
        )
    return replace(plan, phases=tuple(phases))
