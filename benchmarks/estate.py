"""An invented estate of the size of Helse Sør-Øst: 2,500 applications, 10,000 servers, 170,000 devices.

The same seed gives the same estate. Its shape: four data centres; servers in racks of forty with their
network; applications on servers, most of them redundant, and on the applications before them; devices
on applications of their trust and on its network. About three needs each, some of them k of n.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from maintenance.catalogue import Audience, Catalogue, Impact, Kind, Need, Operator, System, Volume
from maintenance.interventions import Phase, PhaseKind, Plan, Work
from maintenance.texts import Text

APPLICATIONS, SERVERS, DEVICES = 2_500, 10_000, 170_000
RACK = 40
#: Servers of each data centre; the largest is the one that the benchmark takes down.
DATA_CENTRES = {"DC-1": 0.30, "DC-2": 0.30, "DC-3": 0.25, "DC-4": 0.15}
TRUSTS = 11
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Estate:
    """The catalogue, and the codes by what they are."""

    catalogue: Catalogue
    servers: dict[str, list[str]]
    racks: dict[str, list[str]]

    def rack(self) -> list[str]:
        """Return the servers of one full rack."""
        return next(servers for servers in self.racks.values() if len(servers) == RACK)

    def data_centre(self) -> list[str]:
        """Return the servers of the largest data centre."""
        return max(self.servers.values(), key=len)


def estate(scale: float = 1.0, seed: int = 20191130) -> Estate:
    """Return the estate, or a part of it of the same shape."""
    chance = random.Random(seed)
    servers: dict[str, list[str]] = {}
    racks: dict[str, list[str]] = {}
    systems = list(_infrastructure(chance, int(SERVERS * scale), servers, racks))
    systems += _applications(chance, int(APPLICATIONS * scale), [s for of in servers.values() for s in of])
    systems += _devices(chance, int(DEVICES * scale), int(APPLICATIONS * scale))
    catalogue = Catalogue.of(
        systems,
        operators={"SP": Operator("SP", Text.of("Sykehuspartner"), "noc@example.org")},
        audiences={code: Audience(code, Text.of(code.title())) for code in ("clinicians", "patients")},
        timezone="Europe/Oslo",
        version=1,
    )
    return Estate(catalogue, servers, racks)


def _infrastructure(
    chance: random.Random, count: int, servers: dict[str, list[str]], racks: dict[str, list[str]]
) -> Iterator[System]:
    number = 0
    for centre, share in DATA_CENTRES.items():
        yield System(centre, Text.of(f"Data centre {centre}"), Kind.DATA_CENTRE, "SP")
        servers[centre] = []
        for position in range(round(count * share)):
            if position % RACK == 0:
                rack = f"{centre}-RACK-{position // RACK:03}"
                racks[rack] = []
                switches = (f"{rack}-SW-A", f"{rack}-SW-B")
                for switch in switches:
                    yield System(
                        switch, Text.of(f"Switch {switch}"), Kind.NETWORK, "SP", needs=(Need((centre,), 1),)
                    )
                needs = (Need((centre,), 1), Need(switches, 1))
            number += 1
            code = f"SRV-{number:05}"
            servers[centre].append(code)
            racks[rack].append(code)
            yield System(code, Text.of(f"Server {code}"), Kind.SERVER, "SP", needs=needs)
    for trust in range(TRUSTS):
        yield System(f"NET-{trust:02}", Text.of(f"Network of trust {trust}"), Kind.NETWORK, "SP")


def _applications(chance: random.Random, count: int, servers: list[str]) -> Iterator[System]:
    """Yield applications in layers: the first few are platforms on which the others stand."""
    recoveries = [timedelta(minutes=m) for m in (0, 0, 5, 15, 30, 60)]
    for number in range(count):
        needs = []
        for _ in range(chance.choice((1, 2, 2))):
            of = tuple(chance.sample(servers, chance.choice((1, 2, 2, 3, 4))))
            needs.append(Need(of, max(1, len(of) - chance.choice((0, 1, 1, 2)))))
        if number > 20:
            for _ in range(chance.choice((0, 1, 1, 2))):
                # Most lean on platforms, a few on any application before them.
                below = chance.randrange(min(number, 60) if chance.random() < 0.5 else number)
                otherwise = chance.choice((Impact.OUTAGE, Impact.OUTAGE, Impact.DEGRADED))
                needs.append(Need((_application(below),), 1, otherwise))
        yield System(
            _application(number),
            Text.of(f"Application {number}"),
            Kind.APPLICATION,
            "SP",
            tags=("national",) if number < 25 else (),
            audiences=("clinicians",) if number % 3 else ("clinicians", "patients"),
            needs=tuple(needs),
            recovery=chance.choice(recoveries),
            volume=Volume(Text.of("transactions"), 1000 * chance.randrange(1, 900)) if number < 200 else None,
        )


@cache
def _application(number: int) -> str:
    """Return the code, one and the same each time: whoever reads a stored catalogue shares codes, too."""
    return f"APP-{number:04}"


def _devices(chance: random.Random, count: int, applications: int) -> Iterator[System]:
    networks = [(Need((f"NET-{trust:02}",), 1),) for trust in range(TRUSTS)]
    for number in range(count):
        first, second, third = (_application(chance.randrange(applications)) for _ in range(3))
        needs = (Need((first,), 1),)
        if second != first:
            otherwise = chance.choice((Impact.OUTAGE, Impact.DEGRADED))
            if third not in (first, second):
                needs += (Need((second, third), chance.choice((1, 1, 2)), otherwise),)
            else:
                needs += (Need((second,), 1, otherwise),)
        code = f"DEV-{number:06}"
        yield System(
            code, Text.of(f"Device {code}"), Kind.DEVICE, "SP", needs=needs + networks[number % TRUSTS]
        )


def a_plan(reference: str, codes: list[str], start: datetime, length: timedelta) -> Plan:
    """Return a plan of one outage of these systems and a verification after it."""
    outage = tuple(Work(code, Impact.OUTAGE) for code in codes)
    checks = tuple(Work(code, Impact.NO_IMPACT) for code in codes)
    end = start + length
    return Plan(
        reference,
        Text.of(f"Work {reference}"),
        "Europe/Oslo",
        (
            Phase("p1", PhaseKind.OUTAGE, start, end, outage),
            Phase("p2", PhaseKind.VERIFICATION, end, end + timedelta(hours=1), checks),
        ),
    )


def plans(estate: Estate, count: int, days: float, seed: int = 7) -> list[Plan]:
    """Return plans spread over some days: seven of ten on one server, the others on up to a rack."""
    chance = random.Random(seed)
    every = [code for codes in estate.servers.values() for code in codes]
    racks = list(estate.racks.values())
    found = []
    for number in range(count):
        kind = chance.random()
        if kind < 0.7:
            codes = [chance.choice(every)]
        elif kind < 0.95:
            codes = chance.sample(every, chance.randrange(2, 9))
        else:
            codes = chance.choice(racks)
        start = START + timedelta(minutes=15 * chance.randrange(int(days * 96)))
        length = timedelta(minutes=15 * chance.randrange(2, 33))
        found.append(a_plan(f"INT-2026-{number:05}", codes, start, length))
    return found
