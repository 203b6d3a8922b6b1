"""The kinds of fields that documents are made of: text, codes, times, addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from enum import Enum, IntEnum
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from maintenance.catalogue import CODE_PATTERN, Impact
from maintenance.errors import InvalidTime, did_you_mean
from maintenance.library_words import address_complaint
from maintenance.sentences import Sentence
from maintenance.windows import parse_duration, zone
from maintenance.yaml_core import Plain

#: Longest line (a name) and longest text (instructions), in characters.
LINE_LIMIT = 300
TEXT_LIMIT = 20_000


def wrong(message: str | Sentence, **values: object) -> PydanticCustomError:
    """Return the error that pydantic carries to its place in the document: a message with values, or a sentence."""
    sentence = message if isinstance(message, Sentence) else Sentence(message, **values)
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence})


def sentence_of(error: PydanticCustomError) -> Sentence:
    """Return the sentence that `wrong` put into the error."""
    found = (error.context or {}).get("sentence")
    return found if isinstance(found, Sentence) else Sentence(error.message())


class Entry(BaseModel):
    """A mapping of a document: unknown keys are mistakes, a key with nothing behind it counts as absent."""

    model_config = ConfigDict(strict=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        if isinstance(data, dict) and None in data.values():
            return {key: value for key, value in data.items() if value is not None}
        return data


# -- text ------------------------------------------------------------------------------------------

#: Controls, surrogates, line separators, and marks that turn the writing direction: in a name they
#: could begin a header of a mail or make it look like another name.
_NOT_IN_LINE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
#: Texts of several lines may have line ends and tabs.
_NOT_IN_TEXT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def control_character_in(text: str, *, lines: bool = False) -> Sentence | None:
    """Return what is wrong with the characters of a text, None if nothing; `lines` allows several lines."""
    found = (_NOT_IN_TEXT if lines else _NOT_IN_LINE).search(text)
    if not found:
        return None
    if found[0] in "\r\n":
        return Sentence("This holds a line break; write it in one line.")
    return Sentence(
        "This holds the control character %(character)s; take it out.", character=f"U+{ord(found[0]):04X}"
    )


def _too_long(text: str, limit: int) -> PydanticCustomError:
    return wrong("This has %(length)s characters; at most %(limit)s fit.", length=len(text), limit=limit)


def _line(text: str) -> str:
    text = text.strip()
    if problem := control_character_in(text):
        raise wrong(problem)
    if len(text) > LINE_LIMIT:
        raise _too_long(text, LINE_LIMIT)
    return text


def _paragraphs(text: str) -> str:
    text = text.replace("\r\n", "\n").strip()
    if problem := control_character_in(text, lines=True):
        raise wrong(problem)
    if len(text) > TEXT_LIMIT:
        raise _too_long(text, TEXT_LIMIT)
    return text


def _as_written(value: Any) -> Any:
    """Let a number or truth without quotes be text again where the schema wants text."""
    return str(value) if isinstance(value, Plain) else value


_Written = Annotated[str, BeforeValidator(_as_written)]
Line = Annotated[_Written, AfterValidator(_line)]
Paragraphs = Annotated[_Written, AfterValidator(_paragraphs)]

_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:-([A-Za-z]{4}))?(?:-([A-Za-z]{2}|[0-9]{3}))?")


@lru_cache(1024)
def language_code(text: str) -> str:
    """Return a BCP 47 code as it is usually written (`pt-BR`); "" for what is none."""
    match = _LANGUAGE.fullmatch(text)
    if not match:
        return ""
    language, script, region = match.groups()
    return "-".join(
        part
        for part in (language.lower(), script.title() if script else "", region.upper() if region else "")
        if part
    )


def _language(text: str) -> str:
    code = language_code(text)
    if not code:
        raise wrong(no_language(text))
    return code


def no_language(text: str) -> Sentence:
    """Return what is said of a text that is no language code."""
    return Sentence("“%(text)s” is no language; use a BCP 47 code such as pt, en or pt-BR.", text=text[:40])


def _variants(value: Any) -> Any:
    if isinstance(value, str):
        return {"und": str(value)}
    if isinstance(value, dict):
        return {language: words for language, words in value.items() if words is not None}
    raise wrong("Write text here, or one text for each language, as in {pt: …, en: …}.")


def _some(variants: dict[str, str]) -> dict[str, str]:
    return {language: words for language, words in variants.items() if words}


def _not_empty(variants: dict[str, str]) -> dict[str, str]:
    if not variants:
        raise wrong("This is empty; write some text.")
    return variants


_Language = Annotated[str, AfterValidator(_language)]
#: One line, in one or several languages; comes out as {language: words}, "und" when none was said.
Words = Annotated[dict[_Language, Line], BeforeValidator(_variants), AfterValidator(_some)]
#: Several lines, likewise.
LongWords = Annotated[dict[_Language, Paragraphs], BeforeValidator(_variants), AfterValidator(_some)]
Name = Annotated[Words, AfterValidator(_not_empty)]

# -- codes -----------------------------------------------------------------------------------------

_CODE = re.compile(CODE_PATTERN)
_AUDIENCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def is_code(text: str) -> bool:
    """Return whether it can name a system, an operator, an institution or an intervention."""
    return _CODE.fullmatch(text) is not None


def _code(text: str) -> str:
    if not is_code(text):
        raise wrong(no_code(text))
    return text


def no_code(text: str) -> Sentence:
    """Return what is said of a text that is no code."""
    said = Sentence(
        "“%(text)s” is no code: up to 64 capital letters, digits, dots, hyphens and underscores, "
        "the first a letter or digit.",
        text=text[:70],
    )
    return said.then(_would_be_right(text.upper()) if is_code(text.upper()) else None)


def _would_be_right(code: str) -> Sentence:
    return Sentence("%(code)s would be right.", code=code)


def _audience_code(text: str) -> str:
    if not _AUDIENCE.fullmatch(text):
        said = Sentence(
            "“%(text)s” is no audience code: up to 64 lower-case letters, digits, dots, hyphens and underscores.",
            text=text[:70],
        )
        better = _would_be_right(text.lower()) if _AUDIENCE.fullmatch(text.lower()) else None
        raise wrong(said.then(better))
    return text


Code = Annotated[_Written, AfterValidator(_code)]
AudienceCode = Annotated[_Written, AfterValidator(_audience_code)]
PhaseId = Annotated[_Written, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]

# -- numbers, truths, choices ----------------------------------------------------------------------


def _as_number(value: Any) -> Any:
    return value.value if isinstance(value, Plain) and type(value.value) is int else value


def _as_truth(value: Any) -> Any:
    return value.value if isinstance(value, Plain) and type(value.value) is bool else value


Whole = Annotated[int, BeforeValidator(_as_number)]
Truth = Annotated[bool, BeforeValidator(_as_truth)]

_E = TypeVar("_E", bound=Enum)


def choice(options: Mapping[str, _E]) -> BeforeValidator:
    """Return a validator that turns one of the words of a standard into its value."""

    def parse(value: Any) -> _E:
        if isinstance(value, str) and value in options:
            return options[value]
        if not isinstance(value, str):
            raise wrong("Write one of %(options)s.", options=", ".join(options))
        cased = value.upper() if next(iter(options)).isupper() else value.lower()
        hint = did_you_mean(cased.replace("_", "-").replace(" ", "-"), options)
        said = Sentence("“%(text)s” is not one of %(options)s.", text=value[:40], options=", ".join(options))
        raise wrong(said.then(hint))

    return BeforeValidator(parse)


ImpactCode = Annotated[Impact, choice({impact.code: impact for impact in Impact})]

# -- times -----------------------------------------------------------------------------------------


def _length(value: Any) -> timedelta:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except InvalidTime as error:
            raise wrong(error.sentence) from None
    raise wrong("Write a duration such as PT30M, PT18H or P7D.")


_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?P<offset>Z|[+-]\d\d:\d\d)?", re.ASCII
)


def _moment(value: Any) -> datetime:
    """Return a naive wall time, or an aware instant where an offset was given."""
    shape = Sentence("Write a date and time such as 2019-11-30T14:00, in the document's timezone.")
    if not isinstance(value, str):
        raise wrong(shape)
    if not _TIME.fullmatch(value):
        raise wrong(Sentence("“%(text)s” is no time.", text=value[:40]).then(shape))
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise wrong(
            "“%(text)s” is no time: there is no such day, or no such time of day; correct it.", text=value
        ) from None
    # Beyond these years clock changes and additions leave what dates can hold.
    if not 1970 <= moment.year <= 2200:
        raise wrong("The year %(year)s cannot be meant; years go from 1970 to 2200.", year=moment.year)
    return moment


def _zone(name: str) -> str:
    try:
        return zone(name).key
    except InvalidTime as error:
        raise wrong(error.sentence) from None


Length = Annotated[timedelta, BeforeValidator(_length)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Zone = Annotated[Line, AfterValidator(_zone)]

# -- addresses -------------------------------------------------------------------------------------


def email_address(text: str) -> str:
    """Return a mail address with its domain in lower case; no name server is asked.

    Raises:
        PydanticCustomError: With a sentence that says what is wrong with it.
    """
    if problem := control_character_in(text):
        raise wrong(problem)
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        why = address_complaint(str(error))
        raise wrong("“%(text)s” is no e-mail address: %(why)s", text=text[:80], why=why) from None


Email = Annotated[_Written, AfterValidator(email_address)]


_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def _clock(value: Any) -> time:
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return time.fromisoformat(str(value))
    raise wrong("Write a time of the day such as 22:00; midnight is 00:00.")


#: A time of the day.
Clock = Annotated[time, BeforeValidator(_clock)]


class Weekday(IntEnum):
    """Days as `date.weekday` counts them."""

    MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)


WeekdayName = Annotated[Weekday, choice({day.name.lower(): day for day in Weekday})]
