"""The forms for policies: an entry of a policy document, spread over fields and gathered again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from babel.dates import get_day_names
from flask_babel import get_locale, lazy_gettext
from wtforms import (
    BooleanField,
    Field,
    FieldList,
    FormField,
    HiddenField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined] # newer than the stubs
from wtforms.widgets import CheckboxInput, ListWidget

from maintenance.catalogue import Impact, Kind
from maintenance.document_fields import Weekday
from maintenance.errors import InvalidTime, Problem
from maintenance.texts import Text
from maintenance.web.errors import mistake
from maintenance.web.forms import BaseForm, WordsForm, add_error, text_document, words_rows
from maintenance.web.presentation import IMPACT_WORDS
from maintenance.web.time_fields import DayField, LocalTimeField, read_length
from maintenance.windows import format_duration

KIND_NAMES = {
    Kind.SERVICE: lazy_gettext("Services"),
    Kind.APPLICATION: lazy_gettext("Applications"),
    Kind.DATABASE: lazy_gettext("Databases"),
    Kind.SERVER: lazy_gettext("Servers"),
    Kind.NETWORK: lazy_gettext("Networks"),
    Kind.DATA_CENTRE: lazy_gettext("Data centres"),
    Kind.SITE: lazy_gettext("Sites"),
    Kind.DEVICE: lazy_gettext("Devices"),
    Kind.PARTNER: lazy_gettext("Partners’ platforms"),
}
#: Rows for further stretches of the week that a form offers.
_SPARE = 2


class Checks(SelectMultipleField):
    """Several of a few choices, as checkboxes."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class PolicyForm(BaseForm):
    """What every kind of policy has."""

    #: The row's when the person opened the page; empty for a new policy.
    lock_version = HiddenField()
    code = StringField(lazy_gettext("Code"))
    name = FieldList(FormField(WordsForm), label=lazy_gettext("Name"))
    systems = StringField(lazy_gettext("Systems (codes)"))
    groups = TextAreaField(lazy_gettext("Groups (one on each line)"))
    kinds = Checks(
        lazy_gettext("Kinds"),
        choices=[SelectChoice(kind.value, words) for kind, words in KIND_NAMES.items()],
        validate_choice=False,
    )
    tags = StringField(lazy_gettext("Tags"))

    #: Fields of the kind whose value the document has under the same key, as it is typed.
    plain: ClassVar[tuple[str, ...]] = ()
    #: Fields of the kind in which a length is typed.
    lengths: ClassVar[tuple[str, ...]] = ()
    #: What stands beside a field.
    hints: ClassVar[Mapping[str, object]] = {}

    def fill(self, document: Mapping[str, Any], locales: Iterable[str]) -> None:
        """Show what an entry of a document says; a new policy is an empty one."""
        self.code.data = document.get("code", "")
        self.show_words(self.name, document.get("name"), locales)
        scope = document.get("scope", {})
        self.systems.data = " ".join(scope.get("systems", ()))
        self.groups.data = "\n".join(scope.get("groups", ()))
        self.kinds.data = list(scope.get("kinds", ()))
        self.tags.data = ", ".join(scope.get("tags", ()))
        for name in (*self.plain, *self.lengths):
            self[name].data = document.get(name, self[name].default or "")

    def show_words(self, field: FieldList[Any], words: Any, locales: Iterable[str]) -> None:
        """Show a text, with a row for each language."""
        for row in words_rows(Text.of(words), locales):
            field.append_entry(row)

    def document(self) -> dict[str, Any]:
        """Return the entry as documents have it; what was left empty is left out."""
        scope = {
            "systems": (self.systems.data or "").replace(",", " ").split(),
            "groups": _filled((self.groups.data or "").splitlines()),
            "kinds": self.kinds.data or [],
            "tags": _filled((self.tags.data or "").split(",")),
        }
        told: dict[str, Any] = {
            "code": self.code.data,
            "name": text_document(self.name),
            "scope": {key: value for key, value in scope.items() if value},
            **{name: self[name].data for name in self.plain},
            **{name: _length(self[name].data or "") for name in self.lengths},
        }
        return {key: value for key, value in told.items() if value or key in ("code", "name")}

    def show_problems(self, problems: Iterable[Problem]) -> list[tuple[str, str]]:
        """Put each mistake at its field; return those that belong to the whole."""
        rest = []
        for problem in problems:
            # The first two steps lead to the entry.
            field = self._field_at(problem.path[2:])
            if field is None:
                rest.append(("", mistake(problem)))
            else:
                add_error(field, mistake(problem))
        return rest

    def _field_at(self, path: tuple[str | int, ...]) -> Field | None:
        keys = [key for key in path if isinstance(key, str) and key != "scope"]
        found = self._fields.get(keys[0]) if keys else None
        if isinstance(found, FieldList):
            # What no browser would send may leave a text without any row.
            first = found.entries[0].form if found.entries else None
            return first.words if isinstance(first, WordsForm) else None
        return found


def _filled(words: Iterable[str]) -> list[str]:
    return [word.strip() for word in words if word.strip()]


def _length(typed: str) -> str:
    """Return a length as documents write it; what is none stays as it is, to be refused with a sentence."""
    try:
        return format_duration(read_length(typed)) if typed else ""
    except InvalidTime:
        return typed


class FreezeForm(PolicyForm):
    """A period in which systems may not be touched."""

    start = LocalTimeField(lazy_gettext("Start"))
    end = LocalTimeField(lazy_gettext("End"))
    timezone = StringField(lazy_gettext("Time zone"))
    reason = FieldList(FormField(WordsForm), label=lazy_gettext("Reason (optional)"))
    plain = ("start", "end", "timezone")

    def fill(self, document: Mapping[str, Any], locales: Iterable[str]) -> None:
        """Show its reason too."""
        super().fill(document, locales)
        self.show_words(self.reason, document.get("reason"), locales)

    def document(self) -> dict[str, Any]:
        """Return it with its reason."""
        reason = text_document(self.reason)
        return super().document() | ({"reason": reason} if reason else {})


