"""What can go wrong in planning; every message tells the reader what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


class NotFound(JanelaError):
    """There is no such thing under that name."""


class StepRefused(JanelaError):
    """The intervention is not in a state in which that step can be taken, or the person may not."""


class StaleEdit(JanelaError):
    """Somebody else saved this in the meantime; look at their change, then repeat yours."""


class InvalidTime(JanelaError):
    """A date, a time or a duration that cannot be read."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a document, and where it stands."""

    #: What is wrong and what would be right, one sentence (English, `%`-style places filled).
    message: str
    #: Where in the document: keys and list positions, as in `("systems", 3, "needs", 0)`.
    path: tuple[str | int, ...] = ()
    #: The document's name as the person gave it.
    file: str = ""
    #: 1-based; 0 where the document has no lines (a form, an API call).
    line: int = 0

    def __str__(self) -> str:
        """Return `file:line: path: message`, leaving out what is not known."""
        place = self.file + (f":{self.line}" if self.line else "")
        dotted = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.path)
        return ": ".join(part for part in (place, dotted.lstrip("."), self.message) if part)


class InvalidDocument(JanelaError):
    """A document with mistakes, all of them; nothing of it was used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems).replace("%", "%%"))

    def __str__(self) -> str:
        """Return one line for each mistake."""
        return "\n".join(str(problem) for problem in self.problems)
