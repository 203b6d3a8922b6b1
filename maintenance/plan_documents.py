"""The schema of intervention documents; plan to document and back."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from maintenance.catalogue import Catalogue
from maintenance.document_fields import (
    Code,
    Entry,
    ImpactCode,
    Length,
    Line,
    LongWords,
    Moment,
    Name,
    PhaseId,
    Zone,
    choice,
    email_address,
    wrong,
)
from maintenance.document_problems import check
from maintenance.errors import InvalidDocument, Problem, did_you_mean
from maintenance.interventions import (
    DEFAULT_REMINDERS,
    ContactPoint,
    InterventionClass,
    Person,
    Phase,
    PhaseKind,
    Plan,
    Work,
)
from maintenance.reading import Source
from maintenance.sentences import Sentence
from maintenance.texts import Text
from maintenance.windows import format_duration, resolve, zone


class WorkEntry(Entry):
    """What a phase does to one system."""

    system: Code
    impact: ImpactCode


class PhaseEntry(Entry):
    """A stretch of time: from `start` to `end`, or for a `duration`."""

    id: PhaseId | None = None
    kind: Annotated[PhaseKind, choice({kind.value: kind for kind in PhaseKind})]
    start: Moment
    end: Moment | None = None
    duration: Length | None = None
    work: list[WorkEntry] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_end(self) -> PhaseEntry:
        if self.end is not None and self.duration is not None:
            raise wrong("This phase has an `end` and a `duration`; keep one of them.")
        if self.duration is not None and not timedelta(0) < self.duration <= timedelta(days=366):
            raise wrong("The duration must be longer than nothing and at most a year.")
        return self


class PhasesEntry(Entry):
    """Phases alone."""

    phases: list[PhaseEntry]


class PersonEntry(Entry):
    """Somebody with a part in the work."""

    role: Line
    name: Line
    team: Line = ""


class ContactKind(StrEnum):
    """How readers can ask."""

    EMAIL = "email"
    PHONE = "phone"
    WEB = "web"


_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{2,30}")
_WEB = re.compile(r"https?://[^\s<>\"]{1,500}")


class ContactEntry(Entry):
    """Where readers can ask."""

    kind: Annotated[ContactKind, choice({kind.value: kind for kind in ContactKind})]
    value: Line

    @model_validator(mode="after")
    def _fits_kind(self) -> ContactEntry:
        if self.kind is ContactKind.EMAIL:
            self.value = email_address(self.value)
        elif self.kind is ContactKind.PHONE and not _PHONE.fullmatch(self.value):
            raise wrong(
                "“%(text)s” is no telephone number; write it as in +351 220 000 000.", text=self.value[:40]
            )
        elif self.kind is ContactKind.WEB and not _WEB.fullmatch(self.value):
            raise wrong(
                "“%(text)s” is no web address; it begins with https:// or http://.", text=self.value[:40]
            )
        return self


def _lead(length: timedelta) -> timedelta:
    if length <= timedelta(0):
        raise wrong("A reminder goes out some time before the start; write a duration longer than nothing.")
    return length


class PlanEntry(Entry):
    """An intervention."""

    reference: Code | None = None
    title: Name
    description: LongWords = Field(default_factory=dict)
    class_: Annotated[InterventionClass, choice({c.value: c for c in InterventionClass})] = Field(
        InterventionClass.PLANNED, alias="class"
    )
    timezone: Zone | None = None
    phases: list[PhaseEntry]
    people: list[PersonEntry] = Field(default_factory=list)
    reminders: list[Annotated[Length, AfterValidator(_lead)]] | None = None
    contacts: list[ContactEntry] = Field(default_factory=list)


#: What stands for a missing key while the rest is checked; it never gets into a plan.
_STAND_INS = {"title": "-", "phases": [], "kind": "outage", "start": "1970-01-01T00:00", "impact": "OUTAGE"}


def plan_from(source: Source, *, catalogue: Catalogue | None = None, taken: Collection[str] = ()) -> Plan:
    """Return the plan of a document; ids of phases that `taken` names are not given to others.

    Raises:
        InvalidDocument: With every mistake.
    """
    checked = check(PlanEntry, source.data, _STAND_INS)
    problems = [*source.problems, *checked.problems]
    entry = checked.entry
    if entry is not None:
        timezone = entry.timezone or (catalogue.timezone if catalogue else None)
        if timezone is None and not any(p.path == ("timezone",) for p in problems):
            said = Sentence("`timezone` is missing; add one such as Europe/Lisbon.")
            problems.append(Problem(said, ("timezone",)))
        phases = _phases(entry.phases, timezone or "UTC", taken)
        for problem in _problems_between(entry.phases, phases, catalogue):
            path = checked.place(problem.path)
            # Where the start or the end is wrong, nobody can say yet which comes first.
            if path[-1] != "end" or not checked.is_wrong(path[:-1], "start", "end", "duration"):
                problems.append(replace(problem, path=path))
        if not entry.phases and ("phases",) not in checked.touched:
            problems.append(Problem(Sentence("There is no phase; add at least one."), ("phases",)))
    if problems or entry is None:
        raise InvalidDocument(source.located(problems))
    return Plan(
        reference=entry.reference or "",
        title=Text.of(entry.title),
        timezone=timezone or "UTC",
        phases=phases,
        description=Text.of(entry.description),
        intervention_class=entry.class_,
        people=tuple(Person(p.role, p.name, p.team) for p in entry.people),
        reminders=DEFAULT_REMINDERS if entry.reminders is None else tuple(entry.reminders),
        contacts=tuple(ContactPoint(c.kind.value, c.value) for c in entry.contacts),
    )


def _phases(entries: Sequence[PhaseEntry], timezone: str, taken: Collection[str]) -> tuple[Phase, ...]:
    used = {entry.id for entry in entries if entry.id} | set(taken)
    # Above the highest number ever used, so that the id of a phase that was taken out names no other.
    number = max((int(i[1:]) for i in used if re.fullmatch(r"p[0-9]{1,9}", i)), default=0)
    phases = []
    for entry in entries:
        phase_id = entry.id
        if not phase_id:
            number += 1
            phase_id = f"p{number}"
        phases.append(_phase(entry, phase_id, timezone))
    return tuple(phases)


def _phase(entry: PhaseEntry, phase_id: str, timezone: str) -> Phase:
    local_start, start = _instant(entry.start, timezone)
    if entry.end is not None:
        local_end, end = _instant(entry.end, timezone)
    else:
        local_end, end = None, start + (entry.duration or timedelta(0))
    return Phase(
        id=phase_id,
        kind=entry.kind,
        start=start,
        end=end,
        work=tuple(Work(work.system, work.impact) for work in entry.work),
        local_start=local_start,
        local_end=local_end,
        duration=entry.duration,
    )


def _instant(moment: datetime, timezone: str) -> tuple[datetime, datetime]:
    """Return the wall time in the zone and the instant; a moment with an offset is an instant already."""
    if moment.tzinfo is None:
        return moment, resolve(moment, timezone).instant
    return moment.astimezone(zone(timezone)).replace(tzinfo=None), moment.astimezone(UTC)


def _problems_between(
    entries: Sequence[PhaseEntry], phases: Sequence[Phase], catalogue: Catalogue | None
) -> Iterator[Problem]:
    """Yield what is wrong between a phase's start and end, between phases, and with systems."""
    seen: set[str] = set()
    for index, (entry, phase) in enumerate(zip(entries, phases, strict=True)):
        place = ("phases", index)
        if entry.end is None and entry.duration is None:
            yield Problem(Sentence("The phase has no end; add `end` or `duration`."), (*place, "end"))
        elif phase.end <= phase.start:
            yield Problem(_order_sentence(phase), (*place, "end"))
        if phase.id in seen:
            said = Sentence("The id %(id)s is that of another phase; give each its own.", id=phase.id)
            yield Problem(said, (*place, "id"))
        seen.add(phase.id)
        worked_on: set[str] = set()
        for position, work in enumerate(phase.work):
            where = (*place, "work", position, "system")
            if work.system in worked_on:
                said = Sentence(
                    "%(system)s stands twice in this phase; keep the line with the worse impact.",
                    system=work.system,
                )
                yield Problem(said, where)
            worked_on.add(work.system)
            if catalogue is not None and (sentence := _unfit(work.system, catalogue)):
                yield Problem(sentence, where)


