"""People, passwords and the limits on guessing, against a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from app import cli
from maintenance import accounts
from maintenance.database import Database
from maintenance.errors import NotFound
from maintenance.lifecycle import Role
from maintenance.models import SignInAttemptRow, UserRow
from maintenance.runtime import Runtime

NOW = datetime(2019, 11, 28, 10, tzinfo=UTC)
PASSWORD = "four plain words here"


def add(database: Database, email: str = "planner@example.org", **rest: object) -> UserRow:
    given = {"name": "A Planner", "role": Role.PLANNER, "password": PASSWORD, "now": NOW, **rest}
    with database.write() as session:
        return accounts.add_user(session, email=email, **given)  # type: ignore[arg-type]


def signs_in(database: Database, email: str, password: str) -> bool:
    with database.read() as session:
        return accounts.authenticate(session, email, password) is not None


def try_password(database: Database, email: str, place: str, now: datetime = NOW) -> None:
    with database.write() as session:
        accounts.count_attempt(session, email=email, place=place, now=now)


def test_person_signs_in_with_the_password_given(any_database: Database) -> None:
    add(any_database, "Planner@Example.org")

    assert signs_in(any_database, " planner@EXAMPLE.org ", PASSWORD)
    assert not signs_in(any_database, "planner@example.org", PASSWORD + "x")
    assert not signs_in(any_database, "nobody@example.org", PASSWORD)


def test_password_is_kept_as_a_salted_scrypt_hash_only(any_database: Database) -> None:
    first, second = add(any_database, "a@example.org"), add(any_database, "b@example.org")

    assert first.password_hash.startswith("scrypt:")
    assert first.password_hash != second.password_hash


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "not an address"},
        {"email": "a\x07b@example.org"},
        {"name": "   "},
        {"name": "bell\x07"},
        {"password": "too short"},
        {"password": "x" * 300},
    ],
)
def test_account_that_cannot_work_is_refused(any_database: Database, wrong: dict[str, str]) -> None:
    with pytest.raises(accounts.InvalidAccount):
        add(any_database, **wrong)  # type: ignore[arg-type]


def test_one_address_has_one_account(any_database: Database) -> None:
    add(any_database)

    with pytest.raises(accounts.InvalidAccount, match="already an account"):
        add(any_database, "PLANNER@example.org")


def test_disabled_person_cannot_sign_in_nor_stay_signed_in(any_database: Database) -> None:
    row = add(any_database)
    with any_database.write() as session:
        accounts.disable_user(session, row.email, now=NOW)

    assert not signs_in(any_database, row.email, PASSWORD)
    with any_database.read() as session:
        assert accounts.find_account(session, row.id) is None


def test_new_password_changes_the_stamp_of_sessions(any_database: Database) -> None:
    before = accounts.account_of(add(any_database)).stamp
    with any_database.write() as session:
        row = accounts.get_user(session, "planner@example.org")
        accounts.set_password(session, row, "another long password")

    assert accounts.account_of(row).stamp != before
    assert signs_in(any_database, row.email, "another long password")


def test_unknown_person_is_named_in_the_error(any_database: Database) -> None:
    with any_database.write() as session, pytest.raises(NotFound, match=r"who@example\.org"):
        accounts.get_user(session, "who@example.org")


def test_sixth_try_for_one_address_from_one_place_has_to_wait(any_database: Database) -> None:
    for _ in range(5):
        try_password(any_database, "planner@example.org", "192.0.2.1")

    with pytest.raises(accounts.TooManyAttempts):
        try_password(any_database, "PLANNER@example.org", "192.0.2.1")
    # A stranger's guesses do not keep the person out: from elsewhere the way is open.
    try_password(any_database, "planner@example.org", "192.0.2.2")


def test_place_that_tries_many_addresses_has_to_wait(any_database: Database) -> None:
    for number in range(30):
        try_password(any_database, f"person{number}@example.org", "192.0.2.1")

    with pytest.raises(accounts.TooManyAttempts):
        try_password(any_database, "another@example.org", "192.0.2.1")


def test_wait_ends_after_a_quarter_of_an_hour_and_old_tries_are_forgotten(any_database: Database) -> None:
    for _ in range(5):
        try_password(any_database, "planner@example.org", "192.0.2.1")

    try_password(any_database, "planner@example.org", "192.0.2.1", NOW + timedelta(minutes=15))
    with any_database.read() as session:
        assert len(session.scalars(select(SignInAttemptRow)).all()) == 3


def test_signing_in_takes_back_ones_own_tries(any_database: Database) -> None:
    for _ in range(5):
        try_password(any_database, "planner@example.org", "192.0.2.1")
    with any_database.write() as session:
        accounts.forget_attempts(session, email="planner@example.org", place="192.0.2.1")

    try_password(any_database, "planner@example.org", "192.0.2.1")


def run(runtime: Runtime, *arguments: str, typed: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["users", *arguments], obj=runtime, input=typed)
    return result.exit_code, result.output


def test_users_commands_add_list_disable_and_give_passwords(runtime: Runtime) -> None:
    assert run(runtime, "list")[1].startswith("Nobody can sign in yet")
    code, output = run(
        runtime,
        *("add", "planner@example.org", "--name", "A Planner", "--role", "planner", "--password-stdin"),
        typed=PASSWORD + "\n",
    )
    assert (code, PASSWORD in output) == (0, False)
    assert signs_in(runtime.database, "planner@example.org", PASSWORD)

    code, output = run(runtime, "password", "planner@example.org", "--generate")
    assert code == 0
    assert signs_in(runtime.database, "planner@example.org", output.split("Password: ")[1].strip())

    assert run(runtime, "disable", "planner@example.org")[0] == 0
    assert "(disabled 2019-11-28)" in run(runtime, "list")[1]


def test_users_command_says_what_is_wrong_and_exits_non_zero(runtime: Runtime) -> None:
    code, output = run(runtime, "disable", "who@example.org")

    assert code != 0
    assert "see `janela users list`" in output
