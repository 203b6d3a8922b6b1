"""The curve of harm by start: the same as the forecast says of every start, worked out at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maintenance.catalogue import Catalogue, Impact, Volume
from maintenance.forecast import forecast
from maintenance.harm import harm_of
from maintenance.harm_curve import harm_curve
from maintenance.slots import shifted
from maintenance.texts import Text
from tests.builders import a_catalogue, a_need, a_phase, a_plan, a_system, at

PRESCRIPTIONS, CERTIFICATES = Text.of("prescriptions"), Text.of("certificates")
PLAN = a_plan("W", a_phase(20, 26, "DB"), a_phase(26, 30, ("DB", Impact.DEGRADED), id="p2"))


def a_small_country() -> Catalogue:
    return a_catalogue(
        a_system("DB"),
        a_system("PEM", "DB", volume=Volume(PRESCRIPTIONS, 6_000_000), recovery=timedelta(minutes=30)),
        a_system("SICO", a_need("DB", otherwise=Impact.DEGRADED), volume=Volume(CERTIFICATES, 9_000)),
        timezone="Europe/Lisbon",
    )


def test_every_point_is_what_the_forecast_says() -> None:
    catalogue = a_small_country()
    curve = harm_curve(catalogue, PLAN, at(0), at(24 * 15))

    assert curve is not None
    assert curve.unit == PRESCRIPTIONS
    for start, amount in list(zip(curve.starts, curve.amounts, strict=True))[::7]:
        windows = forecast(catalogue, [shifted(PLAN, start)])
        assert amount == pytest.approx(harm_of(catalogue, windows)[PRESCRIPTIONS])


def test_a_long_search_has_no_more_points_than_a_screen_shows() -> None:
    curve = harm_curve(a_small_country(), PLAN, at(0), at(24 * 366))

    assert curve is not None
    assert 900 <= len(curve.starts) <= 1001
    assert curve.starts[-1] <= at(24 * 366) - (PLAN.end - PLAN.start)


def test_work_that_nobody_feels_has_no_curve() -> None:
    calm = a_plan("W", a_phase(20, 26, ("DB", Impact.NO_IMPACT)))

    assert harm_curve(a_small_country(), calm, at(0), at(200)) is None
    assert harm_curve(a_small_country(), PLAN, at(0), at(9)) is None
