"""The catalogue as it is stored: read whole or in its public part, and written."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from threading import Lock
from typing import Any, TypeGuard
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, func, insert, select, text, update
from sqlalchemy.orm import Session, defer

from maintenance.catalogue import Audience, Catalogue, Operator, System
from maintenance.catalogue_rows import read_systems, system_row, text_of, text_row
from maintenance.database import new_public_id
from maintenance.models import AudienceRow, CatalogueRevision, OperatorRow, SystemRow
from maintenance.profile_documents import profile_from

#: The newest catalogue of each database, and its public part, by the connection pool that leads to it.
_loaded: WeakKeyDictionary[Engine, Catalogue] = WeakKeyDictionary()
_public: WeakKeyDictionary[Engine, Catalogue] = WeakKeyDictionary()
#: Held while the whole is read: who comes meanwhile waits for it instead of reading it a second time.
_reading = Lock()
#: Set on a session that wrote the catalogue: what it reads may yet be rolled back, so nobody else may see it.
_WRITTEN = "catalogue_written"
#: Rows that are written together.
_AT_ONCE = 5000


def catalogue_version(session: Session) -> int:
    """Return the number of the newest revision; 0 before the first."""
    return session.scalar(select(func.max(CatalogueRevision.number))) or 0


def hold_catalogue(session: Session) -> None:
    """Let no other transaction change the catalogue until this one ends; readers are not held."""
    if session.get_bind().dialect.name == "postgresql":
        # SQLite's write transactions exclude one another anyway.
        session.execute(text("LOCK TABLE catalogue_revisions IN SHARE ROW EXCLUSIVE MODE"))


def load_catalogue(session: Session) -> Catalogue:
    """Return all systems, retired ones marked; read once per database and version, then remembered."""
    version = catalogue_version(session)
    if session.info.get(_WRITTEN):
        return _read(session, version)
    engine = session.get_bind().engine
    if not _is_newest(known := _loaded.get(engine), version):
        with _reading:
            if not _is_newest(known := _loaded.get(engine), version):
                known = _loaded[engine] = _read(session, version)
    return known


def load_public_catalogue(session: Session) -> Catalogue:
    """Return the public systems alone, retired ones marked; what they need may not be among them."""
    version = catalogue_version(session)
    engine = session.get_bind().engine
    if not _is_newest(known := _public.get(engine), version):
        known = _public[engine] = _read(session, version, only_public=True)
    return known


def _is_newest(known: Catalogue | None, version: int) -> TypeGuard[Catalogue]:
    return known is not None and known.version == version


def _read(session: Session, version: int, *, only_public: bool = False) -> Catalogue:
    revision = session.get(CatalogueRevision, version, options=[defer(CatalogueRevision.changes)])
    return Catalogue(
        systems=read_systems(session, only_public=only_public),
        operators={
            row.code: Operator(row.code, text_of(row.name), row.email)
            for row in session.scalars(select(OperatorRow).order_by(OperatorRow.position, OperatorRow.code))
        },
        audiences={
            row.code: Audience(row.code, text_of(row.name))
            for row in session.scalars(select(AudienceRow).order_by(AudienceRow.position, AudienceRow.code))
        },
        profiles={p["code"]: profile_from(p) for p in revision.profiles.values()} if revision else {},
        timezone=revision.timezone if revision else "UTC",
        version=version,
    )


def save_catalogue(session: Session, catalogue: Catalogue, *, retire: Collection[str], at: datetime) -> None:
    """Write what of the catalogue differs from the rows, and retire the systems in `retire`.

    The order of `catalogue` becomes the order of pages. Rows of systems it does not name stay as they
    are, behind the others. Who changes the catalogue also adds a revision (`importing` does).
    """
    present = load_catalogue(session)
    session.info[_WRITTEN] = True
    # A session that fails keeps nothing; one that is used again after its commit reads anew.
    _save_named(
        session,
        OperatorRow,
        [
            {"code": o.code, "name": text_row(o.name), "email": o.email, "position": position}
            for position, o in enumerate(catalogue.operators.values())
        ],
    )
    _save_named(
        session,
        AudienceRow,
        [
            {"code": a.code, "name": text_row(a.name), "position": position}
            for position, a in enumerate(catalogue.audiences.values())
        ],
    )
    rows = {
        code: (row_id, position)
        for row_id, code, position in session.execute(
            select(SystemRow.id, SystemRow.code, SystemRow.position)
        )
    }
    added: list[tuple[int, System]] = []
    changed: list[dict[str, Any]] = []
    placed: list[dict[str, Any]] = []
    for position, system in enumerate(catalogue.systems.values()):
        if system.code not in rows:
            added.append((position, system))
            continue
        row_id, old_position = rows[system.code]
        if present.systems[system.code] != system:
            retired_at = {"retired_at": at if system.retired else None}
            changed.append({"id": row_id, **system_row(system), **retired_at, "position": position})
        elif old_position != position:
            placed.append({"id": row_id, "position": position})
    retired = [{"id": rows[code][0], "retired_at": at} for code in retire if code in rows]
    behind = [row_id for code, (row_id, _) in rows.items() if code not in catalogue.systems]
    placed += [{"id": i, "position": len(catalogue.systems) + n} for n, i in enumerate(behind)]
    _add_systems(session, added)
    # Lists of dictionaries go to the driver's executemany: a statement with all values in it is compiled
    # anew each time, ten times slower.
    for rows_to_update in (changed, placed, retired):
        if rows_to_update:
            session.execute(update(SystemRow), rows_to_update)
    if edited := [row["id"] for row in changed + retired]:
        _count_edits(session, edited)
    session.expire_all()


def _add_systems(session: Session, added: list[tuple[int, System]]) -> None:
    """Write new systems, some thousands at a time: rows of a whole estate need as much memory as the estate."""
    # Past the session, whose mapper looks at every row once more.
    connection = session.connection()
    for start in range(0, len(added), _AT_ONCE):
        rows = [
            {
                **system_row(system),
                "public_id": new_public_id(),
                "lock_version": 1,
                "retired_at": None,
                "position": position,
            }
            for position, system in added[start : start + _AT_ONCE]
        ]
        connection.execute(insert(SystemRow), rows)


def _count_edits(session: Session, row_ids: list[int]) -> None:
    """Move the lock versions on, so that a person who edits one of these systems meanwhile is told."""
    for start in range(0, len(row_ids), 500):
        some = row_ids[start : start + 500]
        session.execute(
            update(SystemRow)
            .where(SystemRow.id.in_(some))
            .values(lock_version=SystemRow.lock_version + 1)
            .execution_options(synchronize_session=False)
        )


def _save_named(
    session: Session, model: type[OperatorRow] | type[AudienceRow], wanted: list[dict[str, Any]]
) -> None:
    """Write rows that have a code and a position; those not wanted stay, behind the others."""
    present = set(session.scalars(select(model.code)))
    named = {row["code"] for row in wanted}
    behind = [{"code": code, "position": len(wanted) + n} for n, code in enumerate(sorted(present - named))]
    if added := [row for row in wanted if row["code"] not in present]:
        session.execute(insert(model), added)
    for rows in ([row for row in wanted if row["code"] in present], behind):
        if rows:
            session.execute(update(model), rows)
