"""Times and lengths as people type them: kept as typed, read by one rule, refused with a sentence."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from flask_babel import lazy_gettext
from markupsafe import Markup
from wtforms import Field, StringField
from wtforms.validators import ValidationError

from maintenance.errors import InvalidTime
from maintenance.windows import format_duration, parse_duration

_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_HOURS = re.compile(
    r"(?:(?P<hours>\d{1,4})\s*h?|(?P<h>\d{1,4})(?::|\s*h\s*)(?P<m>[0-5]?\d)(?:\s*(?:m|min))?|(?P<minutes>\d{1,5})\s*(?:m|min))",
    re.IGNORECASE,
)


def read_length(typed: str) -> timedelta:
    """Return the length that somebody typed: 18, 18:30, 18h30, 90 min, or ISO 8601 as in PT18H.

    Raises:
        InvalidTime: For anything else.

    >>> read_length("18:30") == read_length("18h30") == read_length("PT18H30M") == timedelta(hours=18.5)
    True
    >>> read_length("18"), read_length("90 min")
    (datetime.timedelta(seconds=64800), datetime.timedelta(seconds=5400))
    """
    if match := _HOURS.fullmatch(typed.strip()):
        found = match.groupdict(default="0")
        return timedelta(
            hours=int(found["hours"]) + int(found["h"]), minutes=int(found["m"]) + int(found["minutes"])
        )
    return parse_duration(typed.strip().upper())


def write_length(length: timedelta) -> str:
    """Return what `read_length` reads back: hours and minutes, ISO 8601 where there are seconds.

    >>> write_length(timedelta(hours=18)), write_length(timedelta(seconds=90))
    ('18:00', 'PT1M30S')
    """
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    return format_duration(length) if seconds else f"{minutes // 60}:{minutes % 60:02}"


class LocalTimeField(StringField):
    """A time on the clock of the plan's zone, kept as typed: what cannot be read is shown again."""

    def __call__(self, **kwargs: object) -> Markup:
        """Return the control; a value that a date control would drop gets a plain one."""
        shape = "text" if self.data and not _LOCAL.fullmatch(self.data) else "datetime-local"
        return super().__call__(type=shape, **kwargs)


class DayField(StringField):
    """A day, kept as typed."""

    def __call__(self, **kwargs: object) -> Markup:
        """Return the control; a value that a date control would drop gets a plain one."""
        shape = "text" if self.data and not _DAY.fullmatch(self.data) else "date"
        return super().__call__(type=shape, **kwargs)


def local_time_of(field: Field) -> datetime | None:
    """Return the naive wall time that was typed; None if nothing was.

    Raises:
        ValidationError: For what is no time.
    """
    if not field.data:
        return None
    try:
        found = datetime.fromisoformat(field.data)
        if found.tzinfo is None and 1970 <= found.year <= 2200:
            return found
    except ValueError:
        pass
    raise ValidationError(str(lazy_gettext("Enter a date and a time, as in 2019-11-30T14:00.")))


def length_of(field: Field) -> timedelta | None:
    """Return the length that was typed; None if nothing was.

    Raises:
        ValidationError: For what is no length.
    """
    if not field.data:
        return None
    try:
        return read_length(field.data)
    except InvalidTime:
        raise ValidationError(str(lazy_gettext("Write hours and minutes, as in 2:00 or 90 min."))) from None