def _order_sentence(phase: Phase) -> Sentence:
    if phase.local_end is not None and phase.local_start is not None and phase.local_end > phase.local_start:
        return Sentence(
            "The phase ends at %(end)s, which is no later than its start: the clock is changed between them. "
            "Give a later end, or a duration.",
            end=f"{phase.local_end:%Y-%m-%d %H:%M}",
        )
    return Sentence("The phase ends no later than it starts; give an end after the start.")


def _unfit(code: str, catalogue: Catalogue) -> Sentence | None:
    """Return why the system can be in no new plan; None if it can."""
    system = catalogue.systems.get(code)
    if system is None:
        hint = did_you_mean(code, catalogue.systems)
        said = Sentence("%(system)s is not in the catalogue.", system=code)
        return said.then(hint or Sentence("Add it there, or correct the code."))
    if system.retired:
        return Sentence("%(system)s is retired; nothing can be planned on it.", system=code)
    return None


# -- and back --------------------------------------------------------------------------------------


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return the document from which an equal plan is read; what really happened is not in it."""
    document: dict[str, Any] = {"reference": plan.reference} if plan.reference else {}
    document["title"] = plan.title.document()
    if plan.description:
        document["description"] = plan.description.document()
    document["class"] = plan.intervention_class.value
    document["timezone"] = plan.timezone
    document["phases"] = [phase_document(phase, plan.timezone) for phase in plan.phases]
    if plan.people:
        document["people"] = [
            {"role": p.role, "name": p.name} | ({"team": p.team} if p.team else {}) for p in plan.people
        ]
    document["reminders"] = [format_duration(lead) for lead in plan.reminders]
    if plan.contacts:
        document["contacts"] = [{"kind": c.kind, "value": c.value} for c in plan.contacts]
    return document


def phase_document(phase: Phase, timezone: str) -> dict[str, Any]:
    """Return one phase as a document has it: wall times as the author gave them."""
    document: dict[str, Any] = {
        "id": phase.id,
        "kind": phase.kind.value,
        "start": _written(phase.start, phase.local_start, timezone),
    }
    if phase.duration is not None and phase.start + phase.duration == phase.end:
        document["duration"] = format_duration(phase.duration)
    else:
        document["end"] = _written(phase.end, phase.local_end, timezone)
    document["work"] = [{"system": w.system, "impact": w.impact.code} for w in phase.work]
    return document


def _written(instant: datetime, local: datetime | None, timezone: str) -> str:
    """Return the wall time that means this instant; with its offset where the wall time alone would not."""
    there = instant.astimezone(zone(timezone))
    for candidate in (local, there.replace(tzinfo=None)):
        if candidate is not None and resolve(candidate, timezone).instant == instant:
            return candidate.isoformat(
                timespec="auto" if candidate.second or candidate.microsecond else "minutes"
            )
    return there.isoformat()


def phases_from(documents: Iterable[Mapping[str, Any]], timezone: str) -> tuple[Phase, ...]:
    """Return phases that `phase_document` wrote, as those that were taken out of a plan are kept.

    Raises:
        InvalidDocument: When they are not.
    """
    checked = check(PhasesEntry, {"phases": list(documents)}, {})
    if checked.problems or checked.entry is None:
        raise InvalidDocument(checked.problems)
    return _phases(checked.entry.phases, timezone, ())
