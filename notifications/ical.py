"""Versions as iCalendar events: the only importer of icalendar.

The shape follows RFC 5545/5546/7986 and the BCOP maintenance notes, checked against what calendar
programs and `circuit-maintenance-parser` do with them (`docs/notices.md`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from email.utils import parseaddr
from functools import lru_cache

from icalendar import Calendar, Event, vUri

from maintenance import recurrence
from maintenance.catalogue import Impact
from maintenance.interventions import InterventionClass, Phase
from maintenance.windows import format_duration
from notifications.contacts import Reader
from notifications.facts import Facts
from notifications.occasions import Occasion, Status, phase_occasion, phases_of, system_occasion
from notifications.situations import one_line
from notifications.stories import Site, Story
from notifications.wording import N_, Words, words_for

#: How often a calendar program should look again; most look less often.
REFRESH = timedelta(minutes=15)
#: ACCOUNT of what is for everybody.
PUBLIC_ACCOUNT = "public"
#: How many systems a title names.
_NAMED = 4
_BEGIN, _END = b"BEGIN:VEVENT\r\n", b"END:VEVENT\r\n"


def mail_calendar(story: Story, reader: Reader) -> bytes:
    """Return the calendar part of a mail: METHOD:PUBLISH, no ATTENDEE, the phases that concern the reader.

    A phase that concerned them and does so no more is there, cancelled. ACCOUNT is the institution's
    code; for an address that stands for several it is the first by code, since BCOP wants exactly one
    per event and a second event under the same UID would be a copy; the description names them all.
    """
    words = words_for(reader.language)
    blocks = []
    for told in (story, *story.also):
        for phase in phases_of(told):
            if occasion := phase_occasion(told, phase, reader if reader.entries else None):
                blocks.append(_written(Facts(told, reader, words), occasion))
    return calendar(blocks, language=words.language)


def phase_event(story: Story, phase: Phase, reader: Reader) -> bytes:
    """Return the VEVENT of one phase for public feeds: its own times, public systems by name.

    Args:
        story: A cancellation makes a cancelled event.
        phase: Of the plan, removed ones too.
        reader: Language and zone; without entries it stands for everybody.
    """
    occasion = phase_occasion(story, phase, None)
    return _written(Facts(story, reader, words_for(reader.language)), occasion) if occasion else b""


def system_event(story: Story, phase: Phase, code: str, reader: Reader) -> bytes:
    """Return the VEVENT of one system in one phase, recovery included; empty if the phase leaves it alone."""
    occasion = system_occasion(story, phase, code)
    return _written(Facts(story, reader, words_for(reader.language)), occasion) if occasion else b""


def reserved_event(
    occurrence: recurrence.Occurrence, *, revision: int, changed_at: datetime, site: Site, language: str
) -> bytes:
    """Return the VEVENT of a reserved window, for a calendar of its own.

    It is no maintenance note: one plain VEVENT among notes makes circuit-maintenance-parser refuse the whole
    calendar. Its times are instants, never the rule, of which programs make different things.

    Args:
        occurrence: A cancelled one stays, struck out.
        revision: Of the reservation, for SEQUENCE.
        changed_at: When the reservation was last edited.
        site: Whose calendar it is.
        language: What the reader asked for.
    """
    words, reservation = words_for(language), occurrence.reservation
    summary = words.gettext(
        N_("Reserved: %(name)s (not used unless announced)"),
        name=one_line(reservation.name.in_language(words.language)),
    )
    if occurrence.is_cancelled:
        summary = f"[{words.gettext('CANCELLED')}] {summary}"
    lines = [
        _capital(words.span(occurrence.start, occurrence.end, reservation.timezone)),
        words.gettext(
            N_("This time is kept free for maintenance. Nothing is interrupted unless work is announced.")
        ),
        occurrence.reason.in_language(words.language),
        f"{site.public_url}/",
    ]
    return _event(
        [
            _line("uid", f"{occurrence.identity}@{site.host}"),
            _line("dtstamp", changed_at),
            _line("last-modified", changed_at),
            _line("sequence", revision),
            _line("dtstart", occurrence.start),
            _line("dtend", occurrence.end),
            _line("summary", summary),
            _line("description", "\n".join(line for line in lines if line)),
            _organizer(site),
            _line("status", "CANCELLED" if occurrence.is_cancelled else "TENTATIVE"),
            _line("transp", "TRANSPARENT"),
            _line("x-microsoft-cdo-busystatus", "FREE"),
        ]
    )


def calendar(
    events: Iterable[bytes],
    *,
    name: str = "",
    description: str = "",
    url: str = "",
    page: str = "",
    language: str,
) -> bytes:
    """Return a calendar of events written before: their bytes are joined, not parsed.

    Args:
        events: What `phase_event` and `system_event` returned.
        name: Of a feed; without one the calendar says nothing about itself, as in a mail.
        description: Of a feed.
        url: Where the feed comes from.
        page: The page for people.
        language: BCP 47, part of PRODID.
    """
    head = _head(name, description, url, page, language)
    opened, end = head.split(b"END:VCALENDAR")
    return b"".join([opened, *events, b"END:VCALENDAR", end])


@lru_cache(maxsize=64)
def _head(name: str, description: str, url: str, page: str, language: str) -> bytes:
    """Return a calendar without events."""
    head = Calendar()
    head.add("version", "2.0")
    head.add("prodid", f"-//Janela//Janela//{language.upper()}")
    head.add("calscale", "GREGORIAN")
    head.add("method", "PUBLISH")
    if name:
        head.add("name", name)
        head.add("x-wr-calname", name)
        # RFC 7986 5.7 makes VALUE=DURATION mandatory; Outlook reads the other property.
        head.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
        head.add("x-published-ttl", format_duration(REFRESH))
    if description:
        head.add("description", description)
        head.add("x-wr-caldesc", description)
    if url:
        head.add("source", vUri(url), parameters={"VALUE": "URI"})
    if page:
        head.add("url", vUri(page))
    written: bytes = head.to_ical(sorted=False)
    return written


def _written(facts: Facts, occasion: Occasion) -> bytes:
    story, plan, words = facts.story, facts.story.plan, facts.words
    named = {code: impact for code, impact in occasion.objects.items() if facts.may_name(code)}
    worst = max((named or occasion.objects).values(), default=Impact.OUTAGE)
    emergency = plan.intervention_class is InterventionClass.EMERGENCY
    category = words.gettext(N_("Emergency work") if emergency else N_("Planned work"))
    lines = [
        _line("uid", occasion.uid),
        # One instant for all three: a feed that says "now" at each fetch makes programs update for nothing.
        _line("dtstamp", story.published_at),
        _line("created", story.created_at),
        _line("last-modified", story.published_at),
        _line("sequence", story.sequence),
        _line("dtstart", occasion.start),
        _line("dtend", occasion.end),
        _line("summary", _summary(facts, occasion, worst)),
        _line("description", _description(facts, occasion)),
        _organizer(story.site),
        _line("status", occasion.status.event_status),
        _line("transp", "TRANSPARENT"),
        _line("categories", (category,)),
        _line("url", vUri(facts.url)),
        _line("x-microsoft-cdo-busystatus", "FREE"),
        _line("x-maintnote-provider", story.site.host),
        _line("x-maintnote-account", _account(facts.reader)),
        _line("x-maintnote-maintenance-id", plan.reference, **{"X-MAINTNOTE-PRECEDENCE": "PRIMARY"}),
        _line("x-maintnote-impact", worst.code),
        _line("x-maintnote-status", occasion.status.value),
    ]
    for code, impact in named.items():
        page = f"{story.site.public_url}/systems/{code}"
        parameters = {"X-MAINTNOTE-OBJECT-IMPACT": impact.code, "ALTREP": page}
        lines.append(_line("x-maintnote-object-id", code, **parameters))
    if not named:
        lines.append(_line("x-maintnote-object-id", _unnamed(facts, occasion.objects)))
    return _event(lines)


def _event(lines: Iterable[bytes]) -> bytes:
    return b"".join([_BEGIN, *lines, _END])


# The readers of one notice have nearly all lines in common, and the library takes long to fold them.
@lru_cache(maxsize=2048)
def _line(name: str, value: object, /, **parameters: str) -> bytes:
    """Return one property of an event as it is written, folded; `value` as the library takes it, a list as a tuple."""
    event = Event()
    event.add(name, list(value) if isinstance(value, tuple) else value, parameters=parameters)
    written: bytes = event.to_ical(sorted=False)
    return written.removeprefix(_BEGIN).removesuffix(_END)


def _account(reader: Reader) -> str:
    institutions = reader.institutions
    return institutions[0][0] if institutions else PUBLIC_ACCOUNT


def _unnamed(facts: Facts, objects: Mapping[str, Impact]) -> str:
    """Return an object id that names nothing: BCOP wants one, the public may know the kind."""
    systems = facts.story.catalogue.systems
    kinds = sorted({systems[code].kind.value for code in objects if code in systems})
    return kinds[0] if kinds else "service"


def _organizer(site: Site) -> bytes:
    name, address = parseaddr(site.mail_from)
    return _line("organizer", f"mailto:{address}", CN=one_line(name or site.name).replace('"', "'"))


def _summary(facts: Facts, occasion: Occasion, worst: Impact) -> str:
    words = facts.words
    systems = words.shortlist(facts.shorts(_told(facts, occasion)), _NAMED)
    said = f"{_capital(words.impact(worst))}: {systems} – {facts.title}"
    if occasion.status is Status.CANCELLED:
        # Outlook shows cancelled events of a feed like any other, so the words say it too.
        cancelled = words.gettext("CANCELLED")
        return f"[{cancelled}] {said}"
    return said


def _told(facts: Facts, occasion: Occasion) -> list[str]:
    """Return the systems that the words list: those with a name for the reader, else all, by kind."""
    return [code for code in occasion.objects if facts.may_name(code)] or list(occasion.objects)


def _description(facts: Facts, occasion: Occasion) -> str:
    words, reader = facts.words, facts.reader
    zones = dict.fromkeys((reader.timezone, facts.story.plan.timezone))
    lines = [_capital(words.span(occasion.start, occasion.end, zone)) for zone in zones]
    by_impact: dict[Impact, list[str]] = {}
    told = dict.fromkeys(_told(facts, occasion))
    for code in told:
        by_impact.setdefault(occasion.objects[code], []).append(code)
    lines += [
        f"{_capital(words.impact(impact))}: {words.listed(facts.shorts(codes))}."
        for impact, codes in sorted(by_impact.items(), reverse=True)
    ]
    ends: dict[datetime, list[str]] = {}
    for code in occasion.later:
        if code in told:
            ends.setdefault(occasion.later[code], []).append(code)
    for end, codes in sorted(ends.items()):
        values = {"systems": words.listed(facts.shorts(codes)), "time": facts.moment(end)}
        lines.append(
            words.gettext("In service again, recovery included, on %(time)s: %(systems)s.", **values)
        )
    if facts.description:
        lines.append(facts.description)
    if names := [one_line(name) or code for code, name in reader.institutions]:
        lines.append(words.gettext("For: %(institutions)s.", institutions=words.listed(names)))
    lines += [contact.value for contact in facts.contacts]
    return "\n".join([*lines, facts.url])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def feed_name(site: Site, words: Words) -> str:
    """Return the name of the feed of everything."""
    return words.gettext("%(site)s: planned work", site=site.name)
