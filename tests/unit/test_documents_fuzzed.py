"""Whatever comes in, the answer is a value or a list of mistakes, never another exception."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance.catalogue import Catalogue
from maintenance.documents import (
    catalogue_document,
    plan_document,
    plan_from_document,
    read_catalogue,
    read_intervention,
)
from maintenance.errors import InvalidDocument
from maintenance.interventions import Plan
from maintenance.settings import ROOT
from notifications.directory_file import read_directory

EXAMPLE = ROOT / "examples" / "spms-exadata-2019"
CATALOGUE = read_catalogue((EXAMPLE / "catalogue.yaml").read_bytes())
PLAN = read_intervention((EXAMPLE / "intervention.yaml").read_bytes())
DIRECTORY = (EXAMPLE / "directory.csv").read_bytes()

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["PEM", "EXADATA", "OUTAGE", "PT1H", "P9999W", "2019-11-30T14:00", "2199-12-31T23:59", "und", "=x"]
    )
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


def read_or_refused(read: Callable[[], Any]) -> Any:
    """Return what was read, or the refusal, which says something."""
    try:
        return read()
    except InvalidDocument as error:
        return error if str(error) else None


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a document."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path] * bool(path) + [p for key, value in inside for p in places(value, (*path, key))]


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> Any:
    """Return the document with up to three values replaced or taken out."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        *around, last = draw(st.sampled_from(places(document)))
        container = document
        for part in around:
            container = container[part]
        if draw(st.booleans()):
            container[last] = draw(ANYTHING)
        else:
            del container[last]
        if not document:
            break
    return document


@settings(max_examples=150, deadline=None)
@given(damaged(catalogue_document(CATALOGUE)))
def test_damaged_catalogue_is_read_or_refused(document: Any) -> None:
    found = read_or_refused(lambda: read_catalogue(json.dumps(document).encode()))

    if isinstance(found, InvalidDocument):
        assert all(problem.message and problem.line for problem in found.problems)
    else:
        assert isinstance(found, Catalogue)


@settings(max_examples=150, deadline=None)
@given(damaged(plan_document(PLAN)))
def test_damaged_intervention_is_read_or_refused(document: Any) -> None:
    found = read_or_refused(lambda: plan_from_document(document, catalogue=CATALOGUE))

    if isinstance(found, Plan):
        assert plan_from_document(plan_document(found)) == found


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for read in (read_catalogue, read_intervention):
        assert read_or_refused(lambda read=read: read(raw))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 3000), st.text(max_size=30), st.integers(0, 30))
def test_damaged_directory_is_read_or_refused(start: int, words: str, length: int) -> None:
    raw = DIRECTORY[:start] + words.encode(errors="replace") + DIRECTORY[start + length : 4000]

    assert read_or_refused(lambda: read_directory(raw, catalogue=CATALOGUE))
