from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance.catalogue import Impact
from maintenance.catalogue_documents import (
    AudienceEntry,
    CatalogueEntry,
    ContingencyEntry,
    NeedEntry,
    OperatorEntry,
    SystemEntry,
    VolumeEntry,
)
from maintenance.document_problems import keys_at
from maintenance.documents import (
    actuals_of,
    digest,
    phase_document,
    phases_from,
    plan_document,
    plan_from_document,
    read_catalogue,
    read_intervention,
    with_actuals,
)
from maintenance.interventions import (
    ContactPoint,
    InterventionClass,
    Person,
    Phase,
    PhaseKind,
    Plan,
    Work,
)
from maintenance.plan_documents import ContactEntry, PersonEntry, PhaseEntry, PlanEntry, WorkEntry
from maintenance.settings import ROOT
from maintenance.texts import Text
from maintenance.windows import resolve
from tests.builders import a_phase, a_plan, at

CODES = st.from_regex(r"[A-Z0-9][A-Z0-9._-]{0,12}", fullmatch=True)
LINES = (
    st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=40)
    .map(str.strip)
    .filter(bool)
)
PARAGRAPHS = (
    st.text(st.characters(categories=["L", "N", "P", "Zs"], include_characters="\n\t"), min_size=1)
    .map(str.strip)
    .filter(bool)
)
ZONES = st.sampled_from(
    ["Europe/Lisbon", "UTC", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe"]
)


def texts(words: st.SearchStrategy[str]) -> st.SearchStrategy[Text]:
    languages = st.sampled_from(["pt", "pt-BR", "en", "nb", "zh-Hant-TW"])
    return st.one_of(words.map(Text.of), st.dictionaries(languages, words, min_size=1).map(Text.of))


@st.composite
def phases(draw: st.DrawFn, timezone: str, phase_id: str) -> Phase:
    local_start = draw(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)))
    start = resolve(local_start, timezone).instant
    duration = draw(st.none() | st.integers(1, 300_000).map(lambda seconds: timedelta(seconds=seconds)))
    local_end = None
    if duration is None:
        local_end = local_start + timedelta(hours=draw(st.integers(4, 400)), seconds=draw(st.integers(0, 59)))
    end = start + duration if duration else resolve(local_end or local_start, timezone).instant
    systems = draw(st.lists(CODES, max_size=4, unique=True))
    work = tuple(Work(code, draw(st.sampled_from(Impact))) for code in systems)
    kind = draw(st.sampled_from(PhaseKind))
    return Phase(phase_id, kind, start, end, work, local_start, local_end, duration)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    timezone = draw(ZONES)
    ids = draw(
        st.lists(
            st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True), min_size=1, max_size=4, unique=True
        )
    )
    return Plan(
        reference=draw(CODES | st.just("")),
        title=draw(texts(LINES)),
        timezone=timezone,
        phases=tuple(draw(phases(timezone, phase_id)) for phase_id in ids),
        description=draw(texts(PARAGRAPHS) | st.just(Text())),
        intervention_class=draw(st.sampled_from(InterventionClass)),
        people=tuple(draw(st.lists(st.builds(Person, LINES, LINES, LINES | st.just("")), max_size=2))),
        reminders=tuple(
            draw(st.lists(st.integers(1, 10**6).map(lambda s: timedelta(seconds=s)), max_size=4))
        ),
        contacts=draw(
            st.sampled_from(
                [(), (ContactPoint("web", "https://example.org/a?b=c"), ContactPoint("phone", "+351 5"))]
            )
        ),
    )


@settings(max_examples=150, deadline=None)
@given(plans())
def test_plan_is_read_back_equal_from_its_document(plan: Plan) -> None:
    document = plan_document(plan)

    assert plan_from_document(document) == plan
    # What the row keeps as JSON says the same.
    assert digest(json.loads(json.dumps(document))) == digest(document)


def test_digest_depends_on_content_and_not_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": ["é"]}) == digest({"b": ["é"], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_phases_alone_are_read_back_equal() -> None:
    plan = a_plan("A", a_phase(0, 4, "X", id="p1"), a_phase(5, 6, ("Y", Impact.DEGRADED), id="p9"))

    documents = [phase_document(phase, plan.timezone) for phase in plan.phases]

    assert phases_from(documents, plan.timezone) == plan.phases


def test_what_really_happened_is_read_back_and_is_no_part_of_the_document() -> None:
    first = replace(a_phase(0, 4, "X", "Y", id="p1"), started_at=at(0.5), ended_at=at(3))
    first = replace(first, work=(replace(first.work[0], ended_at=at(2)), first.work[1]))
    plan = a_plan("A", first, a_phase(5, 6, "X", id="p2"))
    planned = plan_from_document(plan_document(plan))

    actuals = actuals_of(plan)

    assert actuals == {
        "p1": {
            "started_at": "2026-06-06T00:30:00+00:00",
            "ended_at": "2026-06-06T03:00:00+00:00",
            "systems": {"X": "2026-06-06T02:00:00+00:00"},
        }
    }
    assert planned.phases[0].started_at is None
    assert with_actuals(planned, actuals) == plan


def test_reference_case_is_a_valid_document() -> None:
    folder = ROOT / "examples" / "spms-exadata-2019"

    catalogue = read_catalogue((folder / "catalogue.yaml").read_bytes())
    plan = read_intervention((folder / "intervention.yaml").read_bytes(), catalogue=catalogue)

    assert len([s for s in catalogue.systems.values() if any("EXADATA" in n.of for n in s.needs)]) == 15
    assert plan.systems == ("EXADATA",)
    # Whoever is hit by a system reads what to do meanwhile.
    for system in catalogue.systems.values():
        assert {c.audience for c in system.contingency if c.during} == set(system.audiences)
        assert all({"pt", "en"} <= dict(c.during.variants).keys() for c in system.contingency)


# -- the page about them -----------------------------------------------------------------------------


def test_every_key_of_the_schema_is_on_the_page() -> None:
    page = (ROOT / "docs" / "documents.md").read_text()
    entries = (CatalogueEntry, SystemEntry, PlanEntry, PhaseEntry, VolumeEntry, NeedEntry, ContingencyEntry)

    for entry in (*entries, OperatorEntry, AudienceEntry, WorkEntry, PersonEntry, ContactEntry):
        for key in keys_at(entry, ()):
            assert f"`{key}`" in page or f"{key}:" in page, f"{entry.__name__}.{key}"
