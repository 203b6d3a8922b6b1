"""The due work, each kind as one look: what the engine's ticks call, and `janela tick` and tests at once.

Every look may be repeated, run late, or run by several processes: it finds due rows and brings them on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from maintenance.runtime import Runtime
from maintenance.scheduling import due_starts, start_due
from notifications import alarms, channels, clocks, endpoints, escalating, upkeep
from notifications.channels.parcels import Transport
from notifications.fanout import fan_out_due
from notifications.planning import plan_notices
from notifications.reconciling import ask_providers
from notifications.sending import send_due

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at everything found to do."""

    #: References of interventions that the clock started.
    started: tuple[str, ...]
    #: Notices planned.
    notices: int
    #: Deliveries that notices fanned out into.
    deliveries: int
    #: Tries to send.
    tries: int
    upkeep: upkeep.Upkeep
    #: Rungs climbed where nobody of an institution was reached.
    rungs: int


def start(runtime: Runtime) -> list[str]:
    """Start the interventions whose time has come; return their references."""
    now = runtime.clock()
    with runtime.database.read() as session:
        if not due_starts(session, now):
            return []
    with runtime.database.write() as session:
        return start_due(session, now)


def tell(runtime: Runtime, send: Callable[[], object] = lambda: None) -> tuple[int, int]:
    """Plan notices from the log and fan out the due ones; return how many notices and deliveries that made.

    Args:
        runtime: The installation.
        send: Called whenever there are new deliveries, while others are still being written.
    """
    planned = plan_notices(runtime.database, runtime.clock())

    def after_slice(made: int) -> None:
        nonlocal planned
        if made:
            send()
        # An extension in the night does not wait for the rest of a bulk announcement.
        planned += plan_notices(runtime.database, runtime.clock())

    deliveries = fan_out_due(runtime, after_slice)
    return planned, deliveries


def keep_up(runtime: Runtime) -> upkeep.Upkeep:
    """Bring on the deliveries that no sender will; do nothing while this host's clock cannot judge leases."""
    now = runtime.clock()
    with runtime.database.read() as session:
        if not upkeep.is_needed(session, now):
            return upkeep.Upkeep()
    if not clocks.may_reap(runtime):
        return upkeep.Upkeep()
    with runtime.database.write() as session:
        return upkeep.reap(session, now)


def ask(runtime: Runtime, transports: Mapping[str, Transport]) -> int:
    """Ask providers about messages in doubt and missing receipts; return how many deliveries that moved."""
    return ask_providers(runtime, transports)


def escalate(runtime: Runtime) -> int:
    """Have others told where a notice reached nobody of an institution; return how many rungs that were."""
    return escalating.escalate(runtime, runtime.clock())


def watch(runtime: Runtime, transports: Mapping[str, Transport]) -> int:
    """Pause the webhooks and chat rooms that fail for good, and tell the operators of channels that the breaker stopped.

    Return how many were paused.
    """
    alarms.raise_alarms(runtime, transports)
    now = runtime.clock()
    with runtime.database.read() as session:
        found = endpoints.failing(session, now)
    if found:
        with runtime.database.write() as session:
            endpoints.pause_failing(session, found, now)
        _log.error("Paused, since nothing goes through: %s", found)
    return len(found)


def tick(runtime: Runtime, transports: Mapping[str, Transport] | None = None) -> Looked:
    """Take one look at everything that is due, in this thread, and return what was found.

    Args:
        runtime: The installation.
        transports: The ways out by channel; those of the settings unless given.
    """
    ways_out = channels.transports(runtime) if transports is None else transports
    started = start(runtime)
    notices, deliveries = tell(runtime)
    kept = keep_up(runtime)
    rungs = escalate(runtime)
    watch(runtime, ways_out)
    ask(runtime, ways_out)
    tries = send_due(runtime, ways_out)
    return Looked(tuple(started), notices, deliveries, tries, kept, rungs)
