"""Named reads for the public pages: interventions that readers were told of, as values."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session, selectinload

from maintenance.errors import NotFound
from maintenance.interventions import Plan, Window
from maintenance.lifecycle import OPEN, RunState
from maintenance.models import InterventionRow, VersionRow
from maintenance.queries import gates_in_force, plan_of, windows_of
from maintenance.texts import Text

#: Run states of interventions that are over.
ENDED = (RunState.COMPLETED, RunState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Update:
    """Words published while the work was announced or running."""

    at: datetime
    words: Text


@dataclass(frozen=True, slots=True)
class Version:
    """One published version: what it says, when and why it was published."""

    sequence: int
    published_at: datetime
    #: Kind of the event that published it, as in `InterventionMoved`.
    step: str
    reason: Text
    plan: Plan
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """An intervention as readers know it: its newest published version, and how it goes."""

    reference: str
    state: RunState
    version: Version
    created_at: datetime
    #: Newest first.
    updates: tuple[Update, ...] = ()
    #: Something holds its start.
    held: bool = False
    #: Newest first; only where more than the newest was asked for.
    versions: tuple[Version, ...] = ()

    @property
    def plan(self) -> Plan:
        """Return the content readers know."""
        return self.version.plan

    @property
    def really(self) -> tuple[datetime, datetime] | None:
        """Return from when to when it took systems down; None if it did not, or still does."""
        begun = [phase for phase in self.plan.impact_phases if phase.started_at]
        starts = [phase.started_at for phase in begun if phase.started_at]
        ends = [phase.ended_at for phase in begun if phase.ended_at]
        return (min(starts), max(ends)) if starts and len(ends) == len(starts) else None

    @property
    def changed_at(self) -> datetime:
        """Return when readers were last told something."""
        return max([self.version.published_at, *(update.at for update in self.updates)])


def told_of(session: Session, *, ended_since: datetime) -> list[Told]:
    """Return the interventions that readers wait for, and those that ended since an instant; by start."""
    recent = (InterventionRow.run_state.in_(ENDED)) & (VersionRow.published_at >= ended_since)
    statement = _newest().where(or_(InterventionRow.run_state.in_(OPEN), recent))
    found = [_told(row, version) for row, version in session.execute(statement)]
    return sorted(found, key=lambda told: (told.plan.start, told.reference))


def ended(session: Session, *, limit: int, offset: int = 0) -> list[Told]:
    """Return interventions that are completed or cancelled, the latest first."""
    statement = (
        _newest()
        .where(InterventionRow.run_state.in_(ENDED))
        .order_by(VersionRow.published_at.desc(), InterventionRow.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [_told(row, version) for row, version in session.execute(statement)]


def told_by_reference(session: Session, references: Collection[str]) -> dict[str, Told]:
    """Return those of these interventions that readers know, by reference."""
    if not references:
        return {}
    statement = _newest().where(InterventionRow.reference.in_(references))
    return {row.reference: _told(row, version) for row, version in session.execute(statement)}


def whole_story(session: Session, reference: str) -> Told:
    """Return one intervention with all its published versions.

    Raises:
        NotFound: If there is none of that reference, or readers were never told of it.
    """
    row = session.scalars(_with_versions().where(InterventionRow.reference == reference)).one_or_none()
    versions = _published(row) if row else ()
    if row is None or not versions:
        raise NotFound("There is no announced intervention %(reference)s.", reference=reference)
    return _described(row, versions[0], versions)


def for_calendars(session: Session, *, ended_since: datetime) -> list[Told]:
    """Return the interventions that stand in calendars, with their versions; those that ended earlier left out."""
    statement = _with_versions().where(
        or_(
            InterventionRow.run_state.in_(OPEN),
            exists().where(
                VersionRow.intervention_id == InterventionRow.id,
                VersionRow.sequence.is_not(None),
                VersionRow.published_at >= ended_since,
            ),
        )
    )
    found = []
    for row in session.scalars(statement.order_by(InterventionRow.id)):
        # The version before the newest tells when something cancelled would have been.
        if versions := _published(row, newest=2):
            found.append(_described(row, versions[0], versions))
    return found


def _newest() -> Select[InterventionRow, VersionRow]:
    newest = (
        select(func.max(VersionRow.sequence))
        .where(VersionRow.intervention_id == InterventionRow.id)
        .correlate(InterventionRow)
        .scalar_subquery()
    )
    return (
        select(InterventionRow, VersionRow)
        .join(VersionRow, VersionRow.intervention_id == InterventionRow.id)
        .where(VersionRow.sequence == newest)
        .options(
            selectinload(VersionRow.windows),
            selectinload(InterventionRow.updates),
            selectinload(InterventionRow.gates),
        )
    )


def _with_versions() -> Select[InterventionRow]:
    return select(InterventionRow).options(
        selectinload(InterventionRow.versions).selectinload(VersionRow.windows),
        selectinload(InterventionRow.updates),
        selectinload(InterventionRow.gates),
    )


def _published(row: InterventionRow, *, newest: int | None = None) -> tuple[Version, ...]:
    """Return the versions readers were told of, newest first."""
    published = [version for version in row.versions if version.sequence is not None]
    ordered = sorted(published, key=lambda version: version.sequence or 0, reverse=True)
    return tuple(_version(version) for version in ordered[:newest])


def _told(row: InterventionRow, version: VersionRow) -> Told:
    return _described(row, _version(version), ())


def _described(row: InterventionRow, version: Version, versions: Iterable[Version]) -> Told:
    return Told(
        reference=row.reference,
        state=RunState(row.run_state),
        version=version,
        created_at=row.created_at,
        updates=tuple(
            Update(update.at, Text.of(update.text)) for update in sorted(row.updates, key=lambda u: -u.id)
        ),
        held=bool(gates_in_force(row)),
        versions=tuple(versions),
    )


def _version(row: VersionRow) -> Version:
    return Version(
        sequence=row.sequence or 0,
        published_at=row.published_at or row.created_at,
        step=row.step or "",
        reason=Text.of(row.reason),
        plan=plan_of(row),
        windows=windows_of(row),
    )
