"""All work that overlaps in, downtime windows per system out, each with its causes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from maintenance.catalogue import Catalogue
from maintenance.interventions import Plan, Window


def forecast(
    catalogue: Catalogue, plans: Iterable[Plan], *, now: datetime | None = None
) -> tuple[Window, ...]:
    """Return the explained windows of these plans together, by start, system and impact."""
    return ()
