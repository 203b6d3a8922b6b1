"""What the steps on an announced intervention ask for: moving it, the night itself, its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from flask_babel import lazy_gettext
from sqlalchemy.orm import Session
from wtforms import (
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
from wtforms.validators import DataRequired, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from maintenance import scheduling, steps
from maintenance.catalogue import Impact
from maintenance.interventions import Phase, Plan
from maintenance.lifecycle import Actor, Step
from maintenance.scheduling import Preview
from maintenance.texts import NO_TEXT, Text
from maintenance.web.forms import SomeWords, text_of
from maintenance.web.languages import page_language
from maintenance.web.plan_step_forms import (
    CHECKS,
    AnnounceForm,
    ApproveForm,
    OverridableForm,
    ReasonForm,
    ReturnForm,
    StepForm,
    SubmitForm,
    ToldForm,
    WithdrawForm,
)
from maintenance.web.presentation import local_range, plain
from maintenance.web.time_fields import LocalTimeField, length_of, local_time_of
from maintenance.web.workspace_words import phase_kind
from maintenance.windows import resolve, zone


def _option(phase: Phase, timezone: str) -> SelectChoice:
    times = local_range(phase.start, phase.end, timezone).striptags()
    return SelectChoice(phase.id, f"{phase_kind(phase.kind)} {phase.id}: {times}")


class MoveForm(OverridableForm):
    """Another start; everything moves with it."""

    consequence = lazy_gettext(
        "All phases move by the same time on the clock. Everybody who was told is told the old and the new window."
    )
    start = LocalTimeField(
        lazy_gettext("New start of the first phase with an impact"),
        [DataRequired(lazy_gettext("Enter the new start."))],
    )
    #: The start whose windows the person was shown.
    seen = HiddenField()

    def prepare(
        self, plan: Plan, *, locales: Sequence[str], lock_version: int, names: Mapping[str, Text]
    ) -> None:
        """Begin with the start as it stands."""
        super().prepare(plan, locales=locales, lock_version=lock_version, names=names)
        if self.start.data is None:
            first = (plan.impact_phases or plan.phases)[0]
            there = first.start.astimezone(zone(plan.timezone))
            self.start.data = there.strftime("%Y-%m-%dT%H:%M")

    def validate_start(self, field: Field) -> None:
        """Refuse what is no time."""
        local_time_of(field)

    def preview(self, session: Session, reference: str, *, now: datetime) -> Preview | None:
        """Return the windows at the new time, once one was typed and can be read."""
        is_shown = self.seen.data == self.start.data and not self.start.errors
        start = local_time_of(self.start) if is_shown else None
        return (
            scheduling.preview_move(session, reference, start, now=now, language=page_language())
            if start
            else None
        )

    def is_confirmed(self) -> bool:
        """Return whether the windows at this very time were shown; they are from now on."""
        shown, self.seen.data = self.seen.data, self.start.data
        return bool(shown == self.start.data)

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Move it."""
        start = datetime.fromisoformat(str(self.start.data))
        return scheduling.move(
            session,
            reference,
            start=start,
            reason=text_of(self.reason),
            override=self.override.data or "",
            by=by,
            now=now,
        )


class HoldForm(StepForm):
    """Why the clock must not start it."""

    consequence = lazy_gettext("The clock starts nothing of this intervention until the start is released.")
    reason = TextAreaField(
        lazy_gettext("Why the start is held"),
        [DataRequired(lazy_gettext("Say why; whoever is on duty that night needs to know.")), *CHECKS],
    )

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Hold the start."""
        return scheduling.hold(session, reference, reason=self.reason.data or "", by=by, now=now)


class ReleaseForm(StepForm):
    """Why it may start again, if anybody wants to say."""

    consequence = lazy_gettext("The clock starts what is due, at once if its time has come.")
    reason = TextAreaField(lazy_gettext("Reason for the log (optional)"), CHECKS)

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Release the start."""
        scheduling.release(session, reference, reason=self.reason.data or "", by=by, now=now)
        return None


class StartForm(ToldForm):
    """Which phase begins now."""

    consequence = lazy_gettext(
        "The phase counts as begun from now on, and readers are told that work has started."
    )
    phase = SelectField(lazy_gettext("Phase"), validate_choice=False)

    def prepare(
        self, plan: Plan, *, locales: Sequence[str], lock_version: int, names: Mapping[str, Text]
    ) -> None:
        """Offer the phases that can begin."""
        super().prepare(plan, locales=locales, lock_version=lock_version, names=names)
        to_come = [phase for phase in plan.impact_phases if steps.is_to_come(phase)]
        self.phase.choices = [_option(phase, plan.timezone) for phase in to_come]

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Begin it."""
        return scheduling.start(
            session,
            reference,
            phase=self.phase.data or None,
            reason=text_of(self.reason),
            by=by,
            now=now,
        )


class UpdateForm(StepForm):
    """Words for readers."""

    is_told = True
    consequence = lazy_gettext(
        "The words appear on the pages at once, and those who were told get them as a message."
    )
    text = FieldList(
        FormField(ReasonForm),
        label=lazy_gettext("What readers are to know"),
        validators=[SomeWords(lazy_gettext("Write what readers are to know, in one language at least."))],
    )

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Publish the words."""
        return scheduling.publish_update(session, reference, text=text_of(self.text), by=by, now=now)


