"""The drawing of harm: what is drawn where, and that no suggestion hides another."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from maintenance.harm_curve import Curve
from maintenance.texts import Text
from maintenance.web.harm_drawing import HEIGHT, harm_drawing
from tests.builders import at

HOURS = 14 * 24


def a_curve(amounts: list[float]) -> Curve:
    starts = tuple(at(0) + timedelta(hours=hour) for hour in range(len(amounts)))
    return Curve(Text.of("prescriptions"), starts, tuple(amounts))


def test_lone_start_stands_on_the_curve_and_the_planned_one_too() -> None:
    curve = a_curve([100.0, 50.0, 0.0])

    drawing = harm_drawing(curve, curve.starts[0], [curve.starts[1]], zone_name="UTC")

    (mark,) = drawing.marks
    assert (mark.left, mark.top, mark.on_curve, mark.label) == (50, HEIGHT / 2, HEIGHT / 2, "1")
    assert drawing.planned is not None
    assert (drawing.planned.left, drawing.planned.top) == (0, 0)


@given(
    hours=st.lists(st.integers(0, HOURS - 1), unique=True, max_size=8),
    level=st.sampled_from([0.0, 40.0, 100.0]),
)
def test_no_mark_covers_another_on_a_telephone(hours: list[int], level: float) -> None:
    curve = a_curve([100.0, *[level] * (HOURS - 1)])

    drawing = harm_drawing(curve, curve.starts[7], [curve.starts[hour] for hour in hours], zone_name="UTC")

    assert drawing.planned is not None
    marks = [*drawing.marks, drawing.planned]
    assert [mark.label for mark in drawing.marks] == [str(number) for number in range(1, len(hours) + 1)]
    # 22 pixels wide and high, in a drawing of some 300 pixels.
    covered = [
        (one, other)
        for one in marks
        for other in marks
        if one is not other and abs(one.left - other.left) * 3 < 22 and abs(one.top - other.top) < 22
    ]
    assert covered == []
