"""Make the pictures of the documentation: the reference night, as the status page showed it at 20:40.

Run it with the development packages and Chromium installed::

    .venv/bin/python docs/screenshots.py

It works on a database of its own that is gone afterwards, and writes `docs/images/*.png`.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from app import create_app, create_runtime
from maintenance import scheduling, schema
from maintenance.documents import read_catalogue, read_intervention
from maintenance.importing import import_catalogue
from maintenance.lifecycle import SYSTEM
from maintenance.runtime import Runtime
from maintenance.settings import ROOT, Settings
from maintenance.texts import Text

IMAGES = ROOT / "docs" / "images"
EXAMPLE = ROOT / "examples" / "spms-exadata-2019"
REFERENCE = "SPMS-2019-EXADATA"
ANNOUNCED = datetime(2019, 11, 28, 10, tzinfo=UTC)
START = datetime(2019, 11, 30, 14, tzinfo=UTC)
#: What the team would say in the evening.
UPDATE = {
    "en": "The new racks are in place; the databases are being copied. The work goes as planned.",
    "pt": "Os novos bastidores estão instalados; decorre a cópia das bases de dados. Os trabalhos decorrem como previsto.",
}
#: File, address, width, colour scheme, whether the whole page is shown.
PICTURES = (
    ("status", "/", 1280, "light", False),
    ("status-phone-dark", "/", 390, "dark", False),
    ("intervention", f"/interventions/{REFERENCE}", 1280, "light", True),
    ("system", "/systems/PEM", 1280, "light", True),
)


class _Clock:
    """Stands still until it is set."""

    now = ANNOUNCED

    def __call__(self) -> datetime:
        return self.now


def play_the_night(runtime: Runtime, clock: _Clock) -> None:
    """Announce the reference case, start it by the clock and publish an update."""
    catalogue = read_catalogue((EXAMPLE / "catalogue.yaml").read_bytes())
    plan = read_intervention((EXAMPLE / "intervention.yaml").read_bytes())
    with runtime.database.write() as session:
        import_catalogue(session, catalogue, prune=False, by=SYSTEM, now=clock())
        scheduling.draft(session, plan, by=SYSTEM, now=clock())
        scheduling.announce_directly(session, REFERENCE, by=SYSTEM, now=clock())
    clock.now = START
    with runtime.database.write() as session:
        scheduling.start_due(session, clock())
    clock.now = START + timedelta(hours=6, minutes=10)
    with runtime.database.write() as session:
        scheduling.publish_update(session, REFERENCE, text=Text.of(UPDATE), by=SYSTEM, now=clock())
    clock.now += timedelta(minutes=30)


def take_pictures(address: str) -> None:
    """Photograph the pages of `PICTURES` as an English reader sees them."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name, path, width, scheme, whole in PICTURES:
            context = browser.new_context(
                viewport={"width": width, "height": 844 if width < 500 else 900},
                color_scheme=scheme,  # type: ignore[arg-type]
                locale="en-GB",
            )
            page = context.new_page()
            page.goto(address + path)
            page.screenshot(path=IMAGES / f"{name}.png", full_page=whole)
            context.close()
        browser.close()


def with_server(runtime: Runtime, work: Callable[[str], None]) -> None:
    """Serve the installation on a free port while `work` is done with its address."""
    server = make_server("127.0.0.1", 0, create_app(runtime), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        work(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()


def main() -> None:
    """Write all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        clock = _Clock()
        values = {"DATABASE_URL": f"sqlite:///{folder}/janela.db", "INSTANCE": folder}
        runtime = create_runtime(
            Settings({**values, "PUBLIC_URL": "https://janela.example.org"}), clock=clock
        )
        schema.upgrade(runtime.database)
        play_the_night(runtime, clock)
        with_server(runtime, take_pictures)
        runtime.database.dispose()


if __name__ == "__main__":
    main()
