"""The desk: where the threads of a process that send one way get their batches and leave their outcomes.

A transaction costs much the same for ten rows as for eighty, and each thread needs one for every ten mails of
each of its connections. So whoever comes while another writes waits, and the next one writes for all who wait.
What is claimed is claimed for all of them, and handed out from here. Each still has at most one batch *sending*:
what a crash can repeat does not grow.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Condition, Lock
from weakref import WeakKeyDictionary

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from maintenance.database import Database
from maintenance.runtime import Runtime
from notifications import claims, ledger, stopping
from notifications.channels.parcels import Outcome, Transport
from notifications.ledger import Claim

#: Batches for each thread that are taken under a lease at once: claiming many together is what makes the ledger fast.
BATCHES_PER_CLAIM = 10
#: What was claimed longer ago than this is given back, so that something more urgent overtakes it.
PATIENCE = timedelta(seconds=5)


@dataclass(eq=False)
class Turn:
    """What one thread has to write: how its last batch ended; and how many deliveries it would send next."""

    results: Sequence[tuple[Claim, Outcome]]
    wants: int
    #: What it is to send next, marked as *sending* and committed at that instant; None when nothing is due.
    batch: Sequence[Claim] | None = None
    at: datetime | None = None
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        """Return whether it was written, or never will be."""
        return self.at is not None or self.error is not None


class Desk:
    """One for each database and transport of a process."""

    def __init__(self, transport: Transport) -> None:
        """Take what there is to know of the transport."""
        self._channel, self._way, self._batch_size = transport.channel, transport.name, transport.batch_size
        self._owner = f"{socket.gethostname()[:32]}:{os.getpid()}:{secrets.token_hex(6)}"
        self._changed = Condition()
        self._is_writing = False
        self._waiting: list[Turn] = []
        self._seats = 0
        #: Leased and not handed out, with the instant of the claim: the oldest first, of one claim the most urgent.
        self._stock: deque[tuple[datetime, Claim]] = deque()
        #: Whether the last claim found all that was due.
        self._is_last = True
        self._claiming = Lock()
        #: Readers refused for the first time in a row, with no success between: over all looks, however few are due in each.
        self.refusals = 0
        #: Whether anything went through since that was last noted, and when that was.
        self._went = False
        self._noted: datetime | None = None

    @contextmanager
    def seat(self, runtime: Runtime) -> Iterator[None]:
        """Count a thread in; the last one to leave gives back what nobody began with, and notes what went through."""
        with self._changed:
            self._seats += 1
        try:
            yield
        finally:
            with self._changed:
                self._seats -= 1
                left = [] if self._seats else self._empty_stock()
                went = self._went and not self._seats
            if left or went:
                with runtime.database.write() as session:
                    claims.release(session, left, owner=self._owner)
                    self._note_well(session, runtime.clock(), went=went)

    def take(
        self, results: Sequence[tuple[Claim, Outcome]], runtime: Runtime, *, ends: bool = False
    ) -> tuple[Sequence[Claim] | None, datetime]:
        """Write outcomes down and return the next batch, with the instant of its marking; None when nothing is due.

        All is committed on return, together with what other threads had to write. What cannot go out any more
        is left out of the batch, of which nothing may be left.

        Args:
            results: How the batch before ended.
            runtime: The installation.
            ends: That this thread wants no more.

        Raises:
            Exception: What the database said; nothing of the turn is written then, as far as one knows.
        """
        turn = Turn(results, 0 if ends else self._batch_size)
        with self._changed:
            self._waiting.append(turn)
            self._changed.wait_for(lambda: turn.is_done or not self._is_writing)
            turns: Sequence[Turn] = ()
            if not turn.is_done:
                self._is_writing = True
                turns, self._waiting = self._waiting, []
        if turns:
            try:
                self._serve(turns, runtime)
            finally:
                with self._changed:
                    self._is_writing = False
                    self._changed.notify_all()
            if turn.batch:
                self._claim_ahead(runtime)
        if turn.at is None:
            raise turn.error or RuntimeError("the turn was not written")
        return turn.batch, turn.at

    def note_trouble(self, words: str, runtime: Runtime, *, is_config: bool) -> None:
        """Say what is wrong with the channel, and give back what nobody began with."""
        with self._changed:
            left, went, self._noted = self._empty_stock(), self._went, None
        with runtime.database.write() as session:
            claims.release(session, left, owner=self._owner)
            now = runtime.clock()
            self._note_well(session, now, went=went)
            stopping.note_trouble(session, self._channel, words=words, is_config=is_config, now=now)

    def _empty_stock(self) -> list[int]:
        ids = [found.id for _, found in self._stock]
        self._stock.clear()
        return ids

    def _serve(self, turns: Sequence[Turn], runtime: Runtime) -> None:
        problem: Exception | None = None
        try:
            try:
                self._restock(sum(turn.wants for turn in turns), runtime)
            except Exception as error:
                # What was sent is written down all the same.
                problem = error
            following = [() if problem else self._hand_out(turn.wants) for turn in turns]
            self._write(list(zip(turns, following, strict=True)), runtime)
            for turn in turns:
                turn.error = turn.error or problem
        except BaseException as error:
            # Whoever waits is not to wait for ever for a thread that ends here.
            for turn in turns:
                if not turn.is_done:
                    turn.error = error
            raise

    def _note_well(self, session: Session, now: datetime, *, went: bool) -> None:
        """Forget the channel's trouble if something went through: with its outcome, or else a crash would keep it."""
        if went:
            stopping.all_is_well(session, self._channel)
            self._went, self._noted = False, now

    def _claim_ahead(self, runtime: Runtime) -> None:
        """Claim while others send, where much is due: nobody has to wait for it later."""
        with self._changed:
            wanted = 0 if self._is_last else 2 * self._batch_size * self._seats
        # This thread's own batch is marked as *sending*: it has to go out. Who needs a claim next sees the error.
        with suppress(Exception):
            self._restock(wanted, runtime, waits=False)

    def _restock(self, wanted: int, runtime: Runtime, *, waits: bool = True) -> None:
        """Claim anew when there is less in stock than is wanted, or what is there was claimed too long ago."""
        if not self._needs(wanted, runtime.clock()) or not self._claiming.acquire(blocking=waits):
            return
        try:
            # Another may have claimed while this one waited.
            now = runtime.clock()
            if self._needs(wanted, now):
                self._claim(runtime, now)
        finally:
            self._claiming.release()

    def _needs(self, wanted: int, now: datetime) -> bool:
        with self._changed:
            return wanted > 0 and (len(self._stock) < wanted or self._is_old(now))

    def _is_old(self, now: datetime) -> bool:
        return bool(self._stock) and now - self._stock[0][0] > PATIENCE

    def _claim(self, runtime: Runtime, now: datetime) -> None:
        with self._changed:
            left = self._empty_stock() if self._is_old(now) else []
            # Where much is due, a thread alone claims for two: what a claim costs besides its rows is then halved. Not
            # the first time, so that its first mails leave sooner.
            limit = BATCHES_PER_CLAIM * self._batch_size * max(self._seats, 1 if self._is_last else 2)
            went = self._went
        with runtime.database.write() as session:
            claims.release(session, left, owner=self._owner)
            self._note_well(session, now, went=went)
            found = claims.claim(session, self._channel, owner=self._owner, limit=limit, now=now)
        with self._changed:
            self._stock.extend((now, one) for one in found)
            self._is_last = len(found) < limit

    def _hand_out(self, count: int) -> Sequence[Claim]:
        with self._changed:
            return [self._stock.popleft()[1] for _ in range(min(count, len(self._stock)))]

    def _write(
        self, turns: Sequence[tuple[Turn, Sequence[Claim]]], runtime: Runtime, *, again: bool = False
    ) -> None:
        now = runtime.clock()
        try:
            with runtime.database.write() as session:
                marked = self._write_down(session, turns, now)
        except Exception as error:
            is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
            if not again and not is_lost:
                # One of them cannot be written, and the others are not to pay for it; or somebody else who writes
                # to these rows came first.
                for one in turns:
                    self._write([one], runtime, again=True)
                return
            for turn, _ in turns:
                turn.error = error
            return
        for turn, following in turns:
            turn.at = now
            if following:
                turn.batch = [found for found in following if found.id in marked]

    def _write_down(
        self, session: Session, turns: Sequence[tuple[Turn, Sequence[Claim]]], now: datetime
    ) -> set[int]:
        results = [result for turn, _ in turns for result in turn.results]
        ledger.record(session, results, owner=self._owner, transport=self._way, now=now)
        self._went = self._went or any(outcome.failure is None for _, outcome in results)
        # Once in a while is enough where nothing is wrong, and costs nothing.
        is_time = self._noted is None or now - self._noted > PATIENCE
        self._note_well(session, now, went=self._went and is_time)
        ids = [found.id for _, following in turns for found in following]
        return claims.mark_sending(session, ids, owner=self._owner, transport=self._way, now=now)


_desks: WeakKeyDictionary[Database, WeakKeyDictionary[Transport, Desk]] = WeakKeyDictionary()
_desks_guard = Lock()


def desk_of(database: Database, transport: Transport) -> Desk:
    """Return the one desk of a database and a transport in this process."""
    with _desks_guard:
        return _desks.setdefault(database, WeakKeyDictionary()).setdefault(transport, Desk(transport))
