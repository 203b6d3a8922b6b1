"""The cells of the directory document: each function returns what one means, and what is wrong with it, None if nothing."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from pydantic_core import PydanticCustomError

from maintenance.document_fields import (
    control_character_in,
    email_address,
    language_code,
    no_language,
    sentence_of,
)
from maintenance.errors import InvalidTime, did_you_mean
from maintenance.sentences import Sentence
from maintenance.windows import zone
from notifications.quiet_hours import read_quiet_hours

#: Channels that contacts can ask for.
CHANNELS = ("email", "sms")
#: Stands before them for a contact that is told only when nobody else of its institution was reached.
STANDBY = "standby"
#: Longest name of an institution or a contact.
_NAME_LIMIT = 255


#: What a cell means, and what is wrong with it.
Meaning = tuple[str, Sentence | None]


def name_of(text: str) -> Meaning:
    """Return the name of an institution or a contact."""
    if not text:
        return "", Sentence("The name is missing; write one.")
    if problem := control_character_in(text):
        return "", problem
    if len(text) > _NAME_LIMIT:
        return "", Sentence(
            "The name has %(length)s characters; at most %(limit)s fit.", length=len(text), limit=_NAME_LIMIT
        )
    if text[0] in "=+-@":
        # Spreadsheets run such a cell as a formula, also in what is exported later (OWASP: CSV injection).
        return "", Sentence(
            "A name cannot begin with “%(character)s”: spreadsheets take it for a formula.", character=text[0]
        )
    return text, None


#: Names of mail boxes that need no closer look; every other one gets it.
_SIMPLE_LOCAL = re.compile(r"[A-Za-z0-9_-]+(?:[.+][A-Za-z0-9_-]+)*")


@lru_cache(4096)
def _domain(name: str) -> str:
    """Return the domain as it is kept, "" where a whole address must be looked at."""
    try:
        return email_address(f"a@{name}").partition("@")[2]
    except PydanticCustomError:
        return ""


def email_of(text: str) -> Meaning:
    """Return an e-mail address as it is kept; an empty cell means none."""
    if not text:
        return "", None
    local, _, domain = text.rpartition("@")
    if (
        len(local) <= 64
        and len(text) <= 254
        and _SIMPLE_LOCAL.fullmatch(local)
        and (known := _domain(domain))
    ):
        return f"{local}@{known}", None
    try:
        address = email_address(text)
    except PydanticCustomError as error:
        return "", sentence_of(error)
    if address[0] in "=+-@":
        return "", Sentence(
            "An address cannot begin with “%(character)s”: spreadsheets take it for a formula.",
            character=address[0],
        )
    return address, None


_E164 = re.compile(r"\+[1-9][0-9 ()./-]{5,30}", re.ASCII)


def phone_of(text: str) -> Meaning:
    """Return a telephone number in E.164; an empty cell means none."""
    if not text:
        return "", None
    if not _E164.fullmatch(text):
        return "", Sentence(
            "“%(text)s” is no telephone number in E.164; write it as in +351220000000.", text=text[:40]
        )
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return "", Sentence(
            "“%(text)s” is no telephone number: no country has the code with which it begins; correct it.",
            text=text[:40],
        )
    if not phonenumbers.is_possible_number(number):
        return "", Sentence(
            "“%(text)s” is no possible telephone number: too short or too long for its country.",
            text=text[:40],
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), None


def zone_of(name: str) -> Meaning:
    """Return an IANA zone."""
    if not name:
        return "", None
    try:
        return zone(name).key, None
    except InvalidTime as error:
        return "", error.sentence


def language_of(text: str) -> Meaning:
    """Return a BCP 47 code."""
    code = language_code(text)
    return code, no_language(text) if text and not code else None


def channels_of(text: str) -> Meaning:
    """Return the channels, in the order in which they are kept; behind `STANDBY` if it stands there."""
    words = (STANDBY, *CHANNELS)
    for word in text.split():
        if word not in words:
            said = Sentence(
                "The channel “%(word)s” is not one of %(channels)s, nor %(standby)s.",
                word=word[:40],
                channels=", ".join(CHANNELS),
                standby=STANDBY,
            )
            return "", said.then(did_you_mean(word.lower(), words))
    return " ".join(word for word in words if word in text.split()), None


def quiet_hours_of(text: str) -> Meaning:
    """Return quiet hours in the form in which they are kept."""
    try:
        return str(read_quiet_hours(text) or ""), None
    except InvalidTime as error:
        return "", error.sentence
