"""Policies as rows: a row for each, its content as a document has it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from maintenance.errors import NotFound
from maintenance.lifecycle import Actor
from maintenance.models import PolicyRow
from maintenance.policies import Policies
from maintenance.policy_book import Policy, PolicyBook, policies_from_document

#: Key of the PostgreSQL lock under which policies are written: "polic" in ASCII.
_TURN = 0x706F6C6963


def hold_policies(session: Session) -> None:
    """Wait until nobody else writes policies; on SQLite a write transaction is alone anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TURN)))


def policy_rows(session: Session) -> list[PolicyRow]:
    """Return all rows in the order of pages, retired ones too."""
    return list(session.scalars(select(PolicyRow).order_by(PolicyRow.position, PolicyRow.code)))


def get_policy_row(session: Session, code: str) -> PolicyRow:
    """Return the row of a policy.

    Raises:
        NotFound: If there is no such policy.
    """
    row = session.get(PolicyRow, code)
    if row is None:
        raise NotFound("There is no policy %(code)s; the page of policies lists those there are.", code=code)
    return row


def policy_of(row: PolicyRow) -> Policy:
    """Return the policy of a row."""
    return policies_from_document({row.kind: [row.content]}).policies[0]


def load_book(session: Session) -> PolicyBook:
    """Return the policies in force, those that are not retired."""
    return PolicyBook(tuple(policy_of(row) for row in policy_rows(session) if row.retired_at is None))


def load_policies(session: Session, language: str = "en") -> Policies:
    """Return what plans are held against now."""
    return load_book(session).agreed(language)


def save_policy(session: Session, policy: Policy, *, by: Actor, now: datetime) -> PolicyRow:
    """Write one policy, a new one behind the others; one that was retired is in force again."""
    content: dict[str, Any] = policy.document
    row = session.get(PolicyRow, policy.code)
    if row is None:
        last = session.scalar(select(func.max(PolicyRow.position)))
        row = PolicyRow(code=policy.code, position=0 if last is None else last + 1, lock_version=0)
        session.add(row)
    row.kind, row.content, row.retired_at = policy.kind, content, None
    row.changed_at, row.changed_by = now, by.name
    row.lock_version += 1
    session.flush()
    return row


def retire_policies(session: Session, codes: Collection[str], *, by: Actor, now: datetime) -> None:
    """Put policies out of force; their rows stay."""
    for code in codes:
        row = get_policy_row(session, code)
        row.retired_at = row.changed_at = now
        row.changed_by = by.name
        row.lock_version += 1
    session.flush()
