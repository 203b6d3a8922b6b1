"""What can go wrong in planning; every message tells the reader what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from maintenance.sentences import Sentence


class JanelaError(Exception):
    """Something the person asked for cannot be done; the text says why and what to do.

    Attributes:
        message: One or two sentences in English, with `%(name)s` places for `values`. It is the
            key under which the translations hold the sentence in the reader's language.
        values: What fills those places.
    """

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message % values if values else message)
        self.message = message
        self.values = values

    @property
    def sentence(self) -> Sentence:
        """Return the text as a sentence."""
        return Sentence(self.message, **self.values)

    def said(self, gettext: Callable[[str], str]) -> str:
        """Return the text in the language into which `gettext` translates."""
        return self.sentence.said(gettext)


class NotFound(JanelaError):
    """There is no such thing under that name."""


class StepRefused(JanelaError):
    """The intervention is not in a state in which that step can be taken, or the person may not."""


class Blocked(StepRefused):
    """Clashes stand against the step; move the plan, or override them as an approver, with a reason."""


class StaleEdit(JanelaError):
    """Somebody else saved this in the meantime; look at their change, then repeat yours."""


class InvalidTime(JanelaError):
    """A date, a time or a duration that cannot be read."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a document, and where it stands."""

    #: What is wrong and what would be right.
    sentence: Sentence
    #: Where in the document: keys and list positions, as in `("systems", 3, "needs", 0)`.
    path: tuple[str | int, ...] = ()
    #: The document's name as the person gave it.
    file: str = ""
    #: 1-based; 0 where the document has no lines (a form, an API call).
    line: int = 0

    @property
    def message(self) -> str:
        """Return the sentence in English, as programs get it."""
        return str(self.sentence)

    def said(self, gettext: Callable[[str], str]) -> str:
        """Return `file:line: path: sentence`, leaving out what is not known; `gettext` translates the sentence."""
        place = self.file + (f":{self.line}" if self.line else "")
        dotted = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.path)
        parts = (place, dotted.lstrip("."), self.sentence.said(gettext))
        return ": ".join(part for part in parts if part)

    def __str__(self) -> str:
        """Return where and what in English."""
        return self.said(str)


#: So many mistakes are listed; whoever has more begins with these.
SHOWN_PROBLEMS = 100


class InvalidDocument(JanelaError):
    """A document with mistakes, all of them; nothing of it was used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(str(self))

    def said(self, gettext: Callable[[str], str]) -> str:
        """Return one line for each mistake, the first hundred."""
        lines = [problem.said(gettext) for problem in self.problems[:SHOWN_PROBLEMS]]
        if (more := len(self.problems) - SHOWN_PROBLEMS) > 0:
            lines.append(Sentence("… and %(count)s more.", count=more).said(gettext))
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the lines in English."""
        return self.said(str)


def did_you_mean(word: str, known: Collection[str]) -> Sentence | None:
    """Return “Did you mean `…`?” for the nearest known word, None if none is near.

    >>> did_you_mean("nedds", ["code", "needs"])
    Sentence('Did you mean `needs`?')
    """
    if len(known) > 2000:
        # Looking at 182,500 codes takes a second each time; near ones mostly begin alike.
        known = [each for each in known if each[:2] == word[:2] and abs(len(each) - len(word)) <= 2][:2000]
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return Sentence("Did you mean `%(word)s`?", word=near[0]) if near else None
