"""Messages: every kind, in both languages, on every channel, against texts that people have read.

After a wording was changed on purpose: `JANELA_TEST_WRITE_SNAPSHOTS=1 pytest tests/unit/test_messages.py`,
then read what `git diff tests/snapshots` shows.
"""

import os
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from maintenance.interventions import ContactPoint
from maintenance.settings import ROOT
from maintenance.texts import Text
from notifications import sms_text
from notifications.contacts import Entry
from notifications.errors import MissingTranslations
from notifications.facts import HEADLINE
from notifications.messages import Composed, compose
from notifications.timetable import NoticeKind
from notifications.wording import words_for
from tests.stories import (
    PRESCRIBERS,
    SITE,
    a_phase_from,
    a_reader,
    a_story,
    every_kind,
    lisbon,
    special_cases,
    the_plan,
    windows_of,
    with_actuals,
)

SNAPSHOTS = Path(__file__).parent.parent / "snapshots" / "messages"
KINDS = dict(every_kind())
SPECIAL = {name: (story, reader) for name, story, reader in special_cases()}


def _files(composed: Composed) -> dict[str, str]:
    count = sms_text.count(composed.sms)
    mail = f"Subject: {composed.subject}\n\n{composed.text}"
    sms = f"{composed.sms}\n[{count.encoding}, {count.parts} part(s), {len(composed.sms)} characters]\n"
    return {
        "txt": mail,
        "html": composed.html,
        "sms.txt": sms,
        "ics": composed.calendar.decode().replace("\r\n", "\n"),
    }


def _compare(name: str, composed: Composed) -> None:
    for ending, text in _files(composed).items():
        path = SNAPSHOTS / f"{name}.{ending}"
        if os.environ.get("JANELA_TEST_WRITE_SNAPSHOTS"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

        assert text == path.read_text(), f"{path.name} reads differently now"


@pytest.mark.parametrize("language", ["pt", "en"])
@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_reads_as_reviewed(kind: NoticeKind, language: str) -> None:
    _compare(f"{kind}.{language}", compose(KINDS[kind], a_reader(language)))


@pytest.mark.parametrize("name", SPECIAL)
def test_special_cases_read_as_reviewed(name: str) -> None:
    _compare(name, compose(*SPECIAL[name]))


@pytest.mark.parametrize("language", ["pt", "en"])
@pytest.mark.parametrize("kind", NoticeKind)
def test_first_characters_say_planned_what_and_when(kind: NoticeKind, language: str) -> None:
    composed = compose(KINDS[kind], a_reader(language))

    first = composed.text[:HEADLINE].lower()
    assert ("programada" if language == "pt" else "planned") in first
    assert ("interrupção" if language == "pt" else "outage") in first
    assert re.search(r"\d{1,2}:\d{2}", first)


@pytest.mark.parametrize("language", ["pt", "en"])
@pytest.mark.parametrize("kind", NoticeKind)
def test_html_and_text_say_the_same(kind: NoticeKind, language: str) -> None:
    composed = compose(KINDS[kind], a_reader(language))

    seen = _visible(composed.html).lower()
    for line in composed.text.splitlines():
        said = line.strip().lower()
        if not said or said == "--":
            continue
        if said.startswith(("antes, ", "durante, ", "depois, ", "before, ", "meanwhile, ", "afterwards, ")):
            said = said.replace("): ", ") ")  # the line break of the HTML says the colon
        assert " ".join(said.removeprefix("- ").split()) in seen


def _visible(html: str) -> str:
    body = html[html.index("<body") :]
    return (
        " ".join(unescape(re.sub(r"<!--.*?-->|<[^>]+>", " ", body)).split())
        .replace(" :", ":")
        .replace(" ,", ",")
    )


@pytest.mark.parametrize("kind", NoticeKind)
def test_sms_takes_at_most_two_parts_of_plain_letters(kind: NoticeKind) -> None:
    sms = compose(KINDS[kind], a_reader("pt")).sms

    count = sms_text.count(sms)
    assert count.encoding is sms_text.Encoding.GSM_7
    assert count.parts <= 2
    assert sms.endswith("https://janela.example.org/interventions/SPMS-2019-EXADATA")


def test_accents_in_an_sms_are_kept_where_the_site_wants_them() -> None:
    story = replace(KINDS["announcement"], site=replace(SITE, sms_accents="keep"))

    assert "Interrupção programada" in compose(story, a_reader("pt")).sms


def test_subject_keeps_its_end_through_the_life_of_an_intervention() -> None:
    subjects = [compose(story, a_reader("pt")).subject for story in KINDS.values()]

    assert {subject.partition(": ")[2] for subject in subjects} == {
        "Intervenção na infraestrutura EXADATA [SPMS-2019-EXADATA]"
    }


NASTY = "Work\r\nBcc: everybody@example.org\x00\x1b[31m\u2028\u202e <script>alert(1)</script> {{ 7*7 }} %(x)s & co"


def test_what_people_write_cannot_become_headers_marks_or_code() -> None:
    plan = the_plan(
        title=Text.of(NASTY),
        description=Text.of(NASTY),
        contacts=(ContactPoint("web", "javascript:alert(1)"), ContactPoint("phone", "+351 000\r\n000")),
    )
    reader = a_reader("pt", Entry("HX", NASTY, "hospitals"))

    composed = compose(a_story(NoticeKind.ANNOUNCEMENT, plan, reason=Text.of(NASTY)), reader)

    assert not re.search(r"[\x00-\x1f\x7f\u2028\u202e]", composed.subject + composed.sms)
    assert composed.subject.startswith("Programada: Work Bcc: everybody@example.org")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u202e]", composed.text + composed.html)
    assert "<script" not in composed.html
    assert 'href="javascript' not in composed.html
    assert "{{ 7*7 }} %(x)s" in composed.text
    assert "{{ 7*7 }} %(x)s &amp; co" in composed.html


