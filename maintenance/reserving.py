"""Reserved windows: those in force, and what becomes of single occurrences; each change with its event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from maintenance import policy_editing
from maintenance.errors import NotFound, StepRefused
from maintenance.lifecycle import Actor
from maintenance.models import PolicyRow
from maintenance.policy_book import policies_from_document
from maintenance.policy_store import get_policy_row, policy_of, policy_rows
from maintenance.recurrence import Change, Deviation, Reservation, follows
from maintenance.texts import Text
from maintenance.windows import format_duration

#: The list of policy documents in which reservations stand.
KIND = "reservations"


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reservation in force, with what calendars want to know of its edits."""

    reservation: Reservation
    #: Rises with every edit: the iCalendar SEQUENCE of its occurrences.
    revision: int
    changed_at: datetime


def reserved(session: Session) -> list[Reserved]:
    """Return the reservations in force, in the order of their document."""
    return [
        Reserved(reservation_of(row), row.lock_version - 1, row.changed_at)
        for row in policy_rows(session)
        if row.kind == KIND and row.retired_at is None
    ]


def reservation_of(row: PolicyRow) -> Reservation:
    """Return the reservation of a row.

    Raises:
        NotFound: If the row holds another kind of policy.
    """
    value = policy_of(row).value()
    if not isinstance(value, Reservation):
        raise NotFound(
            "%(code)s is no reservation; `janela reservations list` shows those there are.", code=row.code
        )
    return value


def change_occurrence(
    session: Session, code: str, change: Change, *, by: Actor, now: datetime, lock_version: int | None = None
) -> Reservation:
    """Skip, move or cancel one occurrence; what was said of it before is replaced.

    Args:
        session: An open write transaction.
        code: The reservation.
        change: What becomes of which occurrence.
        by: Who changes it.
        now: The present instant.
        lock_version: That of the row when the person began to edit; None where nobody looked before.

    Raises:
        NotFound: If there is no such reservation, or the rule puts no occurrence on that day.
        StepRefused: If the person may not, or the reservation is retired.
        StaleEdit: If somebody changed it since then.
    """
    return _edit(session, code, change.date, change, by, now, lock_version)


def restore_occurrence(
    session: Session, code: str, day: date, *, by: Actor, now: datetime, lock_version: int | None = None
) -> Reservation:
    """Let one occurrence be as the rule has it; `lock_version` and errors as for a change."""
    return _edit(session, code, day, None, by, now, lock_version)


def _edit(
    session: Session,
    code: str,
    day: date,
    change: Change | None,
    by: Actor,
    now: datetime,
    lock_version: int | None,
) -> Reservation:
    row = get_policy_row(session, code)
    known = reservation_of(row)
    if row.retired_at is not None:
        raise StepRefused("The reservation %(code)s is retired; import it again to use it.", code=code)
    if not follows(known, day):
        raise NotFound(
            "The rule of %(code)s puts no occurrence on %(day)s; `janela reservations list` shows the next ones.",
            code=code,
            day=day.isoformat(),
        )
    others = [entry for entry in row.content.get("exceptions", []) if entry["date"] != day.isoformat()]
    entries = [*others, *([_entry(change)] if change else [])]
    content = {**row.content, "exceptions": sorted(entries, key=lambda entry: str(entry["date"]))}
    (policy,) = policies_from_document({KIND: [content]}).policies
    policy_editing.save(
        session,
        policy,
        lock_version=row.lock_version if lock_version is None else lock_version,
        by=by,
        now=now,
    )
    return reservation_of(row)


def _entry(change: Change) -> dict[str, Any]:
    entry: dict[str, Any] = {"date": change.date.isoformat(), "change": change.deviation.value}
    if change.deviation is Deviation.MOVED and change.start:
        entry["start"] = change.start.isoformat(timespec="minutes")
    if change.length:
        entry["duration"] = format_duration(change.length)
    if change.reason != Text():
        entry["reason"] = change.reason.document()
    return entry
