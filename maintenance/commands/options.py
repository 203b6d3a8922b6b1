"""What several commands ask for: who takes the step, texts per language, instants, the person's role."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy.orm import Session

from maintenance import accounts
from maintenance.document_fields import language_code
from maintenance.errors import InvalidTime, StepRefused
from maintenance.lifecycle import SYSTEM, Actor, Role
from maintenance.texts import ANY, Text
from maintenance.windows import resolve, zone

_F = TypeVar("_F", bound=Callable[..., Any])

#: `--by`: recorded in the log, its role decides what may be done.
by_option = click.option(
    "--by", metavar="EMAIL", help="Who takes the step; unless said, the system account, recorded as such."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")


def reason_option(help_text: str = "Why, for readers") -> Callable[[_F], _F]:
    """Return the option `--reason`, which can be given once for each language."""
    return click.option(
        "--reason",
        "reasons",
        multiple=True,
        metavar="TEXT",
        help=f'{help_text}. Once for each language: --reason pt="…" --reason en="…".',
    )


#: `--override`: why a step is taken although clashes block; kept in the log and with the version.
override_option = click.option(
    "--override",
    default="",
    metavar="TEXT",
    help="Why it is done although clashes block it; for approvers, kept in the log.",
)


def actor(session: Session, by: str | None) -> Actor:
    """Return who takes the step: the person with that address, or the system account.

    Raises:
        NotFound: When nobody has that address.
        StepRefused: When the person's account was disabled.
    """
    if by is None or by == SYSTEM.name:
        return SYSTEM
    row = accounts.get_user(session, by)
    if row.disabled_at is not None:
        raise StepRefused("The account %(email)s is disabled; it can take no step.", email=row.email)
    return Actor(row.email, Role(row.role))


def text_of(parts: Iterable[str]) -> Text:
    """Return the text of options such as `pt=Adiada` `en=Postponed`; words alone are for every language.

    >>> text_of(["pt=Adiada", "en=Postponed"]).in_language("en"), text_of(["Adiada"]).document()
    ('Postponed', 'Adiada')
    """
    variants: dict[str, str] = {}
    for part in parts:
        code, separator, words = part.partition("=")
        language = language_code(code) if separator else ""
        variants[language or ANY] = (words if language else part).strip()
    return Text(tuple((code, words) for code, words in variants.items() if words))


def local_time(text: str) -> datetime:
    """Return the naive wall time of `2019-11-30T14:00` (or with a space).

    Raises:
        InvalidTime: For anything else, an offset too: the plan's zone counts.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment
    except ValueError:
        pass
    raise InvalidTime("“%(text)s” is no local time; write it as in 2019-11-30T14:00.", text=text)


def instant(text: str, zone_name: str, *, now: datetime) -> datetime:
    """Return an instant: local time of the zone, ISO 8601 with an offset, or `10:00`, the next one from now.

    Raises:
        InvalidTime: For anything else.
    """
    try:
        if len(text) <= 5:
            clock = datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - the zone's day is added
            local = datetime.combine(now.astimezone(zone(zone_name)).date(), clock)
            today = resolve(local, zone_name).instant
            return today if today > now else resolve(local + timedelta(days=1), zone_name).instant
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidTime(
            "“%(text)s” is no time; write 10:00, 2019-12-01T10:00 (local) or 2019-12-01T10:00Z.", text=text
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else resolve(moment, zone_name).instant


def read_file(path: Path, limit_mb: int) -> bytes:
    """Return the bytes of a document; one byte more than the limit of one that is too large, to be refused."""
    with path.open("rb") as file:
        return file.read(limit_mb * 1_000_000 + 1)


def echo_json(document: object) -> None:
    """Print a document as JSON."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=1))
