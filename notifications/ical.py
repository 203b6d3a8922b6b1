"""Versions as iCalendar events: the only importer of icalendar.

The shape follows RFC 5545/5546/7986 and the BCOP maintenance notes, checked against what calendar
programs and `circuit-maintenance-parser` do with them (`docs/notices.md`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from enum import StrEnum

from icalendar import Calendar, Event, vCalAddress, vUri

from maintenance.catalogue import Impact
from maintenance.interventions import InterventionClass, Phase, Plan, Window
from maintenance.windows import format_duration
from notifications.contacts import Reader
from notifications.facts import Facts
from notifications.situations import one_line
from notifications.stories import Site, Story, during
from notifications.timetable import NoticeKind, actual_stretch
from notifications.wording import N_, Words, words_for

#: How often a calendar program should look again; most look less often.
REFRESH = timedelta(minutes=15)
#: ACCOUNT of what is for everybody.
PUBLIC_ACCOUNT = "public"
#: How many systems a title names.
_NAMED = 4


class Status(StrEnum):
    """X-MAINTNOTE-STATUS: where a phase stands."""

    TENTATIVE = "TENTATIVE"
    CONFIRMED = "CONFIRMED"
    IN_PROCESS = "IN-PROCESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"

    @property
    def event_status(self) -> str:
        """Return STATUS, which knows fewer."""
        return self.value if self in (Status.TENTATIVE, Status.CANCELLED) else "CONFIRMED"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One VEVENT to write."""

    uid: str
    start: datetime
    end: datetime
    status: Status
    #: Code -> worst impact in this event.
    objects: Mapping[str, Impact]


def mail_calendar(story: Story, reader: Reader) -> bytes:
    """Return the calendar part of a mail: METHOD:PUBLISH, no ATTENDEE, the phases that concern the reader.

    A phase that concerned them and does so no more is there, cancelled. ACCOUNT is the institution's
    code; for an address that stands for several it is the first by code, since BCOP wants exactly one
    per event and a second event under the same UID would be a copy; the description names them all.
    """
    words = words_for(reader.language)
    blocks = []
    for told in (story, *story.also):
        facts = Facts(told, reader, words)
        for phase in _phases(told):
            if entry := _phase_entry(facts, phase, everybody=not reader.entries):
                blocks.append(_written(facts, entry))
    return calendar(blocks, language=words.language)


def phase_event(story: Story, phase: Phase, reader: Reader) -> bytes:
    """Return the VEVENT of one phase for public feeds: its own times, public systems by name.

    Args:
        story: A cancellation makes a cancelled event.
        phase: Of the plan, removed ones too.
        reader: Language and zone; without entries it stands for everybody.
    """
    facts = Facts(story, reader, words_for(reader.language))
    entry = _phase_entry(facts, phase, everybody=True)
    return _written(facts, entry) if entry else b""


def system_event(story: Story, phase: Phase, code: str, reader: Reader) -> bytes:
    """Return the VEVENT of one system in one phase, recovery included; empty if the phase leaves it alone.

    A window that goes on through several phases is cut where the next one starts, so that the events
    of one system do not lie on each other.
    """
    facts = Facts(story, reader, words_for(reader.language))
    plan, windows = _version_of(story, phase)
    mine = [window for window in during([phase], windows, story.catalogue) if window.system == code]
    stretch = _own_stretch(plan, phase, mine, story)
    if stretch is None:
        return b""
    entry = _Entry(
        uid=f"{story.plan.reference}.{phase.id}.{code}@{story.site.host}",
        start=stretch[0],
        end=stretch[1],
        status=_status(story, phase),
        objects={code: max(window.impact for window in mine)},
    )
    return _written(facts, entry)


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
    opened, end = head.to_ical(sorted=False).split(b"END:VCALENDAR")
    return b"".join([opened, *events, b"END:VCALENDAR", end])


def _phases(story: Story) -> list[Phase]:
    """Return the phases with an impact, then those taken out later: their events stay, cancelled."""
    return [
        *story.plan.impact_phases,
        *(phase for phase in story.plan.removed_phases if phase.impact > Impact.NO_IMPACT),
    ]


def _is_removed(story: Story, phase: Phase) -> bool:
    return any(phase.id == removed.id for removed in story.plan.removed_phases)


def _version_of(story: Story, phase: Phase) -> tuple[Plan, tuple[Window, ...]]:
    """Return the plan and the windows that tell what a phase does: a cancelled one does nothing any more."""
    gone = story.kind is NoticeKind.CANCELLATION or _is_removed(story, phase)
    if gone and story.plan_before is not None and story.windows_before:
        return story.plan_before, story.windows_before
    return story.plan, story.windows


def _status(story: Story, phase: Phase) -> Status:
    if phase.ended_at:
        return Status.COMPLETED
    if story.kind is NoticeKind.CANCELLATION or _is_removed(story, phase):
        return Status.CANCELLED
    if phase.started_at:
        return Status.IN_PROCESS
    return Status.TENTATIVE if story.plan.draft else Status.CONFIRMED


def _phase_entry(facts: Facts, phase: Phase, *, everybody: bool) -> _Entry | None:
    """Return the event of a phase, or None if it does not concern the reader, nor did before."""
    story = facts.story
    _, windows = _version_of(story, phase)
    objects, status = _objects(facts, phase, windows, everybody), _status(story, phase)
    if not objects and not everybody:
        if not (objects := _objects(facts, _phase_before(story, phase), story.windows_before, everybody)):
            return None
        if status is not Status.COMPLETED:
            status = Status.CANCELLED
    start, end = actual_stretch(phase)
    uid = f"{story.plan.reference}.{phase.id}@{story.site.host}"
    return _Entry(uid, start, end, status, objects or _work_of(phase))


