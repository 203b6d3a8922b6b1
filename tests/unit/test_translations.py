"""The Portuguese pages are whole: every sentence is there, with the same places for values."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from pydantic_core import PydanticCustomError

from maintenance.document_fields import email_address, sentence_of
from maintenance.errors import InvalidDocument, JanelaError
from maintenance.library_words import JSON_COMPLAINTS, YAML_COMPLAINTS, json_complaint
from maintenance.reading import read
from maintenance.sentences import Sentence
from maintenance.settings import ROOT


def sentences(domain: str = "messages") -> list[Message]:
    with (ROOT / "translations" / "pt" / "LC_MESSAGES" / f"{domain}.po").open("rb") as file:
        return [message for message in read_po(file, locale="pt") if message.id]


def variants(value: str | tuple[str, ...] | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def test_every_sentence_is_translated() -> None:
    left = [message.id for message in sentences() if not all(variants(message.string))]

    assert left == []


def places(words: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)", words))


def test_translations_keep_the_places_for_values() -> None:
    wrong = []
    for message in sentences():
        *singular, last = variants(message.string)
        wanted = places(variants(message.id)[-1])
        # “One thing …” may do without its number.
        if places(last) != wanted or not all(places(words) <= wanted for words in singular):
            wrong.append(message.id)

    assert wrong == []


def test_sentences_of_the_templates_are_in_the_translations() -> None:
    known = {variants(message.id)[0] for message in sentences()}
    pages = [
        path
        for path in (ROOT / "templates").rglob("*.html")
        if "messages" not in path.relative_to(ROOT).parts  # notices have a domain of their own
    ]
    said = {
        (path.name, sentence)
        for path in pages
        for _, sentence in re.findall(r"""(?<![\w.])_\((["'])(.+?)\1[,)]""", path.read_text())
    }

    assert len(said) > 100
    assert {(name, sentence) for name, sentence in said if sentence not in known} == set()


#: What makes a sentence that a person may read: its first argument is the key of the translations.
MAKERS = {"Sentence", "wrong", "N_", "JanelaError"}


def made_sentences() -> Iterator[tuple[str, ast.expr]]:
    """Yield file and first argument of everything that makes a sentence, errors included."""
    makers = MAKERS | {error.__name__ for error in all_errors(JanelaError)}
    # It is said where there are no translations.
    makers.discard("MissingTranslations")
    files = [*(ROOT / "maintenance").rglob("*.py"), *(ROOT / "notifications").rglob("*.py")]
    for file in [*files, ROOT / "app.py"]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers:
                yield from ((file.name, argument) for argument in node.args[:1])


def all_errors(error: type[JanelaError]) -> Iterator[type[JanelaError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from all_errors(kind)


def test_sentences_of_documents_and_errors_are_in_the_translations() -> None:
    known = {variants(message.id)[0] for message in [*sentences(), *sentences("notices")]}

    said = {(file, each.value) for file, each in made_sentences() if isinstance(each, ast.Constant)}

    assert len(said) > 250
    assert {(file, sentence) for file, sentence in said if sentence not in known} == set()


def test_no_sentence_is_put_together_before_it_is_translated() -> None:
    # f"…" and "…" % … have no key; what fills a sentence goes into its places.
    wrong = [
        (file, ast.unparse(each))
        for file, each in made_sentences()
        if isinstance(each, (ast.JoinedStr, ast.BinOp))
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("nobody", "it has no @."),
        ("@example.org", "there is nothing before the @."),
        ("a@", "there is nothing after the @."),
        ("a＠example.org", "its @ is another character that looks like one; type an @."),
        ("a..b@example.org", "it has two dots in a row."),
        (".a@example.org", "it begins with a dot."),
        ("a.@example.org", "a dot or a hyphen stands where none can."),
        ("a@example.org.", "it ends with a dot or a hyphen."),
        ("a" * 250 + "@example.org", "it is too long."),
        ("a@" + "b" * 64 + ".org", "a part between two dots is too long."),
        ("a b@example.org", "it has characters that cannot stand before the @."),
        ('"a b"@example.org', "the part before the @ cannot be in quotes."),
        ("Ana <ana@example.org>", "write the address alone, without a name or angle brackets."),
        ("a@[127.0.0.1]", "write the name of the domain after the @, not an IP address."),
        ("a@exa_mple.org", "it has characters that cannot stand after the @."),
        ("a@localhost", "what stands after the @ is no whole domain such as example.org."),
        ("a@mail.invalid", "what stands after the @ is reserved; mail cannot go there."),
    ],
)
def test_what_is_wrong_with_an_address_is_said_in_words_that_are_translated(address: str, why: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        email_address(address)

    assert sentence_of(caught.value).values["why"] == Sentence(why)


@pytest.mark.parametrize(
    "document",
    [
        b"a: [1",
        b"a: {b: 1",
        b"a: b: c",
        b"a:\n\tb",
        b"a: 'x",
        b"a: @x",
        b"- a\nb: 1",
        b"a: |0\n x",
        b"%YAM 1\n---\na",
    ],
)
def test_what_the_yaml_reader_complains_of_is_in_the_translations(document: bytes) -> None:
    with pytest.raises(InvalidDocument) as caught:
        read(document)
    complaint = caught.value.problems[0].sentence.values["complaint"]

    assert isinstance(complaint, Sentence)
    for part in (complaint, *complaint.rest):
        assert part.message in YAML_COMPLAINTS


@pytest.mark.parametrize(
    "document", ['{"a" 1}', '{"a": 1 "b": 2}', "{a: 1}", '{"a": "x', '{"a": "\\x"}', '{"a": }', "{} x"]
)
def test_what_the_json_reader_complains_of_is_in_the_translations(document: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(document)

    assert json_complaint(caught.value.msg).message in JSON_COMPLAINTS
