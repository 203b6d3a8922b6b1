"""Every kind of notice can be seen, and sent as a test, before it happens: by mail and as SMS to a number."""

from __future__ import annotations

import email
from datetime import timedelta
from email.policy import default

import pytest
from flask import Flask
from sqlalchemy import func, select

from maintenance import scheduling
from maintenance.lifecycle import SYSTEM, Role
from maintenance.runtime import Runtime
from notifications import jobs, stopping
from notifications.channels.outbox import find_items, folder
from notifications.foretold import LATER
from notifications.models import DeliveryEventRow, NoticeRow
from notifications.queries import site_of
from notifications.rehearsal import Rehearsal, rehearse
from notifications.timetable import NoticeKind
from tests.conftest import MovedClock
from tests.fakes.twilio import TwilioStandIn, refused
from tests.web import case
from tests.web.desk import at_desk
from tests.web.test_announcing import MESSAGES, words_of
from tests.web.test_announcing_safety import app as app  # a fixture
from tests.web.test_announcing_safety import with_settings

NUMBER = "+351910000123"


def rehearsed(runtime: Runtime, kind: NoticeKind, *, notice: str = "") -> Rehearsal:
    with runtime.database.read() as session:
        return rehearse(
            session, case.REFERENCE, kind, notice=notice, site=site_of(runtime.settings), now=runtime.clock()
        )


def told(runtime: Runtime, kind: NoticeKind, language: str = "en") -> tuple[str, str]:
    """Return subject and text of what a kind tells readers of a language."""
    found = rehearsed(runtime, kind)
    [variant] = [one for one in found.variants if one.reader.language == language]
    composed = found.compose(variant)
    return composed.subject, composed.text


def acts(runtime: Runtime) -> list[str]:
    with runtime.database.read() as session:
        return [row.words for row in stopping.acts(session)]


def announced(app: Flask, runtime: Runtime) -> None:
    with runtime.database.write() as session:
        scheduling.announce_directly(
            session, case.REFERENCE, override="Agreed.", by=SYSTEM, now=runtime.clock()
        )


def test_every_kind_that_readers_get_later_can_be_rehearsed() -> None:
    assert set(LATER) == set(NoticeKind) - {NoticeKind.ANNOUNCEMENT, NoticeKind.CHANGE}


@pytest.mark.parametrize("kind", LATER)
def test_planner_sends_themselves_any_kind_as_mail_and_as_sms(
    app: Flask, runtime: Runtime, kind: NoticeKind
) -> None:
    client = at_desk(app, Role.PLANNER)
    for variant in rehearsed(runtime, kind).variants:
        path = f"{MESSAGES}/{variant.scope_id}"
        assert client.get(f"{path}?kind={kind}").status_code == 200
        client.post(f"{path}/test?kind={kind}")
        client.post(f"{path}/test-sms?kind={kind}", data={"number": NUMBER})

    items = find_items(folder(runtime.settings))
    assert len(items) == 2 * len(rehearsed(runtime, kind).variants) == 4
    mails = [item.path.read_bytes() for item in items if item.path.suffix == ".eml"]
    subjects = [email.message_from_bytes(raw, policy=default)["Subject"] for raw in mails]
    assert len(subjects) == 2
    assert all(subject.startswith("[Test] ") for subject in subjects)
    texts = [item.path.read_text() for item in items if item.path.suffix != ".eml"]
    assert len(texts) == 2
    assert all("[Test] " in text for text in texts)
    with runtime.database.read() as session:
        assert session.scalar(select(func.count(NoticeRow.id))) == 0


@pytest.mark.parametrize(
    ("kind", "subject", "text"),
    [
        (NoticeKind.UPDATE, "Update: ", "the words of an update stand here"),
        (NoticeKind.EXTENSION, "Extended: ", "09:00"),
        (NoticeKind.RESTORED, "Restored: ", "service has been restored"),
        (NoticeKind.COMPLETION, "Completed: ", ""),
    ],
)
def test_what_does_not_exist_yet_is_told_with_plausible_content(
    app: Flask, runtime: Runtime, kind: NoticeKind, subject: str, text: str
) -> None:
    said = told(runtime, kind)

    assert said[0].startswith(subject)
    assert text in said[1]


def test_sample_words_are_in_the_readers_language(app: Flask, runtime: Runtime) -> None:
    found = rehearsed(runtime, NoticeKind.UPDATE)

    said = {variant.reader.language: found.compose(variant).text for variant in found.variants}
    assert "Um exemplo: aqui fica o texto" in said["pt"]
    assert "An example: the words of an update" in said["en"]


def test_in_the_night_the_running_phase_is_what_is_extended_and_restored(
    app: Flask, runtime: Runtime, clock: MovedClock
) -> None:
    announced(app, runtime)
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    clock.move_to(case.START + timedelta(hours=3))

    extended, restored = rehearsed(runtime, NoticeKind.EXTENSION), rehearsed(runtime, NoticeKind.RESTORED)

    assert extended.story.plan.phase("p1").end == case.END + timedelta(hours=1)
    assert extended.story.plan.phase("p1").started_at == case.START
    assert {window.end for window in extended.story.told} == {case.END, case.END + timedelta(hours=1)}
    assert restored.story.plan.phase("p1").ended_at == case.END
    assert not restored.story.plan.phase("p1").is_open
    with runtime.database.read() as session:
        assert rehearse(
            session, case.REFERENCE, NoticeKind.COMPLETION, site=site_of(runtime.settings), now=clock.now
        ).variants


