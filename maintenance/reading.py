"""Bytes of a YAML or JSON document to plain data, with the line of every value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from maintenance.errors import SHOWN_PROBLEMS, InvalidDocument, Problem
from maintenance.library_words import json_complaint
from maintenance.sentences import Sentence
from maintenance.yaml_core import Builder, Path, lines_of

_MEGABYTE = 1_000_000


#: Half of a character beyond U+FFFF as JSON may write it; YAML knows no halves. For lines any other will do.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True)
class Source:
    """The data of a document, and what is wrong with it already before anybody looks at its meaning."""

    data: Any
    file: str = ""
    #: Empty where the data came from a form or a row.
    text: str = ""
    problems: tuple[Problem, ...] = ()

    def located(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """Return the problems with file and line, in the order of the document."""
        problems = [replace(problem, file=self.file) for problem in problems]
        if self.text:
            wanted = {problem.path[:depth] for problem in problems for depth in range(len(problem.path) + 1)}
            lines = lines_of(_SURROGATE.sub("\\\\u0020", self.text), wanted)
            problems = [p if p.line else replace(p, line=_nearest(p.path, lines)) for p in problems]
        # Lists go by position, keys by name; the pair keeps numbers and words apart.
        return tuple(
            sorted(problems, key=lambda p: (p.line, [(isinstance(k, str), k) for k in p.path], p.message))
        )


def read(raw: bytes, *, file: str = "", limit_mb: int = 64) -> Source:
    """Return the data of a document: mappings, lists, text, `Plain` scalars, numbers and truths of JSON, None.

    YAML is read by the core schema of YAML 1.2: `on`, `no` and dates are text.

    Raises:
        InvalidDocument: When it is too large, not UTF-8, not YAML or JSON, or made to blow up.
    """
    text, found = decode(raw, file=file, limit_mb=limit_mb)
    refusal: json.JSONDecodeError | None = None
    if text.lstrip()[:1] in ("{", "["):
        try:
            data = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
            return Source(data, file, text, found)
        except json.JSONDecodeError as error:
            refusal = error
        except (_NotPlain, RecursionError, ValueError):
            pass  # the YAML reader finds the same, and knows the line
    try:
        data, problems = Builder(text).build()
    except InvalidDocument as error:
        broken = error.problems
        if refusal and file.lower().endswith(".json"):
            said = Sentence("This is not JSON: %(complaint)s.", complaint=json_complaint(refusal.msg))
            broken = (Problem(said, line=refusal.lineno),)
        raise InvalidDocument(Source(None, file).located([*found, *broken])) from None
    if data is None and not problems:
        said = Sentence("The document is empty.")
        raise InvalidDocument([*found, Problem(said, file=file)])
    return Source(data, file, text, (*found, *problems))


#: What may not stand in a document as a byte of its own; escapes in quotes are the schema's business.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")


def decode(raw: bytes, *, file: str = "", limit_mb: int = 64) -> tuple[str, tuple[Problem, ...]]:
    """Return the text of a document in UTF-8, and what is wrong with its characters, the first hundred.

    A byte order mark is passed over. Control characters are mistakes; they are taken out of the text, so
    that whatever else is wrong is found in the same reading.

    Raises:
        InvalidDocument: When it is too large or in another encoding.
    """

    def refuse(said: Sentence, line: int = 0) -> InvalidDocument:
        return InvalidDocument([Problem(said, file=file, line=line)])

    if len(raw) > limit_mb * _MEGABYTE:
        raise refuse(
            Sentence(
                "The document has more than %(limit)s MB, the most that is read. Split it, or raise "
                "JANELA_IMPORT_LIMIT_MB.",
                limit=limit_mb,
            )
        )
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise refuse(Sentence("The document is in UTF-16; save it as UTF-8."))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        said = Sentence(
            "The document is not UTF-8: byte %(byte)s cannot stand here. Save it as UTF-8.",
            byte=f"0x{raw[error.start]:02X}",
        )
        raise refuse(said, raw.count(b"\n", 0, error.start) + 1) from None
    found = tuple(
        Problem(
            Sentence(
                "The control character %(character)s cannot stand in a document; delete it.",
                character=f"U+{ord(match[0]):04X}",
            ),
            file=file,
            line=text.count("\n", 0, match.start()) + 1,
        )
        for match, _ in zip(_FORBIDDEN.finditer(text), range(SHOWN_PROBLEMS), strict=False)
    )
    return (_FORBIDDEN.sub("", text) if found else text), found


class _NotPlain(Exception):
    """JSON that only says what it means when read with care: a key twice, NaN."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise _NotPlain
    return keys


def _no_constant(_: str) -> None:
    raise _NotPlain


def _nearest(path: Path, lines: dict[Path, int]) -> int:
    """Return the line of the path, or of the nearest thing around it (a missing key has none)."""
    return next((lines[path[:depth]] for depth in range(len(path), -1, -1) if path[:depth] in lines), 0)
