"""The words of the workspace: roles, steps, kinds of phases, what the log says."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Flask
from flask_babel import gettext, lazy_gettext

from maintenance.catalogue_store import load_catalogue
from maintenance.clashes import Clash
from maintenance.events import Event
from maintenance.harm import two_figures
from maintenance.interventions import InterventionClass, PhaseKind
from maintenance.lifecycle import Role, Step
from maintenance.previewing import UNNAMED
from maintenance.texts import Text
from maintenance.web.context import database
from maintenance.web.forms import label_of
from maintenance.web.languages import page_language
from maintenance.web.plan_preview import spans
from maintenance.web.presentation import IMPACT_WORDS, number


def harm_words(harm: Iterable[tuple[Text, float]]) -> str:
    """Return how much falls into windows, the largest first: an estimate, so of two figures only."""
    return ", ".join(
        gettext(
            "about %(amount)s %(unit)s",
            amount=number(two_figures(amount)),
            unit=unit.in_language(page_language()),
        )
        for unit, amount in sorted(harm, key=lambda pair: -pair[1])
    )


#: What clashes say in words of the standard or of documents, in the reader's words.
_CLASH_VALUES = {
    "plan": {UNNAMED: lazy_gettext("this plan")},
    "impact": {impact.code: words for impact, words in IMPACT_WORDS.items()},
    "per": {"month": lazy_gettext("month"), "year": lazy_gettext("year")},
    "class_": {
        "scheduled": lazy_gettext("scheduled"),
        "short-notice": lazy_gettext("short notice"),
        "emergency": lazy_gettext("emergency"),
    },
}


def clash_sentence(clash: Clash) -> str:
    """Return what a clash says, in the reader's language; audiences by name."""
    values = {
        name: str(_CLASH_VALUES.get(name, {}).get(value, value))
        if name != "audience"
        else _audience_name(value)
        for name, value in clash.values
    }
    return str(gettext(clash.sentence, **values) if values else gettext(clash.sentence))


def _audience_name(code: str) -> str:
    with database().read() as session:
        audience = load_catalogue(session).audiences.get(code)
    return audience.name.in_language(page_language()) if audience else code


