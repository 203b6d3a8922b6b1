"""How much falls into the windows of a plan, before it is announced."""

from __future__ import annotations

from maintenance.lifecycle import SYSTEM, Role
from maintenance.runtime import Runtime
from maintenance.scheduling import draft, submit
from tests.web import case
from tests.web.signed_in import client_of


def test_step_pages_say_how_many_prescriptions_fall_into_the_windows(runtime: Runtime) -> None:
    case.load_catalogue(runtime)
    with runtime.database.write() as session:
        draft(session, case.the_plan(), by=SYSTEM, now=runtime.clock())
        submit(session, case.REFERENCE, by=SYSTEM, now=runtime.clock())

    client = client_of(case.the_app(runtime), runtime, Role.ADMIN)
    english = client.get(f"/plan/{case.REFERENCE}/approve?lang=en").text
    portuguese = client.get(f"/plan/{case.REFERENCE}/approve?lang=pt").text

    assert "Estimated to fall into these windows: about 43,000 prescriptions." in english
    assert "cerca de 43\u00a0000 receitas." in portuguese
