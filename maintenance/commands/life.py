"""How commands print an intervention: its state, its phases, what was decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance import steps
from maintenance.answers import utc, window_document
from maintenance.commands.reports import local_time, table, window_lines
from maintenance.documents import plan_document
from maintenance.interventions import Phase, Plan
from maintenance.models import EventRow, InterventionRow, VersionRow
from maintenance.queries import gates_in_force, latest_published, pending, plan_of, windows_of
from maintenance.texts import Text


def newest(row: InterventionRow) -> VersionRow:
    """Return the version that says most: the published one, else the one on its way, else the last withdrawn."""
    return latest_published(row) or pending(row) or row.versions[-1]


def state_of(row: InterventionRow, now: datetime) -> str:
    """Return the state in words, as in `announced (version 2), a draft on its way, held`."""
    published, on_its_way = latest_published(row), pending(row)
    words = row.run_state + (f" (version {published.sequence})" if published else "")
    if published is not None and steps.is_overrun(plan_of(published), now):
        words += ", overrun"
    if on_its_way is not None:
        words += f", one version {on_its_way.review_state.replace('_', ' ')}"
    return words + (", start held" if gates_in_force(row) else "")


def list_lines(rows: list[InterventionRow], now: datetime) -> list[str]:
    """Return a table of interventions."""
    lines = [("REFERENCE", "STATE", "FROM", "TO", "TITLE")]
    for row in rows:
        plan = plan_of(newest(row))
        lines.append(
            (
                row.reference,
                state_of(row, now),
                local_time(plan.start, plan.timezone),
                local_time(plan.end, plan.timezone),
                plan.title.in_language("en"),
            )
        )
    return table(lines)


def show_lines(session: Session, row: InterventionRow, now: datetime) -> list[str]:
    """Return all there is to know about an intervention, as lines for people."""
    version = newest(row)
    plan = plan_of(version)
    lines = [f"{row.reference}  {plan.title.in_language('en')}", f"State: {state_of(row, now)}", ""]
    lines += table(
        [("PHASE", "KIND", "PLANNED", "", "REALLY", "", "WORK"), *map(_phase_row(plan), plan.phases)]
    )
    for gate in gates_in_force(row):
        lines += ["", f"Start held since {_second(gate.set_at)} by {gate.set_by}: {gate.reason}"]
    if on_its_way := pending(row):
        lines += ["", f"On its way: a version {on_its_way.review_state.replace('_', ' ')}."]
        if on_its_way.review_note:
            lines.append(f"Reviewer's note: {on_its_way.review_note}")
    if windows := windows_of(version):
        lines += ["", *window_lines(windows, plan.timezone)]
    if row.updates:
        lines += ["", "Updates:"]
        lines += [f"  {_second(u.at)}  {Text.of(u.text).in_language('en')}  ({u.by})" for u in row.updates]
    return [*lines, "", "Log:", *_log_lines(session, row)]


def _log_lines(session: Session, row: InterventionRow) -> list[str]:
    events = session.scalars(
        select(EventRow).where(EventRow.reference == row.reference).order_by(EventRow.id)
    )
    return [
        f"  {_second(event.at)}  {event.kind}  {event.by}"
        + (f"  “{event.reason}”" if event.reason else "")
        + _override(event.payload)
        for event in events
    ]


def _override(payload: dict[str, Any]) -> str:
    """Return what was overridden with a step and why; "" where nothing was."""
    if not payload.get("overridden"):
        return ""
    clashes = "".join(f"\n      blocked by: {words}" for words in payload["overridden"])
    return f"\n      overridden: “{payload['override']}”{clashes}"


def _second(instant: datetime) -> str:
    return utc(instant.replace(microsecond=0))


def _phase_row(plan: Plan) -> Any:
    def row(phase: Phase) -> tuple[str, ...]:
        return (
            phase.id,
            phase.kind.value,
            local_time(phase.start, plan.timezone),
            local_time(phase.end, plan.timezone),
            local_time(phase.started_at, plan.timezone) if phase.started_at else "-",
            local_time(phase.ended_at, plan.timezone) if phase.ended_at else "-",
            ", ".join(f"{work.system} {work.impact.code}" for work in phase.work),
        )

    return row


def document_of(row: InterventionRow) -> dict[str, Any]:
    """Return an intervention as JSON holds it: state, version, plan, what really happened, windows."""
    version, on_its_way = newest(row), pending(row)
    return {
        "reference": row.reference,
        "public_id": row.public_id,
        "state": row.run_state,
        "version": version.sequence,
        "pending": on_its_way.review_state if on_its_way else None,
        "lock_version": row.lock_version,
        "held": [{"kind": g.kind, "reason": g.reason, "by": g.set_by} for g in gates_in_force(row)],
        "plan": plan_document(plan_of(version)),
        "actuals": version.actuals,
        "override": {"reason": version.override_reason, "clashes": version.overridden}
        if version.overridden
        else None,
        "windows": [window_document(window) for window in windows_of(version)],
        "updates": [{"at": utc(u.at), "by": u.by, "text": u.text} for u in row.updates],
    }
