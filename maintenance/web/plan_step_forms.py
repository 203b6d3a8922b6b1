"""What a step of an intervention's life asks for; here those on the way to readers: review and announcement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from flask_babel import lazy_gettext
from sqlalchemy.orm import Session
from wtforms import Field, FieldList, FormField, HiddenField, TextAreaField
from wtforms.validators import DataRequired, Length, ValidationError

from maintenance import scheduling
from maintenance.interventions import Plan
from maintenance.lifecycle import Actor
from maintenance.scheduling import Preview
from maintenance.texts import NO_TEXT, Text
from maintenance.web.forms import BaseForm, LongWordsForm, text_of, words_rows
from maintenance.web.languages import page_language

#: Longest note or reason of one language, in characters: it goes into mails.
_LONGEST = 2000


class CleanText:
    """Validates that a text holds no control characters but line ends and tabs."""

    def __call__(self, form: object, field: Field) -> None:
        """Do nothing if it is clean; they could begin a header of a mail, or hide words."""
        if any(not letter.isprintable() and letter not in "\r\n\t\xa0" for letter in field.data or ""):
            raise ValidationError(str(lazy_gettext("This holds control characters; take them out.")))


CHECKS = [Length(max=_LONGEST, message=lazy_gettext("Write 2000 characters at most.")), CleanText()]


class ReasonForm(LongWordsForm):
    """A reason in one language."""

    words = TextAreaField(validators=CHECKS)


class StepForm(BaseForm):
    """A step's page: what it asks, and what it does."""

    #: Whether people outside the team hear of it.
    is_told: ClassVar[bool] = False
    #: What the button leads to, in one sentence.
    consequence: ClassVar[Any] = ""
    #: The intervention's when the person opened the page.
    lock_version = HiddenField()

    #: Set by `prepare`.
    plan: Plan

    def prepare(
        self, plan: Plan, *, locales: Sequence[str], lock_version: int, names: Mapping[str, Text]
    ) -> None:
        """Fill what depends on the intervention: choices (`names` of systems), a row for each language."""
        self.plan = plan
        if self.lock_version.data in (None, ""):
            self.lock_version.data = str(lock_version)
        for field in self:
            if isinstance(field, FieldList) and not len(field):
                for row in words_rows(NO_TEXT, locales):
                    field.append_entry(row)

    def preview(self, session: Session, reference: str, *, now: datetime) -> Preview | None:
        """Return what the step would do to windows; None where it does nothing to them."""
        return None

    def is_confirmed(self) -> bool:
        """Return whether the person has seen what the step does; else the page shows it first."""
        return True

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Take the step."""
        raise NotImplementedError  # each step has its own

    @property
    def seen_version(self) -> int | None:
        """Return the lock version of what the person looked at."""
        typed = self.lock_version.data or ""
        return int(typed) if typed.isdecimal() else None


class SubmitForm(StepForm):
    """Nothing to fill in."""

    consequence = lazy_gettext("Somebody else looks at it and approves it, or returns it to you with a note.")

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Hand the draft to review."""
        return scheduling.submit(session, reference, by=by, now=now)


class ApproveForm(StepForm):
    """A note, if any."""

    consequence = lazy_gettext(
        "You agree to exactly the content shown here. Nobody is told yet: announcing is a step of its own."
    )
    note = TextAreaField(lazy_gettext("Note for the log (optional)"), CHECKS)

    def preview(self, session: Session, reference: str, *, now: datetime) -> Preview | None:
        """Return what announcing the version would do."""
        return scheduling.preview(session, self.plan, now=now, language=page_language())

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Agree to what the page showed."""
        return scheduling.approve(
            session, reference, note=self.note.data or "", lock_version=self.seen_version, by=by, now=now
        )


class ReturnForm(StepForm):
    """What has to change."""

    consequence = lazy_gettext("The version becomes a draft again; its author reads your note beside it.")
    note = TextAreaField(
        lazy_gettext("What has to change"),
        [
            DataRequired(lazy_gettext("Say what has to change; the author reads it beside the draft.")),
            *CHECKS,
        ],
    )

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Give the version back."""
        return scheduling.return_(session, reference, note=self.note.data or "", by=by, now=now)


class WithdrawForm(StepForm):
    """Why, if anybody wants to say."""

    consequence = lazy_gettext("The unpublished version is given up. What readers know stays as it is.")
    reason = TextAreaField(lazy_gettext("Reason for the log (optional)"), CHECKS)

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Give up the version on its way."""
        return scheduling.withdraw(session, reference, reason=self.reason.data or "", by=by, now=now)


class ToldForm(StepForm):
    """A step that readers are told of, with a reason in their languages."""

    is_told = True
    reason = FieldList(FormField(ReasonForm), label=lazy_gettext("Reason, for the readers (optional)"))


class OverridableForm(ToldForm):
    """A step that blocking clashes stop; the page asks for the override only where something blocks."""

    override = TextAreaField(lazy_gettext("Why it is done all the same (kept in the log)"), CHECKS)


class AnnounceForm(OverridableForm):
    """The first word to readers, or a change of what they know."""

    consequence = lazy_gettext(
        "Pages, calendars and feeds show it at once, and every institution concerned gets a message."
    )

    def preview(self, session: Session, reference: str, *, now: datetime) -> Preview | None:
        """Return what announcing would do."""
        return scheduling.preview(session, self.plan, now=now, language=page_language())

    def take(self, session: Session, reference: str, *, by: Actor, now: datetime) -> object:
        """Publish the approved version."""
        return scheduling.announce(
            session,
            reference,
            reason=text_of(self.reason),
            override=self.override.data or "",
            lock_version=self.seen_version,
            by=by,
            now=now,
        )
