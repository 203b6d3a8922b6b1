"""The directory document: CSV to institutions and their contacts, every mistake with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

from maintenance.catalogue import Catalogue, Institution
from maintenance.document_fields import is_code, no_code
from maintenance.errors import InvalidDocument, Problem, did_you_mean
from maintenance.library_words import csv_complaint
from maintenance.reading import decode
from maintenance.sentences import Sentence
from notifications.directory_cells import (
    STANDBY,
    Meaning,
    channels_of,
    email_of,
    language_of,
    name_of,
    phone_of,
    quiet_hours_of,
    zone_of,
)

COLUMNS = (
    "institution",
    "institution_name",
    "audience",
    "contact",
    "email",
    "phone",
    "language",
    "timezone",
    "channels",
    "systems",
)
#: Columns that a document may leave out.
OPTIONAL = ("quiet_hours",)


@dataclass(frozen=True, slots=True)
class Contact:
    """A person or desk of an institution."""

    institution: str
    audience: str
    name: str
    #: Order of escalation within the institution, from 0.
    position: int
    email: str
    phone: str
    language: str
    timezone: str
    channels: tuple[str, ...]
    #: Codes of systems; () means all that the audience uses.
    systems: tuple[str, ...]
    #: When it wants to be left alone, in its zone, as in 22:00-08:00; "" never.
    quiet_hours: str = ""
    #: Whether it is told only when nobody else of its institution was reached.
    standby: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what tells it from others: institution, audience, name."""
        return self.institution, self.audience, self.name

    def address(self, channel: str) -> str:
        """Return where it is reached on a channel."""
        return self.email if channel == "email" else self.phone


@dataclass(frozen=True, slots=True)
class Directory:
    """Institutions and contacts in the order of the document."""

    institutions: dict[str, Institution] = field(default_factory=dict)
    contacts: tuple[Contact, ...] = ()


def read_directory(
    raw: bytes, *, catalogue: Catalogue, file: str = "", limit_mb: int = 64, language: str = "en"
) -> Directory:
    """Return the directory of a CSV document.

    Args:
        raw: The document, UTF-8 with or without a byte order mark.
        catalogue: Where systems and audiences are looked up; its zone stands for an empty `timezone`.
        file: The document's name as the person gave it.
        limit_mb: The largest size that is read.
        language: Stands for an empty `language`.

    Raises:
        InvalidDocument: With every mistake and its line.
    """
    if raw.startswith(b"PK\x03\x04"):
        said = Sentence("This is a workbook; save it as CSV in UTF-8.")
        raise InvalidDocument([Problem(said, file=file)])
    text, found = decode(raw, file=file, limit_mb=limit_mb)
    reader = _Reader(catalogue, file, language)
    reader.problems += found
    for line, cells in reader.records(text):
        reader.read(line, cells)
    reader.finish()
    if reader.problems:
        raise InvalidDocument(sorted(reader.problems, key=lambda problem: problem.line))
    return Directory(reader.institutions, tuple(reader.contacts))


