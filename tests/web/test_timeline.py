"""Where bars and ticks of a drawn timeline stand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from maintenance.catalogue import Impact
from maintenance.web.timeline import NARROWEST_PERCENT, Stretch, Timeline, around, day_start, draw
from tests.builders import at

LISBON = "Europe/Lisbon"
LABEL = Markup("A")


def drawn(*stretches: Stretch, hours: float = 100, now: float = -1) -> Timeline:
    return draw([(LABEL, stretches)], start=at(0), end=at(hours), zone_name="UTC", now=at(now))


def test_bar_stands_where_its_hours_are() -> None:
    (row,) = drawn(Stretch(Impact.OUTAGE, at(25), at(75))).rows

    assert [(bar.left, bar.width) for bar in row.bars] == [(25, 50)]


def test_bar_is_cut_at_the_edges_and_left_out_beyond_them() -> None:
    (row,) = drawn(
        Stretch(Impact.OUTAGE, at(-10), at(10)),
        Stretch(Impact.OUTAGE, at(90), at(200)),
        Stretch(Impact.OUTAGE, at(100), at(200)),
    ).rows

    assert [(bar.left, bar.width) for bar in row.bars] == [(0, 10), (90, 10)]


def test_shortest_work_can_still_be_seen_even_at_the_edge() -> None:
    (row,) = drawn(Stretch(Impact.OUTAGE, at(50), at(50.01)), Stretch(Impact.OUTAGE, at(99.99), at(100))).rows

    assert [bar.width for bar in row.bars] == [NARROWEST_PERCENT, NARROWEST_PERCENT]
    assert all(bar.left + bar.width <= 100 for bar in row.bars)


def test_worse_bars_lie_over_milder_ones() -> None:
    (row,) = drawn(
        Stretch(Impact.OUTAGE, at(10), at(20)), Stretch(Impact.REDUCED_REDUNDANCY, at(0), at(30))
    ).rows

    assert [bar.impact for bar in row.bars] == [Impact.REDUCED_REDUNDANCY, Impact.OUTAGE]


def test_present_is_marked_only_inside_the_drawing() -> None:
    assert drawn(now=50).now == 50
    assert drawn(now=-1).now is None
    assert drawn(now=101).now is None


def test_ticks_stay_at_midnight_when_the_clock_changes() -> None:
    # 25 October 2026 has 25 hours in Lisbon.
    start = day_start(datetime(2026, 10, 24, 12, tzinfo=UTC), LISBON)
    timeline = draw([], start=start, end=start + timedelta(days=5, hours=1), zone_name=LISBON, now=start)

    midnights = [tick.at for tick in timeline.ticks if tick.is_midnight]
    assert [at_.astimezone(UTC).hour for at_ in midnights] == [23, 23, 0, 0, 0]


def test_ticks_are_few_whatever_the_span() -> None:
    for hours in (1, 5, 18, 24, 100, 700, 5000, 50_000):
        assert len(drawn(hours=hours).ticks) <= 11


def test_span_around_work_has_a_margin_at_full_hours() -> None:
    start, end = around([Stretch(Impact.OUTAGE, at(14), at(32))])

    assert start < at(14)
    assert end > at(32)
    assert (start.minute, end.minute) == (0, 0)