@pytest.mark.parametrize("kind", LATER)
def test_a_night_past_its_end_can_still_be_rehearsed(
    app: Flask, runtime: Runtime, clock: MovedClock, kind: NoticeKind
) -> None:
    announced(app, runtime)
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    clock.move_to(case.END + timedelta(hours=2))
    overrun = rehearsed(runtime, kind)
    case.step(runtime, "verify")
    case.step(runtime, "complete")

    for found in (overrun, rehearsed(runtime, kind)):
        assert all(found.compose(variant).sms for variant in found.variants)
        assert found.variants


def test_a_notice_that_is_planned_already_is_sent_as_it_stands(app: Flask, runtime: Runtime) -> None:
    announced(app, runtime)
    jobs.tell(runtime)
    with runtime.database.read() as session:
        [reminder, *_] = session.scalars(
            select(NoticeRow).where(NoticeRow.kind == "reminder").order_by(NoticeRow.due_at)
        )
    client = at_desk(app, Role.PLANNER)
    page = client.get(f"{MESSAGES}?notice={reminder.public_id}")
    scope = rehearsed(runtime, NoticeKind.REMINDER, notice=reminder.public_id).variants[0].scope_id
    answer = client.post(f"{MESSAGES}/{scope}/test?notice={reminder.public_id}", follow_redirects=True)

    assert f"{MESSAGES}?notice={reminder.public_id}" in page.text, "it is offered"
    assert "Already planned" in words_of(page.text)
    assert "The test is in the outbox" in words_of(answer.text)
    assert acts(runtime)[0].startswith("reminder (")
    assert (
        f"{MESSAGES}?notice={reminder.public_id}"
        in client.get(f"/deliveries/notices/{reminder.public_id}").text
    )


def test_a_notice_of_another_intervention_is_not_found(app: Flask, runtime: Runtime) -> None:
    announced(app, runtime)
    jobs.tell(runtime)
    with runtime.database.write() as session:
        notice = session.scalars(select(NoticeRow)).first()
        assert notice is not None
        notice.reference = "OTHER"
        public_id = notice.public_id

    assert at_desk(app, Role.READER).get(f"{MESSAGES}?notice={public_id}").status_code == 404


def sms_path(runtime: Runtime) -> str:
    scope_id = rehearsed(runtime, NoticeKind.START).variants[0].scope_id
    return f"{MESSAGES}/{scope_id}/test-sms?kind=start"


def test_sms_goes_through_twilio_to_guests_alone_and_the_record_has_no_whole_number(
    app: Flask, runtime: Runtime
) -> None:
    with TwilioStandIn() as twilio:
        with_settings(app, **{**twilio.settings, "GUEST_LIST": NUMBER})
        client = at_desk(app, Role.PLANNER)
        sent = client.post(sms_path(runtime), data={"number": "+351 910 000 123"}, follow_redirects=True)
        kept = client.post(sms_path(runtime), data={"number": "+351939999901"}, follow_redirects=True)

        [message] = twilio.messages
        assert message["form"]["To"] == NUMBER
        assert message["form"]["Body"].startswith("[Test] ")
        assert twilio.violations == []
        call = twilio.callback(message, "delivered")
        reported = app.test_client().post(call.path, data=call.form, headers=call.headers)
    assert "The test is on its way to +351910000123" in words_of(sent.text)
    assert "The test is in the outbox" in words_of(kept.text)
    assert reported.status_code == 204
    with runtime.database.read() as session:
        assert session.scalar(select(func.count(DeliveryEventRow.id))) == 0
    assert [words.partition(" → ")[2][:8] for words in acts(runtime)] == ["SMS …901", "SMS …123"]
    assert not any(number[4:] in words for words in acts(runtime) for number in (NUMBER, "+351939999901"))


def test_what_twilio_says_of_a_number_is_recorded_without_it(app: Flask, runtime: Runtime) -> None:
    with TwilioStandIn({NUMBER: [refused(400, 21211, f"{NUMBER} is no number")]}) as twilio:
        with_settings(app, **twilio.settings)
        answer = at_desk(app, Role.PLANNER).post(
            sms_path(runtime), data={"number": NUMBER}, follow_redirects=True
        )

    assert "The test could not be sent" in words_of(answer.text)
    [words] = acts(runtime)
    assert "910000123" not in words


@pytest.mark.parametrize(
    ("number", "says"),
    [
        ("910000123", "no telephone number in E.164"),
        ("+35191", "E.164"),
        ("+351", "E.164"),
        ("", "Write the number"),
    ],
)
def test_what_is_no_number_is_said_and_nothing_is_sent(
    app: Flask, runtime: Runtime, number: str, says: str
) -> None:
    answer = at_desk(app, Role.PLANNER).post(
        sms_path(runtime), data={"number": number}, follow_redirects=True
    )

    assert says in words_of(answer.text)
    assert find_items(folder(runtime.settings)) == []
    assert acts(runtime) == []


def test_readers_may_not_send_sms(app: Flask, runtime: Runtime) -> None:
    client = at_desk(app, Role.READER)

    assert client.post(sms_path(runtime), data={"number": NUMBER}).status_code == 403
    assert "Send this SMS as a test" not in client.get(sms_path(runtime).replace("/test-sms", "")).text
