"""Finding systems by a few letters of their code or name, in an estate of any size."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import case, select
from sqlalchemy.orm import Session

from maintenance.lifecycle import Role
from maintenance.models import SystemRow
from maintenance.texts import Text, folded
from maintenance.web.access import roles_required
from maintenance.web.context import database
from maintenance.web.languages import page_language

bp = Blueprint("systems_search", __name__)

#: How many are offered at once; whoever sees as many types another letter.
LIMIT = 20
#: Longest search, and most words of it, that are looked at.
_MAX_LENGTH, _MAX_WORDS = 100, 5


@dataclass(frozen=True, slots=True)
class Found:
    """A system as it is offered."""

    code: str
    name: str
    kind: str


@bp.get("/plan/systems.json")
@roles_required(Role.READER)
def search() -> ResponseReturnValue:
    """Return the systems that fit `?q=`, at most 20."""
    with database().read() as session:
        found = find_systems(session, request.args.get("q", ""), language=page_language())
    answer = jsonify(systems=[{"code": f.code, "name": f.name, "kind": f.kind} for f in found])
    answer.headers["Cache-Control"] = "private, max-age=60"
    return answer


def find_systems(session: Session, words: str, *, language: str, limit: int = LIMIT) -> list[Found]:
    """Return systems whose code or name has every word, best first: the code itself, codes that begin so, others.

    Retired systems are left out: nothing can be planned on them.
    """
    wanted = folded(words[:_MAX_LENGTH]).split()[:_MAX_WORDS]
    if not wanted:
        return []
    code = " ".join(wanted)
    rank = case(
        # The words begin with the code, a space after it: this is the very code that was typed.
        (SystemRow.search_words.startswith(f"{code} ", autoescape=True), 0),
        (SystemRow.search_words.startswith(code, autoescape=True), 1),
        else_=2,
    )
    query = (
        select(SystemRow)
        .where(SystemRow.retired_at.is_(None))
        .where(*(SystemRow.search_words.contains(word, autoescape=True) for word in wanted))
        .order_by(rank, SystemRow.position)
        .limit(limit)
    )
    return [
        Found(row.code, Text.of(row.name).in_language(language), row.kind) for row in session.scalars(query)
    ]


def names_of(session: Session, codes: Collection[str]) -> dict[str, Text]:
    """Return the names of these systems by code; codes that name none are left out."""
    if not codes:
        return {}
    query = select(SystemRow.code, SystemRow.name).where(SystemRow.code.in_(codes))
    return {code: Text.of(name) for code, name in session.execute(query)}
