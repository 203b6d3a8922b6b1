"""`python -m benchmarks.estate_import`: the estate as a document, imported into SQLite and PostgreSQL.

Each import is a process of its own, as a person would start it, so that its peak of memory is its own: into an empty
database, then the same file again. PostgreSQL is that of `JANELA_TEST_DATABASE_URL`; without it only SQLite is measured.
The last line is one object of JSON. `--tenth` does a tenth of the estate, `--only` one of the databases, `--keep FOLDER`
leaves document and database for `benchmarks.estate_pages`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import sqlalchemy
from sqlalchemy.engine import make_url

from benchmarks.estate import estate
from maintenance.catalogue import Catalogue, Kind
from maintenance.documents import catalogue_document
from maintenance.settings import ROOT
from maintenance.texts import Text

Result = dict[str, float]
DATABASES = ("sqlite", "postgresql")
#: Applications stand in so many groups on the status page.
GROUPS = 40


def public_estate(scale: float) -> Catalogue:
    """Return the estate with its applications public, in groups, as a national status page shows them."""
    whole = estate(scale).catalogue
    systems = {}
    for number, system in enumerate(whole.systems.values()):
        if system.kind is Kind.APPLICATION:
            system = replace(system, public=True, group=Text.of(f"Group {number % GROUPS + 1:02}"))
        systems[system.code] = system
    return replace(whole, systems=systems)


def write(file: Path, scale: float) -> None:
    """Write the catalogue document as JSON."""
    file.write_text(json.dumps(catalogue_document(public_estate(scale)), ensure_ascii=False))


def run(folder: Path, url: str, *arguments: str) -> tuple[float, float, float]:
    """Return seconds, seconds of the processor, and the peak of memory in MB, of one `janela` command."""
    environment = {
        **os.environ,
        "JANELA_DATABASE_URL": url,
        "JANELA_INSTANCE": str(folder / "instance"),
        "JANELA_IMPORT_LIMIT_MB": "128",
    }
    begun = time.perf_counter()
    process = subprocess.Popen(
        [Path(sys.executable).parent / "janela", *arguments],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"janela {' '.join(arguments)} failed")
    processor = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - begun, processor, usage.ru_maxrss / 1024


def imports(name: str, folder: Path, url: str, document: Path) -> Result:
    """Measure the import into an empty database, and the same file again."""
    run(folder, url, "db", "upgrade")
    found: Result = {}
    for step in ("import", "import_again"):
        seconds, processor, peak = run(folder, url, "catalogue", "import", str(document))
        found |= {
            f"{step}_{name}_s": seconds,
            f"{step}_{name}_processor_s": processor,
            f"{step}_{name}_peak_mb": peak,
        }
    return found


@contextmanager
def postgres_database(server: str) -> Iterator[str]:
    """Give the address of an empty database, dropped afterwards."""
    name = f"janela_estate_{os.getpid()}_{uuid.uuid4().hex[:6]}"
    admin = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
        admin.dispose()


def main() -> None:
    """Print the table and the line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenth", action="store_true")
    parser.add_argument("--only", choices=DATABASES)
    parser.add_argument("--keep", type=Path, help="Leave document and SQLite database in this folder.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="janela-estate-") as made:
        folder = asked.keep or Path(made)
        folder.mkdir(exist_ok=True)
        document = folder / "estate.json"
        write(document, 0.1 if asked.tenth else 1.0)
        found: Result = {"document_mb": document.stat().st_size / 1e6}
        if asked.only != "postgresql":
            found |= imports("sqlite", folder, f"sqlite:///{folder}/estate.db", document)
        server = os.environ.get("JANELA_TEST_DATABASE_URL")
        if server and asked.only != "sqlite":
            with postgres_database(server) as url:
                found |= imports("postgresql", folder, url, document)
    for key, value in found.items():
        print(f"{key:36} {value:>12,.1f}")
    print(json.dumps({key: round(value, 2) for key, value in found.items()}))


if __name__ == "__main__":
    main()
