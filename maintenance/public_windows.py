"""What public pages read of windows and systems: the public ones in full, of all others no more than their kind.

A data centre takes a hundred thousand systems with it, of which readers may know some thousands by name. So what stays
hidden is put together by the database, and a page costs what it shows, whatever the size of the catalogue.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from maintenance.catalogue import Catalogue, Impact, Kind, System
from maintenance.catalogue_store import load_catalogue, load_public_catalogue
from maintenance.interventions import Window
from maintenance.models import InterventionRow, SystemRow, VersionRow, WindowRow
from maintenance.queries import counted, is_counted
from maintenance.shown import united
from maintenance.standing import gated_interventions, is_held, overrunning
from maintenance.status import ShownWindow
from maintenance.texts import NO_TEXT
from maintenance.windows import Interval

#: Codes that are asked for together: databases take some ten thousand values in one statement.
_AT_ONCE = 5000
#: Where a session remembers windows.
_READ = "public_windows_read"


def public_windows(session: Session, now: datetime, *, touching: Interval) -> list[ShownWindow]:
    """Return the windows of public systems, and one for each kind of the others with its impact and times.

    As `standing.current_windows` otherwise: stored windows of counted interventions, each once, and those of work
    that overruns.

    Args:
        session: Where to read.
        now: The instant at which readers look.
        touching: Only of plans with windows in this time.
    """
    standing = counted(session, touching=touching, with_windows=False)
    gated = gated_interventions(session)
    stored = stored_windows(session, [version.id for _, version in standing])
    shown = [
        ShownWindow(window, held=is_held(row, gated))
        for row, version in standing
        for window in stored.get(version.id, ())
    ]
    if late := overrunning(session, now):
        shown += _fit_for_readers(late, load_catalogue(session))
    return united(shown)


def windows_of_system(session: Session, code: str, now: datetime, *, since: datetime) -> list[ShownWindow]:
    """Return the windows of one system that end after `since`, each once, and those of work that overruns."""
    gated = gated_interventions(session)
    query = (
        is_counted(select(InterventionRow, WindowRow))
        .join(WindowRow, WindowRow.version_id == VersionRow.id)
        .where(WindowRow.system == code, WindowRow.ends_at >= since)
        .order_by(InterventionRow.id, WindowRow.id)
    )
    shown = [
        ShownWindow(
            _window(row.system, row.impact, row.starts_at, row.ends_at, row.because),
            held=is_held(intervention, gated),
        )
        for intervention, row in session.execute(query)
    ]
    late = [each for each in overrunning(session, now) if each.window.system == code]
    return united([*shown, *late])


def stored_windows(session: Session, version_ids: Collection[int]) -> dict[int, tuple[Window, ...]]:
    """Return the windows of these published versions by id (and of others), hidden systems' once for each kind and time.

    Which of the hidden systems stands for the others is not said; only its kind means anything.
    """
    # Remembered by the session, since a page looks at the same versions twice and none of them ever changes.
    known: dict[int, tuple[Window, ...]] = session.info.setdefault(_READ, {})
    if wanted := [version_id for version_id in version_ids if version_id not in known]:
        known |= dict.fromkeys(wanted, ()) | _read(session, wanted, _named(), _hidden(wanted))
    return known


def _read(
    session: Session, version_ids: Collection[int], *statements: Select[Any]
) -> dict[int, tuple[Window, ...]]:
    found: dict[int, list[Window]] = {}
    for statement in statements:
        for version_id, *rest in session.execute(statement.where(WindowRow.version_id.in_(version_ids))):
            found.setdefault(version_id, []).append(_window(*rest))
    return {version_id: tuple(windows) for version_id, windows in found.items()}


_COLUMNS = select(
    WindowRow.version_id,
    WindowRow.system,
    WindowRow.impact,
    WindowRow.starts_at,
    WindowRow.ends_at,
    WindowRow.because,
).order_by(WindowRow.id)


def _named() -> Select[Any]:
    return _COLUMNS.join(SystemRow, SystemRow.code == WindowRow.system).where(SystemRow.public)


def _hidden(version_ids: Collection[int]) -> Select[Any]:
    one_of_each = (
        select(func.min(WindowRow.id))
        .join(SystemRow, SystemRow.code == WindowRow.system)
        .where(WindowRow.version_id.in_(version_ids), ~SystemRow.public)
        .group_by(
            WindowRow.version_id, WindowRow.starts_at, WindowRow.ends_at, WindowRow.impact, SystemRow.kind
        )
    )
    return _COLUMNS.where(WindowRow.id.in_(one_of_each))


def _window(
    system: str, impact: str, start: datetime, end: datetime, because: Sequence[Sequence[str]]
) -> Window:
    return Window(system, Impact.parse(impact), start, end, tuple(tuple(chain) for chain in because))


def _fit_for_readers(shown: Iterable[ShownWindow], catalogue: Catalogue) -> list[ShownWindow]:
    """Return the windows of public systems, and of the others one for each kind, impact and time."""
    found: dict[object, ShownWindow] = {}
    for each in shown:
        window = each.window
        system = catalogue.systems[window.system]
        key = window.system if system.public else system.kind
        found.setdefault((key, window.impact, window.start, window.end), each)
    return list(found.values())


def readable_catalogue(
    session: Session, windows: Iterable[Window] = (), codes: Iterable[str] = ()
) -> Catalogue:
    """Return the catalogue as readers may know it: public systems in full, and of those mentioned the kind.

    Args:
        session: Where to read.
        windows: Whose systems and chains are to be explained.
        codes: Further systems that are mentioned.
    """
    known = load_public_catalogue(session)
    mentioned = set(codes)
    for window in windows:
        mentioned.add(window.system)
        mentioned.update(code for chain in window.because for code in chain[:-1])
    hidden = sorted(mentioned - known.systems.keys())
    if not hidden:
        return known
    kinds: dict[str, System] = {}
    for start in range(0, len(hidden), _AT_ONCE):
        some = hidden[start : start + _AT_ONCE]
        query = select(SystemRow.code, SystemRow.kind).where(SystemRow.code.in_(some))
        kinds |= {code: System(code, NO_TEXT, kind=Kind(kind)) for code, kind in session.execute(query)}
    return replace(known, systems={**known.systems, **kinds})
