"""The reference case as rows: a catalogue like that of 2019, and its night, told step by step."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask

from app import create_app
from maintenance import scheduling
from maintenance.catalogue import Audience, Contingency, Impact, Kind, Need, Operator, System, Volume
from maintenance.documents import plan_from_document
from maintenance.importing import import_catalogue
from maintenance.interventions import Plan
from maintenance.lifecycle import SYSTEM
from maintenance.runtime import Runtime
from maintenance.texts import Text
from tests.builders import a_catalogue

REFERENCE = "SPMS-2019-EXADATA"
#: The night in UTC, which is Lisbon's winter time.
START = datetime(2019, 11, 30, 14, tzinfo=UTC)
END = datetime(2019, 12, 1, 8, tzinfo=UTC)

_NAMES = {
    "PEM": ("Prescrição Eletrónica Médica", "Prescrição"),
    "DEM": ("Dispensa Eletrónica Médica", "Prescrição"),
    "RNU": ("Registo Nacional de Utentes", "Registos nacionais"),
    "SICO": ("Sistemas de Informação dos Certificados de Óbito", "Registos nacionais"),
    "CIT": ("Certificados de Incapacidade Temporária", "Certificados"),
    "CCC": ("Certificados para a Carta de Condução", "Certificados"),
}
_ON_PAPER = {"pt": "Use a receita manual, com a exceção a).", "en": "Prescribe on paper, exception a)."}


def the_systems(*, exadata_public: bool = False) -> list[System]:
    """Return EXADATA, six national systems on it, one that stands on RNU, and one that feels nothing."""
    exadata = System(
        "EXADATA", Text.of("Exadata X8 <rack 4>"), Kind.DATABASE, operator="SPMS", public=exadata_public
    )
    national = [
        System(
            code,
            Text.of({"pt": name}),
            operator="SPMS",
            group=Text.of({"pt": group}),
            public=True,
            audiences=("prescribers",),
            needs=(Need(("EXADATA",), 1),),
            volume=Volume(Text.of({"pt": "receitas", "en": "prescriptions"}), 6_000_000)
            if code == "PEM"
            else None,
            contingency=(Contingency("prescribers", during=Text.of(_ON_PAPER)),) if code == "PEM" else (),
        )
        for code, (name, group) in _NAMES.items()
    ]
    portal = System(
        "AREA-CIDADAO",
        Text.of({"pt": "Área do Cidadão", "en": "Citizen’s area"}),
        Kind.APPLICATION,
        group=Text.of({"pt": "Cidadãos", "en": "Citizens"}),
        public=True,
        needs=(Need(("RNU",), 1, Impact.DEGRADED),),
    )
    apart = System("SIARS", Text.of("SIARS"), public=True)
    return [exadata, *national, portal, apart]


def the_plan(**changes: object) -> Plan:
    """Return the intervention of November 2019."""
    return plan_from_document(
        {
            "reference": REFERENCE,
            "title": {"pt": "Intervenção na infraestrutura EXADATA", "en": "Work on the EXADATA platform"},
            "description": {
                "pt": "Reestruturação do hardware.",
                "en": "The hardware is restructured & upgraded.",
            },
            "timezone": "Europe/Lisbon",
            "phases": [
                {
                    "id": "p1",
                    "kind": "outage",
                    "start": "2019-11-30T14:00",
                    "end": "2019-12-01T08:00",
                    "work": [{"system": "EXADATA", "impact": "OUTAGE"}],
                },
                {
                    "id": "p2",
                    "kind": "verification",
                    "start": "2019-12-01T08:00",
                    "end": "2019-12-01T20:00",
                    "work": [{"system": "EXADATA", "impact": "NO-IMPACT"}],
                },
            ],
            "people": [{"role": "lead", "name": "Somebody Internal"}],
            "contacts": [{"kind": "email", "value": "servicedesk@example.org"}],
            **changes,
        }
    )


def load_catalogue(runtime: Runtime, *systems: System) -> None:
    """Import the catalogue of the case."""
    catalogue = a_catalogue(
        *(systems or the_systems()),
        operators={"SPMS": Operator("SPMS", Text.of("SPMS, EPE"), "servicedesk@example.org")},
        audiences={
            "prescribers": Audience("prescribers", Text.of({"pt": "Prescritores", "en": "Prescribers"}))
        },
        timezone="Europe/Lisbon",
    )
    with runtime.database.write() as session:
        import_catalogue(session, catalogue, prune=False, by=SYSTEM, now=runtime.clock())


def announce(runtime: Runtime, plan: Plan | None = None) -> None:
    """Draft and announce an intervention, the reference case unless another is given."""
    with runtime.database.write() as session:
        row = scheduling.draft(session, plan or the_plan(), by=SYSTEM, now=runtime.clock())
        scheduling.announce_directly(
            session, row.reference, override="Agreed.", by=SYSTEM, now=runtime.clock()
        )


def step(runtime: Runtime, name: str, **arguments: object) -> None:
    """Take one step of the reference case's life."""
    with runtime.database.write() as session:
        getattr(scheduling, name)(session, REFERENCE, **arguments, by=SYSTEM, now=runtime.clock())


def start_by_clock(runtime: Runtime) -> None:
    """Let the clock start what is due."""
    with runtime.database.write() as session:
        scheduling.start_due(session, runtime.clock())


def the_app(runtime: Runtime) -> Flask:
    """Return the application, its client raising what a view raises."""
    app = create_app(runtime)
    app.testing = True
    return app
