"""The state of the coordinator's form between two clicks: rows added, systems found, what was shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import available_timezones

from flask import request
from flask_babel import gettext
from sqlalchemy.orm import Session
from wtforms import FieldList

from maintenance.catalogue import Impact
from maintenance.documents import digest, plan_document
from maintenance.interventions import Plan
from maintenance.models import InterventionRow, VersionRow
from maintenance.previewing import UNNAMED, Preview
from maintenance.queries import latest_published, pending
from maintenance.texts import Text
from maintenance.web.context import runtime
from maintenance.web.forms import errors_of
from maintenance.web.languages import page_language
from maintenance.web.plan_forms import PlanForm
from maintenance.web.plan_preview import Group, grouped, listed
from maintenance.web.systems_search import Found, find_systems, names_of

_ZONES = ("Europe/", "Atlantic/", "America/", "UTC")


@dataclass
class Desk:
    """What the page of the form shows, besides the fields themselves."""

    form: PlanForm
    #: What the button asked for: save, preview, add-phase, remove-work, …
    action: str = ""
    #: Which rows it meant.
    places: tuple[str, ...] = ()
    #: Mistakes that belong to no field.
    problems: list[str] = field(default_factory=list)
    plan: Plan | None = None
    preview: Preview | None = None
    groups: list[Group] = field(default_factory=list)
    #: The digest of what the person was shown before this click.
    seen_before: str | None = None
    #: Systems found, by the phase they were looked for in.
    found: dict[int, list[Found]] = field(default_factory=dict)
    names: dict[str, Text] = field(default_factory=dict)
    #: Id of the element where the person goes on.
    focus: str = ""
    #: What somebody else saved meanwhile: (where, theirs, mine).
    stale: list[tuple[str, str, str]] = field(default_factory=list)
    stale_version: VersionRow | None = None

    @classmethod
    def posted(cls) -> Desk:
        """Return the desk as the request left it."""
        form = PlanForm(request.form)
        form.complete(runtime().settings.locales)
        action, *places = request.form.get("action", "preview").split(":")
        return cls(form, action, tuple(places))

    @property
    def timezones(self) -> list[str]:
        """Return the zones offered while typing; any other of the zone database is understood too."""
        return sorted(name for name in available_timezones() if name.startswith(_ZONES))

    @property
    def errors(self) -> list[tuple[str, str]]:
        """Return everything that is wrong, each with the id of its field, "" where there is none."""
        placed = [(id, self._whereabouts(id) + message) for id, message in errors_of(self.form)]
        return [("", problem) for problem in self.problems] + placed

    def _whereabouts(self, field_id: str) -> str:
        """Return which phase a field belongs to, to begin the sentence of its error; "" for other fields."""
        if len(self.form.phases) < 2 or not (match := re.match(r"phases-(\d+)-", field_id)):
            return ""
        ids = [row.id for row in self.form.phases]
        number = ids.index(f"phases-{match[1]}") + 1
        return f"{gettext('Phase %(number)s', number=number)}: "

    def obey(self, session: Session) -> bool:
        """Return whether the button only changed the form, which it then has."""
        match self.action, self.places:
            case ("add-phase", ()):
                self._add_phase()
            case ("remove-phase", (place,)):
                self.focus = "phases-heading"
                _remove(self.form.phases, place)
            case ("find", (place,)) if place.isdecimal():
                self._find(session, int(place))
            case ("add-work", (place, code)) if place.isdecimal():
                self._add_work(int(place), code)
            case ("remove-work", (place, row)) if place.isdecimal() and int(place) < len(self.form.phases):
                self.focus = f"phases-{place}-find"
                _remove(self.form.phases[int(place)].form.work, row)
            case ("add-person" | "add-contact", ()):
                rows: FieldList[Any] = self.form.people if self.action == "add-person" else self.form.contacts
                self.focus = f"{rows.append_entry().id}-{'role' if rows is self.form.people else 'kind'}"
            case ("remove-person", (place,)):
                self.focus = "people-heading"
                _remove(self.form.people, place)
            case ("remove-contact", (place,)):
                self.focus = "contacts-heading"
                _remove(self.form.contacts, place)
            case ("save" | "preview", ()):
                self.focus = "preview"
                return False
            case _:
                self.focus = "phases-heading"
        return True

    def look_up(self, session: Session) -> None:
        """Fetch what the page says of systems: names of those worked on, the windows' groups."""
        codes = {work.form.system.data or "" for row in self.form.phases for work in row.form.work}
        if self.preview is not None and self.plan is not None:
            self.groups = grouped(self.preview.windows, self.plan.reference or UNNAMED)
        self.names = names_of(session, codes | listed(self.groups))

    def _add_phase(self) -> None:
        before = self.form.phases[-1].form if len(self.form.phases) else None
        begun = {"start": before.end.data, "kind": "verification"} if before is not None else {}
        phase = self.form.phases.append_entry(begun).form
        self.focus = phase.kind.id

    def _find(self, session: Session, place: int) -> None:
        if place < len(self.form.phases):
            words = self.form.phases[place].form.find.data or ""
            self.found[place] = find_systems(session, words, language=page_language())
            self.focus = self.form.phases[place].form.find.id

    def _add_work(self, place: int, code: str) -> None:
        if place < len(self.form.phases):
            phase = self.form.phases[place].form
            if code not in {work.form.system.data for work in phase.work}:
                impact = Impact.OUTAGE if phase.kind.data == "outage" else Impact.NO_IMPACT
                phase.work.append_entry({"system": code, "impact": impact.code})
            phase.find.data = ""
            self.focus = phase.find.id


def _remove(rows: FieldList[Any], place: str) -> None:
    if place.isdecimal() and int(place) < len(rows):
        del rows.entries[int(place)]


def document_to_edit(row: InterventionRow) -> Mapping[str, Any]:
    """Return what somebody who edits begins with: the version on its way, else the one readers know."""
    version = pending(row) or latest_published(row) or row.versions[-1]
    return version.content


def phase_ids(row: InterventionRow | None) -> frozenset[str]:
    """Return the ids of all phases the intervention ever had: no new phase gets one of them."""
    versions = row.versions if row is not None else ()
    return frozenset(phase["id"] for version in versions for phase in version.content["phases"])


def digest_of(plan: Plan, preview: Preview) -> str:
    """Return what stands for a plan and what it was shown to do: it differs when either does.

    Times of windows stay out: those of work that overruns change with every second.
    """
    return digest(
        {
            "plan": plan_document(plan),
            "windows": [[window.system, window.impact] for window in preview.windows],
            "clashes": [[clash.kind, list(clash.systems)] for clash in preview.clashes],
            "altered": [change.reference for change in preview.altered],
        }
    )
