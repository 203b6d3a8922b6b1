"""Catalogue and intervention documents: files, forms and the API read and write them here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from maintenance.catalogue import Catalogue
from maintenance.interventions import Plan


def digest(document: Any) -> str:
    """Return the SHA-256 of a document in canonical JSON; equal content has an equal digest."""
    canonical = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_catalogue(raw: bytes, *, file: str = "", limit_mb: int = 64) -> Catalogue:
    """Return the catalogue of a YAML or JSON document.

    Raises:
        InvalidDocument: With every mistake, where it stands and what would be right.
    """
    raise NotImplementedError


def read_intervention(
    raw: bytes, *, file: str = "", limit_mb: int = 64, catalogue: Catalogue | None = None
) -> Plan:
    """Return the plan of a YAML or JSON document; with a catalogue its systems are looked up there.

    Raises:
        InvalidDocument: With every mistake, where it stands and what would be right.
    """
    raise NotImplementedError


def plan_from_document(document: Mapping[str, Any], *, catalogue: Catalogue | None = None) -> Plan:
    """Return the plan that a form, the API or a row holds as a document.

    Raises:
        InvalidDocument: With every mistake and its path.
    """
    raise NotImplementedError


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return the document from which `plan_from_document` makes an equal plan, actual times apart."""
    raise NotImplementedError


def with_actuals(plan: Plan, actuals: Mapping[str, Any]) -> Plan:
    """Return the plan with what really happened: `{phase: {started_at, ended_at, systems: {code: ended_at}}}`."""
    raise NotImplementedError


def actuals_of(plan: Plan) -> dict[str, Any]:
    """Return what `with_actuals` reads back; phases to which nothing happened are left out."""
    raise NotImplementedError
