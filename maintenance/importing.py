"""Bring a catalogue document into the database: what differs, what it would do, and the doing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from maintenance.catalogue import Catalogue
from maintenance.lifecycle import Actor


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one system (operator, audience) that differs."""

    system: str
    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import changes."""

    changes: tuple[Change, ...]
    #: Systems that the document does not name; left as they are.
    untouched: tuple[str, ...] = ()
    #: Sentences about announced windows that the new catalogue would compute otherwise.
    announced_windows_that_would_change: tuple[str, ...] = ()


def import_catalogue(
    session: Session, catalogue: Catalogue, *, prune: bool, by: Actor, now: datetime
) -> ImportReport:
    """Write what differs, with a revision and an event in the same transaction; nothing when equal."""
    raise NotImplementedError
