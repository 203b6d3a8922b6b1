"""Reading ahead: what the next visitor needs is there before somebody asks for it."""

from __future__ import annotations

import gc
from threading import Event, Thread

from flask import Flask

from maintenance.catalogue_store import load_catalogue
from maintenance.web.context import database
from maintenance.web.snapshot import snapshot

#: How often is asked whether something changed: two small queries.
SECONDS = 2.0


class ReadingAhead:
    """A thread that reads public states and the catalogue when a process begins, and again when they change.

    Nobody needs it: who asks for something that is not there yet reads it himself, and waits as long as that takes.
    """

    def __init__(self, app: Flask, *, seconds: float = SECONDS) -> None:
        """Take the application whose visitors are thought of."""
        self._app, self._seconds = app, seconds
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="reading-ahead", daemon=True)

    def start(self) -> None:
        """Begin; return at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being read."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        known = None
        while not self._stopping.is_set():
            try:
                with self._app.app_context():
                    snapshot()
                    with database().read() as session:
                        catalogue = load_catalogue(session)
                if catalogue is not known:
                    known = catalogue
                    _ = known.graph
                    # It lives as long as the process: the collector of garbage need not look at it again and again.
                    gc.freeze()
            except Exception:
                # Whatever it was: visitors read by themselves meanwhile, and this thread has nobody to tell.
                self._app.logger.exception("Reading ahead failed; it is tried again")
            self._stopping.wait(self._seconds)