class StretchForm(BaseForm):
    """A stretch of some days of the week."""

    days = Checks(
        lazy_gettext("Days"),
        choices=[SelectChoice(day.name.lower(), day.name) for day in Weekday],
        validate_choice=False,
    )
    start = StringField(lazy_gettext("From"))
    end = StringField(lazy_gettext("Until"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = get_day_names("wide", locale=get_locale())
        self.days.choices = [SelectChoice(day.name.lower(), names[day.value]) for day in Weekday]


class HoursForm(PolicyForm):
    """When systems may be worked on."""

    timezone = StringField(lazy_gettext("Time zone"))
    weekly = FieldList(FormField(StretchForm))
    plain = ("timezone",)

    def fill(self, document: Mapping[str, Any], locales: Iterable[str]) -> None:
        """Show its stretches, and rows for more."""
        super().fill(document, locales)
        for stretch in [*document.get("weekly", ()), *[{}] * _SPARE]:
            self.weekly.append_entry(stretch)

    def document(self) -> dict[str, Any]:
        """Return it with the stretches that were filled in."""
        weekly = [
            {"days": row.days.data or [], "start": row.start.data, "end": row.end.data}
            for row in self.weekly
            if row.days.data or row.start.data or row.end.data
        ]
        return super().document() | {"weekly": weekly}


class NoticeForm(PolicyForm):
    """How early readers must be told."""

    at_least = StringField(lazy_gettext("At least"))
    impact = SelectField(
        lazy_gettext("From this impact on"),
        choices=[SelectChoice(impact.code, IMPACT_WORDS[impact]) for impact in list(Impact)[1:]],
        default=Impact.DEGRADED.code,
    )
    audience = StringField(lazy_gettext("Only what this audience uses (code, optional)"))
    severity = SelectField(
        lazy_gettext("If it is later"),
        choices=[
            SelectChoice("block", lazy_gettext("stop the announcement")),
            SelectChoice("warn", lazy_gettext("only warn")),
        ],
        default="block",
    )
    plain = ("impact", "audience", "severity")
    lengths = ("at_least",)


class HolidaysForm(PolicyForm):
    """Days on which nobody should have to work."""

    country = StringField(lazy_gettext("Public holidays of (country code, as in PT)"))
    subdivision = StringField(lazy_gettext("Part of the country (code, optional)"))
    dates = TextAreaField(lazy_gettext("Own days: date and name, one on each line"))
    timezone = StringField(lazy_gettext("Time zone"))
    plain = ("country", "subdivision", "timezone")

    def fill(self, document: Mapping[str, Any], locales: Iterable[str]) -> None:
        """Show its own days too."""
        super().fill(document, locales)
        self.dates.data = "\n".join(f"{day['date']} {day['name']}" for day in document.get("dates", ()))

    def document(self) -> dict[str, Any]:
        """Return it with its own days."""
        lines = [line.split(maxsplit=1) for line in (self.dates.data or "").splitlines() if line.strip()]
        dates = [{"date": first, "name": rest[0] if rest else ""} for first, *rest in lines]
        return super().document() | ({"dates": dates} if dates else {})


class BudgetForm(PolicyForm):
    """How long systems may be planned down."""

    at_most = StringField(lazy_gettext("At most, for each system"))
    per = SelectField(
        lazy_gettext("In each"),
        choices=[
            SelectChoice("month", lazy_gettext("month")),
            SelectChoice("year", lazy_gettext("year")),
        ],
        default="month",
    )
    timezone = StringField(lazy_gettext("Time zone"))
    plain = ("per", "timezone")
    lengths = ("at_most",)


class DownAtOnceForm(PolicyForm):
    """How many systems may be down together."""

    at_most = StringField(lazy_gettext("At most so many systems"))

    def fill(self, document: Mapping[str, Any], locales: Iterable[str]) -> None:
        """Show the number."""
        super().fill(document, locales)
        self.at_most.data = str(document.get("at_most", ""))

    def document(self) -> dict[str, Any]:
        """Return it with the number; what is none stays as typed, to be refused with a sentence."""
        typed = self.at_most.data or ""
        return super().document() | {"at_most": int(typed) if typed.isdecimal() else typed}


class ReservationForm(PolicyForm):
    """A window kept free for maintenance, again and again; what became of single ones has pages of its own."""

    start = LocalTimeField(lazy_gettext("First time"))
    duration = StringField(lazy_gettext("Length"))
    rule = StringField(lazy_gettext("Rule"))
    until = DayField(lazy_gettext("Last day (optional)"))
    timezone = StringField(lazy_gettext("Time zone"))
    public = BooleanField(lazy_gettext("Everybody may see it in the calendar"))
    plain = ("start", "rule", "until", "timezone", "public")
    lengths = ("duration",)
    hints: ClassVar[Mapping[str, object]] = {
        "rule": lazy_gettext("As in FREQ=WEEKLY;BYDAY=TU,TH, or FREQ=MONTHLY;BYDAY=2SA for second Saturdays"),
        "until": lazy_gettext("No window begins after it; empty: no end"),
    }


FORMS: Mapping[str, type[PolicyForm]] = {
    "freezes": FreezeForm,
    "hours": HoursForm,
    "notices": NoticeForm,
    "holidays": HolidaysForm,
    "budgets": BudgetForm,
    "down_at_once": DownAtOnceForm,
    "reservations": ReservationForm,
}
