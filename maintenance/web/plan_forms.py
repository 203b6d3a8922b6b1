"""The coordinator's form: an intervention document, spread over fields and gathered again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from flask_babel import lazy_gettext
from wtforms import (
    Field,
    FieldList,
    FormField,
    HiddenField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined] # newer than the stubs
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from maintenance.catalogue import Impact
from maintenance.errors import InvalidTime, Problem
from maintenance.interventions import DEFAULT_REMINDERS
from maintenance.texts import ANY, Text
from maintenance.web.errors import mistake
from maintenance.web.forms import (
    BaseForm,
    LongWordsForm,
    SomeWords,
    WordsForm,
    add_error,
    text_document,
    words_rows,
)
from maintenance.web.presentation import IMPACT_WORDS, duration
from maintenance.web.time_fields import LocalTimeField, length_of, read_length, write_length
from maintenance.web.workspace_words import CLASS_WORDS, PHASE_WORDS
from maintenance.windows import format_duration, parse_duration

#: Lead times offered beside those that the plan has already.
REMINDERS = (
    timedelta(days=14),
    *DEFAULT_REMINDERS,
    timedelta(hours=48),
    timedelta(hours=12),
    timedelta(hours=4),
)


class WorkForm(BaseForm):
    """What the phase does to one system."""

    system = HiddenField()
    impact = SelectField(
        choices=[SelectChoice(impact.code, IMPACT_WORDS[impact]) for impact in reversed(Impact)],
        default=Impact.OUTAGE.code,
        validate_choice=False,
    )


class PhaseForm(BaseForm):
    """One stretch of time, and the work in it."""

    #: The phase's id; empty until it is saved.
    id = HiddenField()
    kind = SelectField(
        lazy_gettext("Kind"),
        choices=[SelectChoice(kind.value, words) for kind, words in PHASE_WORDS.items()],
        default="outage",
        validate_choice=False,
    )
    start = LocalTimeField(lazy_gettext("Start"))
    end = LocalTimeField(lazy_gettext("End"))
    length = StringField(lazy_gettext("or length"))
    work = FieldList(FormField(WorkForm))
    #: What to look for among the systems; no part of the document.
    find = StringField(lazy_gettext("Find a system to add"))

    def validate_start(self, field: Field) -> None:
        """Ask for a start."""
        if not field.data:
            raise ValidationError(str(lazy_gettext("Enter when the phase starts.")))

    def validate_end(self, field: Field) -> None:
        """Ask for one of the two ways to say when the phase is over."""
        if not field.data and not self.length.data:
            raise ValidationError(str(lazy_gettext("Enter when the phase ends, or how long it lasts.")))
        if field.data and self.length.data:
            raise ValidationError(str(lazy_gettext("Keep the end or the length, not both.")))

    def validate_length(self, field: Field) -> None:
        """Refuse what is no length."""
        length_of(field)

    def document(self) -> dict[str, Any]:
        """Return the phase as documents have it; what was left empty is left out."""
        length = self.length.data or ""
        try:
            length = format_duration(read_length(length)) if length else ""
        except InvalidTime:
            length = ""
        told = {
            "id": self.id.data,
            "kind": self.kind.data,
            "start": self.start.data,
            "end": self.end.data,
            "duration": length,
        }
        work = [{"system": row.system.data, "impact": row.impact.data} for row in self.work]
        return {**{key: value for key, value in told.items() if value}, "work": work}


class PersonForm(BaseForm):
    """Somebody with a part in the work."""

    role = StringField(lazy_gettext("Role"))
    name = StringField(lazy_gettext("Name"))
    team = StringField(lazy_gettext("Team"))

    def validate_name(self, field: Field) -> None:
        """Ask for a name where a row says anything at all."""
        if not field.data and (self.role.data or self.team.data):
            raise ValidationError(str(lazy_gettext("Enter the person’s name, or remove the row.")))


class ContactForm(BaseForm):
    """Where readers can ask."""

    kind = SelectField(
        lazy_gettext("Kind"),
        choices=[
            SelectChoice("email", lazy_gettext("E-mail")),
            SelectChoice("phone", lazy_gettext("Telephone")),
            SelectChoice("web", lazy_gettext("Web page")),
        ],
        validate_choice=False,
    )
    value = StringField(lazy_gettext("Address or number"))


class PlanForm(BaseForm):
    """The whole intervention."""

    reference = StringField(lazy_gettext("Reference"))
    title = FieldList(
        FormField(WordsForm),
        validators=[SomeWords(lazy_gettext("Give the intervention a title, in one language at least."))],
    )
    description = FieldList(FormField(LongWordsForm))
    intervention_class = RadioField(
        lazy_gettext("Class"),
        choices=[SelectChoice(kind.value, words) for kind, words in CLASS_WORDS.items()],
        default="planned",
        validate_choice=False,
    )
    timezone = StringField(lazy_gettext("Time zone"))
    phases = FieldList(FormField(PhaseForm))
    people = FieldList(FormField(PersonForm))
    reminders = SelectMultipleField(
        lazy_gettext("Reminders before the start"),
        validate_choice=False,
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    contacts = FieldList(FormField(ContactForm))
    #: The intervention's when the person began to edit.
    lock_version = HiddenField()
    #: Digest of what the person was last shown; saving asks for another look when it differs.
    seen = HiddenField()

    def complete(self, locales: Iterable[str]) -> None:
        """Add what a page needs beyond the values: a row for each language, the lead times to choose from.

        The usual lead times are offered and those that are chosen already, longest first.
        """
        for rows in (self.title, self.description):
            for row in rows:
                row.form.language.data = row.form.language.data or ANY
            present = {row.form.language.data for row in rows}
            for language in locales:
                if language not in present:
                    rows.append_entry({"language": language, "words": ""})
        chosen = {lead: code for code in self.reminders.data or () if (lead := _lead_of(code))}
        usual = {lead: format_duration(lead) for lead in REMINDERS}
        self.reminders.choices = [
            SelectChoice(code, duration(lead))
            for lead, code in sorted({**usual, **chosen}.items(), reverse=True)
        ]

    def document(self) -> dict[str, Any]:
        """Return the intervention document that the fields hold, as it stands, right or wrong."""
        document: dict[str, Any] = {
            "reference": self.reference.data or None,
            "title": text_document(self.title),
            "description": text_document(self.description),
            "class": self.intervention_class.data,
            "timezone": self.timezone.data,
            "phases": [row.form.document() for row in self.phases],
            "people": [row.data for row in self._people()],
            "reminders": list(self.reminders.data or ()),
            "contacts": [row.data for row in self._contacts()],
        }
        return {key: value for key, value in document.items() if value is not None}

    def tell(self, problems: Iterable[Problem]) -> list[str]:
        """Put each problem of the document on its field; return those that belong to none."""
        homeless = []
        for problem in problems:
            field = self._field_at(problem.path)
            if field is None:
                homeless.append(mistake(problem))
            elif not (isinstance(field, StringField) and field.errors):
                add_error(field, mistake(problem))
        return homeless

    def _field_at(self, path: Sequence[str | int]) -> Field | None:
        """Return the field that shows what stands at `path` of the document."""
        match list(path):
            case ["title", *language]:
                return _words_at(self.title, language)
            case ["description", *language]:
                return _words_at(self.description, language)
            case ["class"]:
                return self.intervention_class
            case ["phases", int(place), *rest] if place < len(self.phases):
                return _phase_field(self.phases[place].form, rest)
            case ["people", int(place), *rest]:
                return _row_field(self._people()[place], rest, "name")
            case ["contacts", int(place), *rest]:
                return _row_field(self._contacts()[place], rest, "value")
            case ["reference" | "timezone" | "reminders" as name, *_]:
                return self[name]
        return None

    def _people(self) -> list[PersonForm]:
        # A row that was added and left empty means nothing.
        return [row.form for row in self.people if any(field.data for field in row.form)]

    def _contacts(self) -> list[ContactForm]:
        return [row.form for row in self.contacts if row.form.value.data]


def form_of(document: Mapping[str, Any], locales: Iterable[str], **hidden: object) -> PlanForm:
    """Return the form filled with a document that was read before."""
    languages = list(locales)
    form = PlanForm(
        data={
            "reference": document.get("reference", ""),
            "title": words_rows(Text.of(document.get("title")), languages),
            "description": words_rows(Text.of(document.get("description")), languages),
            "intervention_class": document.get("class", "planned"),
            "timezone": document.get("timezone", ""),
            "phases": [_phase_data(phase) for phase in document.get("phases", ())],
            "people": list(document.get("people", ())),
            "reminders": list(document.get("reminders", [format_duration(r) for r in DEFAULT_REMINDERS])),
            "contacts": list(document.get("contacts", ())),
            **hidden,
        }
    )
    form.complete(languages)
    return form


def _phase_data(phase: Mapping[str, Any]) -> dict[str, Any]:
    length = write_length(parse_duration(phase["duration"])) if phase.get("duration") else ""
    return {**phase, "length": length, "work": list(phase.get("work", ()))}


def _phase_field(phase: PhaseForm, path: Sequence[str | int]) -> Field:
    found: Field
    match list(path):
        case ["work", int(place), *rest] if place < len(phase.work):
            found = phase.work[place].form["impact" if rest == ["impact"] else "system"]
        case ["work", *_]:
            found = phase.find
        case ["duration"]:
            found = phase.length
        case ["end"] if phase.length.data:
            found = phase.length
        case ["kind" | "start" | "end" as name]:
            found = phase[name]
        case _:
            # What is said of the phase as a whole is about how long it lasts.
            found = phase.length if phase.length.data else phase.end
    return found


def _row_field(row: BaseForm, path: Sequence[str | int], fallback: str) -> Field:
    name = str(path[0]) if path else fallback
    return row[name if name in row else fallback]


def _words_at(rows: FieldList[Any], language: Sequence[str | int]) -> Field:
    by_language = {row.language.data: row.words for row in rows}
    found: Field = by_language.get(language[0] if language else "") or rows[0].words
    return found


def _lead_of(code: str) -> timedelta | None:
    try:
        return parse_duration(code)
    except InvalidTime:
        return None
