"""Turns at the ledger: what several sending threads have to write at the same time is one transaction.

A transaction costs the same for ten rows as for eighty, and each thread needs one for every ten mails. So
whoever comes while another writes waits, and the next one writes for all who wait. Each still has at most
one batch *sending*: what a crash can repeat does not grow.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Condition, Lock
from weakref import WeakKeyDictionary, ref

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from maintenance.database import Database
from notifications import claims, ledger
from notifications.channels.parcels import Outcome
from notifications.ledger import Claim


@dataclass(frozen=True, slots=True)
class Written:
    """That a turn was committed: when, and which of the following deliveries are still ours and still useful."""

    at: datetime
    ours: frozenset[int]


@dataclass(eq=False)
class Turn:
    """What one thread has to write: how its last batch ended, and which deliveries go out next."""

    owner: str
    transport: str
    results: Sequence[tuple[Claim, Outcome]]
    following: Sequence[int]
    written: Written | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        """Return whether it was written, or never will be."""
        return self.written is not None or self.error is not None


class Desk:
    """Where the threads of a process queue up to write to one database."""

    def __init__(self, database: Database) -> None:
        """Take the database, without keeping it alive: the table of desks is weak."""
        self._database = ref(database)
        self._changed = Condition()
        self._is_writing = False
        self._waiting: list[Turn] = []

    def take(self, turn: Turn, clock: Callable[[], datetime]) -> Written:
        """Write a turn, with those of others who wait; return once it is committed.

        Raises:
            Exception: What the database said; nothing of the turn is written then, as far as one knows.
        """
        with self._changed:
            self._waiting.append(turn)
            self._changed.wait_for(lambda: turn.is_done or not self._is_writing)
            turns: Sequence[Turn] = ()
            if not turn.is_done:
                self._is_writing = True
                turns, self._waiting = self._waiting, []
        if turns:
            try:
                self._write(turns, clock)
            finally:
                with self._changed:
                    self._is_writing = False
                    self._changed.notify_all()
        if turn.written is None:
            raise turn.error or RuntimeError("the turn was not written")
        return turn.written

    def _write(self, turns: Sequence[Turn], clock: Callable[[], datetime]) -> None:
        now = clock()
        database = self._database()
        if database is None:
            raise RuntimeError("the database of this desk is gone")
        try:
            with database.write() as session:
                marked = _write_down(session, turns, now)
        except Exception as error:
            is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
            if len(turns) > 1 and not is_lost:
                # One of them cannot be written: the others are not to pay for it.
                for turn in turns:
                    self._write([turn], clock)
                return
            for turn in turns:
                turn.error = error
            return
        except BaseException:
            # Whoever waits is not to wait for ever for a thread that ends here.
            for turn in turns:
                turn.error = InterruptedError("the thread that wrote for this one was stopped")
            raise
        for turn in turns:
            ours = (id_ for id_ in turn.following if (id_, turn.owner) in marked)
            turn.written = Written(now, frozenset(ours))


def _write_down(session: Session, turns: Sequence[Turn], now: datetime) -> set[tuple[int, str]]:
    tries = [
        ledger.Try(found, outcome, turn.owner, turn.transport, random.uniform(-1, 1))  # noqa: S311 - spreads a crowd
        for turn in turns
        for found, outcome in turn.results
    ]
    ledger.record(session, tries, now=now)
    batches: dict[str, dict[str, Sequence[int]]] = {}
    for turn in turns:
        if turn.following:
            batches.setdefault(turn.transport, {})[turn.owner] = turn.following
    marked: set[tuple[int, str]] = set()
    for transport, of_owner in batches.items():
        marked |= claims.mark_sending(session, of_owner, transport=transport, now=now)
    return marked


_desks: WeakKeyDictionary[Database, Desk] = WeakKeyDictionary()
_desks_guard = Lock()


def desk_of(database: Database) -> Desk:
    """Return the one desk of a database in this process."""
    with _desks_guard:
        return _desks.setdefault(database, Desk(database))
