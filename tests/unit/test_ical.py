"""Calendars, read back with icalendar; what other programs make of them is in `docs/notices.md`."""

from dataclasses import replace
from datetime import timedelta

import pytest
from icalendar import Calendar, Event

from maintenance.catalogue import Impact
from maintenance.interventions import Phase, Plan
from maintenance.texts import Text
from notifications import ical
from notifications.contacts import Entry, Reader
from notifications.stories import Story
from notifications.timetable import NoticeKind
from tests.stories import (
    HOSPITAL,
    PRESCRIBERS,
    REFERENCE,
    SITE,
    a_phase_from,
    a_reader,
    a_story,
    lisbon,
    the_catalogue,
    the_plan,
    windows_of,
    with_actuals,
)

ANNOUNCED = a_story(NoticeKind.ANNOUNCEMENT)
PUBLIC = Reader("en", "Europe/Lisbon", ())


def events_of(raw: bytes) -> list[Event]:
    return list(Calendar.from_ical(raw).walk("VEVENT"))


def the_event(raw: bytes) -> Event:
    (event,) = events_of(raw)
    return event


def in_calendar(block: bytes) -> Event:
    return the_event(ical.calendar([block], language="en"))


def public_event(story: Story, phase: Phase | None = None) -> Event:
    return in_calendar(ical.phase_event(story, phase or story.plan.phases[0], PUBLIC))


def objects_of(event: Event) -> dict[str, str]:
    found = event["X-MAINTNOTE-OBJECT-ID"]
    return {
        str(o): o.params.get("X-MAINTNOTE-OBJECT-IMPACT", "")
        for o in (found if isinstance(found, list) else [found])
    }


def test_phase_is_an_event_with_everything_that_bcop_and_publish_ask_for() -> None:
    event = the_event(ical.mail_calendar(ANNOUNCED, a_reader("pt", HOSPITAL)))

    assert event["UID"] == "SPMS-2019-EXADATA.p1@janela.example.org"
    assert event["SEQUENCE"] == 0
    assert event.decoded("DTSTART") == lisbon("2019-11-30T14:00")
    assert event.decoded("DTEND") == lisbon("2019-12-01T08:00")
    assert event.decoded("DTSTAMP") == event.decoded("LAST-MODIFIED") == ANNOUNCED.published_at
    assert event.decoded("CREATED") == ANNOUNCED.created_at
    assert event["STATUS"] == "CONFIRMED"
    assert event["TRANSP"] == "TRANSPARENT"
    assert event["X-MICROSOFT-CDO-BUSYSTATUS"] == "FREE"
    assert event["ORGANIZER"] == "mailto:janela@example.org"
    assert event["X-MAINTNOTE-PROVIDER"] == "janela.example.org"
    assert event["X-MAINTNOTE-ACCOUNT"] == "HX"
    assert event["X-MAINTNOTE-MAINTENANCE-ID"] == REFERENCE
    assert event["X-MAINTNOTE-IMPACT"] == "OUTAGE"
    assert event["X-MAINTNOTE-STATUS"] == "CONFIRMED"
    assert set(objects_of(event).values()) == {"OUTAGE"}


def test_mail_is_published_without_attendees_and_says_nothing_of_a_feed() -> None:
    raw = ical.mail_calendar(ANNOUNCED, a_reader())

    assert b"METHOD:PUBLISH\r\n" in raw
    for absent in (b"ATTENDEE", b"REFRESH-INTERVAL", b"X-WR-CALNAME", b"VALARM", b"TZID"):
        assert absent not in raw


def test_times_are_utc_and_texts_carry_no_parameters() -> None:
    lines = ical.mail_calendar(ANNOUNCED, a_reader()).decode().split("\r\n")

    assert "DTSTART:20191130T140000Z" in lines
    assert any(line.startswith("SUMMARY:") for line in lines)
    assert any(line.startswith("DESCRIPTION:") for line in lines)
    assert all(len(line.encode()) <= 75 for line in lines)


def test_objects_are_the_systems_that_the_reader_uses() -> None:
    event = the_event(ical.mail_calendar(ANNOUNCED, a_reader("pt", PRESCRIBERS)))

    assert list(objects_of(event)) == ["PEM"]


def test_address_for_two_institutions_has_one_event_with_the_first_account() -> None:
    one = the_event(ical.mail_calendar(ANNOUNCED, a_reader("pt", PRESCRIBERS, HOSPITAL)))

    assert one["X-MAINTNOTE-ACCOUNT"] == "HX"
    assert "Hospital do Exemplo e Unidade de Saúde do Exemplo" in one["DESCRIPTION"]


