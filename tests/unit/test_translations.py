"""The Portuguese pages are whole: every sentence is there, with the same places for values."""

from __future__ import annotations

import re

from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from maintenance.settings import ROOT


def sentences() -> list[Message]:
    with (ROOT / "translations" / "pt" / "LC_MESSAGES" / "messages.po").open("rb") as file:
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
