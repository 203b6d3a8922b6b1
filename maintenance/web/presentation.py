"""Values as people read them: template filters for times, texts, impacts and lengths."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_decimal
from flask import Flask
from flask_babel import get_locale, lazy_gettext, ngettext
from markupsafe import Markup, escape

from maintenance.catalogue import Impact, Kind, System
from maintenance.interventions import ContactPoint
from maintenance.lifecycle import ReviewState, RunState
from maintenance.texts import ANY, Text
from maintenance.web.context import runtime
from maintenance.web.languages import page_language
from maintenance.windows import zone

IMPACT_WORDS = {
    Impact.NO_IMPACT: lazy_gettext("Working"),
    Impact.REDUCED_REDUNDANCY: lazy_gettext("Reduced redundancy"),
    Impact.DEGRADED: lazy_gettext("Degraded"),
    Impact.OUTAGE: lazy_gettext("Unavailable"),
}
RUN_WORDS = {
    RunState.PLANNED: lazy_gettext("Being planned"),
    RunState.ANNOUNCED: lazy_gettext("Announced"),
    RunState.RUNNING: lazy_gettext("In progress"),
    RunState.VERIFYING: lazy_gettext("Being verified"),
    RunState.COMPLETED: lazy_gettext("Completed"),
    RunState.CANCELLED: lazy_gettext("Cancelled"),
}
REVIEW_WORDS = {
    ReviewState.DRAFT: lazy_gettext("Draft"),
    ReviewState.IN_REVIEW: lazy_gettext("In review"),
    ReviewState.APPROVED: lazy_gettext("Approved"),
    ReviewState.PUBLISHED: lazy_gettext("Published"),
    ReviewState.WITHDRAWN: lazy_gettext("Withdrawn"),
}
#: How a system that is not public is called where everybody can read.
KIND_WORDS = {
    Kind.SERVICE: lazy_gettext("a shared service"),
    Kind.APPLICATION: lazy_gettext("an internal application"),
    Kind.DATABASE: lazy_gettext("a shared database"),
    Kind.SERVER: lazy_gettext("a server"),
    Kind.NETWORK: lazy_gettext("the network"),
    Kind.DATA_CENTRE: lazy_gettext("a data centre"),
    Kind.SITE: lazy_gettext("a site"),
    Kind.DEVICE: lazy_gettext("a device"),
    Kind.PARTNER: lazy_gettext("a partner’s platform"),
}


def init_app(app: Flask) -> None:
    """Make the filters known to every template."""
    for function in (
        local_time,
        local_range,
        text,
        paragraphs,
        plain,
        impact_label,
        impact_slug,
        run_label,
        review_label,
        duration,
        public_name,
        number,
        sentence_start,
        contact_link,
    ):
        app.add_template_filter(function)


def local_time(instant: datetime, zone_name: str | None = None, style: str = "medium") -> Markup:
    """Return `<time>` with the instant on the clock of a zone (the site's unless said), the zone named.

    `style` is `long` (weekday and month in full), `medium` (abbreviated) or `clock` (hour and zone only).
    """
    there = instant.astimezone(_zone(zone_name))
    words = f"{_clock(there)}\u00a0{zone_label(there)}"
    if style != "clock":
        words = f"{_date(there, style)}, {words}"
    return _time_element(instant, words)


def local_range(
    start: datetime, end: datetime, zone_name: str | None = None, style: str = "medium"
) -> Markup:
    """Return from when to when on the clock of a zone; the date once if both fall on the same day.

    The zone is named once, or at both ends when the clock changes in between.
    """
    where = _zone(zone_name)
    first, last = start.astimezone(where), end.astimezone(where)
    same_clock = first.utcoffset() == last.utcoffset()
    opening = f"{_date(first, style)}, {_clock(first)}" + ("" if same_clock else f"\u00a0{zone_label(first)}")
    closing = f"{_clock(last)}\u00a0{zone_label(last)}"
    if first.date() != last.date():
        closing = f"{_date(last, style)}, {closing}"
    return Markup('<span class="range">{} – {}</span>').format(
        _time_element(start, opening), _time_element(end, closing)
    )


def zone_label(there: datetime) -> str:
    """Return the short name of the zone at that moment: WET, WEST, or UTC−01:00 where it has none.

    >>> zone_label(datetime(2019, 11, 30, tzinfo=ZoneInfo("Atlantic/Azores")))
    'UTC−01:00'
    """
    name = there.tzname() or ""
    if name[:1] not in "+-":
        return name
    minutes = int((there.utcoffset() or timedelta(0)).total_seconds()) // 60
    return f"UTC{'−' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def text(value: Text) -> Markup:
    """Return the words in the reader's language; in a `<span lang>` where only another one was written."""
    code, words = value.variant_for(page_language())
    if code == ANY or code.partition("-")[0].lower() == page_language().partition("-")[0].lower():
        return escape(words)
    return Markup('<span lang="{}">{}</span>').format(code, words)


def paragraphs(value: Text) -> Markup:
    """Return a longer text as `<p>` elements, one for each line that has words, with its language."""
    code, words = value.variant_for(page_language())
    language = Markup("") if code == ANY else Markup(' lang="{}"').format(code)
    lines = (line.strip() for line in words.splitlines())
    return Markup("").join(Markup("<p{}>{}</p>").format(language, line) for line in lines if line)


def plain(value: Text) -> str:
    """Return the words alone, for titles and attributes."""
    return value.in_language(page_language())


def impact_label(impact: Impact) -> str:
    """Return what the impact means to a reader: as in Unavailable."""
    return str(IMPACT_WORDS[impact])


def impact_slug(impact: Impact) -> str:
    """Return the impact as it appears in class names and icons: `outage`, `reduced-redundancy`."""
    return impact.code.lower()


def run_label(state: str) -> str:
    """Return the words for a run state."""
    return str(RUN_WORDS[RunState(state)])


def review_label(state: str) -> str:
    """Return the words for a review state."""
    return str(REVIEW_WORDS[ReviewState(state)])


def duration(length: timedelta) -> str:
    """Return a length in words, two units at most: `18 hours`, `1 day 3 hours`, `30 minutes`."""
    minutes = max(0, round(length.total_seconds() / 60))
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    parts = [
        ngettext("%(num)d day", "%(num)d days", days) if days else "",
        ngettext("%(num)d hour", "%(num)d hours", hours) if hours else "",
        ngettext("%(num)d minute", "%(num)d minutes", minutes) if minutes else "",
    ]
    said = [part for part in parts if part][:2]
    return " ".join(said) or ngettext("%(num)d minute", "%(num)d minutes", 0)


def public_name(system: System | None) -> Markup:
    """Return what everybody may read of a system: its name if it is public, else what kind it is."""
    if system is None:
        return escape(lazy_gettext("an internal system"))
    return text(system.name) if system.public else escape(KIND_WORDS[system.kind])


def number(value: int) -> str:
    """Return a whole number with its thousands apart, as the language writes it."""
    return str(format_decimal(value, locale=get_locale()))


def sentence_start(clause: Markup) -> Markup:
    """Return the clause with its first letter large; it may not begin with a tag."""
    return Markup(clause[:1].upper()) + clause[1:]  # noqa: S704 - only the case changes


def contact_link(contact: ContactPoint) -> str:
    """Return the link under which a contact is reached; empty for what is no address we know."""
    if contact.kind == "email":
        return f"mailto:{contact.value}"
    if contact.kind == "phone":
        return "tel:" + "".join(c for c in contact.value if c.isdigit() or c == "+")
    # Anything but the web (`javascript:` for one) stays text.
    return contact.value if contact.value.startswith(("https://", "http://")) else ""


def _zone(name: str | None) -> ZoneInfo:
    return zone(name or runtime().settings["TIMEZONE"])


def _clock(there: datetime) -> str:
    return format_time(there, "HH:mm", locale=get_locale())


def _date(there: datetime, style: str) -> str:
    if style == "long":
        return format_date(there.date(), "full", locale=get_locale())
    return format_skeleton("yMMMEd", there, locale=get_locale())


def _time_element(instant: datetime, words: str) -> Markup:
    return Markup('<time datetime="{:%Y-%m-%dT%H:%M:%SZ}">{}</time>').format(instant, words)