def test_public_events_name_public_systems_only() -> None:
    event = public_event(ANNOUNCED)

    assert event["X-MAINTNOTE-ACCOUNT"] == "public"
    assert list(objects_of(event)) == ["PEM", "DEM", "RNU", "SICO", "CIT"]
    assert "SIARS" not in event["SUMMARY"] + event["DESCRIPTION"]


def test_work_without_any_public_system_is_an_event_of_a_kind() -> None:
    catalogue = the_catalogue()
    systems = {code: replace(system, public=False) for code, system in catalogue.systems.items()}
    hidden = replace(catalogue, systems=systems)

    event = public_event(a_story(NoticeKind.ANNOUNCEMENT, catalogue=hidden))

    assert objects_of(event) == {"database": ""}
    assert "a shared database" in event["SUMMARY"]
    assert "EXADATA:" not in event["SUMMARY"]


def test_impact_is_the_worst_of_the_objects_even_when_the_work_is_worse() -> None:
    degraded = a_phase_from("2019-11-30T14:00", "2019-11-30T18:00", "PEM", impact=Impact.DEGRADED)
    outage = a_phase_from("2019-11-30T14:00", "2019-11-30T18:00", "SIARS")
    both = replace(degraded, work=degraded.work + outage.work)

    event = public_event(a_story(NoticeKind.ANNOUNCEMENT, the_plan(both)))

    assert objects_of(event) == {"PEM": "DEGRADED"}
    assert event["X-MAINTNOTE-IMPACT"] == "DEGRADED"


def _status_of(plan: Plan, kind: NoticeKind = NoticeKind.ANNOUNCEMENT) -> tuple[str, str]:
    event = public_event(a_story(kind, plan, the_plan()))
    return event["X-MAINTNOTE-STATUS"], event["STATUS"]


@pytest.mark.parametrize(
    ("plan", "kind", "status", "event_status"),
    [
        (the_plan(), NoticeKind.ANNOUNCEMENT, "CONFIRMED", "CONFIRMED"),
        (replace(the_plan(), draft=True), NoticeKind.ANNOUNCEMENT, "TENTATIVE", "TENTATIVE"),
        (with_actuals(the_plan(), started="2019-11-30T14:05"), NoticeKind.START, "IN-PROCESS", "CONFIRMED"),
        (
            with_actuals(the_plan(), started="2019-11-30T14:05", ended="2019-12-01T06:00"),
            NoticeKind.COMPLETION,
            "COMPLETED",
            "CONFIRMED",
        ),
        (the_plan(), NoticeKind.CANCELLATION, "CANCELLED", "CANCELLED"),
    ],
    ids=["announced", "draft", "running", "ended", "cancelled"],
)
def test_status_follows_the_phase(plan: Plan, kind: NoticeKind, status: str, event_status: str) -> None:
    assert _status_of(plan, kind) == (status, event_status)


def test_real_times_replace_planned_ones() -> None:
    plan = with_actuals(the_plan(), started="2019-11-30T14:05", ended="2019-12-01T06:00")

    event = public_event(a_story(NoticeKind.COMPLETION, plan, the_plan()))

    assert event.decoded("DTSTART") == lisbon("2019-11-30T14:05")
    assert event.decoded("DTEND") == lisbon("2019-12-01T06:00")


def test_event_ended_in_the_minute_it_began_still_has_a_length() -> None:
    plan = with_actuals(the_plan(), started="2019-11-30T14:00", ended="2019-11-30T14:00")

    event = public_event(a_story(NoticeKind.CANCELLATION, plan, the_plan()))

    assert event.decoded("DTEND") > event.decoded("DTSTART")


def test_phase_called_off_before_it_began_keeps_its_planned_times() -> None:
    off = the_plan().with_phases({"p1": replace(the_plan().phases[0], ended_at=lisbon("2019-11-29T10:00"))})

    event = public_event(a_story(NoticeKind.CANCELLATION, off, the_plan()))

    assert event["X-MAINTNOTE-STATUS"] == "CANCELLED"
    assert event.decoded("DTSTART") == lisbon("2019-11-30T14:00")
    assert event.decoded("DTEND") == lisbon("2019-12-01T08:00")


def test_cancelled_event_stays_marked_in_its_summary() -> None:
    story = a_story(NoticeKind.CANCELLATION, the_plan(), the_plan(), windows=())

    event = the_event(ical.mail_calendar(story, a_reader("pt")))

    assert event["SUMMARY"].startswith("[CANCELADA] ")
    assert list(objects_of(event)) == ["PEM", "DEM", "RNU", "SICO", "CIT", "SIARS"]