def test_readers_without_institution_read_no_hidden_names() -> None:
    public = a_reader("pt", Entry("", "", "hospitals"))

    composed = compose(KINDS["announcement"], public)
    told = composed.text + composed.html + composed.sms + composed.calendar.decode().replace("\r\n ", "")

    assert "SIARS" not in told
    assert "sobre uma base de dados partilhada" in composed.text
    assert "PEM – Prescrição Eletrónica Médica" in composed.text


def test_contacts_of_institutions_read_names_and_for_whom_it_is() -> None:
    text = compose(KINDS["announcement"], a_reader("en")).text

    assert "SIARS" in text
    assert (
        "as a contact of Hospital do Exemplo and Unidade de Saúde do Exemplo (hospitals and prescribers)"
        in text
    )


def test_change_of_words_alone_says_that_times_stay() -> None:
    text = compose(a_story(NoticeKind.CHANGE, the_plan(), the_plan()), a_reader("en")).text

    assert "The times of your systems stay as they were." in text
    assert "\nBEFORE\n" not in text


def test_reader_who_is_freed_is_told_so_first() -> None:
    freed = the_plan(a_phase_from("2019-11-30T14:00", "2019-11-30T18:00", "DEM"))

    composed = compose(a_story(NoticeKind.CHANGE, freed, the_plan()), a_reader("en", PRESCRIBERS))

    assert composed.subject.startswith("No longer affects you: ")
    assert "No action is needed from you" in composed.text
    assert "STATUS:CANCELLED" in composed.calendar.decode()


def test_story_that_does_not_concern_the_reader_is_a_bug() -> None:
    story = a_story(
        NoticeKind.ANNOUNCEMENT, the_plan(a_phase_from("2019-11-30T14:00", "2019-11-30T18:00", "DEM"))
    )

    with pytest.raises(ValueError, match="does not concern"):
        compose(story, a_reader("en", PRESCRIBERS))


@pytest.mark.parametrize(
    ("kind", "first", "news"),
    [
        ("announcement", True, True),
        ("change", True, True),
        ("start", True, True),
        ("cancellation", True, False),
        ("restored", True, False),
        ("completion", True, False),
        ("cancellation", False, True),
    ],
)
def test_who_knew_nothing_is_told_of_no_ending(kind: str, first: bool, news: bool) -> None:
    assert KINDS[kind].is_news_for(a_reader("pt", first=first)) is news


def test_start_concerns_the_readers_of_its_phase_only() -> None:
    plan = with_actuals(
        the_plan(
            a_phase_from("2019-11-30T14:00", "2019-11-30T18:00", "DEM"),
            a_phase_from("2019-12-01T14:00", "2019-12-01T18:00", "PEM", id="p2"),
        ),
        started="2019-11-30T14:00",
    )
    story = a_story(NoticeKind.START, plan, plan, details={"phase": "p1"})

    assert {window.system for window in story.told} == {"DEM"}
    assert not story.is_news_for(a_reader("pt", PRESCRIBERS))


