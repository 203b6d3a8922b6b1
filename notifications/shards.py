"""Shards: a channel's connections, divided among worker processes; each stays with one while nobody else waits."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Lock
from typing import Protocol

from sqlalchemy.exc import IntegrityError

from maintenance.runtime import Runtime
from notifications import channels, claims
from notifications.channels.parcels import LONGEST_SEND
from notifications.engine import connections, give_up_lead, take_lead
from notifications.sending import drain_together

#: How many connections a shard is: one process talks on all of them, and a few processes cost less than many.
HANDS = 8
#: How long a worker stays with one shard before it goes to the end of the queue, if anything waits in one: other
#: channels wait no longer.
SHARE = timedelta(seconds=5)
#: A task that takes longer hangs; it is killed before its deliveries' leases run out, not after.
TIME_LIMIT = claims.LEASE - timedelta(seconds=30)
#: A task ends by then although nobody waits, so that its last batch is through before it would be killed.
LONGEST_STAY = TIME_LIMIT - timedelta(seconds=LONGEST_SEND) - 2 * SHARE


def lease_name(channel: str, shard: int) -> str:
    """Return under what name a shard is held."""
    return f"send {channel} {shard}"


def shards_of(runtime: Runtime, channel: str) -> int:
    """Return how many shards a channel has."""
    return -(-connections(runtime, channel) // HANDS)


class WakeUps(Protocol):
    """The queues in which wake-ups wait for workers."""

    def wake(self, channel: str, shards: Sequence[int]) -> bool:
        """Ask workers to drain these shards of a channel; return whether that was taken."""
        ...

    def has_nothing(self) -> bool:
        """Return whether no wake-up waits for a worker on any channel."""
        ...


class Stay:
    """One stay, for all threads that drain together; it begins when it is made."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        share: timedelta,
        longest: timedelta,
        may_go_on: Callable[[], bool],
    ) -> None:
        """Begin.

        Args:
            clock: Where the time comes from.
            share: After how long to ask whether to go on, again and again.
            longest: When it ends in any case, give or take a share.
            may_go_on: Whether nobody else waits.
        """
        self._clock, self._share, self._longest, self._may_go_on = clock, share, longest, may_go_on
        self._began = self._asked = clock()
        self._lock = Lock()
        #: Whether it was over when somebody asked.
        self.has_ended = False

    def is_over(self) -> bool:
        """Return whether to leave now; whoever drains asks before each batch."""
        with self._lock:
            now = self._clock()
            if not self.has_ended and now - self._asked >= self._share:
                self.has_ended = now - self._began >= self._longest or not self._may_go_on()
                self._asked = now
            return self.has_ended


class Shards:
    """What a worker process does with its wake-ups."""

    def __init__(self, runtime: Runtime, broker: WakeUps, stop: Callable[[], bool] = lambda: False) -> None:
        """Take an installation and a way to the broker of this process's own; `stop` is asked between batches."""
        self._runtime = runtime
        self._transports = channels.transports(runtime, processes=shards_of(runtime, "email"))
        self._broker = broker
        self._stop = stop
        self._pool = ThreadPoolExecutor(channels.threads(HANDS), thread_name_prefix="send")
        self._owner = f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(6)}"

    def drain(self, channel: str, shard: int) -> int:
        """Send what is due on a channel, unless somebody has the shard; return the tries.

        It ends after one share of time when a wake-up waits for a worker, after `LONGEST_STAY` in any case.
        """
        name, clock = lease_name(channel, shard), self._runtime.clock
        if channel not in self._transports or not self._take(name):
            return 0
        stay = Stay(
            clock,
            share=SHARE,
            longest=LONGEST_STAY,
            may_go_on=lambda: self._broker.has_nothing() and self._take(name),
        )
        shards = shards_of(self._runtime, channel)
        try:
            tries = drain_together(
                self._pool,
                channels.threads(connections(self._runtime, channel) // shards, shards),
                self._runtime,
                self._transports[channel],
                stop=lambda: self._stop() or stay.is_over(),
            )
        finally:
            with self._runtime.database.write() as session:
                give_up_lead(session, name, owner=self._owner, now=clock())
        if tries and not self._stop() and stay.has_ended:
            # More may be there. Should the broker not take this, the scheduler finds the rows.
            self._broker.wake(channel, [shard])
        return tries

    def _take(self, name: str) -> bool:
        try:
            with self._runtime.database.write() as session:
                return take_lead(session, name, owner=self._owner, now=self._runtime.clock())
        except IntegrityError:
            return False