def test_phase_taken_out_later_stays_cancelled() -> None:
    kept, gone = the_plan().phases[0], a_phase_from("2019-12-02T14:00", "2019-12-02T16:00", id="p2")
    story = a_story(NoticeKind.CHANGE, the_plan(kept, removed_phases=(gone,)), the_plan(kept, gone))

    events = events_of(ical.mail_calendar(story, a_reader()))

    assert [(event["UID"].split(".")[1], event["X-MAINTNOTE-STATUS"]) for event in events] == [
        ("p1@janela", "CONFIRMED"),
        ("p2@janela", "CANCELLED"),
    ]


def test_phase_that_no_longer_concerns_the_reader_is_cancelled_for_them() -> None:
    for_pem = the_plan(a_phase_from("2019-11-30T14:00", "2019-11-30T18:00", "PEM"))
    only_dem = Entry("HX", "Hospital do Exemplo", "hospitals", ("DEM",))
    story = a_story(NoticeKind.CHANGE, for_pem, the_plan())

    event = the_event(ical.mail_calendar(story, a_reader("en", only_dem)))

    assert event["X-MAINTNOTE-STATUS"] == "CANCELLED"


def test_phases_without_impact_are_no_events() -> None:
    checks = a_phase_from("2019-12-01T08:00", "2019-12-01T20:00", id="p2", impact=Impact.NO_IMPACT)

    story = a_story(NoticeKind.ANNOUNCEMENT, the_plan(*the_plan().phases, checks))

    assert len(events_of(ical.mail_calendar(story, a_reader()))) == 1


def test_system_event_has_the_systems_own_times_recovery_included() -> None:
    block = ical.system_event(ANNOUNCED, ANNOUNCED.plan.phases[0], "RNU", PUBLIC)
    event = in_calendar(block)

    assert event["UID"] == "SPMS-2019-EXADATA.p1.RNU@janela.example.org"
    assert event.decoded("DTEND") == lisbon("2019-12-01T08:30")
    assert list(objects_of(event)) == ["RNU"]


def test_window_through_two_phases_is_cut_between_their_events() -> None:
    first = a_phase_from("2019-11-30T14:00", "2019-11-30T18:00")
    second = a_phase_from("2019-11-30T18:00", "2019-11-30T22:00", id="p2")
    story = a_story(NoticeKind.ANNOUNCEMENT, the_plan(first, second))

    events = [in_calendar(ical.system_event(story, phase, "RNU", PUBLIC)) for phase in (first, second)]

    assert [(e.decoded("DTSTART"), e.decoded("DTEND")) for e in events] == [
        (lisbon("2019-11-30T14:00"), lisbon("2019-11-30T18:00")),
        (lisbon("2019-11-30T18:00"), lisbon("2019-11-30T22:30")),
    ]


def test_phase_that_leaves_a_system_alone_makes_no_event_for_it() -> None:
    story = a_story(
        NoticeKind.ANNOUNCEMENT, the_plan(a_phase_from("2019-11-30T14:00", "2019-11-30T18:00", "PEM"))
    )

    assert ical.system_event(story, story.plan.phases[0], "DEM", PUBLIC) == b""


def test_feed_says_how_often_to_look_and_where_it_comes_from() -> None:
    raw = ical.calendar(
        [],
        name="Avisos",
        url="https://janela.example.org/calendar/all.ics",
        page="https://janela.example.org/",
        language="pt",
    )

    lines = raw.decode().split("\r\n")

    assert "REFRESH-INTERVAL;VALUE=DURATION:PT15M" in lines
    assert "X-PUBLISHED-TTL:PT15M" in lines
    assert "NAME:Avisos" in lines
    assert "X-WR-CALNAME:Avisos" in lines
    assert "SOURCE;VALUE=URI:https://janela.example.org/calendar/all.ics" in lines
    assert "URL:https://janela.example.org/" in lines


def test_titles_cannot_break_out_of_their_line() -> None:
    plan = the_plan(title=Text.of("Work\r\nATTENDEE:mailto:x@example.org\r\nEND:VEVENT; now, really"))

    event = the_event(ical.mail_calendar(a_story(NoticeKind.ANNOUNCEMENT, plan), a_reader()))

    assert "ATTENDEE" not in event
    assert "Work ATTENDEE:mailto:x@example.org END:VEVENT; now, really" in event["SUMMARY"]


def test_window_crossing_a_clock_change_keeps_its_instants() -> None:
    plan = the_plan(a_phase_from("2026-10-24T20:00", "2026-10-25T04:00"))

    event = public_event(a_story(NoticeKind.ANNOUNCEMENT, plan))

    assert event.decoded("DTEND") - event.decoded("DTSTART") == timedelta(hours=9)


def test_same_story_gives_the_same_bytes() -> None:
    again = a_story(NoticeKind.ANNOUNCEMENT, windows=windows_of(the_plan()), site=SITE)

    assert ical.mail_calendar(ANNOUNCED, a_reader()) == ical.mail_calendar(again, a_reader())
