"""The demonstration: loaded once, kept, never mistaken for real data, not removed under a running site."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app import create_runtime
from maintenance import schema
from maintenance.models import InterventionRow
from maintenance.runtime import Runtime
from maintenance.settings import Settings
from notifications import demonstration
from notifications.engine import give_up_lead, take_lead
from tests.builders import a_phase, a_plan
from tests.conftest import MovedClock
from tests.lives import announced, import_pair

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def empty(settings: Settings, clock: MovedClock) -> Iterator[Runtime]:
    """Give an installation without tables, as on a fresh machine."""
    runtime = create_runtime(settings, clock=clock)
    yield runtime
    runtime.database.dispose()


def test_second_start_keeps_what_the_first_announced(empty: Runtime) -> None:
    first = list(demonstration.prepare(empty, now=NOW))
    second = list(demonstration.prepare(empty, now=NOW))

    assert first[0] == "Announced SPMS-2019-EXADATA: Saturday 05 December 2026, 14:00 WET."
    assert second[0] == "The demonstration is as you left it: SPMS-2019-EXADATA is announced."
    with empty.database.read() as session:
        assert session.query(InterventionRow).count() == 1


def test_window_that_passed_makes_way_for_the_next(empty: Runtime) -> None:
    list(demonstration.prepare(empty, now=NOW))
    later = list(demonstration.prepare(empty, now=datetime(2027, 1, 4, 9, 0, tzinfo=UTC)))

    assert later[0] == "Announced SPMS-2019-EXADATA-2: Saturday 16 January 2027, 14:00 WET."


def test_demonstration_is_not_removed_under_a_running_site(empty: Runtime) -> None:
    list(demonstration.prepare(empty, now=NOW))
    with empty.database.write() as session:
        take_lead(session, "scheduler", owner="site", now=NOW)
    with pytest.raises(demonstration.StillServed):
        demonstration.remove(empty, now=NOW)

    with empty.database.write() as session:
        give_up_lead(session, "scheduler", owner="site", now=NOW)
    demonstration.remove(empty, now=NOW)
    anew = list(demonstration.prepare(empty, now=NOW))
    assert anew[0].startswith("Announced SPMS-2019-EXADATA:")


def test_real_data_is_neither_loaded_over_nor_removed(empty: Runtime) -> None:
    schema.upgrade(empty.database)
    with empty.database.write() as session:
        import_pair(session)
        announced(session, a_plan("REAL", a_phase(10, 12, "A")))
    empty.settings.instance.mkdir(parents=True, exist_ok=True)

    with pytest.raises(demonstration.NoDemonstration):
        list(demonstration.prepare(empty, now=NOW))
    with pytest.raises(demonstration.NoDemonstration):
        demonstration.remove(empty, now=NOW)
