"""For whom an address is written to: the institutions, audiences and systems it stands for, as rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from maintenance.documents import digest
from notifications.contacts import Entry
from notifications.models import ScopeInstitution, ScopeRow


class Member(Protocol):
    """A contact, of a document or of a row."""

    @property
    def institution(self) -> str:
        """Return the institution's code."""

    @property
    def audience(self) -> str:
        """Return the audience's code."""

    @property
    def systems(self) -> Sequence[str]:
        """Return the systems asked for; none means all that the audience uses."""


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom one address is written to."""

    language: str
    timezone: str
    entries: tuple[Entry, ...]

    def row(self) -> dict[str, Any]:
        """Return the columns of its row."""
        content = {
            "language": self.language,
            "timezone": self.timezone,
            "entries": [
                {
                    "institution": entry.institution,
                    "institution_name": entry.institution_name,
                    "audience": entry.audience,
                    "systems": None if entry.systems is None else list(entry.systems),
                }
                for entry in self.entries
            ],
        }
        return {"key": digest(content), **content}


def entries_of(contacts: Iterable[Member], names: Mapping[str, str]) -> tuple[Entry, ...]:
    """Return one entry for each institution and audience, in an order that depends on nothing else."""
    systems: dict[tuple[str, str], set[str] | None] = {}
    for contact in contacts:
        key = (contact.institution, contact.audience)
        wanted = systems.get(key, set())
        # One contact who wants all that the audience uses decides for the address.
        systems[key] = None if wanted is None or not contact.systems else wanted | set(contact.systems)
    return tuple(
        Entry(code, names[code], audience, None if wanted is None else tuple(sorted(wanted)))
        for (code, audience), wanted in sorted(systems.items(), key=lambda item: item[0])
    )


def scope_ids(session: Session, scopes: Collection[Scope]) -> dict[Scope, int]:
    """Return the row of each scope; those that are new are added, none is ever changed."""
    rows = {scope: scope.row() for scope in scopes}
    known = {key: row_id for row_id, key in session.execute(select(ScopeRow.id, ScopeRow.key))}
    missing = {scope: row for scope, row in rows.items() if row["key"] not in known}
    if missing:
        # In the order of their keys, so that the same document makes the same numbers.
        session.execute(insert(ScopeRow), sorted(missing.values(), key=lambda row: row["key"]))
        known = {key: row_id for row_id, key in session.execute(select(ScopeRow.id, ScopeRow.key))}
        links = {
            (known[row["key"]], entry.institution)
            for scope, row in missing.items()
            for entry in scope.entries
        }
        if links:
            session.execute(
                insert(ScopeInstitution),
                [{"scope_id": scope_id, "institution": code} for scope_id, code in sorted(links)],
            )
    return {scope: known[row["key"]] for scope, row in rows.items()}
