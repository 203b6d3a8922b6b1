"""Systems, what they need, who uses them: the graph, its circles, its checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import IntEnum, StrEnum
from functools import cached_property

from maintenance.errors import Problem, did_you_mean
from maintenance.graph import GivenNeed, Graph, build
from maintenance.profiles import OFFICE_HOURS, ROUND_THE_CLOCK, WeekProfile
from maintenance.sentences import Sentence
from maintenance.texts import NO_TEXT, Text, folded

#: What a code looks like: systems, operators, institutions, interventions.
CODE_PATTERN = r"[A-Z0-9][A-Z0-9._-]{0,63}"


class Impact(IntEnum):
    """How badly a system is hit: the four of BCOP maintenance notes, comparable in their order."""

    NO_IMPACT = 0
    REDUCED_REDUNDANCY = 1
    DEGRADED = 2
    OUTAGE = 3

    @property
    def code(self) -> str:
        """Return the standard's word, as in `REDUCED-REDUNDANCY`."""
        return self.name.replace("_", "-")

    @classmethod
    def parse(cls, code: str) -> Impact:
        """Return the impact for the standard's word; `KeyError` for any other."""
        return _IMPACTS[code]


_IMPACTS = {impact.code: impact for impact in Impact}

#: Impacts that readers are told about; milder ones are only shown.
NOTIFIED = (Impact.DEGRADED, Impact.OUTAGE)


class Kind(StrEnum):
    """What sort of thing a system is."""

    SERVICE = "service"
    APPLICATION = "application"
    DATABASE = "database"
    SERVER = "server"
    NETWORK = "network"
    DATA_CENTRE = "data-centre"
    SITE = "site"
    DEVICE = "device"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class Need:
    """`at_least` of the systems in `of` must be up, else the system is in `otherwise`."""

    of: tuple[str, ...]
    at_least: int
    otherwise: Impact = Impact.OUTAGE


@dataclass(frozen=True, slots=True)
class Contingency:
    """What one audience does before, during and after the system is down."""

    audience: str
    before: Text = NO_TEXT
    during: Text = NO_TEXT
    after: Text = NO_TEXT


@dataclass(frozen=True, slots=True)
class Volume:
    """How much the system carries: `per_month` of a `unit` (`prescriptions`)."""

    unit: Text
    per_month: int
    #: When in the week it comes; "" is `profiles.OFFICE_HOURS`.
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Operator:
    """A body that runs systems."""

    code: str
    name: Text
    email: str = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """A target group with instructions of its own; codes are lower case."""

    code: str
    name: Text


@dataclass(frozen=True, slots=True)
class System:
    """Anything in the catalogue that can be down."""

    code: str
    name: Text
    kind: Kind = Kind.SERVICE
    operator: str = ""
    group: Text = NO_TEXT
    tags: tuple[str, ...] = ()
    #: Whether its name may stand on public pages; else it is called by its kind.
    public: bool = False
    audiences: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    #: How much longer an OUTAGE lasts that comes from needs.
    recovery: timedelta = timedelta(0)
    volume: Volume | None = None
    contingency: tuple[Contingency, ...] = ()
    #: Retired systems stay for history and can be in no new plan.
    retired: bool = False

    @property
    def search_words(self) -> str:
        """Return what people find it by, folded: its code and its name in every language."""
        return folded(" ".join((self.code, *(words for _, words in self.name.variants))))


@dataclass(frozen=True, slots=True)
class Institution:
    """A body that uses systems and acknowledges notices."""

    code: str
    name: str
    retired: bool = False


