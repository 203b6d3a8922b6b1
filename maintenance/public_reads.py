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
from maintenance.public_windows import stored_windows
from maintenance.queries import gates_in_force, plan_of
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
    found = _read(session, _newest().where(or_(InterventionRow.run_state.in_(OPEN), recent)))
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
    return _read(session, statement)


def told_by_reference(session: Session, references: Collection[str]) -> dict[str, Told]:
    """Return those of these interventions that readers know, by reference."""
    if not references:
        return {}
    statement = _newest().where(InterventionRow.reference.in_(references))
    return {told.reference: told for told in _read(session, statement)}


def told_plans(session: Session, references: Collection[str]) -> dict[str, Plan]:
    """Return the plans of those of these interventions that readers know, by reference."""
    statement = _newest().where(InterventionRow.reference.in_(references))
    return (
        {row.reference: plan_of(version) for row, version in session.execute(statement)} if references else {}
    )


def whole_story(session: Session, reference: str) -> Told:
    """Return one intervention with all its published versions, with windows as readers may know them.

    Raises:
        NotFound: If there is none of that reference, or readers were never told of it.
    """
    row = session.scalars(_with_versions().where(InterventionRow.reference == reference)).one_or_none()
    published = _published(row) if row else []
    if row is None or not published:
        raise NotFound("There is no announced intervention %(reference)s.", reference=reference)
    windows = stored_windows(session, [version.id for version in published])
    versions = tuple(_version(version, windows.get(version.id, ())) for version in published)
    return _described(row, versions[0], versions)


def for_calendar(session: Session, reference: str) -> Told:
    """Return one intervention as `for_calendars` does.

    Raises:
        NotFound: If there is none of that reference, or readers were never told of it.
    """
    row = session.scalars(_with_versions().where(InterventionRow.reference == reference)).one_or_none()
    if row is None or not (told := _in_calendars(session, [row])):
        raise NotFound("There is no announced intervention %(reference)s.", reference=reference)
    return told[0]


def for_calendars(session: Session, *, ended_since: datetime) -> list[Told]:
    """Return the interventions that stand in calendars, with their two newest versions and what of them is public."""
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
    return _in_calendars(session, session.scalars(statement.order_by(InterventionRow.id)))


def _in_calendars(session: Session, rows: Iterable[InterventionRow]) -> list[Told]:
    # The version before the newest tells when something cancelled would have been.
    newest = [(row, published[:2]) for row in rows if (published := _published(row))]
    windows = stored_windows(session, [version.id for _, versions in newest for version in versions])
    found = []
    for row, published in newest:
        versions = tuple(_version(version, windows.get(version.id, ())) for version in published)
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
    )


def _with_versions() -> Select[InterventionRow]:
    return select(InterventionRow).options(
        selectinload(InterventionRow.versions),
        selectinload(InterventionRow.updates),
        selectinload(InterventionRow.gates),
    )


def _published(row: InterventionRow) -> list[VersionRow]:
    """Return the versions readers were told of, newest first."""
    published = [version for version in row.versions if version.sequence is not None]
    return sorted(published, key=lambda version: version.sequence or 0, reverse=True)


def _read(session: Session, statement: Select[InterventionRow, VersionRow]) -> list[Told]:
    """Return the interventions, with windows as readers may know them."""
    beside = (selectinload(InterventionRow.updates), selectinload(InterventionRow.gates))
    found = [(row, version) for row, version in session.execute(statement.options(*beside))]
    windows = stored_windows(session, [version.id for _, version in found])
    return [_described(row, _version(version, windows.get(version.id, ())), ()) for row, version in found]


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


def _version(row: VersionRow, windows: tuple[Window, ...]) -> Version:
    return Version(
        sequence=row.sequence or 0,
        published_at=row.published_at or row.created_at,
        step=row.step or "",
        reason=Text.of(row.reason),
        plan=plan_of(row),
        windows=windows,
    )
