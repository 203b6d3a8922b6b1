"""The page of one occurrence of a reserved window: skipped, moved, cancelled, or as the rule has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import Field, FieldList, FormField, HiddenField, RadioField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined] # newer than the stubs
from wtforms.validators import ValidationError

from maintenance.errors import JanelaError, NotFound
from maintenance.lifecycle import Role
from maintenance.models import PolicyRow
from maintenance.policy_store import get_policy_row
from maintenance.recurrence import Change, Deviation, Reservation, follows, occurrences
from maintenance.reserving import KIND, change_occurrence, reservation_of, restore_occurrence
from maintenance.web.access import actor, roles_required
from maintenance.web.context import database, now, runtime
from maintenance.web.errors import sentence_of
from maintenance.web.forms import BaseForm, WordsForm, errors_of, text_of, words_rows
from maintenance.web.policy_blueprint import bp
from maintenance.web.time_fields import LocalTimeField, length_of, local_time_of, write_length
from maintenance.windows import Interval, resolve

__all__ = ["KIND", "OccurrenceRow", "occurrence_rows"]

#: How far ahead, and how many at most, occurrences are listed.
_AHEAD, _LISTED = timedelta(days=400), 12


@dataclass(frozen=True, slots=True)
class OccurrenceRow:
    """One occurrence as it is listed: those that are skipped too, at the time that the rule gives them."""

    date: date
    start: datetime
    end: datetime
    deviation: Deviation | None
    timezone: str


class OccurrenceForm(BaseForm):
    """What becomes of one occurrence."""

    lock_version = HiddenField()
    change = RadioField(
        lazy_gettext("What becomes of it"),
        choices=[
            SelectChoice("", lazy_gettext("It takes place as the rule has it")),
            SelectChoice("moved", lazy_gettext("It is moved to another time")),
            SelectChoice("cancelled", lazy_gettext("It is cancelled: calendars show it struck out")),
            SelectChoice("skipped", lazy_gettext("It is skipped, as if it never was")),
        ],
        validate_choice=False,
    )
    start = LocalTimeField(lazy_gettext("Moved to"))
    duration = StringField(lazy_gettext("Length there (optional)"))
    reason = FieldList(FormField(WordsForm), label=lazy_gettext("Reason (optional)"))

    def validate_start(self, field: Field) -> None:
        """Ask where to, if it is moved."""
        if self.change.data == Deviation.MOVED and local_time_of(field) is None:
            raise ValidationError(str(lazy_gettext("Enter when it is to be instead.")))

    def validate_duration(self, field: Field) -> None:
        """Refuse what is no length, or none at all."""
        if self.change.data == Deviation.MOVED and (length := length_of(field)) is not None and not length:
            raise ValidationError(str(lazy_gettext("Write hours and minutes, as in 2:00 or 90 min.")))

    def value(self, day: date) -> Change | None:
        """Return the change; None for an occurrence that is as the rule has it."""
        if self.change.data not in set(Deviation):
            return None
        deviation = Deviation(self.change.data)
        moved = deviation is Deviation.MOVED
        start = local_time_of(self.start) if moved else None
        return Change(
            day, deviation, start, length_of(self.duration) if moved else None, text_of(self.reason)
        )


def occurrence_rows(row: PolicyRow, at: datetime) -> list[OccurrenceRow]:
    """Return the occurrences to come of a reservation, skipped ones too."""
    known = reservation_of(row)
    stretch = Interval(at, at + _AHEAD)
    rows = [
        OccurrenceRow(one.date, one.start, one.end, one.deviation, known.timezone)
        for one in occurrences(known, stretch)
    ]
    rows += [
        skipped
        for change in known.changes
        if change.deviation is Deviation.SKIPPED
        and (skipped := _by_rule(known, change.date, change.deviation)).end > at
    ]
    return sorted(rows, key=lambda each: (each.start, each.date))[:_LISTED]


def _by_rule(known: Reservation, day: date, deviation: Deviation | None) -> OccurrenceRow:
    start = resolve(datetime.combine(day, known.start.time()), known.timezone).instant
    return OccurrenceRow(day, start, start + known.length, deviation, known.timezone)


@bp.route("/<code>/<day>", methods=["GET", "POST"])
@roles_required(Role.APPROVER)
def occurrence(code: str, day: str) -> ResponseReturnValue:
    """Say what becomes of the occurrence that the rule puts on a day."""
    with database().read() as session:
        row = get_policy_row(session, code)
    known, on = reservation_of(row), _day(day)
    if on is None or not follows(known, on):
        raise NotFound(
            "The rule of %(code)s puts no occurrence on %(day)s; its page lists the next ones.",
            code=code,
            day=day,
        )
    if request.method == "GET":
        return _page(row, known, on, _filled(row, known, on))
    form = OccurrenceForm(request.form)
    if not form.validate():
        return _page(row, known, on, form, errors_of(form)), 422
    typed = form.lock_version.data or ""
    try:
        _take(code, on, form.value(on), int(typed) if typed.isdecimal() else 0)
    except JanelaError as error:
        return _page(row, known, on, form, [("", sentence_of(error))]), 409
    flash(gettext("Saved. Calendars that are subscribed get it at their next visit."), "success")
    return redirect(url_for("policies.edit", code=code))


def _take(code: str, day: date, change: Change | None, lock_version: int) -> None:
    with database().write() as session:
        if change is None:
            restore_occurrence(session, code, day, by=actor(), now=now(), lock_version=lock_version)
        else:
            change_occurrence(session, code, change, by=actor(), now=now(), lock_version=lock_version)


def _filled(row: PolicyRow, known: Reservation, day: date) -> OccurrenceForm:
    """Return the form with what was said of the occurrence so far."""
    change = next((each for each in known.changes if each.date == day), Change(day, Deviation.SKIPPED))
    said = any(each.date == day for each in known.changes)
    usual = datetime.combine(day, known.start.time())
    return OccurrenceForm(
        data={
            "lock_version": str(row.lock_version),
            "change": change.deviation.value if said else "",
            "start": (change.start or usual).isoformat(timespec="minutes"),
            "duration": write_length(change.length) if change.length else "",
            "reason": words_rows(change.reason, runtime().settings.locales),
        }
    )


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return None


def _page(
    row: PolicyRow,
    known: Reservation,
    day: date,
    form: OccurrenceForm,
    errors: Iterable[tuple[str, str]] = (),
) -> str:
    return render_template(
        "maintenance/policies/occurrence.html",
        row=row,
        reservation=known,
        by_rule=_by_rule(known, day, None),
        form=form,
        errors=list(errors),
    )
