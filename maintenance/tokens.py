"""Tokens with which programs ask the API: shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from maintenance.errors import JanelaError, NotFound
from maintenance.models import ApiTokenRow

#: Tells people and secret scanners what it is.
_PREFIX = "janela_"


class InvalidToken(JanelaError):
    """A name for a token that cannot be used."""


def add_token(session: Session, name: str, *, now: datetime) -> str:
    """Return a new token, which nobody can look up afterwards.

    Raises:
        InvalidToken: When the name is empty, too long, or that of a token in use.
    """
    name = name.strip()
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise InvalidToken("Give the token a name of up to 100 characters that says who uses it.")
    if _in_use(session, name) is not None:
        raise InvalidToken(
            "There is a token %(name)s already; revoke it first, or take another name.", name=name
        )
    token = _PREFIX + secrets.token_urlsafe(32)
    session.add(ApiTokenRow(name=name, digest=_digest(token), created_at=now))
    return token


def list_tokens(session: Session) -> Sequence[ApiTokenRow]:
    """Return all tokens, revoked ones too, in the order in which they were made."""
    return session.scalars(select(ApiTokenRow).order_by(ApiTokenRow.id)).all()


def revoke_token(session: Session, name: str, *, now: datetime) -> None:
    """Refuse a token from now on.

    Raises:
        NotFound: When no token in use has that name.
    """
    row = _in_use(session, name)
    if row is None:
        raise NotFound("No token in use is called %(name)s; `janela tokens list` shows them.", name=name)
    row.revoked_at = now


def is_valid(session: Session, token: str) -> bool:
    """Return whether a token was given out and not revoked."""
    # Looked up by its hash: how long that takes says nothing of the token.
    row = session.scalar(select(ApiTokenRow).where(ApiTokenRow.digest == _digest(token)))
    return row is not None and row.revoked_at is None


def _in_use(session: Session, name: str) -> ApiTokenRow | None:
    return session.scalar(
        select(ApiTokenRow).where(ApiTokenRow.name == name, ApiTokenRow.revoked_at.is_(None))
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
