"""Every message can be seen before it goes, with the numbers of those who would get it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from maintenance import scheduling
from maintenance.catalogue_store import load_catalogue
from maintenance.lifecycle import SYSTEM, Role
from maintenance.runtime import Runtime
from notifications import sms_text
from notifications.directory import import_directory
from notifications.directory_file import read_directory
from notifications.messages import compose
from notifications.queries import site_of
from notifications.rehearsal import rehearse
from tests.web import case
from tests.web.desk import an_app, at_desk

HEADER = "institution,institution_name,audience,contact,email,phone,language,timezone,channels,systems"
ROWS = [
    "HX,Hospital do Exemplo,prescribers,Direção,direcao@hx.example.org,+351939999901,pt,Europe/Lisbon,email sms,",
    "HX,Hospital do Exemplo,prescribers,Informática,ti@hx.example.org,,pt,Europe/Lisbon,email,",
    "UX,Unidade do Exemplo,prescribers,Office,office@ux.example.org,,en,Atlantic/Azores,email,PEM",
    "ZX,Outro do Exemplo,prescribers,Desk,desk@zx.example.org,,en,Europe/Lisbon,email,SIARS",
]
MESSAGES = f"/plan/{case.REFERENCE}/messages"


@pytest.fixture
def app(runtime: Runtime) -> Flask:
    app = an_app(runtime)
    case.load_catalogue(runtime)
    with runtime.database.write() as session:
        raw = "\n".join([HEADER, *ROWS]).encode()
        directory = read_directory(raw, file="directory.csv", catalogue=load_catalogue(session))
        import_directory(session, directory, now=runtime.clock())
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return at_desk(app, Role.READER)


def draft(runtime: Runtime) -> None:
    with runtime.database.write() as session:
        scheduling.draft(session, case.the_plan(), by=SYSTEM, now=runtime.clock())


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def first_variant(page: str) -> str:
    found = re.search(rf'href="({MESSAGES}/\d+[^"]*)"', page)
    assert found
    return unescape(found[1])


def test_draft_shows_how_many_would_be_told_on_each_channel(client: FlaskClient, runtime: Runtime) -> None:
    draft(runtime)

    said = words_of(client.get(MESSAGES).text)

    assert "E-mail 3 recipients" in said
    assert "SMS 1 recipient (2 parts in all)" in said
    assert "Institutions 2" in said
    assert "Hospital do Exemplo" in said
    assert "Outro do Exemplo" not in said  # SIARS feels nothing


def test_audiences_are_called_by_their_names(client: FlaskClient, runtime: Runtime) -> None:
    draft(runtime)
    page = client.get(f"{MESSAGES}?lang=pt").text

    assert "Prescritores · pt" in words_of(page)
    assert "Prescritores" in words_of(client.get(first_variant(page)).text)
    assert "prescribers" not in words_of(page)


def test_variant_is_shown_as_it_would_be_sent(client: FlaskClient, runtime: Runtime) -> None:
    draft(runtime)
    with runtime.database.read() as session:
        rehearsal = rehearse(
            session, case.REFERENCE, None, site=site_of(runtime.settings), now=runtime.clock()
        )
    largest = rehearsal.variants[0]
    composed = compose(rehearsal.story, largest.reader)

    page = client.get(f"{MESSAGES}/{largest.scope_id}")
    mail = client.get(f"{MESSAGES}/{largest.scope_id}/mail")

    said = words_of(page.text)
    assert composed.subject in said
    assert composed.sms in said
    assert f"{sms_text.count(composed.sms).parts} part" in said
    assert "SPMS-2019-EXADATA.p1@janela.example.org" in said
    assert "CONFIRMED" in said
    assert "TENTATIVE" not in said
    assert mail.text == composed.html
    assert "sandbox" in mail.headers["Content-Security-Policy"]


def test_list_leads_to_each_variant(client: FlaskClient, runtime: Runtime) -> None:
    draft(runtime)

    assert client.get(first_variant(client.get(MESSAGES).text)).status_code == 200


@pytest.mark.parametrize(
    ("kind", "said"), [("reminder", "Reminder"), ("start", "Started"), ("cancellation", "Cancelled")]
)
def test_later_notices_can_be_seen_too(client: FlaskClient, runtime: Runtime, kind: str, said: str) -> None:
    case.announce(runtime)
    page = client.get(f"{MESSAGES}?kind={kind}").text
    english = next(
        path for path in map(unescape, re.findall(rf'href="({MESSAGES}/\d+[^"]*)"', page)) if "kind=" in path
    )

    shown = words_of(client.get(english).text)

    assert (
        said in shown
        or {"reminder": "Lembrete", "start": "Iniciada", "cancellation": "Cancelada"}[kind] in shown
    )


def test_new_version_is_shown_as_a_change_from_the_announced_one(
    client: FlaskClient, runtime: Runtime
) -> None:
    case.announce(runtime)
    with runtime.database.write() as session:
        moved = case.the_plan(
            phases=[
                {
                    "id": "p1",
                    "kind": "outage",
                    "start": "2019-12-07T14:00",
                    "end": "2019-12-08T08:00",
                    "work": [{"system": "EXADATA", "impact": "OUTAGE"}],
                }
            ]
        )
        scheduling.edit(session, case.REFERENCE, moved, by=SYSTEM, now=runtime.clock())

    said = words_of(client.get(first_variant(client.get(MESSAGES).text)).text)

    assert "Alterada: Intervenção na infraestrutura EXADATA" in said
    assert "Antes: 30/11 14:00-1/12 08:00" in said


@pytest.mark.parametrize("path", [MESSAGES, f"{MESSAGES}/1", f"{MESSAGES}/1/mail"])
def test_only_signed_in_people_see_it(app: Flask, runtime: Runtime, path: str) -> None:
    draft(runtime)

    assert app.test_client().get(path).status_code == 302


@pytest.mark.parametrize("path", [f"{MESSAGES}?kind=nonsense", f"{MESSAGES}/999", "/plan/NONE/messages"])
def test_what_is_not_there_is_not_found(client: FlaskClient, runtime: Runtime, path: str) -> None:
    draft(runtime)

    assert client.get(path).status_code == 404


def test_intervention_page_and_announcing_page_say_who_is_told(app: Flask, runtime: Runtime) -> None:
    draft(runtime)
    page = at_desk(app, Role.APPROVER).get(f"/plan/{case.REFERENCE}").text

    assert "3 recipients" in words_of(page)
    assert f'href="{MESSAGES}"' in page


def test_plan_that_concerns_nobody_says_so(client: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.write() as session:
        quiet = case.the_plan(
            phases=[
                {
                    "id": "p1",
                    "kind": "outage",
                    "start": "2019-12-07T14:00",
                    "end": "2019-12-08T08:00",
                    "work": [{"system": "EXADATA", "impact": "NO-IMPACT"}],
                }
            ]
        )
        scheduling.draft(session, quiet, by=SYSTEM, now=runtime.clock())

    assert "no message is sent" in words_of(client.get(MESSAGES).text)
