"""The rows of planning: catalogue, interventions and their versions, people, the event log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, event, inspect
from sqlalchemy.orm import Mapped, mapped_column, object_session, relationship

from maintenance.database import Base, new_public_id


class CatalogueRevision(Base):
    """One change of the catalogue; the newest number is the catalogue's version."""

    __tablename__ = "catalogue_revisions"

    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(255))
    timezone: Mapped[str] = mapped_column(String(64))
    #: Hours of the week in which volumes come, as the document has them: {name: [{days, start, end, weight}]}.
    profiles: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    #: What changed, as the dry run lists it: [{system, field, old, new}].
    changes: Mapped[list[Any]]


class OperatorRow(Base):
    """A body that runs systems."""

    __tablename__ = "operators"

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: The order of the document, which is the order of pages.
    position: Mapped[int] = mapped_column(default=0)
    name: Mapped[dict[str, Any]]
    email: Mapped[str] = mapped_column(String(255), default="")


class AudienceRow(Base):
    """A target group."""

    __tablename__ = "audiences"

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: The order of the document, which is the order of pages.
    position: Mapped[int] = mapped_column(default=0)
    name: Mapped[dict[str, Any]]


class SystemRow(Base):
    """A system of the catalogue; retired, never deleted."""

    __tablename__ = "systems"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(12), unique=True, default=new_public_id)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    #: The order of the document, which is the order of pages.
    position: Mapped[int] = mapped_column(default=0)
    #: {language: words}, as everywhere a text is kept; "und" when no language was said.
    name: Mapped[dict[str, Any]]
    #: `System.search_words`: JSON of a name cannot be searched without regard to accents.
    search_words: Mapped[str] = mapped_column(default="")
    kind: Mapped[str] = mapped_column(String(16))
    operator: Mapped[str] = mapped_column(String(64), default="")
    group: Mapped[dict[str, Any]] = mapped_column(default=dict)
    tags: Mapped[list[Any]] = mapped_column(default=list)
    public: Mapped[bool] = mapped_column(default=False)
    audiences: Mapped[list[Any]] = mapped_column(default=list)
    #: [{of, at_least, otherwise}]; read whole with the system, since the graph is built in memory.
    needs: Mapped[list[Any]] = mapped_column(default=list)
    recovery_seconds: Mapped[int] = mapped_column(default=0)
    volume: Mapped[dict[str, Any] | None]
    contingency: Mapped[list[Any]] = mapped_column(default=list)
    retired_at: Mapped[datetime | None]
    lock_version: Mapped[int] = mapped_column(default=1)


class PolicyRow(Base):
    """A freeze, maintenance hours or another policy; retired, never deleted."""

    __tablename__ = "policies"

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: The list of the document in which it stands: `freezes`, `hours`, …
    kind: Mapped[str] = mapped_column(String(16))
    #: The order of the document, which is the order of pages.
    position: Mapped[int] = mapped_column(default=0)
    #: The entry as a document has it, its timezone said.
    content: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(String(255))
    retired_at: Mapped[datetime | None]
    lock_version: Mapped[int] = mapped_column(default=1)


class InstitutionRow(Base):
    """A body that uses systems; retired, never deleted."""

    __tablename__ = "institutions"

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    retired_at: Mapped[datetime | None]


class InterventionRow(Base):
    """One piece of work through its whole life."""

    __tablename__ = "interventions"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(12), unique=True, default=new_public_id)
    reference: Mapped[str] = mapped_column(String(64), unique=True)
    #: `lifecycle.RunState`.
    run_state: Mapped[str] = mapped_column(String(16), default="planned", index=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(255))
    lock_version: Mapped[int] = mapped_column(default=1)

    versions: Mapped[list[VersionRow]] = relationship(back_populates="intervention", order_by="VersionRow.id")
    gates: Mapped[list[GateRow]] = relationship(back_populates="intervention", order_by="GateRow.id")
    updates: Mapped[list[UpdateRow]] = relationship(back_populates="intervention", order_by="UpdateRow.id")