@dataclass(frozen=True)
class Catalogue:
    """All systems with what they need; `version` counts the changes it has seen."""

    systems: Mapping[str, System] = field(default_factory=dict)
    operators: Mapping[str, Operator] = field(default_factory=dict)
    audiences: Mapping[str, Audience] = field(default_factory=dict)
    profiles: Mapping[str, WeekProfile] = field(default_factory=dict)
    timezone: str = "UTC"
    version: int = 0

    @classmethod
    def of(cls, systems: Iterable[System], **rest: object) -> Catalogue:
        """Return a catalogue of these systems."""
        return cls({system.code: system for system in systems}, **rest)  # type: ignore[arg-type]

    @cached_property
    def dependants(self) -> Mapping[str, tuple[str, ...]]:
        """Return, for each system that is needed, the systems that name it, each once, in order."""
        found: dict[str, dict[str, None]] = {}
        for system in self.systems.values():
            for need in system.needs:
                for member in need.of:
                    found.setdefault(member, {})[system.code] = None
        return {code: tuple(names) for code, names in found.items()}

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Return each system's place in the document, to sort by."""
        return {code: position for position, code in enumerate(self.systems)}

    @cached_property
    def used_by(self) -> Mapping[str, frozenset[str]]:
        """Return, for each audience that uses any, the codes of the systems it uses."""
        found: dict[str, set[str]] = {}
        for system in self.systems.values():
            for audience in system.audiences:
                found.setdefault(audience, set()).add(system.code)
        return {audience: frozenset(codes) for audience, codes in found.items()}

    @cached_property
    def profiled(self) -> Mapping[str, str]:
        """Return, for each system whose volume says when in the week it comes, the name of that profile."""
        return {
            code: system.volume.profile
            for code, system in self.systems.items()
            if system.volume is not None and system.volume.profile
        }

    @cached_property
    def graph(self) -> Graph:
        """Return the needs as numbers, as a forecast reads them; what is retired needs nothing more."""

        def needs_of(code: str) -> Iterator[GivenNeed]:
            system = self.systems[code]
            return ((n.of, n.at_least, n.otherwise) for n in (() if system.retired else system.needs))

        def recovery_of(code: str) -> int:
            return self.systems[code].recovery // timedelta(microseconds=1)

        return build(list(self.systems), needs_of, recovery_of)

    def reached_from(self, codes: Iterable[str]) -> list[str]:
        """Return `codes` and every system that could feel work on them, nearest first."""
        graph = self.graph
        return [
            graph.codes[i] for i in graph.reach(graph.index[code] for code in codes if code in graph.index)
        ]

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong between systems: unknown members, a need on itself, k above n."""
        for position, system in enumerate(self.systems.values()):
            yield from self.problems_of(system, ("systems", position))

    def problems_of(self, system: System, path: tuple[str | int, ...] = ()) -> Iterator[Problem]:
        """Yield what is wrong between one system, which stands at `path`, and this catalogue."""
        yield from _problems_of(self, system, path)


def _problems_of(catalogue: Catalogue, system: System, path: tuple[str | int, ...]) -> Iterator[Problem]:
    yield from _unnamed(catalogue, system, path)
    for position, need in enumerate(system.needs):
        where = (*path, "needs", position)
        yield from _problems_of_need(system.code, need, where)
        for member in need.of:
            if member not in catalogue.systems:
                hint = did_you_mean(member, catalogue.systems) or Sentence("Add it, or correct the code.")
                said = Sentence(
                    "%(system)s needs %(member)s, which is not in the catalogue.",
                    system=system.code,
                    member=member,
                )
                yield Problem(said.then(hint), where)


def _unnamed(catalogue: Catalogue, system: System, path: tuple[str | int, ...]) -> Iterator[Problem]:
    """Yield what a system names that is not in the lists of the catalogue."""
    code = system.code
    if system.operator and system.operator not in catalogue.operators:
        said = Sentence(
            "%(system)s names the operator %(operator)s, which is not under `operators`; add it there.",
            system=code,
            operator=system.operator,
        )
        yield Problem(said, (*path, "operator"))
    for audience in system.audiences:
        if audience not in catalogue.audiences:
            said = Sentence(
                "%(system)s names the audience %(audience)s, which is not under `audiences`; add it there.",
                system=code,
                audience=audience,
            )
            yield Problem(said, (*path, "audiences"))
    profile = system.volume.profile if system.volume else ""
    if profile and profile not in (known := (OFFICE_HOURS, ROUND_THE_CLOCK, *catalogue.profiles)):
        said = Sentence(
            "%(system)s names the profile %(profile)s, which is not under `profiles`.",
            system=code,
            profile=profile,
        )
        hint = did_you_mean(profile, known) or Sentence("Known are %(names)s.", names=", ".join(known))
        yield Problem(said.then(hint), (*path, "volume", "profile"))
    for position, contingency in enumerate(system.contingency):
        if contingency.audience not in catalogue.audiences:
            said = Sentence(
                "%(system)s has a contingency for the audience %(audience)s, which is not under `audiences`; "
                "add it there.",
                system=code,
                audience=contingency.audience,
            )
            yield Problem(said, (*path, "contingency", position, "audience"))


def _problems_of_need(code: str, need: Need, where: tuple[str | int, ...]) -> Iterator[Problem]:
    """Yield what is wrong with one need by itself."""
    if code in need.of:
        yield Problem(Sentence("%(system)s needs itself; take it out of this need.", system=code), where)
    if len(set(need.of)) != len(need.of):
        said = Sentence("A need of %(system)s names a system twice; name each once.", system=code)
        yield Problem(said, where)
    if not 1 <= need.at_least <= len(need.of):
        said = Sentence(
            "A need of %(system)s asks for at least %(wanted)s of %(count)s systems; `at_least` goes from 1 to "
            "%(count)s.",
            system=code,
            wanted=need.at_least,
            count=len(need.of),
        )
        yield Problem(said, (*where, "at_least"))
    if need.otherwise is Impact.NO_IMPACT:
        said = Sentence(
            "A need of %(system)s has `otherwise: NO-IMPACT`; say REDUCED-REDUNDANCY, DEGRADED or OUTAGE.",
            system=code,
        )
        yield Problem(said, (*where, "otherwise"))


def what_decides(catalogue: Catalogue, reach: Iterable[str]) -> Catalogue:
    """Return the part of the catalogue that decides about these systems: they, and all that they rest on."""
    found = dict.fromkeys(reach)
    queue: list[str] = list(found)
    for code in queue:
        for member in _members(catalogue, code):
            if member not in found and member in catalogue.systems:
                found[member] = None
                queue.append(member)
    return replace(catalogue, systems={code: catalogue.systems[code] for code in found})


def _members(catalogue: Catalogue, code: str) -> Iterator[str]:
    for need in catalogue.systems[code].needs:
        yield from need.of
