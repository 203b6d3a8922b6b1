"""Rows to catalogue and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import JSON, Engine, String, cast, func, insert, select, text, update
from sqlalchemy.orm import Session, defer

from maintenance.catalogue import (
    Audience,
    Catalogue,
    Contingency,
    Impact,
    Kind,
    Need,
    Operator,
    System,
    Volume,
)
from maintenance.catalogue_documents import need_document, volume_document
from maintenance.database import new_public_id
from maintenance.models import AudienceRow, CatalogueRevision, OperatorRow, SystemRow
from maintenance.profile_documents import profile_from
from maintenance.texts import Text

_V = TypeVar("_V")

#: The newest catalogue of each database, by the connection pool that leads to it.
_loaded: WeakKeyDictionary[Engine, Catalogue] = WeakKeyDictionary()
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
    engine = session.get_bind().engine
    remembered = _loaded.get(engine)
    if remembered is not None and remembered.version == version and not session.info.get(_WRITTEN):
        return remembered
    catalogue = _read(session, version)
    if not session.info.get(_WRITTEN):
        _loaded[engine] = catalogue
    return catalogue


def _read(session: Session, version: int) -> Catalogue:
    revision = session.get(CatalogueRevision, version, options=[defer(CatalogueRevision.changes)])
    # JSON comes as the text it is kept as: thousands of systems say the same, and what was read once
    # is not read again.
    columns = [cast(c, String) if isinstance(c.type, JSON) else c for c in _COLUMNS]
    systems = session.execute(select(*columns).order_by(SystemRow.position, SystemRow.id))
    values = _Values()
    return Catalogue(
        systems={row[0]: _system(*row, values=values) for row in systems},
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


#: What `_system` takes, in its order.
_COLUMNS = (
    SystemRow.code,
    SystemRow.name,
    SystemRow.kind,
    SystemRow.operator,
    SystemRow.group,
    SystemRow.tags,
    SystemRow.public,
    SystemRow.audiences,
    SystemRow.needs,
    SystemRow.recovery_seconds,
    SystemRow.volume,
    SystemRow.contingency,
    SystemRow.retired_at,
)


class _Values:
    """Makes values of JSON text, one and the same for the same text."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str | None], Any] = {}
        self._codes: dict[str, str] = {}

    def text(self, raw: str) -> Text:
        return self._once("text", raw, text_of)

    def words(self, raw: str) -> tuple[str, ...]:
        return self._once("words", raw, tuple)

    def needs(self, raw: str) -> tuple[Need, ...]:
        return self._once("needs", raw, self._needs)

    def volume(self, raw: str | None) -> Volume | None:
        return self._once("volume", raw, _volume)

    def contingency(self, raw: str) -> tuple[Contingency, ...]:
        return self._once("contingency", raw, _contingency)

    def _once(self, kind: str, raw: str | None, make: Callable[[Any], _V]) -> _V:
        key = (kind, raw)
        if key not in self._made:
            self._made[key] = make(json.loads(raw) if raw is not None else None)
        made: _V = self._made[key]
        return made

    def _needs(self, row: list[dict[str, Any]]) -> tuple[Need, ...]:
        share = self._codes.setdefault
        return tuple(
            Need(tuple([share(c, c) for c in n["of"]]), n["at_least"], Impact.parse(n["otherwise"]))
            for n in row
        )


def _volume(row: dict[str, Any] | None) -> Volume | None:
    return Volume(text_of(row["unit"]), row["per_month"], row.get("profile", "")) if row else None


def _contingency(row: list[dict[str, Any]]) -> tuple[Contingency, ...]:
    return tuple(
        Contingency(c["audience"], text_of(c["before"]), text_of(c["during"]), text_of(c["after"]))
        for c in row
    )


def _system(
    code: str,
    name: str,
    kind: str,
    operator: str,
    group: str,
    tags: str,
    public: bool,
    audiences: str,
    needs: str,
    recovery_seconds: int,
    volume: str | None,
    contingency: str,
    retired_at: datetime | None,
    *,
    values: _Values,
) -> System:
    return System(
        code=code,
        name=values.text(name),
        kind=Kind(kind),
        operator=operator,
        group=values.text(group),
        tags=values.words(tags),
        public=public,
        audiences=values.words(audiences),
        needs=values.needs(needs),
        recovery=timedelta(seconds=recovery_seconds),
        volume=values.volume(volume),
        contingency=values.contingency(contingency),
        retired=retired_at is not None,
    )


def text_of(row: Mapping[str, str]) -> Text:
    """Return the text that a column holds as {language: words}."""
    return Text(tuple(row.items()))


def text_row(text: Text) -> dict[str, str]:
    """Return the text as a column holds it."""
    return dict(text.variants)


def system_row(system: System) -> dict[str, Any]:
    """Return what the row of a system holds of its content."""
    return {
        "code": system.code,
        "name": text_row(system.name),
        "search_words": system.search_words,
        "kind": system.kind.value,
        "operator": system.operator,
        "group": text_row(system.group),
        "tags": list(system.tags),
        "public": system.public,
        "audiences": list(system.audiences),
        "needs": [need_document(need) for need in system.needs],
        "recovery_seconds": int(system.recovery.total_seconds()),
        "volume": {**volume_document(system.volume), "unit": text_row(system.volume.unit)}
        if system.volume
        else None,
        "contingency": [
            {
                "audience": c.audience,
                "before": text_row(c.before),
                "during": text_row(c.during),
                "after": text_row(c.after),
            }
            for c in system.contingency
        ],
    }


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