class _Reader:
    """Reads records one by one and gathers what is wrong with them."""

    def __init__(self, catalogue: Catalogue, file: str, language: str) -> None:
        self.catalogue = catalogue
        self.file = file
        self.language = language
        self.problems: list[Problem] = []
        self.institutions: dict[str, Institution] = {}
        self.contacts: list[Contact] = []
        self._named_in: dict[str, int] = {}
        self._listed_in: dict[tuple[str, str, str], int] = {}
        self._positions: dict[str, int] = {}
        self._columns: list[str] = []
        # Most cells repeat those of the record before; what was looked up once is known.
        self._audience = cache(self._look_up_audience)
        self._systems = cache(self._look_up_systems)
        self._zone = cache(zone_of)
        self._quiet_hours = cache(quiet_hours_of)
        self._language = cache(language_of)
        self._channels = cache(channels_of)

    def note(self, said: Sentence, line: int, column: str = "") -> None:
        self.problems.append(Problem(said, (column,) if column else (), self.file, line))

    def records(self, text: str) -> Iterator[tuple[int, list[str]]]:
        """Yield line and cells of each record below a header that can be used."""
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        line, header = 1, True
        try:
            for cells in rows:
                if any(cell.strip() for cell in cells):
                    if header:
                        header = False
                        if not self._accept_header(cells, line):
                            return
                    else:
                        yield line, cells
                line = rows.line_num + 1
        except csv.Error as error:
            said = Sentence(
                "This is not CSV: %(complaint)s; check the quotes here and just above.",
                complaint=csv_complaint(str(error)),
            )
            self.note(said, rows.line_num)
            return
        if header:
            said = Sentence(
                "The document is empty; it begins with the header %(header)s.", header=",".join(COLUMNS)
            )
            self.note(said, 1)

    def _accept_header(self, cells: list[str], line: int) -> bool:
        names = [cell.strip().lower() for cell in cells]
        found = list(_wrong_with_header(names))
        for said in found:
            self.note(said, line)
        self._columns = names
        return not found

    def read(self, line: int, cells: list[str]) -> None:
        """Add the contact of one record, or what is wrong with it."""
        if len(cells) != len(self._columns):
            said = Sentence(
                "The record has %(cells)s cells and the header %(columns)s columns; put text with commas in quotes.",
                cells=len(cells),
                columns=len(self._columns),
            )
            self.note(said, line)
            return
        row = dict.fromkeys(OPTIONAL, "")
        row |= {name: cell.strip() for name, cell in zip(self._columns, cells, strict=True)}
        before = len(self.problems)

        def value(column: str, look_up: Callable[[str], Meaning]) -> str:
            found, problem = look_up(row[column])
            if problem:
                self.note(problem, line, column)
            return found

        self._institution(row["institution"], row["institution_name"], line)
        name = value("contact", name_of)
        audience = value("audience", self._audience)
        email = value("email", email_of)
        phone = value("phone", phone_of)
        language = value("language", self._language) or self.language
        timezone = value("timezone", self._zone) or self.catalogue.timezone
        channels = value("channels", self._channels).split()
        systems = value("systems", self._systems).split()
        quiet_hours = value("quiet_hours", self._quiet_hours)
        standby = STANDBY in channels
        channels = channels[standby:] or (["email"] if email else ["sms"])
        self._reachable(row, channels, line)
        key = (row["institution"], audience, name)
        if name and key in self._listed_in:
            said = Sentence(
                "%(contact)s is listed for %(audience)s of %(institution)s in line %(line)s already; keep one.",
                contact=name,
                audience=audience,
                institution=key[0],
                line=self._listed_in[key],
            )
            self.note(said, line, "contact")
        self._listed_in.setdefault(key, line)
        if len(self.problems) > before:
            return
        position = self._positions.get(key[0], 0)
        self._positions[key[0]] = position + 1
        self.contacts.append(
            Contact(
                *key,
                position,
                email,
                phone,
                language,
                timezone,
                tuple(channels),
                tuple(systems),
                quiet_hours,
                standby,
            )
        )

    def finish(self) -> None:
        """Note what only the whole document shows."""
        told_at_once = {contact.institution for contact in self.contacts if not contact.standby}
        for code in {contact.institution for contact in self.contacts} - told_at_once:
            said = Sentence(
                "All contacts of %(institution)s stand by, so it would hear of nothing; have one told at once.",
                institution=code,
            )
            self.note(said, self._named_in[code], "channels")

    def _institution(self, code: str, name: str, line: int) -> None:
        if not is_code(code):
            self.note(no_code(code), line, "institution")
            return
        name, problem = name_of(name)
        if problem:
            self.note(problem, line, "institution_name")
        elif code not in self.institutions:
            self.institutions[code] = Institution(code, name)
            self._named_in[code] = line
        elif self.institutions[code].name != name:
            said = Sentence(
                "%(institution)s is called “%(name)s” in line %(line)s; give it one name.",
                institution=code,
                name=self.institutions[code].name,
                line=self._named_in[code],
            )
            self.note(said, line, "institution_name")

    def _reachable(self, row: dict[str, str], channels: list[str], line: int) -> None:
        if not row["email"] and not row["phone"]:
            said = Sentence("There is neither an e-mail address nor a telephone number; give one.")
            self.note(said, line)
            return
        if "email" in channels and not row["email"]:
            said = Sentence("The channel email needs an e-mail address; give one.")
            self.note(said, line, "email")
        if "sms" in channels and not row["phone"]:
            self.note(Sentence("The channel sms needs a telephone number; give one."), line, "phone")

    def _look_up_audience(self, code: str) -> Meaning:
        if code in self.catalogue.audiences:
            return code, None
        if not code:
            return "", Sentence("The audience is missing; name one of the catalogue's.")
        said = Sentence("The audience %(audience)s is not in the catalogue.", audience=code[:70])
        hint = did_you_mean(code.lower(), self.catalogue.audiences)
        return code, said.then(hint or Sentence("Add it there first."))

    def _look_up_systems(self, codes: str) -> Meaning:
        for code in codes.split():
            system = self.catalogue.systems.get(code)
            if system is None:
                said = Sentence("The system %(system)s is not in the catalogue.", system=code[:70])
                hint = did_you_mean(code.upper(), self.catalogue.systems)
                return "", said.then(hint or Sentence("Add it there, or take it out."))
            if system.retired:
                return "", Sentence("The system %(system)s is retired; take it out.", system=code)
        return " ".join(dict.fromkeys(codes.split())), None


def _wrong_with_header(names: list[str]) -> Iterator[Sentence]:
    """Yield what is wrong with the first line; all of it concerns the columns, so nothing below is read."""
    if len(names) == 1 and (separator := next((s for s in ";\t|" if s in names[0]), "")):
        shown = Sentence("a tabulator") if separator == "\t" else f"“{separator}”"
        yield Sentence(
            "The columns are separated by %(separator)s; save the document with commas.", separator=shown
        )
        return
    if not set(names) & set(COLUMNS):
        yield Sentence("The first line is no header; it must be %(header)s.", header=",".join(COLUMNS))
        return
    for name in names:
        if name not in COLUMNS + OPTIONAL:
            known = Sentence("Columns are %(columns)s.", columns=", ".join(COLUMNS + OPTIONAL))
            said = Sentence("There is no column `%(column)s`.", column=name[:40])
            yield said.then(did_you_mean(name, COLUMNS + OPTIONAL) or known)
        elif names.count(name) > 1:
            yield Sentence("The column `%(column)s` stands twice; keep one.", column=name)
    for name in COLUMNS:
        if name not in names:
            yield Sentence("The column `%(column)s` is missing; add it, its cells may be empty.", column=name)