@pytest.mark.parametrize("kind", [NoticeKind.ANNOUNCEMENT, NoticeKind.CHANGE])
def test_nobody_is_asked_to_prepare_for_what_has_begun(kind: NoticeKind) -> None:
    began = a_story(kind, the_plan(), the_plan(), published_at=lisbon("2019-11-30T14:05"))

    composed = compose(began, a_reader("en", first=True))

    assert "keep to your contingency measures until service is back" in composed.text
    assert "repare" not in composed.text + composed.html + composed.sms


def test_start_is_not_told_of_what_goes_down_later_by_another_plan() -> None:
    plan = with_actuals(
        the_plan(a_phase_from("2019-11-30T14:00", "2019-11-30T22:00", "DEM", "PEM")),
        started="2019-11-30T14:00",
    )
    later = lisbon("2019-11-30T18:00")
    windows = tuple(replace(w, start=later) if w.system == "PEM" else w for w in windows_of(plan))
    story = a_story(NoticeKind.START, plan, plan, windows=windows, details={"phase": "p1"})

    assert {window.system for window in story.told} == {"DEM"}


@pytest.mark.parametrize(
    ("first", "system", "news"), [(False, "DEM", False), (False, "PEM", True), (True, "DEM", True)]
)
def test_reader_for_whom_another_plan_changed_nothing_is_left_in_peace(
    first: bool, system: str, news: bool
) -> None:
    plan = the_plan(a_phase_from("2019-11-30T14:00", "2019-11-30T22:00", "DEM", "PEM"))
    longer = tuple(
        replace(w, end=lisbon("2019-11-30T23:00")) if w.system == "PEM" else w for w in windows_of(plan)
    )
    story = a_story(
        NoticeKind.CHANGE,
        plan,
        plan,
        windows=longer,
        windows_before=windows_of(plan),
        details={"because_of": "INT-2"},
    )
    reader = a_reader("pt", Entry("HX", "Hospital", "hospitals", (system,)), first=first)

    # Who had no message yet may wait for an announcement that this change made pointless.
    assert story.is_news_for(reader) is news


def test_restoration_of_one_system_leaves_out_what_is_still_down() -> None:
    phase = a_phase_from("2019-11-30T14:00", "2019-12-01T08:00", "PEM", "DEM")
    running = with_actuals(the_plan(phase), started="2019-11-30T14:00")
    back = lisbon("2019-12-01T02:00")
    work = tuple(replace(w, ended_at=back) if w.system == "PEM" else w for w in phase.work)
    staged = running.with_phases({"p1": replace(running.phase("p1"), work=work)})
    story = a_story(
        NoticeKind.RESTORED,
        staged,
        running,
        details={"phases": [], "systems": ["PEM"]},
        published_at=back,
    )

    assert {window.system for window in story.told} == {"PEM"}
    assert "- PEM" in compose(story, a_reader("en")).text


@pytest.mark.parametrize(
    ("asked", "said"), [("pt-BR", "pt"), ("pt_PT", "pt"), ("fr", "en"), ("../../etc", "en")]
)
def test_reader_gets_the_nearest_language_that_is_there(asked: str, said: str) -> None:
    assert words_for(asked).language == said


def test_language_that_was_not_compiled_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "pt" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "notices.po").write_text("")

    with pytest.raises(MissingTranslations, match="make setup"):
        words_for("pt", tmp_path)


def test_every_sentence_is_translated() -> None:
    used = _sentences_in_the_sources()
    for language, needed in [("pt", True), ("en", False)]:
        path = ROOT / "translations" / language / "LC_MESSAGES" / "notices.po"
        with path.open("rb") as file:
            known = {_key(message.id): message for message in read_po(file) if message.id}

        assert used <= known.keys(), f"run `make translations`: {language} lacks sentences"
        if needed:
            words = [known[key].string for key in used]
            assert all(all(w) if isinstance(w, tuple) else w for w in words)
            assert not any(known[key].fuzzy for key in used)


def _key(message_id: object) -> tuple[str, ...]:
    return (message_id,) if isinstance(message_id, str) else tuple(message_id)  # type: ignore[arg-type]


def _sentences_in_the_sources() -> set[tuple[str, ...]]:
    options = {"trimmed": "true", "newstyle_gettext": "true"}
    found = set()
    for pattern, method in [("templates/messages/**/*.*", "jinja2"), ("notifications/*.py", "python")]:
        for path in ROOT.glob(pattern):
            if method == "python" and path.stem not in NOTICE_SOURCES:
                continue
            with path.open("rb") as file:
                for _, message, _, _ in extract(method, file, options=options):
                    found.add(_key(message))
    return found


#: As `translations/notices.cfg` has them.
NOTICE_SOURCES = {"facts", "feeds", "ical", "messages", "situations", "wording"}
