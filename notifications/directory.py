"""The directory in rows: institutions, contacts, and the recipients and scopes that follow from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from maintenance.models import InstitutionRow
from notifications.directory_file import Contact, Directory, read_directory
from notifications.models import ContactRow, EndpointRow, RecipientRow
from notifications.scopes import Scope, entries_of, scope_ids

__all__ = ["Directory", "DirectoryReport", "compare_directory", "import_directory", "read_directory"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one institution or contact that differs."""

    #: Code of the institution, then audience and name of the contact.
    of: tuple[str, ...]
    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class DirectoryReport:
    """What an import of the directory changes."""

    institutions_added: tuple[str, ...]
    institutions_retired: tuple[str, ...]
    contacts_added: tuple[tuple[str, str, str], ...]
    contacts_retired: tuple[tuple[str, str, str], ...]
    changed: tuple[FieldChange, ...]
    #: Addresses that get notices from now on, and those that get none any more, as (channel, address).
    addresses_added: tuple[tuple[str, str], ...]
    addresses_left: tuple[tuple[str, str], ...]

    @property
    def is_empty(self) -> bool:
        """Return whether nothing differs."""
        return not any(getattr(self, name) for name in self.__slots__)


def import_directory(session: Session, directory: Directory, *, now: datetime) -> DirectoryReport:
    """Write what differs and return it; what the document no longer names is retired.

    Args:
        session: An open write transaction.
        directory: As read from a document; its contacts are all there are.
        now: The present instant.
    """
    if session.get_bind().dialect.name == "postgresql":
        # Two imports at once would add the same contacts; SQLite has one writer anyway.
        session.execute(text("LOCK TABLE contacts IN SHARE ROW EXCLUSIVE MODE"))
    state = _State(session)
    addresses = _recipients(directory, state.endpoints)
    report = _compare(state, directory, addresses)
    _write_institutions(session, state, directory, now)
    _write_contacts(session, state, directory, now)
    _write_recipients(session, state, addresses)
    session.expire_all()
    return report


def compare_directory(session: Session, directory: Directory) -> DirectoryReport:
    """Return what importing the document would change, and write nothing."""
    state = _State(session)
    return _compare(state, directory, _recipients(directory, state.endpoints))


# -- who reads what ----------------------------------------------------------------------------------


#: By channel and address: the name, the quiet hours, and for whom it is written to.
_Recipients = dict[tuple[str, str], tuple[str, str, Scope]]


def _recipients(directory: Directory, endpoints: Iterable[EndpointRow]) -> _Recipients:
    """Return what is known of each address on each channel; the first contact decides language and quiet hours."""
    behind: dict[tuple[str, str], list[Contact]] = {}
    of_institution: dict[str, list[Contact]] = {}
    for contact in (contact for contact in directory.contacts if not contact.standby):
        of_institution.setdefault(contact.institution, []).append(contact)
        for channel in contact.channels:
            behind.setdefault((channel, contact.address(channel)), []).append(contact)
    names = {code: institution.name for code, institution in directory.institutions.items()}
    found = {
        address: (
            contacts[0].name,
            contacts[0].quiet_hours,
            Scope(contacts[0].language, contacts[0].timezone, entries_of(contacts, names)),
        )
        for address, contacts in behind.items()
    }
    for endpoint in endpoints:
        # Programs and chat rooms are not in the document: they hear what their institution's contacts do.
        if contacts := of_institution.get(endpoint.institution, []):
            scope = Scope(endpoint.language, endpoint.timezone, entries_of(contacts, names))
            found[endpoint.channel, endpoint.address] = (endpoint.name, "", scope)
    return found


# -- what differs ------------------------------------------------------------------------------------


class _State:
    """The directory as the database has it."""

    def __init__(self, session: Session) -> None:
        self.institutions = {
            code: (name, retired_at is not None)
            for code, name, retired_at in session.execute(
                select(InstitutionRow.code, InstitutionRow.name, InstitutionRow.retired_at)
            )
        }
        columns = [getattr(ContactRow, name) for name in ("id", *_CONTACT_FIELDS, "retired_at")]
        self.contacts: dict[tuple[str, str, str], dict[str, Any]] = {}
        for row in session.execute(select(*columns)).mappings():
            self.contacts[row["institution"], row["audience"], row["name"]] = dict(row)
        self.endpoints = session.scalars(select(EndpointRow).order_by(EndpointRow.id)).all()
        self.recipients = {
            (channel, address): (row_id, name, quiet_hours, scope_id)
            for row_id, channel, address, name, quiet_hours, scope_id in session.execute(
                select(
                    RecipientRow.id,
                    RecipientRow.channel,
                    RecipientRow.address,
                    RecipientRow.name,
                    RecipientRow.quiet_hours,
                    RecipientRow.scope_id,
                )
            )
        }


