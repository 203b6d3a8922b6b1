"""Texts that people wrote in one or several languages."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

#: Stands for "no language said": the text is shown to every reader as it is.
ANY = "und"


@dataclass(frozen=True, slots=True)
class Text:
    """The same text in one or more languages, in the author's order.

    `variants` pairs a BCP 47 code (`pt`, `pt-BR`, `en`; `und` when none was said) with the words.
    """

    variants: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, value: str | Mapping[str, str] | None) -> Text:
        """Return the text of a document: a string, or one string for each language."""
        if not value:
            return cls()
        if isinstance(value, str):
            return cls(((ANY, value),))
        return cls(tuple(value.items()))

    def document(self) -> str | dict[str, str]:
        """Return what `Text.of` reads back."""
        if not self.variants:
            return ""
        if self.variants[0][0] == ANY and len(self.variants) == 1:
            return self.variants[0][1]
        return dict(self.variants)

    def in_language(self, language: str) -> str:
        """Return the words for a reader of `language`.

        The exact language first, then the same language of another country, then English, then
        whatever the author wrote first: a text in a foreign language helps more than none.
        """
        return self.variant_for(language)[1]

    def variant_for(self, language: str) -> tuple[str, str]:
        """Return `(code, words)` of the variant that `in_language` picks; `("und", "")` if empty."""
        wanted = language.replace("_", "-").lower()
        base = wanted.partition("-")[0]

        def distance(variant: tuple[str, str]) -> int:
            code = variant[0].lower()
            if code == wanted:
                return 0
            return {base: 1, ANY: 2, "en": 3}.get(code.partition("-")[0], 4)

        # min() keeps the author's order between equals.
        return min(self.variants, key=distance, default=(ANY, ""))

    def __bool__(self) -> bool:
        """Return whether anything was written at all."""
        return any(words for _, words in self.variants)


#: Nothing was written.
NO_TEXT = Text()


def folded(words: str) -> str:
    """Return the words as they are searched for: lower case, without accents, single spaces.

    >>> folded("Prescrição  Eletrónica")
    'prescricao eletronica'
    """
    if not words.isascii():
        apart = unicodedata.normalize("NFKD", words.casefold())
        words = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return " ".join(words.casefold().split())
