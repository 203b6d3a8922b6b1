"""Dates, lengths, lists, impacts and systems in the words of one language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, get_timezone_location
from babel.lists import format_list
from babel.support import NullTranslations, Translations

from maintenance.catalogue import Impact, Kind
from maintenance.settings import ROOT
from maintenance.windows import change_within, zone
from notifications.errors import MissingTranslations

#: The gettext domain of everything that notices say.
DOMAIN = "notices"
FOLDER = ROOT / "translations"
#: Which country's dates a language without a country has.
_COUNTRY = {"pt": "pt_PT", "en": "en_GB"}


def N_(message: str) -> str:
    """Return the message as it is; marks it for translation."""
    return message


IMPACTS = {
    Impact.OUTAGE: N_("unavailable"),
    Impact.DEGRADED: N_("limited service"),
    Impact.REDUCED_REDUNDANCY: N_("in service, with reduced redundancy"),
    Impact.NO_IMPACT: N_("in service"),
}
#: What a system is called where its name may not stand.
KINDS = {
    Kind.SERVICE: N_("a service"),
    Kind.APPLICATION: N_("an application"),
    Kind.DATABASE: N_("a shared database"),
    Kind.SERVER: N_("a server"),
    Kind.NETWORK: N_("a network"),
    Kind.DATA_CENTRE: N_("a data centre"),
    Kind.SITE: N_("a site"),
    Kind.DEVICE: N_("a device"),
    Kind.PARTNER: N_("a partner's platform"),
}
#: Zones whose city is not what people call their time.
_ZONES = {
    "Atlantic/Azores": N_("Azores time"),
    "Atlantic/Madeira": N_("Madeira time"),
    "America/Sao_Paulo": N_("Brasília time"),
    "UTC": N_("UTC"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """One language: its sentences and how it writes dates and lists."""

    #: BCP 47, as `lang` attributes want it; English where the language asked for is not offered.
    language: str
    locale: Locale
    translations: NullTranslations

    def gettext(self, message: str, **values: object) -> str:
        """Return the sentence in this language, its `%(name)s` places filled."""
        said = self.translations.gettext(message)
        return said % values if values else said

    def ngettext(self, one: str, many: str, count: int, **values: object) -> str:
        """Return the sentence for a count, `%(n)s` and the other places filled."""
        return self.translations.ngettext(one, many, count) % {"n": count, **values}

    def impact(self, impact: Impact) -> str:
        """Return what is said of a system, as in “unavailable”."""
        return self.gettext(IMPACTS[impact])

    def listed(self, items: Sequence[str]) -> str:
        """Return “a, b and c”."""
        return format_list(list(items), locale=self.locale)

    def shortlist(self, items: Sequence[str], most: int) -> str:
        """Return the first `most` items and how many more there are: “PEM, DEM +13”."""
        named = ", ".join(items[:most])
        return f"{named} +{len(items) - most}" if len(items) > most else named

    def length(self, length: timedelta) -> str:
        """Return elapsed time in words, to the minute: “18 hours”, “2 days and 30 minutes”."""
        minutes = max(int(length.total_seconds() + 59) // 60, 1)
        days, minutes = divmod(minutes, 1440) if minutes >= 2880 else (0, minutes)
        hours, minutes = divmod(minutes, 60)
        parts = [
            self.ngettext("%(n)s day", "%(n)s days", days) if days else "",
            self.ngettext("%(n)s hour", "%(n)s hours", hours) if hours else "",
            self.ngettext("%(n)s minute", "%(n)s minutes", minutes) if minutes else "",
        ]
        return self.listed([part for part in parts if part])

    def zone_name(self, zone_name: str, *instants: datetime) -> str:
        """Return how people call a zone's time, with its abbreviation at these instants.

        Zones that have no letters (“-01”) show their distance from UTC.
        """
        there = zone(zone_name)
        marks = dict.fromkeys(_mark(instant.astimezone(there)) for instant in instants)
        if zone_name in _ZONES:
            name = self.gettext(_ZONES[zone_name])
        else:
            city = _city(zone_name, self.locale)
            name = self.gettext("%(city)s time", city=city)
        marks.pop(name, None)
        return f"{name} ({' → '.join(marks)})" if marks else name

    def city(self, zone_name: str) -> str:
        """Return the short name of a zone, for an SMS."""
        return _city(zone_name, self.locale)

    def moment(self, at: datetime, zone_name: str) -> str:
        """Return an instant written out, with its zone."""
        local = at.astimezone(zone(zone_name))
        return self.gettext(
            "%(date)s at %(time)s, %(zone)s",
            date=_full(local.date(), self.locale),
            time=_clock(local),
            zone=self.zone_name(zone_name, at),
        )

    def span(self, start: datetime, end: datetime, zone_name: str) -> str:
        """Return a stretch of time written out, with its zone and a word on a clock change in it."""
        there = zone(zone_name)
        first, last = start.astimezone(there), end.astimezone(there)
        values = {
            "date": _full(first.date(), self.locale),
            "start": _clock(first),
            "end": _clock(last),
            "end_date": _full(last.date(), self.locale),
            "zone": self.zone_name(zone_name, start, end),
        }
        if first.date() == last.date():
            said = self.gettext("%(date)s from %(start)s to %(end)s, %(zone)s", **values)
        else:
            said = self.gettext("from %(date)s at %(start)s to %(end_date)s at %(end)s, %(zone)s", **values)
        if change_within(start, end, zone_name):
            said += self.gettext("; the clock changes in between")
        return said

    def short_moment(self, at: datetime, zone_name: str) -> str:
        """Return “30 Nov 14:00”; the zone is for the caller to say."""
        local = at.astimezone(zone(zone_name))
        day = format_skeleton("MMMd", local.replace(tzinfo=None), locale=self.locale)
        return f"{day} {_clock(local)}"

    def short_span(self, start: datetime, end: datetime, zone_name: str) -> str:
        """Return “30 Nov 14:00–1 Dec 08:00”, or “30 Nov 14:00–18:00” within a day."""
        there = zone(zone_name)
        last = end.astimezone(there)
        if start.astimezone(there).date() == last.date():
            return f"{self.short_moment(start, zone_name)}–{_clock(last)}"
        return f"{self.short_moment(start, zone_name)}–{self.short_moment(end, zone_name)}"


# The readers of a notice share its dates, and Babel takes its time for each.
@lru_cache(maxsize=1024)
def _full(day: date, locale: Locale) -> str:
    return format_date(day, "full", locale)


@lru_cache(maxsize=1024)
def _city(zone_name: str, locale: Locale) -> str:
    return get_timezone_location(zone_name, locale=locale, return_city=True)


def _clock(local: datetime) -> str:
    # Seconds come from hands on buttons ("it is back now"), not from plans.
    return f"{local:%H:%M}"


def _mark(local: datetime) -> str:
    name = local.tzname() or ""
    if name.isalpha():
        return name
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'−' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


@lru_cache(maxsize=64)
def words_for(language: str, folder: Path = FOLDER) -> Words:
    """Return the language for a reader who wants `language`: that, its base language, or English.

    Raises:
        MissingTranslations: When the language is offered but was not compiled.
    """
    wanted = language.replace("-", "_")
    for code in (wanted, wanted.partition("_")[0]):
        sentences = folder / code / "LC_MESSAGES" / f"{DOMAIN}.po"
        if code and code.replace("_", "").isalnum() and sentences.exists():
            if not sentences.with_suffix(".mo").exists():
                raise MissingTranslations(
                    "The sentences of notices in %(language)s are not compiled; run `make setup`.",
                    language=code,
                )
            translations = Translations.load(str(folder), [code], DOMAIN)
            return Words(code.replace("_", "-"), _locale(wanted, code), translations)
    return Words("en", Locale.parse("en_GB"), NullTranslations())


def _locale(wanted: str, code: str) -> Locale:
    try:
        return Locale.parse(_COUNTRY.get(wanted, wanted))
    except (UnknownLocaleError, ValueError):
        return Locale.parse(_COUNTRY.get(code, code))
