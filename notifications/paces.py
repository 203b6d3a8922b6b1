"""A provider's rate for all processes that send through it: a row says until when it is used up.

Each process takes the time of a whole batch at once, by the database's clock, so that neither a wrong
clock nor a process that dies with its share holds the others up for long.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from maintenance.database import Database
from notifications.models import PaceRow

_log = logging.getLogger(__name__)

#: Nobody waits longer, in seconds, whatever the row says: what is *sending* must not outlive its lease.
LONGEST_WAIT = 60.0
_TABLE = cast(Table, PaceRow.__table__)


def shared(database: Database, name: str) -> Callable[[float], float | None]:
    """Return what takes so many seconds of an account's time, and answers how many seconds to wait for them.

    It answers None when the database does not: then each process keeps the rate for itself.

    Args:
        database: Of all processes that send through the account.
        name: Account and sender, without secrets.
    """

    def ask(seconds: float) -> float | None:
        try:
            with database.write() as session:
                return take(session, name[:255], seconds)
        except SQLAlchemyError:
            _log.warning("The shared rate of %s cannot be read; this process keeps its own", name)
            return None

    return ask


def take(session: Session, name: str, seconds: float) -> float:
    """Take so many seconds of an account's time, behind all that is taken; return how many seconds that is off."""
    values: dict[str, Any] = {"name": name}
    if session.get_bind().dialect.name == "sqlite":
        now: ColumnElement[float] = (func.julianday("now") - 2440587.5) * 86400.0
        insert = sqlite.insert(_TABLE).values(values | {"used_until": now + seconds})
        start: ColumnElement[float] = func.max(now, func.min(_TABLE.c.used_until, now + LONGEST_WAIT))
    else:
        now = func.date_part("epoch", func.clock_timestamp())
        insert = postgresql.insert(_TABLE).values(values | {"used_until": now + seconds})  # type: ignore[assignment]
        start = func.greatest(now, func.least(_TABLE.c.used_until, now + LONGEST_WAIT))
    statement = insert.on_conflict_do_update(
        index_elements=[_TABLE.c.name], set_={"used_until": start + seconds}
    ).returning(_TABLE.c.used_until - seconds - now)
    return max(float(session.connection().execute(statement).scalar_one()), 0.0)
