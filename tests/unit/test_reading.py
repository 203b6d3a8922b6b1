from __future__ import annotations

import pytest

from maintenance.errors import InvalidDocument, Problem
from maintenance.reading import Source, read
from maintenance.sentences import Sentence
from maintenance.yaml_core import MAX_REPEATED, Plain


def complaints(raw: bytes, file: str = "", **options: int) -> list[tuple[int, str]]:
    """Return line and sentence of everything that is wrong before anybody looks at the meaning."""
    try:
        source = read(raw, file=file, **options)
    except InvalidDocument as error:
        return [(problem.line, problem.message) for problem in error.problems]
    return [(problem.line, problem.message) for problem in source.problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        # YAML 1.1 made truths of these: Norway's code, switches, answers.
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("y", "y"),
        # … dates of these, and numbers to the base of 60.
        ("2019-11-30", "2019-11-30"),
        ("2019-11-30T14:00", "2019-11-30T14:00"),
        ("14:00", "14:00"),
        # What needs no quotes in 1.2 either.
        ("PT30M", "PT30M"),
        ("'17'", "17"),
        ('"true"', "true"),
        ("1_000", "1_000"),
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("nil", "nil"),
    ],
)
def test_scalars_without_numbers_are_text_by_yaml_1_2(written: str, meant: str | None) -> None:
    value = read(f"key: {written}".encode()).data["key"]

    assert value == meant
    assert not isinstance(value, Plain)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("17", 17),
        ("-3", -3),
        ("017", 17),  # 1.1 took it for octal
        ("0o17", 15),
        ("0xFF", 255),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("FALSE", False),
    ],
)
def test_numbers_and_truths_keep_both_what_was_written_and_what_it_means(
    written: str, value: float | bool
) -> None:
    scalar = read(f"key: {written}".encode()).data["key"]

    assert scalar == written
    assert scalar.value == value
    assert type(scalar.value) is type(value)


def test_number_of_a_thousand_digits_stays_text() -> None:
    assert not isinstance(read(b"key: " + b"9" * 1000).data["key"], Plain)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert read(b"on: 1\n2: x\nnull: y").data == {"on": "1", "2": "x", "null": "y"}


def test_json_is_read_as_json() -> None:
    source = read(b'{"a": [1, true, null, "\\ud83d\\ude00"], "b": 1.5}')

    assert source.data == {"a": [1, True, None, "😀"], "b": 1.5}


def test_flow_yaml_that_looks_like_json_is_read_as_yaml() -> None:
    assert read(b"{code: PEM, name: no}").data == {"code": "PEM", "name": "no"}


def test_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read(b"\xef\xbb\xbfa: 1").data == {"a": "1"}


def test_aliases_repeat_what_they_stand_for() -> None:
    assert read(b"a: &who [x, y]\nb: *who").data == {"a": ["x", "y"], "b": ["x", "y"]}


@pytest.mark.parametrize(
    ("raw", "line", "sentence"),
    [
        (b"", 0, "The document is empty."),
        (b"# only a remark\n", 0, "The document is empty."),
        (b"a: 1\nb: [1, 2\n", 3, "This is not YAML: while parsing a flow sequence"),
        (b"a: 1\n\tb: 2", 2, "indent with spaces, never tabs"),
        (b"a: x\nname: Sistema: novo", 2, "put text that contains a colon and a space in quotes"),
        (b"a: @home", 1, "put text that begins with @"),
        (b"a: 1\nb: 2\na: 3", 3, "The key `a` stands twice; keep one."),
        (b'{"a": 1,\n "a": 2}', 2, "The key `a` stands twice; keep one."),
        (b"base: &b {x: 1}\nnext:\n  <<: *b", 3, "Merge keys (`<<`) are not part of YAML 1.2"),
        (b"a: !!python/object/apply:os.system [ls]", 1, "means nothing here; take it out."),
        (b"a: !secret x", 1, "The tag !secret means nothing here; take it out."),
        (b"a: &loop [1, *loop]", 1, "The alias *loop stands within &loop itself"),
        (b"a: *nobody", 1, "The alias *nobody stands for nothing"),
        (b"? [a, b]\n: c", 1, "A list or mapping cannot be a key"),
        (b"---\na: 1\n---\nb: 2", 3, "A second document begins here"),
        (b"a: 1\nb: caf\xe9", 2, "not UTF-8: byte 0xE9"),
        ("a: é".encode("utf-16"), 0, "in UTF-16; save it as UTF-8"),
        (b"a: 1\nb: x\x00y", 2, "The control character U+0000 cannot stand in a document"),
        (b"a: \x1bred", 1, "U+001B"),
    ],
)
def test_what_is_no_document_gets_a_sentence_with_its_line(raw: bytes, line: int, sentence: str) -> None:
    ((found, message),) = complaints(raw)

    assert sentence in message
    assert found == line


