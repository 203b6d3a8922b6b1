"""Catalogue and intervention documents: files, forms and the API read and write them here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from maintenance.actuals import actuals_of, with_actuals
from maintenance.arrays import uncollected
from maintenance.catalogue import Catalogue
from maintenance.catalogue_documents import catalogue_document, catalogue_from
from maintenance.interventions import Plan
from maintenance.plan_documents import phase_document, phases_from, plan_document, plan_from
from maintenance.reading import Source, read

__all__ = [
    "actuals_of",
    "catalogue_document",
    "digest",
    "phase_document",
    "phases_from",
    "plan_document",
    "plan_from_document",
    "read_catalogue",
    "read_intervention",
    "with_actuals",
]


def read_catalogue(
    raw: bytes, *, file: str = "", limit_mb: int = 64, known: Catalogue | None = None
) -> Catalogue:
    """Return the catalogue of a YAML or JSON document.

    Args:
        raw: The document.
        file: Its name as the person gave it, for the mistakes.
        limit_mb: The largest size that is read.
        known: What is in the catalogue already: needs may name its systems though the document does not.

    Raises:
        InvalidDocument: With every mistake, where it stands and what would be right.
    """
    with uncollected():
        return catalogue_from(read(raw, file=file, limit_mb=limit_mb), known=known)


def read_intervention(
    raw: bytes, *, file: str = "", limit_mb: int = 64, catalogue: Catalogue | None = None
) -> Plan:
    """Return the plan of a YAML or JSON document; with a catalogue its systems are looked up there.

    Its reference is "" where the document gives none.

    Raises:
        InvalidDocument: With every mistake, where it stands and what would be right.
    """
    return plan_from(read(raw, file=file, limit_mb=limit_mb), catalogue=catalogue)


def plan_from_document(
    document: Mapping[str, Any], *, catalogue: Catalogue | None = None, taken: Collection[str] = ()
) -> Plan:
    """Return the plan that a form, the API or a row holds as a document.

    Args:
        document: As JSON has it; `plan_document` writes it.
        catalogue: Where its systems are looked up; None for what was checked before.
        taken: Ids of phases that the intervention ever had: a phase without an id gets none of them.

    Raises:
        InvalidDocument: With every mistake and its path.
    """
    return plan_from(Source(document), catalogue=catalogue, taken=taken)


def digest(document: Any) -> str:
    """Return the SHA-256 of a document in canonical JSON; equal content has an equal digest."""
    canonical = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
