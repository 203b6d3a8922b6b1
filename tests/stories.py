"""The reference case as stories to tell: the systems on EXADATA, two readers, every kind of notice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from maintenance.catalogue import Audience, Catalogue, Contingency, Impact, Kind, Need, System
from maintenance.forecast import forecast
from maintenance.interventions import ContactPoint, InterventionClass, Phase, PhaseKind, Plan, Window, Work
from maintenance.texts import Text
from maintenance.windows import resolve
from notifications.contacts import Entry, Reader
from notifications.stories import Site, Story
from notifications.timetable import NoticeKind

SITE = Site(
    name="Janela",
    public_url="https://janela.example.org",
    host="janela.example.org",
    mail_from="Janela <janela@example.org>",
    timezone="Europe/Lisbon",
)
REFERENCE = "SPMS-2019-EXADATA"
_NAMES = {
    "PEM": "Prescrição Eletrónica Médica",
    "DEM": "Dispensa Eletrónica Médica",
    "RNU": "Registo Nacional de Utentes",
    "SICO": "Sistema de Informação dos Certificados de Óbito",
    "CIT": "Certificados de Incapacidade Temporária",
    "SIARS": "SIARS",
}
_PEM_CONTINGENCY = Contingency(
    "prescribers",
    before=Text.of(
        {
            "pt": "Confirme que tem vinhetas e receitas em papel.",
            "en": "Check that you have paper prescriptions.",
        }
    ),
    during=Text.of({"pt": "Prescreva em papel, por via manual.", "en": "Prescribe on paper."}),
    after=Text.of(
        {
            "pt": "Registe na PEM as prescrições feitas em papel.",
            "en": "Enter in PEM what was prescribed on paper.",
        }
    ),
)


def lisbon(text: str) -> datetime:
    """Return the instant of a wall time in Lisbon, as in `2019-11-30T14:00`."""
    return resolve(datetime.fromisoformat(text), "Europe/Lisbon").instant


def the_catalogue(**rest: Any) -> Catalogue:
    """Return EXADATA, which is not public, and six of the systems on it."""
    systems = [System("EXADATA", Text.of("Plataforma EXADATA"), kind=Kind.DATABASE)]
    for code, name in _NAMES.items():
        systems.append(
            System(
                code,
                Text.of(name),
                public=code != "SIARS",
                audiences=("prescribers", "hospitals") if code == "PEM" else ("hospitals",),
                needs=(Need(("EXADATA",), 1),),
                contingency=(_PEM_CONTINGENCY,) if code == "PEM" else (),
                recovery=timedelta(minutes=30) if code == "RNU" else timedelta(0),
            )
        )
    audiences = [
        Audience("prescribers", Text.of({"pt": "prescritores", "en": "prescribers"})),
        Audience("hospitals", Text.of({"pt": "hospitais", "en": "hospitals"})),
    ]
    return Catalogue.of(
        systems, audiences={a.code: a for a in audiences}, timezone="Europe/Lisbon", version=1, **rest
    )


def a_phase_from(
    start: str, end: str, *systems: str, id: str = "p1", impact: Impact = Impact.OUTAGE
) -> Phase:
    """Return an outage phase between two wall times in Lisbon, on EXADATA unless said."""
    return Phase(
        id=id,
        kind=PhaseKind.OUTAGE,
        start=lisbon(start),
        end=lisbon(end),
        work=tuple(Work(system, impact) for system in systems or ("EXADATA",)),
        local_start=datetime.fromisoformat(start),
        local_end=datetime.fromisoformat(end),
    )


def the_plan(*phases: Phase, **rest: Any) -> Plan:
    """Return the intervention of 30 November 2019, 14:00 to 08:00, unless other phases are given."""
    values: dict[str, Any] = {
        "reference": REFERENCE,
        "title": Text.of(
            {"pt": "Intervenção na infraestrutura EXADATA", "en": "Work on the EXADATA infrastructure"}
        ),
        "description": Text.of(
            {
                "pt": "Reestruturação e atualização do hardware da infraestrutura EXADATA.",
                "en": "The hardware of the EXADATA infrastructure is restructured and upgraded.",
            }
        ),
        "timezone": "Europe/Lisbon",
        "phases": phases or (a_phase_from("2019-11-30T14:00", "2019-12-01T08:00"),),
        "contacts": (
            ContactPoint("web", "https://suporte.example.org/"),
            ContactPoint("email", "servicedesk@example.org"),
        ),
    }
    return Plan(**{**values, **rest})


HOSPITAL = Entry("HX", "Hospital do Exemplo", "hospitals")
PRESCRIBERS = Entry("UX", "Unidade de Saúde do Exemplo", "prescribers")


def a_reader(
    language: str = "pt", *entries: Entry, timezone: str = "Europe/Lisbon", first: bool = False
) -> Reader:
    """Return somebody who stands for a hospital and for prescribers, unless other entries are given."""
    return Reader(language, timezone, entries or (HOSPITAL, PRESCRIBERS), first)


def windows_of(plan: Plan, *others: Plan, catalogue: Catalogue | None = None) -> tuple[Window, ...]:
    """Return the windows that a plan causes, the others counted with it."""
    found = forecast(catalogue or the_catalogue(), [plan, *others])
    return tuple(window for window in found if plan.reference in window.references)


def a_story(kind: NoticeKind, plan: Plan | None = None, before: Plan | None = None, **rest: Any) -> Story:
    """Return a story of the reference case; windows are forecast unless given."""
    plan = plan or the_plan()
    catalogue = rest.pop("catalogue", None) or the_catalogue()
    values: dict[str, Any] = {
        "kind": kind,
        "plan": plan,
        "sequence": 0 if before is None else 1,
        "windows": windows_of(plan, catalogue=catalogue),
        "catalogue": catalogue,
        "site": SITE,
        "published_at": lisbon("2019-11-28T10:00"),
        "created_at": lisbon("2019-11-20T09:30"),
        "plan_before": before,
        "windows_before": windows_of(before, catalogue=catalogue) if before else (),
    }
    return Story(**{**values, **rest})


def with_actuals(plan: Plan, *, started: str, ended: str | None = None, phase: str = "p1") -> Plan:
    """Return the plan with a phase begun, and ended if said."""
    real = replace(plan.phase(phase), started_at=lisbon(started), ended_at=lisbon(ended) if ended else None)
    return plan.with_phases({phase: real})


def every_kind() -> Iterable[tuple[str, Story]]:
    """Yield the reference case told in every kind of notice, by name of its snapshot."""
    plan = the_plan()
    moved = the_plan(a_phase_from("2019-12-07T14:00", "2019-12-08T08:00"))
    running = with_actuals(plan, started="2019-11-30T14:00")
    longer = running.with_phases({"p1": replace(running.phase("p1"), end=lisbon("2019-12-01T12:00"))})
    ended = with_actuals(longer, started="2019-11-30T14:00", ended="2019-12-01T10:30")
    yield "announcement", a_story(NoticeKind.ANNOUNCEMENT)
    yield (
        "change",
        a_story(
            NoticeKind.CHANGE,
            moved,
            plan,
            reason=Text.of({"pt": "A pedido dos hospitais.", "en": "At the request of the hospitals."}),
        ),
    )
    yield "reminder", a_story(NoticeKind.REMINDER, details={"lead_seconds": 86400})
    yield (
        "start",
        a_story(
            NoticeKind.START, running, plan, details={"phase": "p1"}, published_at=lisbon("2019-11-30T14:00")
        ),
    )
    yield (
        "update",
        a_story(
            NoticeKind.UPDATE,
            running,
            plan,
            reason=Text.of(
                {
                    "pt": "A substituição do hardware está concluída.\nSeguem-se os testes.",
                    "en": "The hardware has been replaced.\nTests come next.",
                }
            ),
            published_at=lisbon("2019-11-30T14:00"),
        ),
    )
    yield (
        "extension",
        a_story(
            NoticeKind.EXTENSION,
            longer,
            running,
            sequence=2,
            details={"phase": "p1"},
            reason=Text.of({"pt": "Os testes demoram mais.", "en": "Tests take longer."}),
            published_at=lisbon("2019-12-01T07:30"),
        ),
    )
    yield (
        "restored",
        a_story(
            NoticeKind.RESTORED,
            ended,
            longer,
            sequence=3,
            details={"phases": ["p1"], "systems": []},
            published_at=lisbon("2019-12-01T10:30"),
        ),
    )
    yield (
        "completion",
        a_story(NoticeKind.COMPLETION, ended, ended, sequence=4, published_at=lisbon("2019-12-01T20:00")),
    )
    yield (
        "cancellation",
        a_story(
            NoticeKind.CANCELLATION,
            plan,
            plan,
            windows=(),
            reason=Text.of({"pt": "Faltou uma peça.", "en": "A part is missing."}),
        ),
    )


def special_cases() -> Iterable[tuple[str, Story, Reader]]:
    """Yield what needs another reader or another plan, by name of its snapshot."""
    plan = the_plan()
    moved = the_plan(a_phase_from("2019-12-07T14:00", "2019-12-08T08:00"))
    yield "change-first", a_story(NoticeKind.CHANGE, moved, plan), a_reader("pt", first=True)
    yield "announcement-azores", a_story(NoticeKind.ANNOUNCEMENT), a_reader("pt", timezone="Atlantic/Azores")
    public = a_reader("en", Entry("", "", "hospitals"))
    yield "announcement-public", a_story(NoticeKind.ANNOUNCEMENT), public
    emergency = the_plan(
        a_phase_from("2019-11-28T22:00", "2019-11-28T23:30", "PEM", impact=Impact.DEGRADED),
        intervention_class=InterventionClass.EMERGENCY,
    )
    yield "announcement-emergency", a_story(NoticeKind.ANNOUNCEMENT, emergency), a_reader("pt", PRESCRIBERS)
    freed = the_plan(a_phase_from("2019-11-30T14:00", "2019-11-30T18:00", "PEM"))
    yield "change-freed", a_story(NoticeKind.CHANGE, freed, plan), a_reader("en")
    yield "change-also", _altering(), a_reader("pt", HOSPITAL)
    for language in ("pt", "en"):
        alone = Entry("HX", "Hospital do Exemplo", "hospitals", systems=("RNU",))
        yield f"restored-awaited.{language}", dict(every_kind())["restored"], a_reader(language, alone)
        yield f"restored-partly.{language}", _partly_restored(), a_reader(language, HOSPITAL)
    autumn = the_plan(a_phase_from("2026-10-24T20:00", "2026-10-25T04:00"))
    yield "announcement-clock-change", a_story(NoticeKind.ANNOUNCEMENT, autumn), a_reader("pt", PRESCRIBERS)


def _partly_restored() -> Story:
    """Return the end of the work on PEM while that on SICO, which the restoration is not about, goes on."""
    phases = (
        a_phase_from("2019-11-30T14:00", "2019-12-01T08:00", "PEM"),
        a_phase_from("2019-11-30T14:00", "2019-12-01T12:00", "SICO", id="p2"),
    )
    running = with_actuals(the_plan(*phases), started="2019-11-30T14:00")
    running = with_actuals(running, started="2019-11-30T14:00", phase="p2")
    ended = with_actuals(running, started="2019-11-30T14:00", ended="2019-12-01T07:30")
    return a_story(
        NoticeKind.RESTORED,
        ended,
        running,
        sequence=3,
        details={"phases": ["p1"], "systems": []},
        published_at=lisbon("2019-12-01T07:30"),
    )


def _altering() -> Story:
    """Return the change of one plan that turns another's reduced redundancy into an outage."""
    catalogue = Catalogue.of(
        [
            System("RAC-1", Text.of("RAC 1"), kind=Kind.SERVER),
            System("RAC-2", Text.of("RAC 2"), kind=Kind.SERVER),
            System("PEM", Text.of(_NAMES["PEM"]), public=True, audiences=("hospitals",), needs=(Need(("RAC-1", "RAC-2"), 1),)),
        ],
        audiences=the_catalogue().audiences,
        timezone="Europe/Lisbon",
    )  # fmt: skip
    first = the_plan(
        a_phase_from("2019-11-30T20:00", "2019-11-30T22:00", "RAC-1"),
        reference="INT-2019-1",
        title=Text.of({"pt": "Servidor RAC 1", "en": "Server RAC 1"}),
    )
    before = the_plan(a_phase_from("2019-12-01T20:00", "2019-12-01T23:00", "RAC-2"), reference="INT-2019-2")
    after = the_plan(a_phase_from("2019-11-30T21:00", "2019-11-30T23:00", "RAC-2"), reference="INT-2019-2")
    also = a_story(
        NoticeKind.CHANGE,
        first,
        first,
        catalogue=catalogue,
        windows=windows_of(first, after, catalogue=catalogue),
        windows_before=windows_of(first, before, catalogue=catalogue),
        details={"because_of": "INT-2019-2"},
    )
    return a_story(
        NoticeKind.CHANGE,
        after,
        before,
        catalogue=catalogue,
        windows=windows_of(after, first, catalogue=catalogue),
        windows_before=windows_of(before, first, catalogue=catalogue),
        also=(also,),
        details={"altered": [["INT-2019-1", 1]]},
    )


#: An instant for tests that need none in particular.
NOW = datetime(2019, 11, 28, 10, 0, tzinfo=UTC)
