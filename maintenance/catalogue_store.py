"""Rows to catalogue and back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from maintenance.catalogue import Catalogue


def load_catalogue(session: Session) -> Catalogue:
    """Return all systems, retired ones marked; read once per database and version, then remembered."""
    raise NotImplementedError


def save_catalogue(session: Session, catalogue: Catalogue, *, retire: Collection[str], at: datetime) -> None:
    """Write operators, audiences and systems as rows, and mark the systems in `retire` as retired."""
    raise NotImplementedError
