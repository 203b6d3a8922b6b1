"""The schema of profiles in catalogue documents: hours of the week with their weights."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from maintenance.document_fields import AudienceCode, Clock, Entry, Weekday, WeekdayName, Whole, wrong
from maintenance.profiles import OFFICE_HOURS, ROUND_THE_CLOCK, BusyHours, WeekProfile


def _whole_hour(clock: time) -> time:
    if clock.minute:
        raise wrong("Profiles know whole hours; write a time such as 08:00.")
    return clock


def _own_name(code: str) -> str:
    if code in (OFFICE_HOURS, ROUND_THE_CLOCK):
        raise wrong("%(code)s is there already and cannot be changed; give yours another code.", code=code)
    return code


_Hour = Annotated[Clock, AfterValidator(_whole_hour)]
_Weight = Annotated[Whole, Field(ge=0, le=1000)]


class BusyHoursEntry(Entry):
    """Some hours of some days."""

    days: Annotated[list[WeekdayName], Field(min_length=1)]
    start: _Hour
    end: _Hour
    weight: _Weight

    def value(self) -> BusyHours:
        """Return the hours."""
        return BusyHours(tuple(int(day) for day in self.days), self.start.hour, self.end.hour, self.weight)


class ProfileEntry(Entry):
    """When in the week a volume comes."""

    code: Annotated[AudienceCode, AfterValidator(_own_name)]
    weekly: Annotated[list[BusyHoursEntry], Field(min_length=1)]
    rest: _Weight = 0

    @model_validator(mode="after")
    def _each_hour_once(self) -> ProfileEntry:
        seen: set[int] = set()
        for each in self.weekly:
            for hour in each.value().hours:
                if hour in seen:
                    raise wrong(
                        "The hour from %(hour)s on %(day)s stands twice; give it one weight.",
                        hour=f"{hour % 24:02}:00",
                        day=Weekday(hour // 24).name.lower(),
                    )
                seen.add(hour)
        if not any(self.value().weights):
            raise wrong("All hours have the weight 0; give some of them more.")
        return self

    def value(self) -> WeekProfile:
        """Return the profile."""
        return WeekProfile(self.code, tuple(each.value() for each in self.weekly), self.rest)


def profile_document(profile: WeekProfile) -> dict[str, Any]:
    """Return one profile as a document has it."""
    weekly = [
        {
            "days": [Weekday(day).name.lower() for day in busy.days],
            "start": f"{busy.start:02}:00",
            "end": f"{busy.end:02}:00",
            "weight": busy.weight,
        }
        for busy in profile.weekly
    ]
    return {"code": profile.code, "weekly": weekly} | ({"rest": profile.rest} if profile.rest else {})


def profile_from(document: dict[str, Any]) -> WeekProfile:
    """Return the profile that `profile_document` wrote."""
    return ProfileEntry.model_validate(document).value()
