"""The schema of catalogue documents; document to catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from maintenance.catalogue import (
    Audience,
    Catalogue,
    Contingency,
    Impact,
    Kind,
    Need,
    Operator,
    System,
    Volume,
)
from maintenance.document_fields import (
    AudienceCode,
    Code,
    Email,
    Entry,
    ImpactCode,
    Length,
    Line,
    LongWords,
    Name,
    Truth,
    Whole,
    Words,
    Zone,
    choice,
    wrong,
)
from maintenance.document_problems import Checked, check
from maintenance.errors import InvalidDocument, Problem
from maintenance.profile_documents import ProfileEntry, profile_document
from maintenance.profiles import OFFICE_HOURS, WeekProfile
from maintenance.reading import Source
from maintenance.sentences import Sentence
from maintenance.texts import Text
from maintenance.windows import format_duration

#: An estate has half a million needs, and working a code out takes longer than looking it up.
_IMPACT_CODES = {impact: impact.code for impact in Impact}


class OperatorEntry(Entry):
    """A body that runs systems."""

    code: Code
    name: Name
    email: Email = ""


class AudienceEntry(Entry):
    """A target group."""

    code: AudienceCode
    name: Name


def _short_need(value: Any) -> Any:
    """Let a code alone stand for a need on that one system."""
    return {"of": [value]} if isinstance(value, str) else value


class NeedEntry(Entry):
    """What a system requires."""

    of: list[Code] = Field(min_length=1)
    at_least: Whole | None = None
    otherwise: ImpactCode = Impact.OUTAGE


class VolumeEntry(Entry):
    """How much a system carries."""

    unit: Name
    per_month: Annotated[Whole, Field(ge=0, le=10**15)]
    profile: AudienceCode = OFFICE_HOURS

    def value(self) -> Volume:
        """Return the volume."""
        profile = "" if self.profile == OFFICE_HOURS else self.profile
        return Volume(Text.of(self.unit), self.per_month, profile)


class ContingencyEntry(Entry):
    """What an audience does while the system is down."""

    audience: AudienceCode
    before: LongWords = Field(default_factory=dict)
    during: LongWords = Field(default_factory=dict)
    after: LongWords = Field(default_factory=dict)


def _recovery(length: timedelta) -> timedelta:
    if length > timedelta(days=31):
        raise wrong("A recovery of more than 31 days cannot be meant.")
    return length


class SystemEntry(Entry):
    """Anything that can be down."""

    code: Code
    name: Name
    kind: Annotated[Kind, choice({kind.value: kind for kind in Kind})] = Kind.SERVICE
    operator: Code | None = None
    group: Words = Field(default_factory=dict)
    tags: list[Line] = Field(default_factory=list)
    public: Truth = False
    audiences: list[AudienceCode] = Field(default_factory=list)
    needs: list[Annotated[NeedEntry, BeforeValidator(_short_need)]] = Field(default_factory=list)
    recovery: Annotated[Length, AfterValidator(_recovery)] = timedelta(0)
    volume: VolumeEntry | None = None
    contingency: list[ContingencyEntry] = Field(default_factory=list)

    def value(self) -> System:
        """Return the system."""
        return System(
            code=self.code,
            name=Text.of(self.name),
            kind=self.kind,
            operator=self.operator or "",
            group=Text.of(self.group),
            tags=tuple(self.tags),
            public=self.public,
            audiences=tuple(self.audiences),
            needs=tuple(
                Need(tuple(n.of), len(n.of) if n.at_least is None else n.at_least, n.otherwise)
                for n in self.needs
            ),
            recovery=self.recovery,
            volume=self.volume.value() if self.volume else None,
            contingency=tuple(
                Contingency(c.audience, Text.of(c.before), Text.of(c.during), Text.of(c.after))
                for c in self.contingency
            ),
        )


class CatalogueEntry(Entry):
    """A catalogue."""

    timezone: Zone = "UTC"
    operators: list[OperatorEntry] = Field(default_factory=list)
    audiences: list[AudienceEntry] = Field(default_factory=list)
    profiles: list[ProfileEntry] = Field(default_factory=list)
    systems: list[SystemEntry]


def catalogue_from(source: Source, *, known: Catalogue | None = None) -> Catalogue:
    """Return the catalogue of a document; its needs may also name systems of `known`.

    Raises:
        InvalidDocument: With every mistake.
    """
    if isinstance(source.data, dict) and "phases" in source.data and "systems" not in source.data:
        said = Sentence("This is an intervention, not a catalogue; a catalogue has a list of `systems`.")
        raise InvalidDocument(source.located([*source.problems, Problem(said)]))
    quick = _quickly(source.data)
    checked = quick[0] if quick else check(CatalogueEntry, source.data, _STAND_INS)
    problems = [*source.problems, *checked.problems]
    entry = checked.entry
    if entry is None:
        raise InvalidDocument(source.located(problems))
    systems = quick[1] if quick else [system.value() for system in entry.systems]
    catalogue = Catalogue(
        {system.code: system for system in systems},
        {o.code: Operator(o.code, Text.of(o.name), o.email) for o in entry.operators},
        {a.code: Audience(a.code, Text.of(a.name)) for a in entry.audiences},
        {profile.code: profile.value() for profile in entry.profiles},
        entry.timezone,
    )
    for name in ("operators", "audiences", "profiles", "systems"):
        problems += _doubles(name, source.data.get(name))
    everything = _everything(catalogue, source.data, known)
    for index, system in enumerate(systems):
        for problem in everything.problems_of(system, ("systems", index)):
            path = checked.place(problem.path)
            # Of a list with a wrong entry nobody can say yet how many of it are needed.
            if path[-1] != "at_least" or not checked.is_wrong(path[:-1], "of"):
                problems.append(replace(problem, path=path))
    if problems:
        raise InvalidDocument(source.located(problems))
    return catalogue


#: What stands for a missing key while the rest is checked; it never gets into a catalogue.
_STAND_INS = {"systems": [], "name": "-", "unit": "-", "per_month": 0}


def _quickly(data: Any) -> tuple[Checked[CatalogueEntry], list[System]] | None:
    """Return a document without mistakes, read system by system; None for one with any.

    So an estate needs half the memory: no more than one system is there twice at a time.
    """
    if not isinstance(data, dict) or not isinstance(data.get("systems"), list):
        return None
    try:
        entry = CatalogueEntry.model_validate({**data, "systems": []})
        return Checked(entry), [SystemEntry.model_validate(each).value() for each in data["systems"]]
    except ValidationError:
        return None


def _codes(entries: Any) -> Iterator[tuple[int, str]]:
    """Yield position and code of the entries that have one, whatever else is wrong with them."""
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict) and isinstance(code := entry.get("code"), str):
            yield position, str(code)


def _doubles(name: str, entries: Any) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for position, code in _codes(entries):
        if code in first:
            said = Sentence(
                "%(code)s stands twice, first as entry %(number)s of `%(list)s`; keep one.",
                code=code,
                number=first[code] + 1,
                list=name,
            )
            yield Problem(said, (name, position, "code"))
        first.setdefault(code, position)


def _everything(catalogue: Catalogue, data: Mapping[str, Any], known: Catalogue | None) -> Catalogue:
    """Return all that can be named: what is known, and of the document also what is wrong in itself."""
    there = known or Catalogue()
    present = {code: system for code, system in there.systems.items() if not system.retired}
    named = {code: System(code, Text()) for _, code in _codes(data.get("systems"))}
    return Catalogue(
        {**present, **named, **catalogue.systems},
        {**there.operators, **{c: Operator(c, Text()) for _, c in _codes(data.get("operators"))}},
        {**there.audiences, **{c: Audience(c, Text()) for _, c in _codes(data.get("audiences"))}},
        {**there.profiles, **{c: WeekProfile(c, ()) for _, c in _codes(data.get("profiles"))}},
    )


# -- and back --------------------------------------------------------------------------------------


def catalogue_document(catalogue: Catalogue) -> dict[str, Any]:
    """Return the document from which an equal catalogue is read; retired systems are left out."""
    return {
        "timezone": catalogue.timezone,
        "operators": [operator_document(o) for o in catalogue.operators.values()],
        "audiences": [audience_document(a) for a in catalogue.audiences.values()],
        **(
            {"profiles": [profile_document(p) for p in catalogue.profiles.values()]}
            if catalogue.profiles
            else {}
        ),
        "systems": [system_document(s) for s in catalogue.systems.values() if not s.retired],
    }


def operator_document(operator: Operator) -> dict[str, Any]:
    """Return one operator as a document has it."""
    return {"code": operator.code, "name": operator.name.document()} | (
        {"email": operator.email} if operator.email else {}
    )


def audience_document(audience: Audience) -> dict[str, Any]:
    """Return one audience as a document has it."""
    return {"code": audience.code, "name": audience.name.document()}


def system_document(system: System) -> dict[str, Any]:
    """Return one system as a document has it; what is as it would be unsaid is left out."""
    return {key: value for key, value in system_fields(system).items() if value}


def system_fields(system: System) -> dict[str, Any]:
    """Return every field of a system as a document has it, also what could be left out."""
    return {
        "code": system.code,
        "name": system.name.document(),
        "kind": system.kind.value,
        "operator": system.operator,
        "group": system.group.document(),
        "tags": list(system.tags),
        "public": system.public,
        "audiences": list(system.audiences),
        "needs": [need_document(need) for need in system.needs],
        "recovery": format_duration(system.recovery) if system.recovery else "",
        "volume": volume_document(system.volume) if system.volume else None,
        "contingency": [contingency_document(c) for c in system.contingency],
    }


def volume_document(volume: Volume) -> dict[str, Any]:
    """Return a volume as a document has it."""
    told = {"unit": volume.unit.document(), "per_month": volume.per_month}
    return told | ({"profile": volume.profile} if volume.profile else {})


def need_document(need: Need) -> dict[str, Any]:
    """Return one need with all that it says."""
    return {"of": list(need.of), "at_least": need.at_least, "otherwise": _IMPACT_CODES[need.otherwise]}


def contingency_document(contingency: Contingency) -> dict[str, Any]:
    """Return the instructions of one audience; stretches without any are left out."""
    texts = {"before": contingency.before, "during": contingency.during, "after": contingency.after}
    return {"audience": contingency.audience} | {k: t.document() for k, t in texts.items() if t}