def _phase_before(story: Story, phase: Phase) -> Phase:
    before = story.plan_before.phases if story.plan_before else ()
    return next((other for other in before if other.id == phase.id), phase)


def _objects(facts: Facts, phase: Phase, windows: Iterable[Window], everybody: bool) -> dict[str, Impact]:
    """Return the systems in the phase that the reader uses (everybody: all), in catalogue order."""
    catalogue, found = facts.story.catalogue, dict[str, Impact]()
    for window in during([phase], windows, catalogue):
        if everybody or any(entry.uses(window.system, catalogue) for entry in facts.reader.entries):
            found[window.system] = max(window.impact, found.get(window.system, window.impact))
    order = {code: position for position, code in enumerate(catalogue.systems)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


def _work_of(phase: Phase) -> dict[str, Impact]:
    return {work.system: work.impact for work in phase.work if work.impact > Impact.NO_IMPACT}


def _own_stretch(
    plan: Plan, phase: Phase, windows: list[Window], story: Story
) -> tuple[datetime, datetime] | None:
    if not windows:
        return None
    start, end = min(w.start for w in windows), max(w.end for w in windows)
    code = windows[0].system
    others = [
        actual_stretch(other)[0]
        for other in plan.impact_phases
        if any(w.system == code for w in during([other], windows, story.catalogue))
    ]
    mine = actual_stretch(phase)[0]
    if any(other < mine for other in others):
        start = max(start, mine)
    end = min([end, *(other for other in others if other > mine)])
    return (start, end) if start < end else None


def _written(facts: Facts, entry: _Entry) -> bytes:
    story, plan, words = facts.story, facts.story.plan, facts.words
    named = {code: impact for code, impact in entry.objects.items() if facts.may_name(code)}
    worst = max((named or entry.objects).values(), default=Impact.OUTAGE)
    event = Event()
    event.add("uid", entry.uid)
    # One instant for all three: a feed that says "now" at each fetch makes programs update for nothing.
    event.add("dtstamp", story.published_at)
    event.add("created", story.created_at)
    event.add("last-modified", story.published_at)
    event.add("sequence", story.sequence)
    event.add("dtstart", entry.start)
    event.add("dtend", entry.end)
    event.add("summary", _summary(facts, entry, worst))
    event.add("description", _description(facts, entry))
    event.add("organizer", _organizer(story.site))
    event.add("status", entry.status.event_status)
    event.add("transp", "TRANSPARENT")
    emergency = plan.intervention_class is InterventionClass.EMERGENCY
    event.add("categories", [words.gettext(N_("Emergency work") if emergency else N_("Planned work"))])
    event.add("url", vUri(facts.url))
    event.add("x-microsoft-cdo-busystatus", "FREE")
    event.add("x-maintnote-provider", story.site.host)
    event.add("x-maintnote-account", _account(facts.reader))
    event.add("x-maintnote-maintenance-id", plan.reference, parameters={"X-MAINTNOTE-PRECEDENCE": "PRIMARY"})
    event.add("x-maintnote-impact", worst.code)
    event.add("x-maintnote-status", entry.status.value)
    for code, impact in named.items():
        page = f"{story.site.public_url}/systems/{code}"
        parameters = {"X-MAINTNOTE-OBJECT-IMPACT": impact.code, "ALTREP": page}
        event.add("x-maintnote-object-id", code, parameters=parameters)
    if not named:
        event.add("x-maintnote-object-id", _unnamed(facts, entry.objects))
    written: bytes = event.to_ical(sorted=False)
    return written


def _account(reader: Reader) -> str:
    institutions = reader.institutions
    return institutions[0][0] if institutions else PUBLIC_ACCOUNT


def _unnamed(facts: Facts, objects: Mapping[str, Impact]) -> str:
    """Return an object id that names nothing: BCOP wants one, the public may know the kind."""
    systems = facts.story.catalogue.systems
    kinds = sorted({systems[code].kind.value for code in objects if code in systems})
    return kinds[0] if kinds else "service"


def _organizer(site: Site) -> vCalAddress:
    name, address = parseaddr(site.mail_from)
    organizer = vCalAddress(f"mailto:{address}")
    organizer.params["CN"] = one_line(name or site.name).replace('"', "'")
    return organizer


def _summary(facts: Facts, entry: _Entry, worst: Impact) -> str:
    words = facts.words
    systems = words.shortlist(facts.shorts(_told(facts, entry)), _NAMED)
    said = f"{_capital(words.impact(worst))}: {systems} – {facts.title}"
    if entry.status is Status.CANCELLED:
        # Outlook shows cancelled events of a feed like any other, so the words say it too.
        cancelled = words.gettext("CANCELLED")
        return f"[{cancelled}] {said}"
    return said


def _told(facts: Facts, entry: _Entry) -> list[str]:
    """Return the systems that the words list: those with a name for the reader, else all, by kind."""
    return [code for code in entry.objects if facts.may_name(code)] or list(entry.objects)


def _description(facts: Facts, entry: _Entry) -> str:
    words, reader = facts.words, facts.reader
    zones = dict.fromkeys((reader.timezone, facts.story.plan.timezone))
    lines = [_capital(words.span(entry.start, entry.end, zone)) for zone in zones]
    by_impact: dict[Impact, list[str]] = {}
    for code in _told(facts, entry):
        by_impact.setdefault(entry.objects[code], []).append(code)
    lines += [
        f"{_capital(words.impact(impact))}: {words.listed(facts.shorts(codes))}."
        for impact, codes in sorted(by_impact.items(), reverse=True)
    ]
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
