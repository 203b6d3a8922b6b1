"""What one version of an intervention changed for readers, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flask_babel import gettext, lazy_gettext, ngettext
from markupsafe import Markup, escape

from maintenance.catalogue import Catalogue, Impact
from maintenance.interventions import Phase, PhaseKind, Window
from maintenance.public_reads import Version
from maintenance.web.presentation import local_range, local_time, public_name

STEP_WORDS = {
    "InterventionAnnounced": lazy_gettext("Announced"),
    "InterventionChanged": lazy_gettext("Changed"),
    "InterventionMoved": lazy_gettext("Moved"),
    "InterventionAltered": lazy_gettext("Changed by other work"),
    "InterventionStarted": lazy_gettext("Started"),
    "InterventionExtended": lazy_gettext("Extended"),
    "ServiceRestored": lazy_gettext("Service restored"),
    "InterventionCompleted": lazy_gettext("Completed"),
    "InterventionCancelled": lazy_gettext("Cancelled"),
}
PHASE_WORDS = {
    PhaseKind.PREPARATION: lazy_gettext("Preparation"),
    PhaseKind.OUTAGE: lazy_gettext("Work"),
    PhaseKind.VERIFICATION: lazy_gettext("Verification"),
}


#: Systems that a sentence names.
_NAMED = 40


def step_label(step: str) -> str:
    """Return what the step that published a version is called."""
    return str(STEP_WORDS.get(step, step))


def phase_label(kind: PhaseKind) -> str:
    """Return what a phase is for, in a word."""
    return str(PHASE_WORDS[kind])


def differences(before: Version, after: Version, catalogue: Catalogue) -> tuple[Markup, ...]:
    """Return what `after` says otherwise than `before`: times of phases, systems that are hit."""
    zone_name = after.plan.timezone
    old = {phase.id: phase for phase in before.plan.phases}
    new = {phase.id: phase for phase in after.plan.phases}
    found: list[Markup] = []
    for phase in after.plan.phases:
        found += _phase_differences(old.get(phase.id), phase, zone_name)
    for phase in before.plan.phases:
        if phase.id not in new:
            found.append(
                _sentence(
                    gettext("%(phase)s taken out: %(old)s"),
                    phase=phase_label(phase.kind),
                    old=_range(phase, zone_name),
                )
            )
    return (*found, *_system_differences(before.windows, after.windows, catalogue))


def _phase_differences(old: Phase | None, new: Phase, zone_name: str) -> Iterable[Markup]:
    name = phase_label(new.kind)
    if old is None:
        yield _sentence(gettext("%(phase)s added: %(new)s"), phase=name, new=_range(new, zone_name))
        return
    if (old.start, old.end) != (new.start, new.end):
        yield _sentence(
            gettext("%(phase)s: instead of %(old)s now %(new)s"),
            phase=name,
            old=_range(old, zone_name),
            new=_range(new, zone_name),
        )
    if new.started_at and not old.started_at:
        yield _sentence(
            gettext("%(phase)s began: %(time)s"), phase=name, time=local_time(new.started_at, zone_name)
        )
    if new.ended_at and not old.ended_at:
        yield _sentence(
            gettext("%(phase)s ended: %(time)s"), phase=name, time=local_time(new.ended_at, zone_name)
        )


def _system_differences(
    before: Iterable[Window], after: Iterable[Window], catalogue: Catalogue
) -> Iterable[Markup]:
    old, new = _hit(before, catalogue), _hit(after, catalogue)
    if joined := _names(new.keys() - old.keys(), catalogue):
        yield _sentence(gettext("Now also affected: %(systems)s"), systems=joined)
    if left := _names(old.keys() - new.keys(), catalogue):
        yield _sentence(gettext("No longer affected: %(systems)s"), systems=left)
    if worse := _names((code for code in new.keys() & old.keys() if new[code] > old[code]), catalogue):
        yield _sentence(gettext("Hit harder than said before: %(systems)s"), systems=worse)
    if milder := _names((code for code in new.keys() & old.keys() if new[code] < old[code]), catalogue):
        yield _sentence(gettext("Hit less than said before: %(systems)s"), systems=milder)


def _hit(windows: Iterable[Window], catalogue: Catalogue) -> Mapping[str, Impact]:
    """Return the worst that happens to each public system, and to each kind of the others, by what they are called."""
    worst: dict[str, Impact] = {}
    for window in windows:
        system = catalogue.systems.get(window.system)
        name = window.system if system and system.public else str(public_name(system))
        worst[name] = max(window.impact, worst.get(name, Impact.NO_IMPACT))
    return worst


def _names(codes: Iterable[str], catalogue: Catalogue) -> Markup:
    wanted = sorted(codes, key=lambda code: catalogue.positions.get(code, len(catalogue.systems)))
    named = wanted[:_NAMED]
    names = [public_name(catalogue.systems[c]) if c in catalogue.systems else escape(c) for c in named]
    if more := len(wanted) - len(named):
        names.append(escape(ngettext("%(num)d more", "%(num)d more", more)))
    return Markup(", ").join(names)


def _range(phase: Phase, zone_name: str) -> Markup:
    return local_range(phase.start, phase.end, zone_name)


def _sentence(translated: str, **values: object) -> Markup:
    return escape(translated) % {name: escape(value) for name, value in values.items()}
