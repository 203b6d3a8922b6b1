"""Sentences with places for values: made where something is known, said where its reader's language is known."""

from __future__ import annotations

from collections.abc import Callable


class Sentence:
    """What a person is told, not yet in any language.

    Attributes:
        message: English, with `%(name)s` places for `values`: the key under which the translations hold it.
        values: What fills the places; a value may be a sentence itself.
        rest: The sentences that follow.
    """

    __slots__ = ("message", "rest", "values")

    def __init__(self, message: str, /, **values: object) -> None:
        self.message = message
        self.values = values
        self.rest: tuple[Sentence, ...] = ()

    def then(self, following: Sentence | None) -> Sentence:
        """Return this sentence with another after it; as it is if there is none."""
        if following is None:
            return self
        both = Sentence(self.message, **self.values)
        both.rest = (*self.rest, following)
        return both

    def said(self, gettext: Callable[[str], str]) -> str:
        """Return the words in the language into which `gettext` translates."""
        words = gettext(self.message)
        if self.values:
            words %= {
                name: value.said(gettext) if isinstance(value, Sentence) else value
                for name, value in self.values.items()
            }
        return " ".join((words, *(each.said(gettext) for each in self.rest)))

    def __str__(self) -> str:
        """Return it in English.

        >>> str(Sentence("There is no key `%(key)s`.", key="nedds").then(Sentence("Known is `needs`.")))
        'There is no key `nedds`. Known is `needs`.'
        """
        return self.said(str)

    def __repr__(self) -> str:
        """Return it in English, quoted."""
        return f"Sentence({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Return whether the other says the same in every language."""
        if not isinstance(other, Sentence):
            return NotImplemented
        return (self.message, self.values, self.rest) == (other.message, other.values, other.rest)

    def __hash__(self) -> int:
        """Return the same for equal sentences."""
        return hash((self.message, self.rest))


def N_(message: str) -> str:
    """Return the message as it is: marks it for the translators."""
    return message
