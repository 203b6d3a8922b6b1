"""The public pages: what they say, to whom, and what they never say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_runtime
from maintenance import scheduling, schema
from maintenance.lifecycle import SYSTEM
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from maintenance.texts import Text
from tests.conftest import MovedClock
from tests.web import case

PAGES = [
    "/",
    "/systems/PEM",
    f"/interventions/{case.REFERENCE}",
    "/history",
    "/subscribe",
    "/accessibility",
]


@pytest.fixture
def client(runtime: Runtime) -> Iterator[FlaskClient]:
    """Give a browser before the announced night."""
    case.load_catalogue(runtime)
    case.announce(runtime)
    with case.the_app(runtime).test_client() as client:
        yield client


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def words_of(html: str) -> str:
    """Return what a reader reads, white space evened out."""
    parser = _Words()
    parser.feed(html)
    return re.sub(r"\s+", " ", "".join(parser.words)).replace("\u00a0", " ")


def read(client: FlaskClient, path: str, language: str = "en") -> str:
    response = client.get(path, headers={"Accept-Language": language})
    assert response.status_code == 200, response.status
    return words_of(response.text)


# ---------------------------------------------------------------- the status page


def test_before_the_night_all_systems_work_and_the_next_window_is_named(client: FlaskClient) -> None:
    page = read(client, "/")

    assert "All systems work" in page
    assert "Next planned maintenance: Sat, 30 Nov 2019, 14:00 WET" in page
    assert "Sat, 30 Nov 2019, 14:00 – Sun, 1 Dec 2019, 08:00 WET (18 hours)" in page


def test_while_it_runs_the_page_says_what_is_down_until_when_and_why(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    clock.move_to(case.START)
    case.start_by_clock(runtime)

    page = read(client, "/")

    assert "6 systems are unavailable, 1 system is degraded" in page
    assert "Because of planned maintenance, until Sun, 1 Dec 2019, 08:00 WET" in page
    assert "Why: because of work on a shared database." in page
    assert "In progress" in page


def test_small_catalogue_is_shown_in_full_and_needs_no_search(client: FlaskClient) -> None:
    html = client.get("/", headers={"Accept-Language": "en"}).text

    assert "system-search" not in html
    assert "more system" not in words_of(html)
    # Each stands in what comes and in the list of all.
    assert all(words_of(html).count(name) > 1 for name in ("Prescrição Eletrónica Médica", "Dispensa"))


def test_overrun_is_said_plainly(client: FlaskClient, runtime: Runtime, clock: MovedClock) -> None:
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    clock.move_to(case.END + timedelta(minutes=1))

    page = read(client, "/")

    assert "The work takes longer than planned; when it ends is not known yet." in page
    assert "It was to end at Sun, 1 Dec 2019, 08:00 WET" in page
    assert "since Sat, 30 Nov 2019, 14:00 WET, end not known yet" in page


def test_held_start_leaves_systems_working_and_says_why_nothing_happens(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    case.step(runtime, "hold", reason="The crane is late")
    clock.move_to(case.START + timedelta(hours=1))

    page = read(client, "/")

    assert "All systems work" in page
    assert "The start is on hold: the work has not begun." in page
    assert "The crane is late" not in page  # a reason among colleagues


def test_updates_stand_on_status_and_intervention_page_newest_first(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    for words in ("Half is done", "All is done"):
        clock.move_on(hours=1)
        case.step(runtime, "publish_update", text=Text.of({"en": words}))

    for path in ("/", f"/interventions/{case.REFERENCE}"):
        page = read(client, path)
        assert page.index("All is done") < page.index("Half is done")


def test_restored_service_counts_as_working_while_the_team_still_checks(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    clock.move_on(hours=10)
    case.step(runtime, "verify")

    page = read(client, "/")

    assert "All systems work" in page
    assert "Service is back; the team is still checking." in page


def test_completed_and_cancelled_work_moves_to_what_recently_ended_and_to_the_history(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    case.step(runtime, "cancel", reason=Text.of({"en": "The parts did not come."}))

    assert "Cancelled Work on the EXADATA platform" in read(client, "/")
    assert "Cancelled Work on the EXADATA platform" in read(client, "/history")
    assert "This work was cancelled. The parts did not come." in read(
        client, f"/interventions/{case.REFERENCE}"
    )
    clock.move_on(days=30)
    assert "EXADATA platform" not in read(client, "/")


def test_history_gives_the_real_hours_of_the_outage_not_those_of_the_paperwork(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    clock.move_on(hours=20)
    case.step(runtime, "verify")
    clock.move_on(hours=5)
    case.step(runtime, "complete", reason=Text.of({"en": "Done."}))

    assert "Sat, 30 Nov 2019, 14:00 – Sun, 1 Dec 2019, 10:00 WET" in read(client, "/history")


def test_empty_installation_has_pages_that_say_so(runtime: Runtime) -> None:
    client = case.the_app(runtime).test_client()

    assert "No public system is in the catalogue yet." in read(client, "/")
    assert "Nothing has ended yet." in read(client, "/history")


# ---------------------------------------------------------------- what must not be said


def every_public_answer(client: FlaskClient) -> str:
    paths = [*PAGES, "/systems/AREA-CIDADAO", "/calendar/all.ics", "/calendar/systems/PEM.ics"]
    return "".join(client.get(path).get_data(as_text=True) for path in paths)


def test_private_systems_appear_only_by_their_kind(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    clock.move_to(case.START)
    case.start_by_clock(runtime)

    answers = every_public_answer(client)

    assert "Exadata X8" not in answers
    assert "rack 4" not in answers
    assert "a shared database" in words_of(client.get("/?lang=en").text)


@pytest.mark.parametrize("path", ["/systems/%s", "/calendar/systems/%s.ics"])
def test_private_and_unknown_systems_get_the_same_answer(client: FlaskClient, path: str) -> None:
    private, unknown = client.get(path % "EXADATA"), client.get(path % "UNKNOWN")

    assert private.status_code == unknown.status_code == 404
    assert private.text == unknown.text


def test_public_system_that_is_worked_on_is_named_with_its_kind(runtime: Runtime) -> None:
    case.load_catalogue(runtime, *case.the_systems(exadata_public=True))
    case.announce(runtime)

    page = read(case.the_app(runtime).test_client(), "/")

    assert "because of work on Exadata X8 <rack 4> (a shared database)" in page


def test_drafts_and_their_changes_are_nobodys_business_yet(client: FlaskClient, runtime: Runtime) -> None:
    secret = case.the_plan(reference="SECRET-1", title="Secret plan")
    with runtime.database.write() as session:
        scheduling.draft(session, secret, by=SYSTEM, now=runtime.clock())
        scheduling.edit(
            session, case.REFERENCE, case.the_plan(title="Secret title"), by=SYSTEM, now=runtime.clock()
        )

    assert "Secret" not in every_public_answer(client)
    assert client.get("/interventions/SECRET-1").status_code == 404
    assert client.get("/interventions/SECRET-1.ics").status_code == 404


def test_people_of_the_team_are_not_published(client: FlaskClient) -> None:
    assert "Somebody Internal" not in every_public_answer(client)


def test_what_people_wrote_cannot_become_markup(runtime: Runtime) -> None:
    case.load_catalogue(runtime)
    evil = "<script>alert(1)</script>"
    contacts = [{"kind": "web", "value": "https://example.org/?a=1&b=2"}]
    case.announce(runtime, case.the_plan(title=evil, description=evil, contacts=contacts))
    client = case.the_app(runtime).test_client()

    for path in ("/", f"/interventions/{case.REFERENCE}", "/systems/PEM"):
        assert "<script>alert" not in client.get(path).text
    assert 'href="https://example.org/?a=1&amp;b=2"' in client.get(f"/interventions/{case.REFERENCE}").text


# ---------------------------------------------------------------- system and intervention pages


def test_system_page_says_state_reason_advice_and_calendar(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    clock.move_to(case.START)
    case.start_by_clock(runtime)

    page = read(client, "/systems/PEM")

    assert "Unavailable since Sat, 30 Nov 2019, 14:00 WET, until Sun, 1 Dec 2019, 08:00 WET" in page
    assert "Because of work on a shared database: Work on the EXADATA platform" in page
    assert "Prescribers MeanwhilePrescribe on paper, exception a)." in page
    assert "6,000,000 prescriptions a month" in page
    assert (
        "webcal://janela.example.org/calendar/systems/PEM.ics?lang=en"
        in client.get("/systems/PEM?lang=en").text
    )


def test_chain_through_a_public_system_names_it(client: FlaskClient) -> None:
    page = read(client, "/systems/AREA-CIDADAO")

    assert "Because of work on a shared database, through Registo Nacional de Utentes" in page


def test_past_windows_stay_on_the_system_page(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    clock.move_on(hours=17)
    case.step(runtime, "complete", reason=Text.of({"en": "Done early."}))
    clock.move_on(days=3)

    page = read(client, "/systems/PEM")

    assert "What was Unavailable Sat, 30 Nov 2019, 14:00 – Sun, 1 Dec 2019, 07:00 WET (17 hours)" in page


def test_intervention_page_tells_every_version_and_what_it_changed(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    clock.move_on(hours=1)
    later = case.START.replace(tzinfo=None) + timedelta(days=7)
    case.step(runtime, "move", start=later, reason=Text.of({"en": "The vendor is ill."}))

    page = read(client, f"/interventions/{case.REFERENCE}")

    assert "Moved Thu, 28 Nov 2019, 11:00 WET · version 1 The vendor is ill." in page
    assert (
        "Work: instead of Sat, 30 Nov 2019, 14:00 – Sun, 1 Dec 2019, 08:00 WET "
        "now Sat, 7 Dec 2019, 14:00 – Sun, 8 Dec 2019, 08:00 WET" in page
    )
    assert "Announced Thu, 28 Nov 2019, 10:00 WET · version 0" in page


def test_changed_plan_says_which_phases_and_systems_came_and_went(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    work = [{"system": "SIARS", "impact": "OUTAGE"}, {"system": "CIT", "impact": "DEGRADED"}]
    phases = [
        {"id": "p1", "kind": "outage", "start": "2019-11-30T14:00", "end": "2019-12-01T08:00", "work": work},
        {"id": "p3", "kind": "preparation", "start": "2019-11-30T12:00", "end": "2019-11-30T13:00"},
    ]
    with runtime.database.write() as session:
        plan = case.the_plan(phases=phases)
        scheduling.edit(session, case.REFERENCE, plan, by=SYSTEM, now=clock())
        scheduling.announce_directly(session, case.REFERENCE, by=SYSTEM, now=clock())

    page = read(client, f"/interventions/{case.REFERENCE}")

    assert "Changed Thu, 28 Nov 2019, 10:00 WET · version 1" in page
    assert "Preparation added: Sat, 30 Nov 2019, 12:00 – 13:00 WET" in page
    assert "Verification taken out: Sun, 1 Dec 2019, 08:00 – 20:00 WET" in page
    assert "Now also affected: SIARS" in page
    assert "Hit less than said before: Certificados de Incapacidade Temporária" in page
    assert re.search("No longer affected: Prescrição Eletrónica Médica, .*, a shared database", page)


def test_planned_and_real_times_stand_beside_each_other(
    client: FlaskClient, runtime: Runtime, clock: MovedClock
) -> None:
    clock.move_to(case.START)
    case.start_by_clock(runtime)
    clock.move_to(case.END + timedelta(minutes=40))
    case.step(runtime, "complete", reason=Text.of({"en": "Done."}))

    page = read(client, f"/interventions/{case.REFERENCE}")

    assert (
        "Work Sat, 30 Nov 2019, 14:00 – Sun, 1 Dec 2019, 08:00 WET Sat, 30 Nov 2019, 14:00 – Sun, 1 Dec 2019, 08:40 WET ended"
        in page
    )


# ---------------------------------------------------------------- errors, health, headers


@pytest.mark.parametrize("path", ["/nothing", "/systems/NONE", "/interventions/NONE", "/systems/%00"])
def test_missing_page_says_where_to_go_on(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers={"Accept-Language": "en"})

    assert response.status_code == 404
    assert "Go to the status page" in words_of(response.text)


def test_ready_means_a_database_with_this_releases_schema(tmp_path: Path) -> None:
    values = {"DATABASE_URL": f"sqlite:///{tmp_path}/ready.db", "INSTANCE": str(tmp_path), "SECRET_KEY": "x"}
    runtime = create_runtime(Settings(values))
    schema.upgrade(runtime.database)

    answer = case.the_app(runtime).test_client().get("/readyz")

    assert (answer.status_code, answer.text) == (200, "ok\n")
    runtime.database.dispose()


def test_process_without_a_database_is_alive_but_not_ready(tmp_path: Path) -> None:
    # A folder where the database file should be: it cannot be opened.
    values = {"DATABASE_URL": f"sqlite:///{tmp_path}", "INSTANCE": str(tmp_path), "SECRET_KEY": "x"}
    client = case.the_app(create_runtime(Settings(values))).test_client()

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize("path", [*PAGES, "/nothing"])
def test_pages_run_and_embed_nothing_foreign(client: FlaskClient, path: str) -> None:
    response = client.get(path)

    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|<style", response.text)
    assert not re.search(r'(src|<link[^>]*href)="(https?:)?//(?!janela\.example\.org)', response.text)


@pytest.mark.parametrize("path", PAGES)
def test_page_has_one_heading_a_title_landmarks_and_unique_ids(client: FlaskClient, path: str) -> None:
    html = client.get(path).text

    ids = re.findall(r'\sid="([^"]+)"', html)
    assert html.count("<h1") == 1
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-labelledby="([^"]+)"', html)) <= set(ids)
    assert "<main" in html
    assert 'href="#content"' in html
