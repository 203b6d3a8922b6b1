"""Whom a window concerns."""

from maintenance.catalogue import Impact
from maintenance.interventions import Window
from notifications.contacts import Entry, Reader, concerned
from tests.builders import a_catalogue, a_system, at

CATALOGUE = a_catalogue(
    a_system("PEM", audiences=("prescribers",)),
    a_system("RNU", audiences=("prescribers", "hospitals")),
    a_system("SICO", audiences=("hospitals",)),
)


def a_window(system: str, impact: Impact = Impact.OUTAGE) -> Window:
    return Window(system, impact, at(0), at(2), (("INT-1",),))


def an_entry(audience: str, *systems: str, institution: str = "H1") -> Entry:
    return Entry(institution, institution.title(), audience, systems or None)


def test_entry_without_systems_uses_all_of_its_audience_in_catalogue_order() -> None:
    windows = [a_window("SICO"), a_window("RNU"), a_window("PEM")]

    assert concerned([an_entry("hospitals")], windows, CATALOGUE) == ("RNU", "SICO")


def test_order_is_the_catalogues_whatever_needs_what() -> None:
    upside_down = a_catalogue(a_system("A", "B", audiences=("x",)), a_system("B", audiences=("x",)))

    assert concerned([an_entry("x")], [a_window("B"), a_window("A")], upside_down) == ("A", "B")


def test_named_systems_count_whatever_the_audience_is() -> None:
    windows = [a_window("PEM"), a_window("RNU"), a_window("SICO")]

    assert concerned([an_entry("hospitals", "PEM")], windows, CATALOGUE) == ("PEM",)


def test_entries_of_one_address_add_up() -> None:
    windows = [a_window("PEM"), a_window("SICO")]
    entries = [an_entry("hospitals", "SICO"), an_entry("prescribers", institution="H2")]

    assert concerned(entries, windows, CATALOGUE) == ("PEM", "SICO")


def test_reduced_redundancy_concerns_nobody() -> None:
    mild = [a_window("RNU", Impact.REDUCED_REDUNDANCY), a_window("RNU", Impact.NO_IMPACT)]

    assert concerned([an_entry("hospitals")], mild, CATALOGUE) == ()


def test_system_that_left_the_catalogue_still_belongs_to_whoever_named_it() -> None:
    assert concerned([an_entry("hospitals", "GONE")], [a_window("GONE")], CATALOGUE) == ("GONE",)
    assert concerned([an_entry("hospitals")], [a_window("GONE")], CATALOGUE) == ()


def test_institutions_and_audiences_of_a_reader_are_named_once() -> None:
    entries = (an_entry("b", institution="Z"), an_entry("a", institution="A"), an_entry("b", institution="A"))

    reader = Reader("pt", "UTC", entries)

    assert reader.institutions == (("A", "A"), ("Z", "Z"))
    assert reader.audiences == ("b", "a")
