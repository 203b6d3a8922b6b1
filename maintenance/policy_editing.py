"""Change what is agreed: import a document of policies, save one, retire one; each with its event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from maintenance.errors import StaleEdit, StepRefused
from maintenance.events import PoliciesChanged
from maintenance.lifecycle import Actor, Role
from maintenance.models import PolicyRow
from maintenance.policy_book import Policy, PolicyBook
from maintenance.policy_store import (
    get_policy_row,
    hold_policies,
    load_book,
    policy_of,
    retire_policies,
    save_policy,
)
from maintenance.queries import append_event


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One field that differs, as the document writes it."""

    policy: str
    #: "" for a policy that is new, or in force again; `new` is then its whole entry.
    field: str
    #: None where there was nothing.
    old: Any
    new: Any

    def document(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return {"policy": self.policy, "field": self.field, "old": self.old, "new": self.new}


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """What an import changes."""

    changes: tuple[PolicyChange, ...]
    retired: tuple[str, ...] = ()
    #: Policies that the document does not name; they stay in force.
    untouched: tuple[str, ...] = ()


def compare_policies(session: Session, document: PolicyBook, *, prune: bool) -> PolicyReport:
    """Return what importing the document would change, and write nothing."""
    present, coming = load_book(session).by_code(), document.by_code()
    unnamed = tuple(code for code in present if code not in coming)
    changes = [
        change for code, policy in coming.items() for change in _differences(present.get(code), policy)
    ]
    if prune:
        changes += [PolicyChange(code, "retired", False, True) for code in unnamed]
    return PolicyReport(tuple(changes), unnamed if prune else (), () if prune else unnamed)


def import_policies(
    session: Session, document: PolicyBook, *, prune: bool, by: Actor, now: datetime
) -> PolicyReport:
    """Write what differs, with an event in the same transaction; nothing when all is equal.

    Args:
        session: An open write transaction.
        document: The policies as read from a document.
        prune: Whether policies that it does not name are retired; else they stay in force.
        by: Who imports.
        now: The present instant.

    Raises:
        StepRefused: When the person is no approver.
    """
    _check_role(by)
    hold_policies(session)
    report = compare_policies(session, document, prune=prune)
    if not report.changes:
        return report
    changed = {change.policy for change in report.changes}
    for policy in document.policies:
        if policy.code in changed:
            save_policy(session, policy, by=by, now=now)
    retire_policies(session, report.retired, by=by, now=now)
    _log(session, report.changes, by, now)
    return report


def save(
    session: Session, policy: Policy, *, lock_version: int | None = None, by: Actor, now: datetime
) -> PolicyRow:
    """Add a policy, or give the one with its code this content.

    Args:
        session: An open write transaction.
        policy: The policy.
        lock_version: That of the row when the person began to edit; None adds a new policy.
        by: Who edits.
        now: The present instant.

    Raises:
        StepRefused: When the person is no approver, or a new policy has a code that is taken.
        StaleEdit: When somebody changed it since then.
        NotFound: When there is none to edit.
    """
    _check_role(by)
    hold_policies(session)
    before = session.get(PolicyRow, policy.code)
    if lock_version is None:
        if before is not None and before.retired_at is None:
            raise StepRefused(
                "There is a policy %(code)s already; edit that one, or choose another code.", code=policy.code
            )
        old = None
    else:
        before = _unchanged(session, policy.code, lock_version)
        old = policy_of(before) if before.retired_at is None else None
    changes = tuple(_differences(old, policy))
    if before is not None and not changes:
        return before
    row = save_policy(session, policy, by=by, now=now)
    _log(session, changes, by, now)
    return row


def retire(session: Session, code: str, *, lock_version: int, by: Actor, now: datetime) -> None:
    """Put a policy out of force.

    Raises:
        StepRefused: When the person is no approver, or it is retired already.
        StaleEdit: When somebody changed it since the person looked.
        NotFound: When there is none.
    """
    _check_role(by)
    hold_policies(session)
    row = _unchanged(session, code, lock_version)
    if row.retired_at is not None:
        raise StepRefused("The policy %(code)s is retired already.", code=code)
    retire_policies(session, [code], by=by, now=now)
    _log(session, (PolicyChange(code, "retired", False, True),), by, now)


def _check_role(by: Actor) -> None:
    if not by.role.covers(Role.APPROVER):
        raise StepRefused("Changing policies needs the role approver; ask somebody with that role.")


def _unchanged(session: Session, code: str, lock_version: int) -> PolicyRow:
    row = get_policy_row(session, code)
    session.refresh(row, with_for_update=True)
    if row.lock_version != lock_version:
        raise StaleEdit(
            "Somebody else changed %(reference)s in the meantime; look at it again, then repeat your step.",
            reference=code,
        )
    return row


def _differences(old: Policy | None, new: Policy) -> Iterator[PolicyChange]:
    if old is None:
        yield PolicyChange(new.code, "", None, {"kind": new.kind, **new.document})
        return
    if old.kind != new.kind:
        yield PolicyChange(new.code, "kind", old.kind, new.kind)
    before, after = old.document, new.document
    for field in dict.fromkeys([*before, *after]):
        if before.get(field) != after.get(field):
            yield PolicyChange(new.code, field, before.get(field), after.get(field))


def _log(session: Session, changes: tuple[PolicyChange, ...], by: Actor, now: datetime) -> None:
    listed = tuple(change.document() for change in changes)
    append_event(session, PoliciesChanged(at=now, by=by.name, changes=listed))
