"""Rows of systems to values and back, as many as an estate has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import JSON, String, cast, select
from sqlalchemy.orm import Session

from maintenance.arrays import uncollected
from maintenance.catalogue import Contingency, Impact, Kind, Need, System, Volume
from maintenance.catalogue_documents import need_document, volume_document
from maintenance.models import SystemRow
from maintenance.texts import Text

_V = TypeVar("_V")

#: Rows whose JSON is read together: one text of many values is read several times as fast as many texts.
_AT_ONCE = 2000
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


def read_systems(session: Session, *, only_public: bool = False) -> dict[str, System]:
    """Return the systems by code in the order of pages, retired ones marked."""
    # JSON comes as the text it is kept as: thousands of systems say the same, and what was read once
    # is not read again.
    columns = [cast(c, String) if isinstance(c.type, JSON) else c for c in _COLUMNS]
    query = select(*columns).order_by(SystemRow.position, SystemRow.id)
    if only_public:
        query = query.where(SystemRow.public)
    values = _Values()
    with uncollected():
        found = session.execute(query.execution_options(yield_per=_AT_ONCE))
        return {system.code: system for some in found.partitions() for system in _systems(some, values)}


class _Values:
    """Makes values of JSON, one and the same for the same text."""

    def __init__(self) -> None:
        self.kinds = {kind.value: kind for kind in Kind}
        self.lengths: dict[int, timedelta] = {}
        self._made: dict[tuple[str, str | None], Any] = {}
        self._codes: dict[str, str] = {}
        self._needs: dict[tuple[tuple[str, ...], int, str], Need] = {}

    def once(self, kind: str, raw: str | None, make: Callable[[Any], _V]) -> _V:
        """Return what `make` makes of the JSON in `raw`."""
        key = (kind, raw)
        if key not in self._made:
            self._made[key] = make(json.loads(raw) if raw is not None else None)
        made: _V = self._made[key]
        return made

    def needs(self, row: list[dict[str, Any]]) -> tuple[Need, ...]:
        """Return the needs of a row; equal ones are one value, since a network has ten thousand devices."""
        return tuple([self._need(each["of"], each["at_least"], each["otherwise"]) for each in row])

    def _need(self, of: list[str], at_least: int, otherwise: str) -> Need:
        key = (tuple(of), at_least, otherwise)
        if (need := self._needs.get(key)) is None:
            share = self._codes.setdefault
            need = Need(tuple([share(code, code) for code in of]), at_least, Impact.parse(otherwise))
            self._needs[key] = need
        return need


def _systems(rows: Sequence[Sequence[Any]], values: _Values) -> Iterator[System]:
    once = values.once
    names, needs = _parsed(row[1] for row in rows), _parsed(row[8] for row in rows)
    for row, name, need in zip(rows, names, needs, strict=True):
        (
            code,
            _,
            kind,
            operator,
            group,
            tags,
            public,
            audiences,
            _,
            seconds,
            volume,
            contingency,
            retired,
        ) = row
        yield System(
            code,
            text_of(name),
            values.kinds[kind],
            operator,
            once("text", group, text_of),
            once("words", tags, tuple),
            public,
            once("words", audiences, tuple),
            values.needs(need),
            values.lengths.setdefault(seconds, timedelta(seconds=seconds)),
            once("volume", volume, _volume),
            once("contingency", contingency, _contingency),
            retired is not None,
        )


def _parsed(texts: Iterator[str]) -> list[Any]:
    found: list[Any] = json.loads(f"[{','.join(texts)}]")
    return found


def _volume(row: dict[str, Any] | None) -> Volume | None:
    return Volume(text_of(row["unit"]), row["per_month"], row.get("profile", "")) if row else None


def _contingency(row: list[dict[str, Any]]) -> tuple[Contingency, ...]:
    return tuple(
        Contingency(c["audience"], text_of(c["before"]), text_of(c["during"]), text_of(c["after"]))
        for c in row
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