def test_all_doubled_keys_are_told_at_once() -> None:
    assert [line for line, _ in complaints(b"a: 1\na: 2\nb:\n  c: 1\n  c: 2\n")] == [2, 5]


def test_broken_json_in_a_json_file_is_told_in_words_of_json() -> None:
    ((line, message),) = complaints(b'{"a": 1,\n "b" 2}', file="catalogue.json")

    assert (line, message) == (2, "This is not JSON: Expecting ':' delimiter.")


def test_json_without_numbers_for_its_numbers_is_text() -> None:
    assert read(b'{"a": NaN}').data == {"a": "NaN"}


def test_alias_bomb_is_refused_before_it_goes_off() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    ((line, message),) = complaints("\n".join(levels).encode())

    assert message == "Aliases repeat more here than is read; write the document out."
    assert line < 8  # ten to the seventh values would be far beyond the limit already


def test_aliases_of_a_long_text_count_by_its_length() -> None:
    text = "x" * (MAX_REPEATED // 10)

    assert complaints(f"a: &a {text}\nb: [{', '.join(['*a'] * 9)}]".encode()) == []
    assert complaints(f"a: &a {text}\nb: [{', '.join(['*a'] * 10)}]".encode()) != []


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"- " * 1000 + b"x", b'{"a":' * 100_000])
def test_bottomless_nesting_is_refused(raw: bytes) -> None:
    ((_, message),) = complaints(raw)

    assert "more than 64 deep" in message


@pytest.mark.parametrize(("size", "refused"), [(2_000_000, False), (2_000_001, True)])
def test_size_limit_is_to_the_byte(size: int, refused: bool) -> None:
    raw = b"a: " + b"x" * (size - 3)

    found = complaints(raw, limit_mb=2)

    assert bool(found) == refused
    assert not refused or "more than 2 MB" in found[0][1]


def test_places_are_found_in_nested_lists_and_mappings() -> None:
    source = read(b"a: 1\nlist:\n  - x\n  - key:\n      deep: [1,\n        2]\n  - {k: v}\n", file="f.yaml")
    paths = [("list", 2, "k"), ("list", 1, "key", "deep", 1), ("a",), ("list", 1, "missing"), ("nowhere",)]

    found = source.located([Problem(Sentence("?"), path) for path in paths])

    # What is missing gets the line of what it is missing from; all in the order of the document.
    assert [(p.path, p.line) for p in found] == [
        (("a",), 1),
        (("nowhere",), 1),
        (("list", 1, "missing"), 4),
        (("list", 1, "key", "deep", 1), 6),
        (("list", 2, "k"), 7),
    ]
    assert {problem.file for problem in found} == {"f.yaml"}


def test_places_are_found_in_json() -> None:
    source = read(b'{\n\t"a": "\\ud83d\\ude00 \\/",\n\t"b": [\n\t\t{"c": 2}\n\t]\n}')

    (problem,) = source.located([Problem(Sentence("?"), ("b", 0, "c"))])

    assert problem.line == 4


def test_data_of_forms_has_no_lines() -> None:
    (problem,) = Source({"a": 1}).located([Problem(Sentence("?"), ("a",))])

    assert (problem.line, problem.file) == (0, "")


def test_control_characters_are_told_with_what_else_is_wrong() -> None:
    found = complaints(b"a: x\x01y\nb: 1\nb: 2\n\x02c: \x7f3\n")

    assert [(line, message.partition(";")[0]) for line, message in found] == [
        (1, "The control character U+0001 cannot stand in a document"),
        (4, "The control character U+0002 cannot stand in a document"),
        (4, "The control character U+007F cannot stand in a document"),
        (3, "The key `b` stands twice"),
    ]
    assert [line for line, _ in complaints(b"a: \x00[1\nb: 2")] == [1, 2]
    assert [line for line, _ in complaints(b'{"a": 1,\n "b\x00": 2}')] == [2]
    assert [message.partition(";")[0] for _, message in complaints(b"\x00")] == [
        "The control character U+0000 cannot stand in a document",
        "The document is empty.",
    ]
