"""The page on which a coordinator finds a better time, and takes it over into the draft."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy.orm import Session
from wtforms import BooleanField, Field
from wtforms.validators import ValidationError

from maintenance import scheduling, steps
from maintenance.catalogue_store import load_catalogue
from maintenance.errors import StepRefused
from maintenance.harm_curve import harm_curve
from maintenance.interventions import Plan
from maintenance.lifecycle import Role, RunState, Step, check
from maintenance.models import InterventionRow
from maintenance.queries import get_intervention, latest_published, pending, plan_of
from maintenance.suggesting import suggest_stored
from maintenance.suggestions import LONGEST, Search, begun_at
from maintenance.web.access import actor, roles_required
from maintenance.web.context import database, now
from maintenance.web.forms import BaseForm, errors_of
from maintenance.web.harm_drawing import HEIGHT, harm_drawing
from maintenance.web.languages import page_language
from maintenance.web.plan import bp
from maintenance.web.time_fields import DayField
from maintenance.windows import resolve, zone

#: How many starts are offered.
_COUNT = 6
#: Where to look unless said: two weeks before the planned day, and four weeks in all.
_BEFORE, _SPAN = timedelta(days=14), timedelta(days=28)


class SearchForm(BaseForm):
    """Where to look for a better time."""

    earliest = DayField(lazy_gettext("Not before"))
    latest = DayField(lazy_gettext("Over by the end of"))
    blocked = BooleanField(lazy_gettext("Show starts that something blocks, too"))

    def validate_latest(self, field: Field) -> None:
        """Refuse days in the wrong order, and too many of them."""
        if _day(field) < _day(self.earliest):
            raise ValidationError(str(lazy_gettext("Choose a day that is not before the first one.")))
        if _day(field) - _day(self.earliest) > LONGEST - timedelta(days=2):
            raise ValidationError(str(lazy_gettext("Choose days that are a year apart at most.")))

    def search(self, zone_name: str) -> Search:
        """Return the search from the first day's midnight to the last one's end, on the plan's clock."""
        first = resolve(datetime.combine(_day(self.earliest), time.min), zone_name).instant
        day_after = _day(self.latest) + timedelta(days=1)
        last = resolve(datetime.combine(day_after, time.min), zone_name).instant
        # What has begun already is no start any more.
        first = max(first, _next_quarter(now()))
        return Search(first, max(last, first + timedelta(minutes=15)), _COUNT, blocked=self.blocked.data)


def _day(field: Field) -> date:
    try:
        found = date.fromisoformat(field.data or "")
    except ValueError:
        found = None
    if found is None or not 1970 <= found.year <= 2200:
        raise ValidationError(str(lazy_gettext("Enter a day, as in 2019-11-30.")))
    return found


def _next_quarter(instant: datetime) -> datetime:
    quarter = timedelta(minutes=15)
    begun = instant.replace(minute=0, second=0, microsecond=0)
    return begun + quarter * (-((begun - instant) // quarter))


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The version whose work is to be moved."""

    row: InterventionRow
    plan: Plan


@bp.get("/<reference>/slots")
@roles_required(Role.PLANNER)
def slots(reference: str) -> ResponseReturnValue:
    """Show the starts that harm least, each with what it avoids and what stands against it."""
    with database().read() as session:
        chosen = _chosen(session, reference)
        form = SearchForm(request.args) if "earliest" in request.args else _usual(chosen.plan)
        if not form.validate():
            return _page(session, chosen, form, None), 422
        return _page(session, chosen, form, form.search(chosen.plan.timezone))


@bp.post("/<reference>/slots")
@roles_required(Role.PLANNER)
def take_slot(reference: str) -> ResponseReturnValue:
    """Take a start over into the draft: every phase moves by the same difference on the clock on the wall."""
    try:
        start = datetime.fromisoformat(request.form.get("start", "")).replace(second=0, microsecond=0)
    except ValueError:
        raise StepRefused("Choose one of the starts that the page offers.") from None
    if start.tzinfo is None:
        raise StepRefused("Choose one of the starts that the page offers.")
    seen = request.form.get("lock_version", type=int, default=0)
    with database().write() as session:
        plan = begun_at(_chosen(session, reference).plan, start)
        scheduling.edit(session, reference, plan, lock_version=seen, by=actor(), now=now())
    flash(
        gettext("The draft begins then. Nobody has been told: check it, then submit it for review."),
        "success",
    )
    return redirect(url_for("plan.show", reference=reference))


def _chosen(session: Session, reference: str) -> _Chosen:
    row = get_intervention(session, reference)
    check(Step.EDIT, run=RunState(row.run_state), pending=None, role=actor().role)
    return _Chosen(row, plan_of(pending(row) or latest_published(row) or row.versions[-1]))


def _usual(plan: Plan) -> SearchForm:
    """Return the form with the weeks around the planned day; nothing before today."""
    there = zone(plan.timezone)
    today = now().astimezone(there).date()
    first = max(today, plan.start.astimezone(there).date() - _BEFORE)
    return SearchForm(data={"earliest": first.isoformat(), "latest": (first + _SPAN).isoformat()})


def _page(session: Session, chosen: _Chosen, form: SearchForm, search: Search | None) -> str:
    plan, catalogue, found, drawing = chosen.plan, load_catalogue(session), None, None
    if search is not None:
        found = suggest_stored(session, plan, search, now=now(), language=page_language())
        if curve := harm_curve(catalogue, plan, search.earliest, search.latest):
            starts = [each.plan.start for each in found.found]
            drawing = harm_drawing(curve, plan.start, starts, zone_name=plan.timezone)
    return render_template(
        "maintenance/plan/slots.html",
        row=chosen.row,
        plan=plan,
        form=form,
        errors=errors_of(form),
        found=found,
        drawing=drawing,
        height=HEIGHT,
        audiences=catalogue.audiences,
        is_begun=steps.has_begun(plan),
    )
