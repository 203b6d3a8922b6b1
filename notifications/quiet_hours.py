"""When a reader wants to be left alone: wall times in their zone, also over midnight and clock changes. PURE."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache

from maintenance.errors import InvalidTime
from maintenance.windows import zone

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*[-–]\s*([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one wall time until another, the next day if that is not later."""

    start: time
    end: time

    def __str__(self) -> str:
        """Return what `read_quiet_hours` reads.

        >>> str(QuietHours(time(22), time(8)))
        '22:00-08:00'
        """
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


@lru_cache(1024)
def read_quiet_hours(text: str) -> QuietHours | None:
    """Return the quiet hours that a text like “22:00-08:00” means; None for an empty one.

    Raises:
        InvalidTime: If it cannot be read, or would leave no hour of the day.
    """
    if not text.strip():
        return None
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise InvalidTime("“%(text)s” are no quiet hours; write them as 22:00-08:00.", text=text[:40])
    start = time(int(found[1]), int(found[2]))
    end = time(int(found[3]), int(found[4]))
    if start == end:
        raise InvalidTime("Quiet hours that end when they begin leave no hour to write in; shorten them.")
    return QuietHours(start, end)


def quiet_until(hours: QuietHours, zone_name: str, now: datetime) -> datetime | None:
    """Return when the quiet hours end in which `now` lies, in UTC; None outside of them.

    Where a clock change takes a wall time away, the offset before the change holds; where it makes
    one stand twice, the first is meant (RFC 5545 3.3.5). A night is thus an hour shorter or longer.

    Args:
        hours: The reader's.
        zone_name: The reader's IANA zone.
        now: An aware instant.
    """
    where = zone(zone_name)
    today = now.astimezone(where).date()
    for day in (today - timedelta(days=1), today):
        last = day if hours.end > hours.start else day + timedelta(days=1)
        # The wall times of both ends, fold 0: the rule above is what Python does with it.
        start = datetime.combine(day, hours.start, where).astimezone(UTC)
        end = datetime.combine(last, hours.end, where).astimezone(UTC)
        if start <= now < end:
            return end
    return None