class VersionRow(Base):
    """The content of an intervention at one time, with its review; published ones never change."""

    __tablename__ = "versions"
    __table_args__ = (UniqueConstraint("intervention_id", "sequence"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    intervention_id: Mapped[int] = mapped_column(ForeignKey("interventions.id"), index=True)
    #: 0, 1, 2, … once published: the iCalendar SEQUENCE. None until then.
    sequence: Mapped[int | None]
    #: `lifecycle.ReviewState`.
    review_state: Mapped[str] = mapped_column(String(16))
    #: The intervention document, exactly as `documents` reads and writes it.
    content: Mapped[dict[str, Any]]
    #: What really happened: {phase id: {started_at, ended_at, systems: {code: ended_at}}}.
    actuals: Mapped[dict[str, Any]] = mapped_column(default=dict)
    #: Phases that an earlier published version had and this one has not, as documents.
    removed_phases: Mapped[list[Any]] = mapped_column(default=list)
    #: SHA-256 of the content; approval binds to it.
    content_digest: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(255))
    submitted_by: Mapped[str | None] = mapped_column(String(255))
    approved_by: Mapped[str | None] = mapped_column(String(255))
    approved_digest: Mapped[str | None] = mapped_column(String(64))
    #: What the reviewer said, approving or returning.
    review_note: Mapped[str] = mapped_column(default="")
    #: `events` kind of the step that published it (announced, moved, started, …).
    step: Mapped[str | None] = mapped_column(String(32))
    #: Why, in the words of whoever took the step: {language: words}.
    reason: Mapped[dict[str, Any]] = mapped_column(default=dict)
    published_at: Mapped[datetime | None]
    catalogue_version: Mapped[int | None]
    #: Why an approver published it against clashes that block, and what these said; empty where none did.
    override_reason: Mapped[str] = mapped_column(default="")
    overridden: Mapped[list[Any]] = mapped_column(default=list)
    #: From when to when its work with an impact lasts, once published; None if it has none. Windows
    #: do not tell: where another plan's work on the same system is worse, only that one is named.
    work_starts_at: Mapped[datetime | None] = mapped_column(index=True)
    work_ends_at: Mapped[datetime | None]
    lock_version: Mapped[int] = mapped_column(default=1)

    intervention: Mapped[InterventionRow] = relationship(back_populates="versions")
    windows: Mapped[list[WindowRow]] = relationship(
        back_populates="version", order_by="WindowRow.id", cascade="all, delete-orphan"
    )


class WindowRow(Base):
    """A downtime window as it stood when its version was published."""

    __tablename__ = "windows"
    __table_args__ = (Index("ix_windows_system_starts_at", "system", "starts_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("versions.id"), index=True)
    system: Mapped[str] = mapped_column(String(64))
    impact: Mapped[str] = mapped_column(String(20))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    #: The chains, as in `interventions.Window.because`.
    because: Mapped[list[Any]]

    version: Mapped[VersionRow] = relationship(back_populates="windows")


class GateRow(Base):
    """Something that holds an intervention's start until it is cleared; any package may set one."""

    __tablename__ = "gates"

    id: Mapped[int] = mapped_column(primary_key=True)
    intervention_id: Mapped[int] = mapped_column(ForeignKey("interventions.id"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str]
    set_at: Mapped[datetime]
    set_by: Mapped[str] = mapped_column(String(255))
    cleared_at: Mapped[datetime | None]
    cleared_by: Mapped[str | None] = mapped_column(String(255))

    intervention: Mapped[InterventionRow] = relationship(back_populates="gates")


class UpdateRow(Base):
    """Words published while an intervention is announced or running."""

    __tablename__ = "updates"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(String(12), unique=True, default=new_public_id)
    intervention_id: Mapped[int] = mapped_column(ForeignKey("interventions.id"), index=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(255))
    text: Mapped[dict[str, Any]]

    intervention: Mapped[InterventionRow] = relationship(back_populates="updates")


class EventRow(Base):
    """The append-only log of everything that happened: the audit trail and the outbox of other packages."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    #: The class name in `events`, as in `InterventionAnnounced`.
    kind: Mapped[str] = mapped_column(String(64))
    reference: Mapped[str | None] = mapped_column(String(64), index=True)
    by: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(default="")
    #: The event's other fields.
    payload: Mapped[dict[str, Any]]


class EventDone(Base):
    """That a consumer of the log has dealt with one event; written with what followed from it."""

    __tablename__ = "events_done"

    consumer: Mapped[str] = mapped_column(String(32), primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    at: Mapped[datetime]


class UserRow(Base):
    """A person who can sign in."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    #: `lifecycle.Role`.
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(String(255))
    language: Mapped[str] = mapped_column(String(16), default="")
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class ApiTokenRow(Base):
    """A token with which a program asks the API."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: Who uses it; the name of one that was revoked can be used again.
    name: Mapped[str] = mapped_column(String(100))
    #: SHA-256 of the token, which is random enough to need no salt.
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class SignInAttemptRow(Base):
    """One try of a password, kept for some minutes to slow down guessing."""

    __tablename__ = "sign_in_attempts"

    id: Mapped[int] = mapped_column(primary_key=True)
    #: A hash of the address tried, of the place it came from, or of both.
    key: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[datetime] = mapped_column(index=True)


class PublishedHistory(RuntimeError):
    """Somebody tried to change what was published or logged: a mistake in the program."""


@event.listens_for(VersionRow, "before_update")
@event.listens_for(VersionRow, "before_delete")
def _keep_published(_mapper: object, _connection: object, version: VersionRow) -> None:
    """Refuse to change a version that has a number: readers have it in their mailboxes and calendars."""
    had = inspect(version).attrs.sequence.history
    was_published = any(number is not None for number in (had.deleted or had.unchanged or ()))
    session = object_session(version)
    if was_published and session and (version in session.deleted or session.is_modified(version)):
        raise PublishedHistory(f"version {version.id} is published and never changes")


@event.listens_for(WindowRow, "before_update")
@event.listens_for(WindowRow, "before_delete")
@event.listens_for(EventRow, "before_update")
@event.listens_for(EventRow, "before_delete")
def _keep_history(_mapper: object, _connection: object, row: WindowRow | EventRow) -> None:
    """Refuse to change a published window, or what stands in the log."""
    session = object_session(row)
    if session and (row in session.deleted or session.is_modified(row)):
        raise PublishedHistory(f"row {row.id} of {row.__tablename__} is history and never changes")
