"""Write directory.csv: 62 institutions and 300 contacts, none of whom exists, the same at every run.

Addresses are under example.org (RFC 2606: nobody can have them). Telephone numbers begin with +351 5: they
have the nine digits of a Portuguese number, but the national numbering plan keeps the digit 5 in reserve and
designates no service for it, so that no operator can hand one out, and libphonenumber calls them possible
and not valid.

    python examples/spms-exadata-2019/make_directory.py
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from pathlib import Path

COLUMNS = (
    "institution",
    "institution_name",
    "audience",
    "contact",
    "email",
    "phone",
    "language",
    "timezone",
    "channels",
    "systems",
)

#: Kind of institution: code, name, how many, and its desks in order of escalation with their audience.
KINDS = (
    (
        "HOSP",
        "Hospital",
        20,
        (
            ("Serviço de Informática", "hospitals"),
            ("Direção Clínica", "hospitals"),
            ("Urgência", "prescribers"),
            ("Consulta Externa", "prescribers"),
            ("Farmácia Hospitalar", "pharmacists"),
            ("Conselho de Administração", "hospitals"),
        ),
    ),
    (
        "CS",
        "Centro de Saúde",
        30,
        (
            ("Coordenação", "prescribers"),
            ("Secretariado Clínico", "prescribers"),
            ("Enfermagem", "prescribers"),
            ("Apoio Informático", "prescribers"),
        ),
    ),
    (
        "FARM",
        "Farmácia",
        12,
        (
            ("Direção Técnica", "pharmacists"),
            ("Balcão", "pharmacists"),
            ("Receituário", "pharmacists"),
            ("Encomendas", "pharmacists"),
            ("Apoio Informático", "pharmacists"),
        ),
    ),
)


def contacts() -> Iterator[tuple[str, ...]]:
    """Yield the rows of the directory."""
    chance = random.Random(20191130)  # noqa: S311 - an example that is the same each time, no secret
    number = 0
    for prefix, kind, count, desks in KINDS:
        for which in range(1, count + 1):
            code, name = f"{prefix}-{which:02}", f"{kind} {which:02}"
            for desk, audience in desks:
                number += 1
                shared = desk == "Apoio Informático" and which % 3 == 0
                # One support desk answers for several institutions: it gets one message for all of them.
                email = "suporte-regional" if shared else f"{prefix.lower()}{which:02}-{number:03}"
                phone = f"+3515{number:08}" if chance.random() < 0.4 and not shared else ""
                only_sms = phone and chance.random() < 0.1
                # The board is told only when nobody else of its hospital could be reached.
                standby = "standby " if desk == "Conselho de Administração" else ""
                yield (
                    code,
                    name,
                    audience,
                    desk,
                    "" if only_sms else f"{email}@example.org",
                    phone,
                    "en" if not shared and chance.random() < 0.15 else "pt",
                    "Europe/Lisbon",
                    standby
                    + ("sms" if only_sms else "email sms" if phone and chance.random() < 0.7 else "email"),
                    "PEM ESP" if desk == "Consulta Externa" and chance.random() < 0.3 else "",
                )


def document() -> str:
    """Return the directory as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(contacts())
    return out.getvalue()


if __name__ == "__main__":
    Path(__file__).with_name("directory.csv").write_text(document(), encoding="utf-8")