_CONTACT_FIELDS = (
    "institution",
    "audience",
    "name",
    "position",
    "email",
    "phone",
    "language",
    "timezone",
    "channels",
    "systems",
    "quiet_hours",
    "standby",
)


def _contact_row(contact: Contact) -> dict[str, Any]:
    row = {name: getattr(contact, name) for name in _CONTACT_FIELDS}
    return row | {"channels": list(contact.channels), "systems": list(contact.systems)}


def _compare(state: _State, directory: Directory, addresses: _Recipients) -> DirectoryReport:
    wanted = {contact.key: contact for contact in directory.contacts}
    changed = []
    for code, institution in directory.institutions.items():
        name, retired = state.institutions.get(code, (institution.name, False))
        if name != institution.name:
            changed.append(FieldChange((code,), "institution_name", name, institution.name))
        if retired:
            changed.append(FieldChange((code,), "retired", True, False))
    for key, contact in wanted.items():
        if (row := state.contacts.get(key)) is None:
            continue
        new = _contact_row(contact)
        changed += [FieldChange(key, f, row[f], new[f]) for f in _CONTACT_FIELDS if row[f] != new[f]]
        if row["retired_at"] is not None:
            changed.append(FieldChange(key, "retired", True, False))
    return DirectoryReport(
        institutions_added=tuple(c for c in directory.institutions if c not in state.institutions),
        institutions_retired=tuple(_gone_institutions(state, directory)),
        contacts_added=tuple(key for key in wanted if key not in state.contacts),
        contacts_retired=tuple(_gone_contacts(state, wanted)),
        changed=tuple(changed),
        addresses_added=tuple(
            a for a in addresses if a not in state.recipients or state.recipients[a][3] is None
        ),
        addresses_left=tuple(
            a for a, (_, _, _, scope) in state.recipients.items() if scope is not None and a not in addresses
        ),
    )


def _gone_institutions(state: _State, directory: Directory) -> list[str]:
    return [
        code
        for code, (_, retired) in state.institutions.items()
        if not retired and code not in directory.institutions
    ]


def _gone_contacts(state: _State, wanted: Collection[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [key for key, row in state.contacts.items() if row["retired_at"] is None and key not in wanted]


# -- and the writing ---------------------------------------------------------------------------------
# Lists of dictionaries go to the driver's executemany: 126,683 contacts are a matter of seconds.


def _write_institutions(session: Session, state: _State, directory: Directory, now: datetime) -> None:
    added = []
    changed: list[dict[str, Any]] = []
    for code, institution in directory.institutions.items():
        row = {"code": code, "name": institution.name, "retired_at": None}
        if code not in state.institutions:
            added.append(row)
        elif state.institutions[code] != (institution.name, False):
            changed.append(row)
    changed += [{"code": code, "retired_at": now} for code in _gone_institutions(state, directory)]
    _execute(session, InstitutionRow, added, changed)


def _write_contacts(session: Session, state: _State, directory: Directory, now: datetime) -> None:
    added = []
    changed: list[dict[str, Any]] = []
    for contact in directory.contacts:
        row = {**_contact_row(contact), "retired_at": None}
        old = state.contacts.get(contact.key)
        if old is None:
            added.append(row)
        elif any(old[name] != row[name] for name in (*_CONTACT_FIELDS, "retired_at")):
            changed.append({"id": old["id"], **row})
    gone = _gone_contacts(state, {contact.key for contact in directory.contacts})
    changed += [{"id": state.contacts[key]["id"], "retired_at": now} for key in gone]
    _execute(session, ContactRow, added, changed)


def _write_recipients(session: Session, state: _State, addresses: _Recipients) -> None:
    ids = scope_ids(session, {scope for _, _, scope in addresses.values()})
    added = []
    changed: list[dict[str, Any]] = []
    for (channel, address), (name, quiet_hours, scope) in addresses.items():
        row = {"name": name, "quiet_hours": quiet_hours, "scope_id": ids[scope]}
        old = state.recipients.get((channel, address))
        if old is None:
            added.append({"channel": channel, "address": address, **row})
        elif old[1:] != tuple(row.values()):
            changed.append({"id": old[0], **row})
    changed += [
        # The row stays: the ledger's deliveries point to it.
        {"id": row_id, "name": name, "quiet_hours": quiet_hours, "scope_id": None}
        for address, (row_id, name, quiet_hours, scope_id) in state.recipients.items()
        if scope_id is not None and address not in addresses
    ]
    _execute(session, RecipientRow, added, changed)


_Model = type[InstitutionRow] | type[ContactRow] | type[RecipientRow]


def _execute(session: Session, model: _Model, added: list[Any], changed: list[Any]) -> None:
    if added:
        session.execute(insert(model), added)
    # A bulk update takes equal keys together: rows to retire name two columns only.
    for keys in {tuple(row) for row in changed}:
        session.execute(update(model), [row for row in changed if tuple(row) == keys])
