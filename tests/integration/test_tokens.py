"""Tokens of programs: shown once, kept as a hash, refused once revoked."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from app import cli
from maintenance import schema, tokens
from maintenance.models import ApiTokenRow
from maintenance.runtime import Runtime


@pytest.fixture
def ready(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    monkeypatch.setattr(schema, "check", lambda database: None)
    return runtime


def run(runtime: Runtime, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["tokens", *arguments], obj=runtime)


def test_a_token_is_printed_once_and_kept_as_a_hash(ready: Runtime) -> None:
    token = run(ready, "add", "Service desk").stdout.strip()

    with ready.database.read() as session:
        row = session.scalars(select(ApiTokenRow)).one()
        assert tokens.is_valid(session, token)
        assert not tokens.is_valid(session, token + "x")
        assert token not in (row.name, row.digest)
    assert token not in run(ready, "list").output
    assert "Service desk" in run(ready, "list").output


def test_a_revoked_token_opens_nothing_and_its_name_is_free(ready: Runtime) -> None:
    old = run(ready, "add", "Portal").stdout.strip()
    assert run(ready, "revoke", "Portal").exit_code == 0
    new = run(ready, "add", "Portal").stdout.strip()

    with ready.database.read() as session:
        assert (tokens.is_valid(session, old), tokens.is_valid(session, new)) == (False, True)
    assert "revoked" in run(ready, "list").output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", " "), "Give the token a name"),
        (("add", "Portal"), "There is a token Portal already"),
        (("revoke", "Nobody"), "No token in use is called Nobody"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    ready: Runtime, arguments: tuple[str, ...], sentence: str
) -> None:
    run(ready, "add", "Portal")

    result = run(ready, *arguments)

    assert result.exit_code == 1
    assert sentence in result.output
