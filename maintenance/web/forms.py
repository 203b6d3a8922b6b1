"""What all forms share: stripped values, texts in several languages, errors listed with where they belong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flask_babel import lazy_gettext
from wtforms import Field, FieldList, Form, FormField, HiddenField, PasswordField, StringField, TextAreaField
from wtforms.validators import ValidationError

from maintenance.texts import ANY, Text
from maintenance.web.languages import endonym


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


class BaseForm(Form):
    """A form whose texts come without spaces around them; CSRF is checked before any view runs."""

    class Meta:
        """How WTForms makes the fields."""

        def bind_field(self, form: Form, unbound_field: Any, options: dict[str, Any]) -> Field:
            """Return the field, which strips what was typed unless it says otherwise."""
            filters = unbound_field.kwargs.get("filters", ())
            if unbound_field.field_class not in (FieldList, FormField, PasswordField):
                options = {**options, "filters": [_stripped, *filters]}
            field: Field = unbound_field.bind(form=form, **options)
            return field


class WordsForm(BaseForm):
    """A short text in one language."""

    language = HiddenField()
    words = StringField()


class LongWordsForm(BaseForm):
    """A longer text in one language."""

    language = HiddenField()
    words = TextAreaField()


def label_of(language: str) -> str:
    """Return how the language of a text is called in its own words, or that it is for every reader."""
    return str(lazy_gettext("All languages")) if language == ANY else endonym(language)


def words_rows(text: Text, locales: Iterable[str]) -> list[dict[str, str]]:
    """Return the rows of a text's fields: the languages it has, in their order, then others offered."""
    written = dict(text.variants)
    languages = dict.fromkeys((*written, *locales))
    return [{"language": code, "words": written.get(code, "")} for code in languages]


def text_document(rows: FieldList[Any]) -> str | dict[str, str]:
    """Return what was typed into the rows of `words_rows`, as documents hold a text."""
    written = {row.language.data: row.words.data for row in rows if row.words.data}
    if set(written) == {ANY}:
        return str(written[ANY])
    return {code: words for code, words in written.items() if code}


def text_of(rows: FieldList[Any]) -> Text:
    """Return the text that was typed into the rows of `words_rows`."""
    return Text.of(text_document(rows))


class SomeWords:
    """Validates that at least one language of a text was written."""

    def __init__(self, message: object) -> None:
        self.message = message

    def __call__(self, form: Form, field: FieldList[Any]) -> None:
        """Do nothing if any row has words; the error stands at the first row otherwise."""
        if not any(row.words.data for row in field):
            first = field.entries[0].form.words
            first.errors = [*first.errors, str(self.message)]
            raise ValidationError(str(self.message))


def errors_of(form: Form) -> list[tuple[str, str]]:
    """Return each error of a form with the id of the field it belongs to, in the order of the page."""
    return list(dict.fromkeys(_errors_in(form)))


def _errors_in(fields: Iterable[Field]) -> Iterator[tuple[str, str]]:
    for field in fields:
        if isinstance(field, FormField):
            yield from _errors_in(field.form)
        elif isinstance(field, FieldList):
            yield from _errors_in(field.entries)
            if not any(_errors_in(field.entries)):
                yield from ((field.id, str(error)) for error in field.errors)
        else:
            yield from ((field.id, str(error)) for error in field.errors)


def add_error(field: Field, message: str) -> None:
    """Put an error on a field that came from outside its own validators."""
    field.errors = (*field.errors, message)
