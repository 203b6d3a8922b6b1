"""What every edge needs of an installation: its settings, its database, its clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from maintenance.database import Database
from maintenance.settings import Settings

#: How far a host's clock may be from the database's: leases of three minutes do not mind that.
CLOCK_TOLERANCE = timedelta(seconds=5)


def utc_now() -> datetime:
    """Return the present instant, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Handed to commands, views and ticks by `app.create_runtime`; tests pass their own clock."""

    settings: Settings
    database: Database
    #: The only place where the time comes from; read once per request, command or tick.
    clock: Callable[[], datetime] = field(default=utc_now)
    #: What this host takes for the present, whatever a test has moved `clock` to: only ever compared with the
    #: database's clock.
    host_clock: Callable[[], datetime] = field(default=utc_now)
