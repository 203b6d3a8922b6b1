"""Many rows as one value: a statement says the same for ten rows as for a thousand.

A database then reads and plans it once, and a driver hands over one string instead of so many values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import sqlalchemy
from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    FromClause,
    Integer,
    Text,
    any_,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from maintenance.database import UtcDateTime


def rows_of(dialect: str, parameter: str, **columns: TypeEngine[Any]) -> FromClause:
    """Return the rows of a parameter as a table of these columns; the parameter is what `as_value` returned.

    Args:
        dialect: `sqlite` or `postgresql`.
        parameter: Of the statement; also the table's name in it.
        columns: Name and type of each.
    """
    value = bindparam(parameter, type_=Text())
    if dialect == "sqlite":
        each = func.json_each(value).table_valued("value", name=f"each_of_{parameter}")
        fields = [func.json_extract(each.c.value, f"$.{name}").label(name) for name in columns]
        return select(*fields).subquery(parameter)
    typed = [column(name, type_) for name, type_ in columns.items()]
    found = func.json_to_recordset(sqlalchemy.cast(value, JSON)).table_valued(*typed, name=parameter)
    return found.render_derived(name=parameter, with_types=True)


def as_value(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as the value of a statement's parameter."""
    # No database takes the character zero in a text; a far side's words may hold one.
    return json.dumps(list(rows), ensure_ascii=False, separators=(",", ":")).replace("\\u0000", "\\ufffd")


def among(dialect: str, id_column: ColumnElement[int], parameter: str) -> ColumnElement[bool]:
    """Return the condition that an id is one of a parameter's; that is what `ids_as_value` returned.

    PostgreSQL gets an array, which it looks up by the primary key; of a table it would guess how long it is.
    """
    if dialect == "sqlite":
        return id_column.in_(select(rows_of(dialect, parameter, id=Integer()).c.id))
    return id_column == any_(sqlalchemy.cast(bindparam(parameter, type_=Text()), ARRAY(Integer())))


def ids_as_value(dialect: str, ids: Iterable[int]) -> str:
    """Return ids as the value of the parameter of `among`."""
    if dialect == "sqlite":
        return as_value({"id": id_} for id_ in ids)
    # An array as PostgreSQL writes it: the driver would go over a list number by number.
    return f"{{{','.join(map(str, ids))}}}"


def instants_for(dialect: Dialect) -> Callable[[datetime], str]:
    """Return what writes an instant into a row as the database keeps it."""
    as_kept = cast("Callable[[datetime], object]", UtcDateTime().bind_processor(dialect))
    return lambda instant: str(as_kept(instant))
