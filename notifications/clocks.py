"""Whether this host's clock agrees with the database's: leases are written by one host and judged by another."""

from __future__ import annotations

import logging
import math
from datetime import timedelta
from time import monotonic

from maintenance.runtime import CLOCK_TOLERANCE, Runtime

_log = logging.getLogger(__name__)

#: Beyond that a host takes nobody for dead. A batch ends a minute before its lease at the latest, so that half of
#: that is left for the clock of the sender.
REAPED_WITHIN = timedelta(seconds=30)
#: How often it is said at most, and how often an engine looks.
SAY_EVERY_SECONDS = 60
_said_at = -math.inf


def may_reap(runtime: Runtime) -> bool:
    """Return whether this host's clock is good enough to judge leases by; say in the log why not."""
    return abs(look(runtime)) <= REAPED_WITHIN


def look(runtime: Runtime) -> timedelta:
    """Return how far this host's clock is ahead of the database's; warn when it is too far, once a minute at most."""
    global _said_at
    ahead = runtime.database.skew(runtime.host_clock)
    if abs(ahead) <= CLOCK_TOLERANCE or monotonic() < _said_at + SAY_EVERY_SECONDS:
        return ahead
    _said_at = monotonic()
    _log.warning(
        "This host's clock is %.0f seconds %s the database's: have every host follow a time server (NTP)%s",
        abs(ahead).total_seconds(),
        "ahead of" if ahead > timedelta() else "behind",
        "; until then it brings on no deliveries whose sender seems to have fallen silent, since a live sender's "
        "mails would be sent twice"
        if abs(ahead) > REAPED_WITHIN
        else "",
    )
    return ahead
