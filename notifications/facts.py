"""A story and a reader -> the facts that the templates print, already in the reader's words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from maintenance.catalogue import Impact
from maintenance.interventions import InterventionClass
from maintenance.texts import Text
from notifications.situations import Situation, one_line, paragraphs
from notifications.timetable import NoticeKind
from notifications.wording import N_

#: The first characters of every text, which telephones and mail lists show: what, when, planned or not.
HEADLINE = 70

#: What stands before the title and the first line.
LABELS = {
    NoticeKind.CHANGE: N_("Changed"),
    NoticeKind.REMINDER: N_("Reminder"),
    NoticeKind.START: N_("Started"),
    NoticeKind.UPDATE: N_("Update"),
    NoticeKind.EXTENSION: N_("Extended"),
    NoticeKind.RESTORED: N_("Restored"),
    NoticeKind.COMPLETION: N_("Completed"),
    NoticeKind.CANCELLATION: N_("Cancelled"),
}
_WHAT = {
    (InterventionClass.PLANNED, Impact.OUTAGE): N_("Planned outage"),
    (InterventionClass.PLANNED, Impact.DEGRADED): N_("Planned limitation"),
    (InterventionClass.EMERGENCY, Impact.OUTAGE): N_("Emergency outage"),
    (InterventionClass.EMERGENCY, Impact.DEGRADED): N_("Emergency limitation"),
}
_STAGES = {"before": N_("Before"), "during": N_("Meanwhile"), "after": N_("Afterwards")}
#: Which instructions help at which notice.
_STAGES_OF = {
    NoticeKind.ANNOUNCEMENT: ("before", "during", "after"),
    NoticeKind.CHANGE: ("before", "during", "after"),
    NoticeKind.REMINDER: ("before", "during", "after"),
    NoticeKind.START: ("during",),
    NoticeKind.UPDATE: ("during",),
    NoticeKind.EXTENSION: ("during",),
    NoticeKind.RESTORED: ("during", "after"),
    NoticeKind.COMPLETION: ("after",),
    NoticeKind.CANCELLATION: (),
}


@dataclass(frozen=True, slots=True)
class Advice:
    """What one audience does at one stage, for the systems that share the words."""

    stage: str
    audience: str
    systems: str
    text: str


@dataclass(frozen=True, slots=True)
class ContactLine:
    """Where to ask; `href` is empty where a link would not be safe."""

    value: str
    href: str


@dataclass(frozen=True)
class Facts(Situation):
    """One story as one reader is told it."""

    # --- the first line ----------------------------------------------------------------------------

    @property
    def emergency(self) -> bool:
        """Return whether the work was forced."""
        return self.story.plan.intervention_class is InterventionClass.EMERGENCY

    @property
    def is_change(self) -> bool:
        """Return whether the reader is told of a change as one: who knew nothing gets news."""
        return self.story.kind is NoticeKind.CHANGE and not self.reader.first

    @property
    def is_labelled(self) -> bool:
        """Return whether the kind is said: not of what the reader hears for the first time."""
        return self.is_change if self.story.kind is NoticeKind.CHANGE else self.story.kind in LABELS

    @property
    def tag(self) -> str:
        """Return the word before the title: what sort of notice this is."""
        if self.is_change and not self.windows:
            return self.words.gettext("No longer affects you")
        if self.is_awaited:
            return self.words.gettext(N_("Partly restored") if self.back_codes else N_("Service returning"))
        if self.is_labelled:
            return self.words.gettext(LABELS[self.story.kind])
        return self.words.gettext(N_("Emergency") if self.emergency else N_("Planned"))

    @property
    def is_awaited(self) -> bool:
        """Return whether service is being restored while a system of the reader's is still to come back."""
        return self.story.kind is NoticeKind.RESTORED and bool(self.still_hit)

    @property
    def what(self) -> str:
        """Return “Planned outage” and the like."""
        hit = (self.is_awaited and self.still_hit) or self.windows or self.windows_before
        worst = max((w.impact for w in hit), default=Impact.OUTAGE)
        return self.words.gettext(_WHAT[self.story.plan.intervention_class, worst])

    @property
    def has_begun(self) -> bool:
        """Return whether the reader's systems were hit by the time this was said: too late to prepare."""
        return any(window.start <= self.story.published_at for window in self.windows)

    @cached_property
    def opening(self) -> str:
        """Return what, when, planned or not, in one line."""
        windows = (
            (self.is_awaited and self.still_hit)
            or self.windows
            or self.windows_before
            or [w for w in self.story.told if w.system in self.codes]
        )
        zone, words = self.reader.timezone, self.words
        start, end = min(w.start for w in windows), max(w.end for w in windows)
        values = {"what": self.what, "city": words.city(zone)}
        if self.is_awaited or self.story.kind in (NoticeKind.START, NoticeKind.EXTENSION):
            values["until"] = words.short_moment(end, zone)
            said = words.gettext("%(what)s until %(until)s (%(city)s)", **values)
        else:
            values["time"] = words.short_span(start, end, zone)
            said = words.gettext("%(what)s %(time)s (%(city)s)", **values)
        return f"{self.tag}: {said[0].lower()}{said[1:]}" if self.is_labelled else said

    def headline(self, most: int) -> str:
        """Return the opening with the first `most` systems."""
        return f"{self.opening}: {self.words.shortlist(self.shorts_told, most)}"

    @cached_property
    def shorts_told(self) -> tuple[str, ...]:
        """Return the systems of the first line: those that are hit, or were if none is any more."""
        if self.is_awaited:
            return self.shorts(window.system for window in self.still_hit)
        hit = {window.system for window in self.windows or self.windows_before}
        return self.shorts(code for code in self.codes if code in hit or not hit)

    @property
    def short_before(self) -> str:
        """Return when it was before, in short; empty where nothing changed."""
        if not self.groups_before:
            return ""
        start, end = min(g.start for g in self.groups_before), max(g.end for g in self.groups_before)
        return self.words.short_span(start, end, self.reader.timezone)

    @cached_property
    def first_line(self) -> str:
        """Return the headline with as many systems as its length allows, one at least."""
        count = len(self.shorts_told)
        return next(
            (line for most in range(count, 1, -1) if len(line := self.headline(most)) <= HEADLINE),
            self.headline(1),
        )

    # --- why, what to do, whom to ask --------------------------------------------------------------

    @cached_property
    def because(self) -> tuple[str, ...]:
        """Return the reason chains in words, the systems that share one together."""
        together: dict[tuple[str, ...], dict[str, None]] = {}
        for window in self.windows or self.windows_before:
            for chain in window.because:
                key = (chain[-1], *chain[:-1]) if len(chain) > 1 else (chain[-1],)
                together.setdefault(key, {})[window.system] = None
        others_last = sorted(together, key=lambda key: key[0] != self.story.plan.reference)
        return tuple(self._cause(key, together[key]) for key in others_last)

    def _cause(self, key: Sequence[str], codes: Collection[str]) -> str:
        reference, *path = key
        words = self.words
        values = {
            "systems": words.listed(self.shorts(code for code in self.codes if code in codes)),
            "root": self.short(path[-1]) if path else "",
            "path": words.listed(self.shorts(path[:-1])),
        }
        if not path:
            said = words.gettext("The work is on the system itself: %(systems)s.", **values)
        elif len(path) == 1:
            said = words.ngettext(
                "The work is on %(root)s, which %(systems)s needs.",
                "The work is on %(root)s, which these need: %(systems)s.",
                len(codes),
                **values,
            )
        else:
            said = words.ngettext(
                "The work is on %(root)s, which %(systems)s needs through %(path)s.",
                "The work is on %(root)s, which these need through %(path)s: %(systems)s.",
                len(codes),
                **values,
            )
        if reference == self.story.plan.reference:
            return said
        return words.gettext("Intervention %(reference)s adds to it.", reference=reference) + " " + said

    @cached_property
    def advice(self) -> tuple[Advice, ...]:
        """Return what the reader's audiences do, as far as it helps at this notice."""
        story = self.story
        together: dict[tuple[str, str, str], list[str]] = {}
        # What is done afterwards waits until the system is back; until then its contingency goes on.
        is_restored = story.kind is NoticeKind.RESTORED
        hit = {window.system for window in self.still_hit} if is_restored else ()
        not_yet = {code: "after" if code in hit else "during" for code in self.codes}
        for audience in self.reader.audiences:
            for stage in _STAGES_OF[story.kind]:
                for code in self.codes:
                    if is_restored and stage == not_yet[code]:
                        continue
                    system = story.catalogue.systems.get(code)
                    for contingency in system.contingency if system else ():
                        text: Text = getattr(contingency, stage)
                        if contingency.audience == audience and text:
                            said = paragraphs(self.in_words(text))
                            together.setdefault((audience, stage, said), []).append(code)
        several = len(self.reader.audiences) > 1
        return tuple(
            Advice(
                stage=self.words.gettext(_STAGES[stage]),
                audience=self.audience_name(audience) if several else "",
                systems=self.words.listed(self.shorts(codes)),
                text=text,
            )
            for (audience, stage, text), codes in together.items()
        )

    def audience_name(self, code: str) -> str:
        """Return the name of an audience, its code where the catalogue has none."""
        audience = self.story.catalogue.audiences.get(code)
        return one_line(self.in_words(audience.name)) if audience else code

    @property
    def title(self) -> str:
        """Return the title in one line."""
        return one_line(self.in_words(self.story.plan.title)) or self.story.plan.reference

    @property
    def description(self) -> str:
        """Return the description with its line breaks."""
        return paragraphs(self.in_words(self.story.plan.description))

    @property
    def reason(self) -> str:
        """Return the words of whoever took the step."""
        return paragraphs(self.in_words(self.story.reason))

    @property
    def broken_off(self) -> bool:
        """Return whether it had begun when it was cancelled."""
        return any(phase.started_at for phase in self.story.plan.phases)

    @property
    def because_of(self) -> str:
        """Return the reference of the plan whose step altered this one; empty if none did."""
        return str(self.story.details.get("because_of", ""))

    @property
    def contacts(self) -> tuple[ContactLine, ...]:
        """Return where to ask."""
        hrefs = {"email": "mailto:{}", "phone": "tel:{}"}
        found = []
        for contact in self.story.plan.contacts:
            value = one_line(contact.value)
            href = hrefs.get(contact.kind, "{}").format(value)
            safe = href.startswith(("mailto:", "tel:", "https://", "http://"))
            found.append(ContactLine(value, href if safe else ""))
        return tuple(found)

    @property
    def url(self) -> str:
        """Return the address of the intervention's page."""
        return f"{self.story.site.public_url}/interventions/{self.story.plan.reference}"

    @property
    def for_whom(self) -> str:
        """Return for which institutions the message is, and why they get it."""
        systems = self.words.listed(self.shorts(self.codes))
        names = [one_line(name) or code for code, name in self.reader.institutions]
        if not names:
            return self.words.gettext(
                "You get this notice because you follow these systems: %(systems)s.", systems=systems
            )
        audiences = self.words.listed([self.audience_name(code) for code in self.reader.audiences])
        return self.words.ngettext(
            "You get this notice as a contact of %(institutions)s (%(audiences)s), where %(systems)s is used.",
            "You get this notice as a contact of %(institutions)s (%(audiences)s), where these are used: %(systems)s.",
            len(self.codes),
            institutions=self.words.listed(names),
            audiences=audiences,
            systems=systems,
        )

    @cached_property
    def also(self) -> tuple[Facts, ...]:
        """Return the altered plans that concern the reader, told in the same message."""
        told = [Facts(story, self.reader, self.words) for story in self.story.also]
        return tuple(facts for facts in told if facts.codes)
