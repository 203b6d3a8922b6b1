"""The cells of the directory document: each function returns what one means, and what is wrong with it ("" if nothing)."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from pydantic_core import PydanticCustomError

from maintenance.document_fields import control_character_in, email_address, language_code
from maintenance.errors import InvalidTime, did_you_mean
from maintenance.windows import zone
from notifications.quiet_hours import read_quiet_hours

#: Channels that contacts can ask for.
CHANNELS = ("email", "sms")
#: Stands before them for a contact that is told only when nobody else of its institution was reached.
STANDBY = "standby"
#: Longest name of an institution or a contact.
_NAME_LIMIT = 255


def name_of(text: str) -> tuple[str, str]:
    """Return the name of an institution or a contact."""
    if not text:
        return "", "The name is missing."
    if problem := control_character_in(text):
        return "", problem
    if len(text) > _NAME_LIMIT:
        return "", f"The name has {len(text)} characters; at most {_NAME_LIMIT} fit."
    if text[0] in "=+-@":
        # Spreadsheets run such a cell as a formula, also in what is exported later (OWASP: CSV injection).
        return "", f"A name cannot begin with “{text[0]}”: spreadsheets take it for a formula."
    return text, ""


#: Names of mail boxes that need no closer look; every other one gets it.
_SIMPLE_LOCAL = re.compile(r"[A-Za-z0-9_-]+(?:[.+][A-Za-z0-9_-]+)*")


@lru_cache(4096)
def _domain(name: str) -> str:
    """Return the domain as it is kept, "" where a whole address must be looked at."""
    try:
        return email_address(f"a@{name}").partition("@")[2]
    except PydanticCustomError:
        return ""


def email_of(text: str) -> tuple[str, str]:
    """Return an e-mail address as it is kept; an empty cell means none."""
    if not text:
        return "", ""
    local, _, domain = text.rpartition("@")
    if (
        len(local) <= 64
        and len(text) <= 254
        and _SIMPLE_LOCAL.fullmatch(local)
        and (known := _domain(domain))
    ):
        return f"{local}@{known}", ""
    try:
        address = email_address(text)
    except PydanticCustomError as error:
        return "", error.message()
    if address[0] in "=+-@":
        return "", f"An address cannot begin with “{address[0]}”: spreadsheets take it for a formula."
    return address, ""


_E164 = re.compile(r"\+[1-9][0-9 ()./-]{5,30}", re.ASCII)


def phone_of(text: str) -> tuple[str, str]:
    """Return a telephone number in E.164; an empty cell means none."""
    if not text:
        return "", ""
    if not _E164.fullmatch(text):
        return "", f"“{text[:40]}” is no telephone number in E.164; write it as in +351220000000."
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        return "", f"“{text[:40]}” is no telephone number: {error}"
    if not phonenumbers.is_possible_number(number):
        return "", f"“{text[:40]}” is no possible telephone number: too short or too long for its country."
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), ""


def zone_of(name: str) -> tuple[str, str]:
    """Return an IANA zone."""
    if not name:
        return "", ""
    try:
        return zone(name).key, ""
    except InvalidTime as error:
        return "", str(error)


def language_of(text: str) -> tuple[str, str]:
    """Return a BCP 47 code."""
    code = language_code(text)
    if text and not code:
        return "", f"“{text[:40]}” is no language; use a BCP 47 code such as pt, en or pt-BR."
    return code, ""


def channels_of(text: str) -> tuple[str, str]:
    """Return the channels, in the order in which they are kept; behind `STANDBY` if it stands there."""
    words = (STANDBY, *CHANNELS)
    for word in text.split():
        if word not in words:
            hint = did_you_mean(word.lower(), words)
            return "", f"The channel “{word[:40]}” is not one of {', '.join(CHANNELS)}, nor {STANDBY}.{hint}"
    return " ".join(word for word in words if word in text.split()), ""


def quiet_hours_of(text: str) -> tuple[str, str]:
    """Return quiet hours in the form in which they are kept."""
    try:
        return str(read_quiet_hours(text) or ""), ""
    except InvalidTime as error:
        return "", str(error)
