"""What the status page and the list of systems show, read once for each change and kept for every visitor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock

from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from maintenance import public_reads
from maintenance.catalogue import Catalogue
from maintenance.public_reads import Told
from maintenance.public_windows import public_windows, readable_catalogue
from maintenance.queries import last_change
from maintenance.status import Group, ShownWindow, SystemState, grouped, next_boundary, states_at
from maintenance.web.context import database, now
from maintenance.windows import Interval

#: How long what is over stays on the status page.
RECENT = timedelta(days=14)
#: It is read anew at least so often, since what counts as recent moves with the clock.
LONGEST_VALID = timedelta(hours=1)
_FAR = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Snapshot:
    """The public systems with their states, and what readers were told, at an instant."""

    catalogue: Catalogue
    windows: tuple[ShownWindow, ...]
    told: tuple[Told, ...]
    states: tuple[SystemState, ...]
    #: The last event of the log that it knows.
    change: int
    made_at: datetime
    #: When the clock alone makes it wrong.
    valid_until: datetime

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Return the states by group, as pages list them."""
        return grouped(self.states)

    @cached_property
    def search_words(self) -> dict[str, str]:
        """Return what each system is found by."""
        return {state.system.code: state.system.search_words for state in self.states}

    def is_true(self, change: int, at: datetime) -> bool:
        """Return whether nothing happened since, in the log or by the clock."""
        return self.change == change and self.made_at <= at < self.valid_until


class _Holder:
    def __init__(self) -> None:
        self.kept: Snapshot | None = None
        #: Who comes while it is read waits for it instead of reading the same.
        self.lock = Lock()


def init_app(app: Flask) -> None:
    """Give the application a place for its snapshot."""
    app.extensions["janela_snapshot"] = _Holder()


def snapshot() -> Snapshot:
    """Return what is true now; where the database does not answer, what was true last."""
    holder: _Holder = current_app.extensions["janela_snapshot"]
    try:
        with database().read() as session:
            change = last_change(session)
            if holder.kept is None or not holder.kept.is_true(change, now()):
                with holder.lock:
                    if holder.kept is None or not holder.kept.is_true(change, now()):
                        holder.kept = _taken(session, change, now())
            return holder.kept
    except SQLAlchemyError:
        if holder.kept is None:
            raise
        current_app.logger.exception("The database does not answer; what was known last is shown.")
        return holder.kept


def _taken(session: Session, change: int, at: datetime) -> Snapshot:
    windows = public_windows(session, at, touching=Interval(at, _FAR))
    told = public_reads.told_of(session, ended_since=at - RECENT)
    explained = [shown.window for shown in windows] + [w for one in told for w in one.version.windows]
    catalogue = readable_catalogue(session, explained)
    limit = at + LONGEST_VALID
    return Snapshot(
        catalogue,
        tuple(windows),
        tuple(told),
        tuple(states_at(catalogue, windows, at)),
        change,
        at,
        min(next_boundary(windows, at) or limit, limit),
    )
