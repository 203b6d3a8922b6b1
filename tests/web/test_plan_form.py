"""The coordinator's form: nothing typed is lost, nothing is saved unseen, every mistake is at its place."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from maintenance import scheduling
from maintenance.documents import plan_document, plan_from_document
from maintenance.lifecycle import SYSTEM, Role
from maintenance.models import EventRow, InterventionRow, SystemRow
from maintenance.runtime import Runtime
from maintenance.web.plan_changes import changes_between
from maintenance.web.plan_forms import PlanForm, form_of
from tests.web import case
from tests.web.desk import an_app, at_desk, fields_of

#: What a person types into an empty form for two hours of work on one system.
TYPED: dict[str, Any] = {
    "title-0-language": "pt",
    "title-0-words": "Substituição de discos",
    "title-1-language": "en",
    "title-1-words": "Disk replacement",
    "description-0-language": "pt",
    "description-0-words": "",
    "intervention_class": "planned",
    "timezone": "Europe/Lisbon",
    "phases-0-id": "",
    "phases-0-kind": "outage",
    "phases-0-start": "2019-12-10T22:00",
    "phases-0-length": "2:00",
    "phases-0-work-0-system": "RNU",
    "phases-0-work-0-impact": "OUTAGE",
    "reminders": ["P7D", "PT1H"],
}


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    case.load_catalogue(runtime)
    return an_app(runtime)


@pytest.fixture
def planner(app: Flask) -> FlaskClient:
    return at_desk(app, Role.PLANNER)


def press(client: FlaskClient, action: str, path: str = "/plan/new", **changes: Any) -> TestResponse:
    """Send the form with some fields typed otherwise, by one of its buttons."""
    return client.post(path, data={**TYPED, **changes, "action": action})


def press_again(client: FlaskClient, page: TestResponse, action: str, **changes: Any) -> TestResponse:
    """Press a button of the page that came back."""
    return client.post(page.request.path, data={**fields_of(page.text), **changes, "action": action})


def saved(runtime: Runtime) -> list[InterventionRow]:
    with runtime.database.read() as session:
        rows = list(session.scalars(select(InterventionRow)))
        assert all(row.versions for row in rows)
        return rows


def with_phases(*phases: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"title": {"en": "Work"}, "timezone": "Europe/Lisbon", "phases": list(phases), **rest}


OUTAGE = {"kind": "outage", "start": "2019-12-10T22:00", "work": [{"system": "RNU", "impact": "OUTAGE"}]}


@pytest.mark.parametrize(
    "document",
    [
        plan_document(case.the_plan()),
        # A length with seconds, which no clock field shows.
        with_phases({**OUTAGE, "duration": "PT1M30S"}, {**OUTAGE, "duration": "P1DT2H", "work": []}),
        # An instant that has no wall time of its own: the second 01:30 of the night the clock goes back.
        with_phases({**OUTAGE, "start": "2019-10-27T01:30:00+00:00", "duration": "PT2H"}),
        # A title for every reader, a text in a language the site does not offer.
        with_phases({**OUTAGE, "duration": "PT2H"}, title="Work", description={"fr": "Travaux\nde nuit", "en": "Work"}),
        with_phases({**OUTAGE, "duration": "PT2H"}, reminders=[], **{"class": "emergency"}),
        with_phases(
            {**OUTAGE, "id": "night", "end": "2019-12-11T01:00:30"},
            people=[{"role": "lead", "name": "Ana", "team": "DBA"}, {"role": "watch", "name": "Rui"}],
            reminders=["P3D", "PT36H", "PT15M"],
            contacts=[{"kind": "phone", "value": "+351 220 000 000"}, {"kind": "web", "value": "https://x.example.org/a?b=1&c"}],
        ),
    ],
)  # fmt: skip
def test_document_comes_back_from_the_form_as_it_went_in(app: Flask, document: dict[str, Any]) -> None:
    before = plan_from_document(document)
    with app.test_request_context("/plan/new"):
        filled = form_of(plan_document(before), ["pt", "en"])
        posted = MultiDict(_posted(filled))
        after = plan_from_document(PlanForm(posted).document())

    assert after == before


def _posted(form: Any) -> list[tuple[str, str]]:
    """Return what a browser would send of the form."""
    found = []
    for field in form:
        if hasattr(field, "entries"):
            for entry in field.entries:
                found += _posted(entry.form)
        elif field.type == "SelectMultipleField":
            found += [(field.name, value) for value in field.data]
        else:
            found.append((field.name, field.data or ""))
    return found


def test_windows_are_shown_before_anything_is_saved(planner: FlaskClient, runtime: Runtime) -> None:
    shown = press(planner, "preview")

    assert shown.status_code == 200
    assert "Unavailable" in shown.text
    # RNU itself, and the citizens' area that is degraded without it.
    assert re.search(r"AREA-CIDADAO.*needs <span class=\"code\">RNU", shown.text, re.DOTALL)
    assert saved(runtime) == []


def test_saving_asks_for_a_look_first_and_again_after_every_change(
    planner: FlaskClient, runtime: Runtime
) -> None:
    first = press(planner, "save")
    assert "This is new since you last looked" in first.text
    changed = press_again(planner, first, "save", **{"phases-0-length": "3:00"})
    assert changed.status_code == 200
    assert saved(runtime) == []

    answer = press_again(planner, changed, "save")

    assert answer.status_code == 302
    assert answer.location == "/plan/INT-2019-0001"
    content = saved(runtime)[0].versions[0].content
    assert content["phases"][0]["duration"] == "PT3H"
    assert content["title"] == {"pt": "Substituição de discos", "en": "Disk replacement"}
    assert content["reminders"] == ["P7D", "PT1H"]


def test_plan_that_alters_an_announced_one_says_so_before_it_is_saved(
    planner: FlaskClient, runtime: Runtime
) -> None:
    case.announce(runtime)

    shown = press(planner, "preview", **{"phases-0-start": "2019-11-30T12:00", "phases-0-length": "4:00"})

    assert "This alters the windows of" in shown.text
    assert 'href="/plan/SPMS-2019-EXADATA"' in shown.text
    assert "Clash" in shown.text


def test_night_on_which_the_clock_changes_is_pointed_out(planner: FlaskClient) -> None:
    shown = press(planner, "preview", **{"phases-0-start": "2020-03-29T00:30", "phases-0-length": "3:00"})

    assert "Take note" in shown.text


BUTTONS = [
    ("add-phase", {"phases-1-start": ""}, {}),
    ("add-person", {"people-0-role": "", "people-0-name": "", "people-0-team": ""}, {}),
    ("add-contact", {"contacts-0-kind": "email", "contacts-0-value": ""}, {}),
    ("add-work:0:DEM", {"phases-0-work-1-system": "DEM", "phases-0-work-1-impact": "OUTAGE"}, {}),
    # Twice the same system would be a mistake; the second click adds nothing.
    ("add-work:0:RNU", {}, {}),
    ("remove-work:0:0", {}, {"phases-0-work-0-system", "phases-0-work-0-impact"}),
    ("find:0", {}, {}),
    # Nothing that a browser sends: it changes nothing, and breaks nothing.
    ("remove-phase:7", {}, {}),
    ("remove-phase:-1", {}, {}),
    ("add-work:9:DEM", {}, {}),
    ("remove-work:x:y", {}, {}),
    ("find:x", {}, {}),
    ("add-work:x:DEM", {}, {}),
    ("no-such-button", {}, {}),
]


@pytest.mark.parametrize(("action", "added", "removed"), BUTTONS)
def test_button_changes_its_rows_and_leaves_the_rest_as_typed(
    planner: FlaskClient, runtime: Runtime, action: str, added: dict[str, str], removed: set[str]
) -> None:
    typed = {"phases-0-find": "dem", "phases-0-start": "not a time at all", "title-0-words": '"<b>&amp;'}
    page = press(planner, action, **typed)

    assert page.status_code == 200
    expected = {**TYPED, **typed, **added}
    if action.startswith("add-work:0"):
        expected["phases-0-find"] = ""
    fields = fields_of(page.text)
    assert {name: fields.get(name) for name in expected if name not in removed} == {
        name: value for name, value in expected.items() if name not in removed
    }
    assert not removed & fields.keys()
    assert saved(runtime) == []


def test_second_phase_begins_where_the_first_ends_and_can_be_taken_out(planner: FlaskClient) -> None:
    two = press(planner, "add-phase", **{"phases-0-length": "", "phases-0-end": "2019-12-11T00:00"})
    assert fields_of(two.text)["phases-1-start"] == "2019-12-11T00:00"
    assert fields_of(two.text)["phases-1-kind"] == "verification"

    one = press_again(planner, two, "remove-phase:0")
    assert "phases-1-start" in fields_of(one.text)
    assert "phases-0-start" not in fields_of(one.text)


def test_systems_are_found_and_added_without_a_script(planner: FlaskClient) -> None:
    page = press(planner, "find:0", **{"phases-0-find": "certificados"})

    assert re.findall(r'value="(add-work:0:[^"]+)"', page.text) == [
        "add-work:0:SICO",
        "add-work:0:CIT",
        "add-work:0:CCC",
    ]
    assert "No system fits" in press(planner, "find:0", **{"phases-0-find": "nothing like it"}).text


MISTAKES = [
    ({"title-0-words": "", "title-1-words": ""}, "title-0-words", "Give the intervention a title"),
    ({"phases-0-start": ""}, "phases-0-start", "Enter when the phase starts"),
    ({"phases-0-start": "30/11/2019 14h"}, "phases-0-start", "is no time"),
    ({"phases-0-start": "0019-12-10T22:00"}, "phases-0-start", "years go from"),
    ({"phases-0-length": ""}, "phases-0-end", "or how long it lasts"),
    ({"phases-0-length": "", "phases-0-end": "2019-12-10T21:00"}, "phases-0-end", "end after the start"),
    ({"phases-0-end": "2019-12-10T23:00"}, "phases-0-end", "not both"),
    ({"phases-0-length": "a while"}, "phases-0-length", "hours and minutes"),
    ({"phases-0-length": "0"}, "phases-0-length", "longer than nothing"),
    ({"phases-0-work-0-system": "NOPE"}, "phases-0-work-0-system", "not in the catalogue"),
    ({"phases-0-work-0-impact": "TOTAL"}, "phases-0-work-0-impact", "is not one of"),
    ({"phases-0-kind": "party"}, "phases-0-kind", "is not one of"),
    ({"timezone": "Lisbon"}, "timezone", "no time zone"),
    ({"reference": "lower case"}, "reference", "is no code"),
    ({"intervention_class": "urgent"}, "intervention_class", "is not one of"),
    ({"reminders": ["P1Y"]}, "reminders", "no duration"),
    ({"people-0-name": "", "people-1-role": "lead", "people-1-name": ""}, "people-1-name", "person’s name"),
    ({"contacts-0-kind": "email", "contacts-0-value": "not@"}, "contacts-0-value", "no e-mail address"),
    # Characters that could begin a header of a mail, hide words, or turn them round.
    ({"title-0-words": "Work\x07"}, "title-0-words", "control character"),
    ({"title-1-words": "Work\r\nBcc: x@example.org"}, "title-1-words", "line break"),
    ({"title-1-words": "abc \u202e txt.exe"}, "title-1-words", "control character"),
    ({"description-0-words": "a\x00b"}, "description-0-words", "control character"),
    ({"contacts-0-kind": "phone", "contacts-0-value": "12\x1b[31m"}, "contacts-0-value", "control character"),
]


@pytest.mark.parametrize(("typed", "field", "sentence"), MISTAKES)
def test_mistake_is_said_on_top_and_linked_to_its_field(
    planner: FlaskClient, runtime: Runtime, typed: dict[str, Any], field: str, sentence: str
) -> None:
    page = press(planner, "save", **typed)

    assert page.status_code == 422
    summary = page.text.partition("error-summary")[2].partition("</ul>")[0]
    linked = re.search(rf'<a href="#{field}">([^<]+)</a>', summary)
    assert linked
    assert sentence in linked[1]
    assert f'id="{field}"' in page.text
    assert saved(runtime) == []


@pytest.mark.parametrize("name", sorted({name for typed, *_ in MISTAKES for name in typed} - {"reminders"}))
def test_what_was_typed_wrong_is_still_there(planner: FlaskClient, name: str) -> None:
    page = press(planner, "preview", **{name: 'wrong "<>&'})

    # A choice or a radio that is none of those offered cannot be shown; everything written can.
    if not name.endswith(("-kind", "-impact", "class")):
        assert 'wrong "<>&' in fields_of(page.text).values()


def test_markup_in_a_title_is_shown_as_it_was_typed_and_never_run(
    planner: FlaskClient, runtime: Runtime
) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    shown = press(planner, "preview", **{"title-1-words": evil, "description-0-words": evil})
    assert press_again(planner, shown, "save").status_code == 302

    for path in ("/plan/", "/plan/INT-2019-0001", "/plan/INT-2019-0001/edit", "/plan/INT-2019-0001/submit"):
        page = planner.get(path).text
        assert str(escape(evil)) in page
        assert "<img src=x" not in page
        assert "<script>alert" not in page


def test_reference_that_is_taken_is_refused_with_everything_typed_kept(
    planner: FlaskClient, runtime: Runtime
) -> None:
    case.announce(runtime)
    shown = press(planner, "preview", reference=case.REFERENCE)
    refused = press_again(planner, shown, "save")

    assert refused.status_code == 409
    assert "There is an intervention SPMS-2019-EXADATA already" in refused.text
    assert fields_of(refused.text)["title-1-words"] == "Disk replacement"


def test_editing_begins_with_what_stands_and_keeps_the_phases_ids(
    planner: FlaskClient, runtime: Runtime
) -> None:
    case.announce(runtime)
    path = f"/plan/{case.REFERENCE}/edit"
    opened = planner.get(path)
    fields = fields_of(opened.text)
    assert fields["phases-0-id"] == "p1"
    assert fields["phases-0-end"] == "2019-12-01T08:00"
    more = press_again(planner, opened, "add-phase")
    typed = {"phases-2-start": "2019-12-01T20:00", "phases-2-length": "1:00", "title-1-words": "Longer"}
    shown = press_again(planner, more, "preview", **typed)

    assert press_again(planner, shown, "save").status_code == 302
    row = saved(runtime)[0]
    assert [phase["id"] for phase in row.versions[-1].content["phases"]] == ["p1", "p2", "p3"]
    assert row.versions[-1].review_state == "draft"
    assert row.run_state == "announced"


def test_reference_cannot_be_changed_by_editing(planner: FlaskClient, runtime: Runtime) -> None:
    case.announce(runtime)
    path = f"/plan/{case.REFERENCE}/edit"
    shown = press_again(planner, planner.get(path), "preview", reference="OTHER")

    assert press_again(planner, shown, "save", reference="OTHER").status_code == 302
    assert saved(runtime)[0].versions[-1].content["reference"] == case.REFERENCE


def test_stale_edit_shows_the_others_change_beside_ones_own_and_can_be_repeated(
    planner: FlaskClient, runtime: Runtime
) -> None:
    shown = press(planner, "preview")
    path = press_again(planner, shown, "save").location + "/edit"
    mine = press_again(planner, planner.get(path), "preview", **{"title-1-words": "My title"})
    with runtime.database.write() as session:
        document = {**saved(runtime)[0].versions[0].content, "title": {"en": "Their title"}}
        scheduling.edit(
            session, "INT-2019-0001", plan_from_document(document), by=SYSTEM, now=runtime.clock()
        )

    refused = press_again(planner, mine, "save")

    assert refused.status_code == 409
    assert "Their title" in refused.text
    assert fields_of(refused.text)["title-1-words"] == "My title"
    shown = press_again(planner, refused, "preview")
    assert press_again(planner, shown, "save").status_code == 302
    assert saved(runtime)[0].versions[-1].content["title"]["en"] == "My title"


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"action": "save"},
        {"action": "save", "phases-x-start": "1", "phases--1-start": "1", "title-0-words": "x"},
        {"action": "preview", "phases-999999-start": "2019-12-10T22:00", "people-5-team": "DBA"},
        {"action": "save", "lock_version": "<b>", "seen": "\x00"},
    ],
)
def test_form_that_no_browser_would_send_is_answered_with_its_mistakes(
    planner: FlaskClient, runtime: Runtime, sent: dict[str, str]
) -> None:
    assert planner.post("/plan/new", data=sent).status_code == 422
    case.announce(runtime)
    assert planner.post(f"/plan/{case.REFERENCE}/edit", data=sent).status_code == 422


def test_edit_without_a_lock_version_counts_as_stale(planner: FlaskClient, runtime: Runtime) -> None:
    case.announce(runtime)
    path = f"/plan/{case.REFERENCE}/edit"
    shown = press_again(planner, planner.get(path), "preview", lock_version="none")

    assert press_again(planner, shown, "save", lock_version="none").status_code == 409


def test_running_intervention_cannot_be_edited(planner: FlaskClient, runtime: Runtime) -> None:
    case.announce(runtime)
    case.step(runtime, "start")

    refused = planner.get(f"/plan/{case.REFERENCE}/edit")

    assert refused.status_code == 409
    assert "it is running" in refused.text


def test_looking_writes_nothing(planner: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.read() as session:
        before = session.scalar(select(func.max(EventRow.id)))
    press(planner, "preview")
    press(planner, "save")

    with runtime.database.read() as session:
        assert session.scalar(select(func.max(EventRow.id))) == before


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        ("rnu", ["RNU"]),
        # The code itself comes before names that hold the letters.
        ("c", ["CIT", "CCC"]),
        ("obito", ["SICO"]),
        ("ÓBITO  certificados", ["SICO"]),
        ("temporaria", ["CIT"]),
        # What SQL would read as “anything” is only a character here.
        ("%", []),
        ("_", []),
        ("", []),
        ("' OR 1=1 --", []),
    ],
)
def test_search_finds_by_code_or_name_whatever_the_accents(
    planner: FlaskClient, words: str, codes: list[str]
) -> None:
    answer = planner.get("/plan/systems.json", query_string={"q": words})
    found = [system["code"] for system in json.loads(answer.data)["systems"]]

    assert found[: len(codes)] == codes
    assert bool(found) == bool(codes)


def test_search_offers_twenty_at_most_and_nothing_retired(runtime: Runtime, planner: FlaskClient) -> None:
    systems = [case.System(f"NODE-{n:03}", case.Text.of(f"Server {n}")) for n in range(60)]
    case.load_catalogue(runtime, *systems)
    assert len(planner.get("/plan/systems.json?q=server").json["systems"]) == 20  # type: ignore[index]
    with runtime.database.write() as session:
        row = session.scalars(select(SystemRow).where(SystemRow.code == "NODE-007")).one()
        row.retired_at = runtime.clock()

    assert planner.get("/plan/systems.json?q=node-007").json == {"systems": []}


def test_differences_are_told_in_words_a_planner_knows() -> None:
    theirs = {"title": {"en": "A"}, "phases": [{"end": "2019-12-01T08:00"}], "reminders": []}
    mine = {"title": {"en": "B"}, "phases": [{"duration": "PT1H"}]}

    assert changes_between(theirs, mine) == [
        ("title en", "A", "B"),
        ("phases 1 end", "2019-12-01T08:00", ""),
        ("phases 1 duration", "", "PT1H"),
    ]
