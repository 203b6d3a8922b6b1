"""Policies by their codes: read from documents and rows, looked up in a catalogue, ready for clashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from maintenance.catalogue import Catalogue
from maintenance.document_problems import check
from maintenance.errors import InvalidDocument, Problem, did_you_mean
from maintenance.policies import (
    DownAtOnce,
    DowntimeBudget,
    Freeze,
    HolidayCalendar,
    MaintenanceHours,
    NoticePolicy,
    Policies,
)
from maintenance.policy_documents import ENTRIES, PoliciesEntry, Value, entry_document
from maintenance.policy_fields import PolicyEntry
from maintenance.reading import Source, read
from maintenance.recurrence import Reservation
from maintenance.sentences import N_, Sentence
from maintenance.texts import Text


@dataclass(frozen=True, slots=True)
class Policy:
    """One freeze, one set of maintenance hours, or another policy."""

    #: The list of the document in which it stands.
    kind: str
    entry: PolicyEntry
    #: In which its times are meant.
    timezone: str = "UTC"

    @property
    def code(self) -> str:
        """Return its code."""
        return self.entry.code

    @property
    def name(self) -> Text:
        """Return its name."""
        return Text.of(self.entry.name)

    @property
    def document(self) -> dict[str, Any]:
        """Return it as a document has it."""
        return entry_document(self.entry)

    def value(self, language: str = "en") -> Value:
        """Return what clashes are computed from, named in a language."""
        value: Value = self.entry.value(self.timezone, language)
        return value


@dataclass(frozen=True, slots=True)
class PolicyBook:
    """Policies, each code once, in the order of their document."""

    policies: tuple[Policy, ...] = ()

    def agreed(self, language: str = "en") -> Policies:
        """Return all of them as `find_policy_clashes` wants them."""
        values = [policy.value(language) for policy in self.policies]
        return Policies(
            freezes=tuple(v for v in values if isinstance(v, Freeze)),
            hours=tuple(v for v in values if isinstance(v, MaintenanceHours)),
            notices=tuple(v for v in values if isinstance(v, NoticePolicy)),
            holidays=tuple(v for v in values if isinstance(v, HolidayCalendar)),
            budgets=tuple(v for v in values if isinstance(v, DowntimeBudget)),
            down_at_once=tuple(v for v in values if isinstance(v, DownAtOnce)),
        )

    def reservations(self) -> tuple[Reservation, ...]:
        """Return the windows that are kept free for maintenance."""
        values = (policy.value() for policy in self.policies)
        return tuple(value for value in values if isinstance(value, Reservation))

    def by_code(self) -> dict[str, Policy]:
        """Return each policy under its code."""
        return {policy.code: policy for policy in self.policies}


def read_policies(
    raw: bytes, *, file: str = "", limit_mb: int = 64, catalogue: Catalogue | None = None
) -> PolicyBook:
    """Return the policies of a YAML or JSON document; with a catalogue its scopes are looked up there.

    Raises:
        InvalidDocument: With every mistake, where it stands and what would be right.
    """
    return _from(read(raw, file=file, limit_mb=limit_mb), catalogue)


def policies_from_document(document: Mapping[str, Any], *, catalogue: Catalogue | None = None) -> PolicyBook:
    """Return the policies of a document that is in memory: of a form, the API or a row.

    Raises:
        InvalidDocument: With every mistake and its path.
    """
    return _from(Source(document), catalogue)


#: What stands for a missing key while the rest is checked; it never gets into a policy.
_STAND_INS = {
    "name": "-",
    "start": "1970-01-01T00:00",
    "end": "1970-01-02T00:00",
    "at_least": "PT1H",
    "duration": "PT1H",
    "rule": "FREQ=DAILY",
    "change": "skipped",
    "days": ["monday"],
    "date": "1970-01-01",
}


def _from(source: Source, catalogue: Catalogue | None) -> PolicyBook:
    checked = check(PoliciesEntry, source.data, _STAND_INS)
    problems = [*source.problems, *checked.problems]
    entry = checked.entry
    if entry is None:
        raise InvalidDocument(source.located(problems))
    # Of a catalogue that was never imported nothing is known, its zone neither.
    there = entry.timezone or (catalogue.timezone if catalogue else "UTC")
    found = []
    for kind in ENTRIES:
        for position, each in enumerate(getattr(entry, kind)):
            place = checked.place((kind, position))
            policy = Policy(kind, _in_zone(each, there), getattr(each, "timezone", None) or there)
            found.append((policy, place))
            if not checked.is_wrong(place, "start", "end"):
                problems += [replace(p, path=(*place, *p.path)) for p in _backwards(policy)]
            if catalogue is not None:
                problems += [replace(p, path=(*place, *p.path)) for p in _unknown(each, catalogue)]
    problems += _doubles(found)
    if problems:
        raise InvalidDocument(source.located(problems))
    return PolicyBook(tuple(policy for policy, _ in found))


def _in_zone(entry: PolicyEntry, timezone: str) -> PolicyEntry:
    """Return the entry with its zone said: a row stands alone, without its document."""
    if "timezone" in type(entry).model_fields and getattr(entry, "timezone") is None:  # noqa: B009
        return entry.model_copy(update={"timezone": timezone})
    return entry


def _backwards(policy: Policy) -> Iterator[Problem]:
    """Yield that a freeze ends before it starts, on the clock of its zone."""
    value = policy.value()
    if isinstance(value, Freeze) and value.end <= value.start:
        said = Sentence("The freeze ends before it starts; give it an `end` after its `start`.")
        yield Problem(said, ("end",))


def _doubles(found: Iterable[tuple[Policy, tuple[str | int, ...]]]) -> Iterator[Problem]:
    first: dict[str, tuple[str | int, ...]] = {}
    for policy, place in found:
        if policy.code in first:
            kind, position = first[policy.code]
            said = Sentence(
                "%(code)s stands twice, first as entry %(number)s of `%(list)s`; give one another code.",
                code=policy.code,
                number=int(position) + 1,
                list=kind,
            )
            yield Problem(said, (*place, "code"))
        first.setdefault(policy.code, place)


def _unknown(entry: PolicyEntry, catalogue: Catalogue) -> Iterator[Problem]:
    """Yield what an entry names that the catalogue does not know: a policy for a misspelt tag protects nobody."""
    systems = {code: system for code, system in catalogue.systems.items() if not system.retired}
    tags = dict.fromkeys(tag for system in systems.values() for tag in system.tags)
    groups = dict.fromkeys(words for s in systems.values() for _, words in s.group.variants)
    for key, known, what in (
        ("systems", systems, N_("There is no system %(word)s in the catalogue.")),
        ("groups", groups, N_("No system is in the group “%(word)s”.")),
        ("tags", tags, N_("No system has the tag “%(word)s”.")),
    ):
        for position, word in enumerate(getattr(entry.scope, key)):
            if word not in known:
                hint = did_you_mean(word, known) or _some(known)
                yield Problem(Sentence(what, word=word).then(hint), ("scope", key, position))
    audience = getattr(entry, "audience", None)
    if audience is not None and audience not in catalogue.audiences:
        hint = did_you_mean(audience, catalogue.audiences) or _some(catalogue.audiences)
        said = Sentence("There is no audience %(audience)s in the catalogue.", audience=audience)
        yield Problem(said.then(hint), ("audience",))


def _some(known: Mapping[str, object]) -> Sentence | None:
    shown = ", ".join(list(known)[:10])
    names = f"{shown}{', …' if len(known) > 10 else ''}"
    return Sentence("Known are %(names)s.", names=names) if known else None
