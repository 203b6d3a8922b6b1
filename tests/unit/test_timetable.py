"""Which notices an event owes, when, and until when they are useful."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from maintenance import events
from maintenance.catalogue import Impact
from maintenance.interventions import InterventionClass, Plan, Window
from notifications import timetable
from notifications.timetable import (
    NoticeKind,
    Owed,
    makes_pointless,
    owed,
    phases_told,
    superseded_kinds,
)
from tests.builders import a_phase, a_plan, at

DOCS = Path(__file__).parent.parent.parent / "docs" / "notices.md"
#: The outage begins here; reminders are due 7 d, 72 h, 24 h and 1 h before.
START, END = 240, 250


def the_plan(start: float = START, end: float = END, **rest: object) -> Plan:
    return a_plan("INT-1", a_phase(start, end, "DB"), **rest)


def a_window(
    start: float = START, end: float = END, impact: Impact = Impact.OUTAGE, system: str = "DB"
) -> Window:
    return Window(system, impact, at(start), at(end), (("INT-1",),))


def an_event(kind: type[events.VersionPublished], hours: float = 0, **rest: object) -> events.Event:
    return kind(at=at(hours), by="system", reference="INT-1", sequence=1, **rest)


def notices(event: events.Event, **given: object) -> tuple[Owed, ...]:
    values = {
        "plan": the_plan(),
        "windows": [a_window()],
        "before": the_plan(),
        "windows_before": [a_window()],
        "now": event.at,
    }
    return owed(event, **{**values, **given})


def kinds(found: tuple[Owed, ...]) -> list[NoticeKind]:
    return [notice.kind for notice in found]


def hours_of(instant: datetime) -> float:
    return (instant - at(0)) / timedelta(hours=1)


def test_announcement_is_due_at_once_and_every_reminder_before_the_start() -> None:
    found = notices(an_event(events.InterventionAnnounced), before=None, windows_before=[])

    assert [(n.kind, hours_of(n.due_at)) for n in found] == [
        (NoticeKind.ANNOUNCEMENT, 0),
        (NoticeKind.REMINDER, START - 168),
        (NoticeKind.REMINDER, START - 72),
        (NoticeKind.REMINDER, START - 24),
        (NoticeKind.REMINDER, START - 1),
    ]


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (START - 169, 4),
        (START - 168, 3),  # due this instant: the announcement says it all
        (START - 71, 2),
        (START - 24, 1),
        (START - 1, 0),
        (START, 0),
        (START + 5, 0),
    ],
)
def test_reminders_already_past_are_not_owed(now: float, left: int) -> None:
    found = notices(an_event(events.InterventionAnnounced, now), before=None, windows_before=[])

    assert kinds(found).count(NoticeKind.REMINDER) == left


def test_a_reminder_is_useful_until_the_next_one_and_the_last_until_the_start() -> None:
    found = notices(an_event(events.InterventionAnnounced), before=None, windows_before=[])

    ends = [hours_of(n.expires_at) for n in found if n.kind is NoticeKind.REMINDER]
    assert ends == [START - 72, START - 24, START - 1, START]


def test_reminders_count_from_the_first_notified_window_not_from_a_milder_one() -> None:
    mild = a_window(START - 20, START, Impact.REDUCED_REDUNDANCY)
    plan = the_plan(reminders=(timedelta(hours=2),))

    found = notices(an_event(events.InterventionMoved), plan=plan, windows=[mild, a_window()])

    assert [hours_of(n.due_at) for n in found if n.kind is NoticeKind.REMINDER] == [START - 2]


def test_every_version_plans_its_reminders_anew() -> None:
    later = [a_window(START + 100, END + 100)]

    found = notices(an_event(events.InterventionMoved), plan=the_plan(START + 100, END + 100), windows=later)

    assert [n.details["lead_seconds"] // 3600 for n in found if n.kind is NoticeKind.REMINDER] == [
        168,
        72,
        24,
        1,
    ]
    assert kinds(found)[0] is NoticeKind.CHANGE


def test_change_is_useful_until_the_later_of_old_and_new_window_is_over() -> None:
    earlier = [a_window(START - 48, END - 48)]

    found = notices(
        an_event(events.InterventionChanged), plan=the_plan(START - 48, END - 48), windows=earlier
    )

    assert hours_of(found[0].expires_at) == END


@pytest.mark.parametrize(
    "event",
    [
        an_event(events.InterventionAnnounced),
        an_event(events.InterventionChanged),
        an_event(events.InterventionStarted, phase="p1"),
        an_event(events.InterventionExtended, phase="p1"),
        an_event(events.ServiceRestored, phases=("p1",)),
        an_event(events.InterventionCompleted),
        an_event(events.InterventionCancelled),
        events.UpdatePublished(at=at(0), by="system", sequence=1, update="u"),
    ],
    ids=lambda event: event.kind,
)
def test_nothing_is_owed_when_no_window_is_notified(event: events.Event) -> None:
    mild = [a_window(impact=Impact.REDUCED_REDUNDANCY)]

    assert notices(event, windows=mild, windows_before=mild) == ()


def test_one_system_that_is_back_while_its_phase_goes_on_is_told() -> None:
    phase = replace(a_phase(START, END, "DB", "WEB"), started_at=at(START))
    back = replace(phase.work[0], ended_at=at(START + 1))
    plan = a_plan("INT-1", replace(phase, work=(back, phase.work[1])))
    event = an_event(events.ServiceRestored, START + 1, phases=(), systems=("DB",))

    found = notices(event, plan=plan, windows_before=[a_window()])

    assert NoticeKind.RESTORED in kinds(found)


def test_change_that_frees_everybody_is_still_told() -> None:
    assert kinds(notices(an_event(events.InterventionChanged), windows=[])) == [NoticeKind.CHANGE]


def test_altered_plan_is_told_only_if_its_notified_windows_differ() -> None:
    event = an_event(events.InterventionAltered, because_of="INT-2")

    assert NoticeKind.CHANGE not in kinds(notices(event))
    worse = notices(event, windows_before=[a_window(impact=Impact.REDUCED_REDUNDANCY)])
    assert worse[0].kind is NoticeKind.CHANGE
    assert worse[0].details == {"because_of": "INT-2"}


def test_start_of_a_phase_without_notified_window_is_not_told() -> None:
    plan = a_plan(
        "INT-1", a_phase(0, 10, ("DB", Impact.REDUCED_REDUNDANCY)), a_phase(240, 250, "DB", id="p2")
    )

    quiet = notices(an_event(events.InterventionStarted, phase="p1"), plan=plan)
    loud = notices(an_event(events.InterventionStarted, START, phase="p2"), plan=plan)

    assert NoticeKind.START not in kinds(quiet)
    assert NoticeKind.REMINDER in kinds(quiet)
    assert kinds(loud) == [NoticeKind.START]
    assert hours_of(loud[0].expires_at) == END


@pytest.mark.parametrize(
    ("event", "kind", "useful_for"),
    [
        (an_event(events.InterventionStarted, START, phase="p1"), NoticeKind.START, END - START),
        (an_event(events.InterventionExtended, START + 2, phase="p1"), NoticeKind.EXTENSION, END - START - 2),
        (an_event(events.InterventionExtended, END + 9, phase="p1"), NoticeKind.EXTENSION, 1),
        (an_event(events.ServiceRestored, END, phases=("p1",)), NoticeKind.RESTORED, 24),
        (an_event(events.InterventionCompleted, END), NoticeKind.COMPLETION, 48),
        (an_event(events.InterventionCancelled, START - 30), NoticeKind.CANCELLATION, END - START + 30),
        (an_event(events.InterventionCancelled, END), NoticeKind.CANCELLATION, 24),
        (events.UpdatePublished(at=at(START), by="s", sequence=1, update="u"), NoticeKind.UPDATE, 6),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
def test_what_tells_of_the_moment_is_due_at_once(
    event: events.Event, kind: NoticeKind, useful_for: float
) -> None:
    (found,) = notices(event)

    assert found.kind is kind
    assert found.due_at == event.at
    assert (found.expires_at - found.due_at) / timedelta(hours=1) == useful_for


def test_nobody_is_told_that_a_draft_was_cancelled() -> None:
    assert notices(an_event(events.InterventionCancelled), before=None, windows_before=[]) == ()


def test_internal_steps_owe_nothing() -> None:
    assert notices(events.InterventionSubmitted(at=at(0), by="a", reference="INT-1")) == ()


@pytest.mark.parametrize(
    ("hours_before", "intervention_class", "priority"),
    [
        (25, InterventionClass.PLANNED, 9),
        (24, InterventionClass.PLANNED, timetable.URGENT_PRIORITY),
        (200, InterventionClass.EMERGENCY, timetable.URGENT_PRIORITY),
    ],
)
def test_news_of_a_near_outage_passes_the_bulk(
    hours_before: float, intervention_class: InterventionClass, priority: int
) -> None:
    event = an_event(events.InterventionAnnounced, START - hours_before)

    found = notices(
        event, plan=the_plan(intervention_class=intervention_class), before=None, windows_before=[]
    )

    assert found[0].priority == priority


def test_the_night_comes_first() -> None:
    order = sorted(NoticeKind, key=lambda kind: timetable.PRIORITY[kind])

    assert set(order[:5]) == {
        NoticeKind.START, NoticeKind.EXTENSION, NoticeKind.UPDATE, NoticeKind.RESTORED, NoticeKind.CANCELLATION,
    }  # fmt: skip
    assert all(timetable.PRIORITY[kind] <= 2 for kind in order[:5])


@pytest.mark.parametrize(
    ("event", "kinds"),
    [
        (an_event(events.InterventionMoved), {"announcement", "change", "reminder"}),
        (an_event(events.InterventionAltered, because_of="X"), {"announcement", "change", "reminder"}),
        (an_event(events.InterventionStarted, phase="p1"), {"reminder"}),
        (an_event(events.InterventionExtended, phase="p1"), {"reminder"}),
        (
            an_event(events.InterventionCancelled),
            {k.value for k in NoticeKind} - {"completion", "cancellation"},
        ),
        (
            an_event(events.InterventionCompleted),
            {k.value for k in NoticeKind} - {"completion", "cancellation"},
        ),
        (events.UpdatePublished(at=at(0), by="s", sequence=1, update="u"), set()),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_newer_version_supersedes_what_it_makes_pointless(event: events.Event, kinds: set[str]) -> None:
    assert {kind.value for kind in superseded_kinds(event)} == kinds


def over(*phases: str) -> Plan:
    """Return a plan of two phases of which these are over."""
    both = (a_phase(START, END, "DB"), a_phase(END, END + 5, "NET", id="p2"))
    return a_plan(
        "INT-1",
        *(replace(p, started_at=p.start, ended_at=p.end if p.id in phases else None) for p in both),
    )


@pytest.mark.parametrize(
    ("ended", "kind", "is_pointless"),
    [
        (("p1",), NoticeKind.START, True),
        (("p2",), NoticeKind.START, False),
        (("p1",), NoticeKind.EXTENSION, False),  # it tells of the phase that it pushed, too
        (("p1", "p2"), NoticeKind.EXTENSION, True),
        (("p1",), NoticeKind.UPDATE, False),
        (("p1", "p2"), NoticeKind.UPDATE, True),
        (("p1", "p2"), NoticeKind.RESTORED, False),
        (("p1",), NoticeKind.REMINDER, True),
        (("p1", "p2"), NoticeKind.ANNOUNCEMENT, False),
    ],
)
def test_restoration_makes_old_news_of_what_was_told_of_its_phases(
    ended: tuple[str, ...], kind: NoticeKind, is_pointless: bool
) -> None:
    event = an_event(events.ServiceRestored, END, phases=ended)

    assert makes_pointless(event, over(*ended), kind, {"phase": "p1"}) is is_pointless


def test_extension_makes_no_notice_of_the_night_pointless_for_all() -> None:
    event = an_event(events.InterventionExtended, START, phase="p1")

    found = {kind for kind in NoticeKind if makes_pointless(event, the_plan(), kind, {"phase": "p1"})}

    assert found == {NoticeKind.REMINDER}, "it goes only to those whose windows it altered"


def test_service_that_returns_in_stages_tells_of_the_phase_that_goes_on() -> None:
    phase = replace(a_phase(START, END, "DB", "WEB"), started_at=at(START))
    back = replace(phase.work[0], ended_at=at(START + 1))
    plan = a_plan("INT-1", replace(phase, work=(back, phase.work[1])), a_phase(END, END + 5, "DB", id="p2"))

    assert phases_told(NoticeKind.RESTORED, {"phases": [], "systems": ["DB"]}, plan) == {"p1"}
    assert phases_told(NoticeKind.START, {"phase": "p2"}, plan) == {"p2"}
    assert phases_told(NoticeKind.UPDATE, {"update": "u"}, plan) == set()


def test_documentation_has_the_priorities_and_times_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\| (\d) \|", DOCS.read_text(), re.MULTILINE)
    text = DOCS.read_text()

    assert {NoticeKind(kind): int(priority) for kind, priority in rows} == timetable.PRIORITY
    for kind, hours in [
        ("update", timetable.UPDATE_USEFUL_FOR),
        ("restored", timetable.RESTORED_USEFUL_FOR),
        ("completion", timetable.COMPLETION_USEFUL_FOR),
        ("cancellation", timetable.CANCELLATION_USEFUL_FOR),
        ("start", timetable.NIGHT_USEFUL_FOR),
        ("extension", timetable.NIGHT_USEFUL_FOR),
    ]:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{kind}` |"))
        assert f"{int(hours / timedelta(hours=1))} h" in row
    assert f"priority {timetable.URGENT_PRIORITY}" in text
    assert f"{int(timetable.URGENT_WITHIN / timedelta(hours=1))} h" in text