class ExtendForm(ToldForm):
    """Until when, or by how long."""

    consequence = lazy_gettext(
        "The phase ends later, and phases that follow it move by as much. Readers are told."
    )
    phase = SelectField(lazy_gettext("Phase"), validate_choice=False)
    until = LocalTimeField(lazy_gettext("New end"))
    by_length = StringField(lazy_gettext("or longer by"))

    def prepare(
        self, plan: Plan, *, locales: Sequence[str], lock_version: int, names: Mapping[str, Text]
    ) -> None:
        """Offer the open phases first, then those to come."""
        super().prepare(plan, locales=locales, lock_version=lock_version, names=names)
        is_open = [phase for phase in plan.impact_phases if phase.is_open]
        to_come = [phase for phase in plan.impact_phases if steps.is_to_come(phase)]
        self.phase.choices = [_option(phase, plan.timezone) for phase in (*is_open, *to_come)]

    def validate_until(self, field: Field) -> None:
        """Refuse what is no time."""
        local_time_of(field)

    def validate_by_length(self, field: Field) -> None:
        """Refuse what is no length, and neither or both of the two."""
        length_of(field)
        if bool(self.until.data) == bool(field.data):
            raise ValidationError(
                str(lazy_gettext("Give the new end or by how much longer, one of the two."))
            )

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Extend the phase."""
        until = self.until.data
        return scheduling.extend(
            session,
            reference,
            phase=self.phase.data or None,
            until=resolve(datetime.fromisoformat(until), self.plan.timezone).instant if until else None,
            by_length=length_of(self.by_length),
            reason=text_of(self.reason),
            by=by,
            now=now,
        )


class VerifyForm(ToldForm):
    """What came back: everything that is open, unless boxes are ticked."""

    consequence = lazy_gettext(
        "Readers are told that service is back. Checks go on until the intervention is completed."
    )
    systems = SelectMultipleField(
        lazy_gettext("Only these came back (tick none if everything did)"),
        validate_choice=False,
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )

    def prepare(
        self, plan: Plan, *, locales: Sequence[str], lock_version: int, names: Mapping[str, Text]
    ) -> None:
        """Offer the systems whose work is open."""
        super().prepare(plan, locales=locales, lock_version=lock_version, names=names)
        down = [
            work.system
            for phase in plan.impact_phases
            if phase.is_open
            for work in phase.work
            if work.impact > Impact.NO_IMPACT and work.ended_at is None
        ]
        self.systems.choices = [
            SelectChoice(code, f"{code} {plain(names.get(code, NO_TEXT))}") for code in dict.fromkeys(down)
        ]

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Say that service is back."""
        systems: Sequence[str] = self.systems.data or ()
        return scheduling.verify(
            session, reference, systems=systems, reason=text_of(self.reason), by=by, now=now
        )


class CompleteForm(ToldForm):
    """It is over."""

    consequence = lazy_gettext(
        "What is still open ends now, and readers are told that the intervention is over."
    )

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Close it."""
        return scheduling.complete(session, reference, reason=text_of(self.reason), by=by, now=now)


class CancelForm(ToldForm):
    """It will not take place, or is broken off."""

    consequence = lazy_gettext(
        "Calendars show it as cancelled, and everybody who was told is told. It cannot be undone."
    )

    def preview(self, session: Session, reference: str, *, now: datetime) -> Preview | None:
        """Return the windows that remain, and what changes for other plans."""
        return scheduling.preview_cancel(session, reference, now=now)

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Cancel it."""
        return scheduling.cancel(session, reference, reason=text_of(self.reason), by=by, now=now)


FORMS: dict[Step, type[StepForm]] = {
    Step.SUBMIT: SubmitForm,
    Step.APPROVE: ApproveForm,
    Step.RETURN: ReturnForm,
    Step.WITHDRAW: WithdrawForm,
    Step.ANNOUNCE: AnnounceForm,
    Step.MOVE: MoveForm,
    Step.HOLD: HoldForm,
    Step.RELEASE: ReleaseForm,
    Step.START: StartForm,
    Step.UPDATE: UpdateForm,
    Step.EXTEND: ExtendForm,
    Step.VERIFY: VerifyForm,
    Step.COMPLETE: CompleteForm,
    Step.CANCEL: CancelForm,
}