ROLE_WORDS = {
    Role.READER: lazy_gettext("Reader: sees everything, changes nothing"),
    Role.PLANNER: lazy_gettext("Planner: drafts, submits and runs interventions"),
    Role.APPROVER: lazy_gettext("Approver: also approves, announces, moves and cancels"),
    Role.ADMIN: lazy_gettext("Administrator: may do everything"),
}
CLASS_WORDS = {
    InterventionClass.PLANNED: lazy_gettext("Planned"),
    InterventionClass.EMERGENCY: lazy_gettext("Emergency"),
}
PHASE_WORDS = {
    PhaseKind.PREPARATION: lazy_gettext("Preparation"),
    PhaseKind.OUTAGE: lazy_gettext("Outage"),
    PhaseKind.VERIFICATION: lazy_gettext("Verification"),
}
STEP_WORDS = {
    Step.EDIT: lazy_gettext("Edit"),
    Step.SUBMIT: lazy_gettext("Submit for review"),
    Step.APPROVE: lazy_gettext("Approve"),
    Step.RETURN: lazy_gettext("Return to the author"),
    Step.WITHDRAW: lazy_gettext("Withdraw this version"),
    Step.ANNOUNCE: lazy_gettext("Announce"),
    Step.MOVE: lazy_gettext("Move"),
    Step.HOLD: lazy_gettext("Hold the start"),
    Step.RELEASE: lazy_gettext("Release the start"),
    Step.START: lazy_gettext("Start now"),
    Step.UPDATE: lazy_gettext("Publish an update"),
    Step.EXTEND: lazy_gettext("Extend"),
    Step.VERIFY: lazy_gettext("Service is restored"),
    Step.COMPLETE: lazy_gettext("Complete"),
    Step.CANCEL: lazy_gettext("Cancel the intervention"),
}
DONE_WORDS = {
    Step.SUBMIT: lazy_gettext("Submitted. Somebody else can approve it now."),
    Step.APPROVE: lazy_gettext("Approved. It can be announced now; nobody has been told yet."),
    Step.RETURN: lazy_gettext("Returned: it is a draft again, with your note."),
    Step.WITHDRAW: lazy_gettext("Withdrawn."),
    Step.ANNOUNCE: lazy_gettext("Announced. The messages are on their way."),
    Step.MOVE: lazy_gettext("Moved. Everybody who was told is told the new window."),
    Step.HOLD: lazy_gettext("Held: the clock starts nothing until you release it."),
    Step.RELEASE: lazy_gettext("Released: the clock starts what is due."),
    Step.START: lazy_gettext("Started. Readers are told."),
    Step.UPDATE: lazy_gettext("Published. The words are on the pages and on their way."),
    Step.EXTEND: lazy_gettext("Extended. Readers are told the new end."),
    Step.VERIFY: lazy_gettext("Service restored. Readers are told."),
    Step.COMPLETE: lazy_gettext("Completed. Readers are told."),
    Step.CANCEL: lazy_gettext("Cancelled. Everybody who was told is told."),
}
EVENT_WORDS = {
    "InterventionDrafted": lazy_gettext("Draft begun"),
    "InterventionEdited": lazy_gettext("Draft edited"),
    "InterventionSubmitted": lazy_gettext("Submitted for review"),
    "InterventionApproved": lazy_gettext("Approved"),
    "InterventionReturned": lazy_gettext("Returned to the author"),
    "InterventionWithdrawn": lazy_gettext("Version withdrawn"),
    "InterventionAbandoned": lazy_gettext("Given up before anybody was told"),
    "InterventionAnnounced": lazy_gettext("Announced"),
    "InterventionChanged": lazy_gettext("Change announced"),
    "InterventionMoved": lazy_gettext("Moved"),
    "InterventionAltered": lazy_gettext("Windows altered by another intervention"),
    "InterventionStarted": lazy_gettext("Started"),
    "InterventionExtended": lazy_gettext("Extended"),
    "ServiceRestored": lazy_gettext("Service restored"),
    "InterventionCompleted": lazy_gettext("Completed"),
    "InterventionCancelled": lazy_gettext("Cancelled"),
    "UpdatePublished": lazy_gettext("Update published"),
    "StartHeld": lazy_gettext("Start held"),
    "StartReleased": lazy_gettext("Start released"),
}


def init_app(app: Flask) -> None:
    """Make the filters known to every template."""
    for function in (
        role_label,
        class_label,
        phase_kind,
        step_button,
        log_label,
        log_detail,
        harm_words,
        clash_sentence,
    ):
        app.add_template_filter(function)
    app.add_template_filter(Text.of, "as_text")
    app.add_template_filter(spans, "window_spans")
    app.add_template_global(label_of)


def role_label(role: str) -> str:
    """Return what somebody of this role may do."""
    return str(ROLE_WORDS[Role(role)])


def class_label(intervention_class: str) -> str:
    """Return the word for a class of intervention."""
    return str(CLASS_WORDS[InterventionClass(intervention_class)])


def phase_kind(kind: str) -> str:
    """Return the word for a kind of phase."""
    return str(PHASE_WORDS[PhaseKind(kind)])


def step_button(step: str) -> str:
    """Return the words on the button of a step."""
    return str(STEP_WORDS[Step(step)])


def log_label(kind: str) -> str:
    """Return what happened, in words; the log's own word for kinds that are newer than this table."""
    return str(EVENT_WORDS.get(kind, kind))


def log_detail(event: Event) -> str:
    """Return what an event says beyond its kind: version, phases, systems, what it altered."""
    values = event.payload()
    said = []
    if values.get("sequence") is not None:
        said.append(gettext("version %(number)s", number=values["sequence"]))
    for name in ("phase", "because_of"):
        if values.get(name):
            said.append(str(values[name]))
    for name in ("phases", "systems", "passed_over"):
        if values.get(name):
            said.append(", ".join(str(value) for value in values[name]))
    if values.get("altered"):
        said.append(
            gettext("also altered: %(plans)s", plans=", ".join(str(plan) for plan, _ in values["altered"]))
        )
    return " · ".join(said)
