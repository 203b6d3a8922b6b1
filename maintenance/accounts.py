"""People who can sign in: their roles, their passwords, and how often a password may be tried."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from maintenance.errors import JanelaError, NotFound
from maintenance.library_words import address_complaint
from maintenance.lifecycle import Role
from maintenance.models import SignInAttemptRow, UserRow

#: Shortest password; length is what counts (NIST SP 800-63B 3.1.1.2 asks for 15 where it stands alone).
MIN_PASSWORD_LENGTH = 12
#: Longer ones are refused, so that nobody makes the server hash megabytes.
MAX_PASSWORD_LENGTH = 256
#: How far back failed sign-ins count.
THROTTLE_FOR = timedelta(minutes=15)
#: Failed sign-ins within that time: for one address from one place, from one place, for one address.
#: The last is generous, or a stranger could keep a coordinator out on the night of the work.
MAX_FAILURES = {"both": 5, "place": 30, "email": 100}


class InvalidAccount(JanelaError):
    """An address, a name or a password that cannot be used."""


class TooManyAttempts(JanelaError):
    """The password was wrong too often; wait a while."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can sign in, as pages need to know them."""

    id: int
    email: str
    name: str
    role: Role
    #: The language the person chose; empty: as the browser asks.
    language: str
    #: Changes with the password, so that older sessions end when it does.
    stamp: str


def account_of(row: UserRow) -> Account:
    """Return the account of a row."""
    stamp = hashlib.sha256(row.password_hash.encode()).hexdigest()[:16]
    return Account(row.id, row.email, row.name, Role(row.role), row.language, stamp)


def find_account(session: Session, account_id: int) -> Account | None:
    """Return the account with that number; None if there is none, or it was disabled."""
    row = session.get(UserRow, account_id)
    return account_of(row) if row is not None and row.disabled_at is None else None


def list_users(session: Session) -> Sequence[UserRow]:
    """Return everybody, disabled ones too, by address."""
    return session.scalars(select(UserRow).order_by(UserRow.email)).all()


def add_user(
    session: Session,
    *,
    email: str,
    name: str,
    role: Role,
    password: str,
    now: datetime,
    language: str = "",
) -> UserRow:
    """Return a new person who can sign in at once.

    Raises:
        InvalidAccount: For an address that is none or is taken, an empty name, a password too short.
    """
    address = _checked_email(email)
    if _find_row(session, address) is not None:
        raise InvalidAccount(
            "There is already an account for %(email)s; use `janela users password` to give it a new password.",
            email=address,
        )
    label = " ".join(name.split())
    if not label or not label.isprintable():
        raise InvalidAccount("Give the person's name, without control characters.")
    row = UserRow(
        email=address,
        name=label[:255],
        role=role.value,
        password_hash=_hashed(password),
        language=language,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def set_password(session: Session, user: UserRow, password: str) -> None:
    """Give the person another password; every session of theirs has ended.

    Raises:
        InvalidAccount: For a password too short or too long.
    """
    user.password_hash = _hashed(password)
    _forget_attempts(session, [_attempt_key("email", user.email)])


def disable_user(session: Session, email: str, *, now: datetime) -> UserRow:
    """Return the person, who can no longer sign in and is signed out everywhere.

    Raises:
        NotFound: When nobody has that address.
    """
    row = get_user(session, email)
    row.disabled_at = row.disabled_at or now
    return row


def get_user(session: Session, email: str) -> UserRow:
    """Return the person with that address.

    Raises:
        NotFound: When nobody has it.
    """
    row = _find_row(session, email.strip().lower())
    if row is None:
        raise NotFound("Nobody has the address %(email)s; see `janela users list`.", email=email)
    return row


def count_attempt(session: Session, *, email: str, place: str, now: datetime) -> None:
    """Note that somebody at `place` (a network address) is about to try a password.

    The attempt counts before the password is looked at: attempts made at once cannot all slip
    through, and an unknown address is counted like a known one.

    Raises:
        TooManyAttempts: When too many failed of late; this one does not count.
    """
    keys = _attempt_keys(email, place)
    session.execute(delete(SignInAttemptRow).where(SignInAttemptRow.at <= now - THROTTLE_FOR))
    counts = dict(
        session.execute(
            select(SignInAttemptRow.key, func.count())
            .where(SignInAttemptRow.key.in_(keys.values()))
            .group_by(SignInAttemptRow.key)
        ).all()
    )
    if any(counts.get(key, 0) >= MAX_FAILURES[which] for which, key in keys.items()):
        raise TooManyAttempts(
            "There were too many attempts to sign in. Wait %(minutes)s minutes, then try again; "
            "an administrator can give you a new password.",
            minutes=int(THROTTLE_FOR.total_seconds() // 60),
        )
    session.add_all(SignInAttemptRow(key=key, at=now) for key in keys.values())


def authenticate(session: Session, email: str, password: str) -> Account | None:
    """Return the account whose password this is; None, after as long, for every other reason."""
    row = _find_row(session, email.strip().lower())
    known = row is not None and row.disabled_at is None
    # An unknown address costs a hash as well: the time taken tells nothing.
    stored = row.password_hash if row is not None and known else _NOBODY
    right = check_password_hash(stored, password[:MAX_PASSWORD_LENGTH])
    return account_of(row) if row is not None and known and right else None


def forget_attempts(session: Session, *, email: str, place: str) -> None:
    """Take back the attempts of somebody who has signed in; others at their place keep theirs."""
    keys = _attempt_keys(email, place)
    _forget_attempts(session, [keys["both"], keys["email"]])


def _forget_attempts(session: Session, keys: Sequence[str]) -> None:
    session.execute(delete(SignInAttemptRow).where(SignInAttemptRow.key.in_(keys)))


def _attempt_keys(email: str, place: str) -> dict[str, str]:
    address = email.strip().lower()
    return {
        "both": _attempt_key("both", address, place),
        "place": _attempt_key("place", place),
        "email": _attempt_key("email", address),
    }


def _attempt_key(*parts: str) -> str:
    # Hashed: what people type into the field by mistake (a password) is not kept.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _find_row(session: Session, address: str) -> UserRow | None:
    return session.scalar(select(UserRow).where(UserRow.email == address))


def _checked_email(email: str) -> str:
    try:
        return validate_email(email.strip(), check_deliverability=False).normalized.lower()
    except EmailNotValidError as error:
        why = address_complaint(str(error))
        raise InvalidAccount("“%(email)s” is no e-mail address: %(why)s", email=email, why=why) from None


def _hashed(password: str) -> str:
    if len(password) < MIN_PASSWORD_LENGTH:
        raise InvalidAccount(
            "The password is too short; use %(length)s characters or more.", length=MIN_PASSWORD_LENGTH
        )
    if len(password) > MAX_PASSWORD_LENGTH:
        raise InvalidAccount("The password is too long; use at most %(length)s.", length=MAX_PASSWORD_LENGTH)
    return generate_password_hash(password, method="scrypt")


#: The hash that an unknown address is checked against; its password is known to nobody.
_NOBODY = generate_password_hash(hashlib.sha256(b"nobody").hexdigest(), method="scrypt")
