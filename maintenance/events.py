"""What happened, in the past tense: the vocabulary of the log that other packages read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Who did something, when and why; each kind adds what a reader of the log needs to act."""

    at: datetime
    #: E-mail of the person, or `system`.
    by: str
    reason: str = ""
    reference: str | None = None

    @property
    def kind(self) -> str:
        """Return the class name, which is the kind in the log."""
        return type(self).__name__

    def payload(self) -> dict[str, Any]:
        """Return the fields beyond those of every event, as JSON holds them."""
        common = {field.name for field in fields(Event)}
        return {name: value for name, value in asdict(self).items() if name not in common}


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionDrafted(Event):
    """Somebody began an intervention, or a new version of an announced one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionEdited(Event):
    """The draft got another content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionSubmitted(Event):
    """The draft waits for review."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionApproved(Event):
    """A reviewer agreed to exactly the content with this digest."""

    digest: str
    #: Steps that were passed over, as `plan --announce` may.
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionReturned(Event):
    """A reviewer wants it changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionWithdrawn(Event):
    """The unpublished version was given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionAbandoned(Event):
    """It was given up before anybody had been told of it: there is no version to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPublished(Event):
    """A step published a version of the intervention; base of all the steps that do.

    `altered` names announced plans whose windows the same step changed, with the version that
    tells it: they were published in the same transaction as `InterventionAltered` events.
    """

    sequence: int
    altered: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimesPublished(VersionPublished):
    """A step that gives readers a plan's times: only these look for clashes."""

    #: Why an approver took it although clashes block; "" where none did.
    override: str = ""
    #: What these clashes say.
    overridden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionAnnounced(TimesPublished):
    """Readers are to know of it: version 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionChanged(TimesPublished):
    """An announced intervention has another content, approved anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionMoved(TimesPublished):
    """An announced intervention has other times, the same work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionAltered(VersionPublished):
    """Another plan's step changed this one's windows; `because_of` names that plan."""

    because_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionStarted(VersionPublished):
    """A phase with an impact began."""

    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionExtended(VersionPublished):
    """A running phase lasts longer than was said; later phases move with it."""

    phase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRestored(VersionPublished):
    """Service is back: phases (or single systems of them) ended, checks go on."""

    #: Phases that ended whole.
    phases: tuple[str, ...]
    #: Systems that came back while other work of their phase goes on.
    systems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionCompleted(VersionPublished):
    """It is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterventionCancelled(VersionPublished):
    """It will not take place, or was broken off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatePublished(Event):
    """Words for the readers of an intervention; no new version."""

    sequence: int
    update: str
    altered: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartHeld(Event):
    """Something holds the start: the clock does not begin it."""

    gate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartReleased(Event):
    """What held the start is gone."""

    gate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueChanged(Event):
    """A catalogue import changed systems; announced windows stay until a coordinator acts."""

    version: int
    changes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoliciesChanged(Event):
    """Freezes, maintenance hours or other policies are not what they were; what is announced stays."""

    #: {policy, field, old, new}, as the dry run of an import lists them.
    changes: tuple[dict[str, Any], ...]


def event_from(kind: str, *, payload: dict[str, Any], **common: Any) -> Event:
    """Return the event of that kind whose `payload` and common fields these are; `KeyError` for no such kind."""
    return event_types()[kind](**common, **{name: _frozen(value) for name, value in payload.items()})


def _frozen(value: Any) -> Any:
    """Return lists as the tuples they were before JSON."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


class _Kinds:
    by_name: ClassVar[dict[str, type[Event]]] = {}


def event_types() -> dict[str, type[Event]]:
    """Return every kind of event by its name."""
    if not _Kinds.by_name:
        pending = [Event]
        while pending:
            for child in pending.pop().__subclasses__():
                _Kinds.by_name[child.__name__] = child
                pending.append(child)
    return _Kinds.by_name
