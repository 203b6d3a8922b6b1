"""YAML by the core schema of YAML 1.2, read from events: data, mistakes, and the line of every value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from maintenance.errors import InvalidDocument, Problem
from maintenance.library_words import yaml_complaint
from maintenance.sentences import N_, Sentence

Path = tuple[str | int, ...]

#: How deep lists and mappings may stand in one another; our documents need seven levels.
MAX_DEPTH = 64
#: How much aliases may repeat, in characters with `_NODE_WEIGHT` for each value: some 250,000 values. An
#: alias costs nothing to write, what it stands for is validated and stored each time.
MAX_REPEATED = 16_000_000
_NODE_WEIGHT = 64


class Plain(str):
    """A YAML scalar without quotes that may be a number or a truth: text until the schema wants `value`."""

    value: int | float | bool

    def __new__(cls, text: str, value: float | bool) -> Plain:
        """Keep the text as it was written, and what it means."""
        scalar = super().__new__(cls, text)
        scalar.value = value
        return scalar


#: YAML 1.2.2, 10.3.2: what a scalar without quotes means. Longer numbers than anybody needs stay text.
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DECIMAL = re.compile(r"[-+]?[0-9]{1,18}")
_OCTAL = re.compile(r"0o[0-7]{1,20}")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,40})?)(?:[eE][-+]?[0-9]{1,3})?")


def _plain(text: str) -> str | None:
    """Return the value of a scalar without quotes by the core schema."""
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return Plain(text, _TRUTHS[text])
    if text[0] not in "0123456789+-.":
        return text
    if _DECIMAL.fullmatch(text):
        return Plain(text, int(text))
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return Plain(text, int(text, 0))
    return Plain(text, float(text)) if _FLOAT.fullmatch(text) else text


class _Frame:
    """A list or mapping that is being read."""

    __slots__ = ("anchor", "container", "key", "weight_before")

    def __init__(self, container: Any, anchor: str | None, weight_before: int) -> None:
        self.container = container
        self.anchor = anchor
        self.weight_before = weight_before
        #: The key whose value comes next; None before a key, and in lists.
        self.key: str | None = None


#: Stands for an anchored value that is not yet complete.
_OPEN = object()
_MARK_OF_CONTEXT = "mapping values are not allowed"


class Builder:
    """Builds data from the events of the parser; no recursion, so that depth is counted, not suffered.

    Events instead of a tree of nodes: a tenth of the memory, and the C parser's speed.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[Problem] = []
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.weight = 0
        self.repeated = 0
        self.root: Any = None

    def build(self) -> tuple[Any, list[Problem]]:
        """Return the data and what is wrong in places that do not hinder reading on.

        Raises:
            InvalidDocument: At what makes it impossible to read on.
        """
        documents = 0
        try:
            for event in _events(self.text):
                if isinstance(event, yaml.ScalarEvent):
                    self._scalar(event)
                elif isinstance(event, yaml.AliasEvent):
                    self._alias(event)
                elif isinstance(event, yaml.CollectionStartEvent):
                    self._open(event)
                elif isinstance(event, yaml.CollectionEndEvent):
                    self._close()
                elif isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        said = Sentence("A second document begins here (`---`); keep one in each file.")
                        raise self._fatal(said, event)
        except yaml.MarkedYAMLError as error:
            self.problems.append(_syntax_problem(error))
            raise InvalidDocument(self.problems) from None
        except yaml.YAMLError as error:
            self.problems.append(Problem(Sentence("This is not YAML: %(complaint)s.", complaint=error)))
            raise InvalidDocument(self.problems) from None
        return self.root, self.problems

    def _problem(self, said: Sentence, event: Any) -> None:
        self.problems.append(Problem(said, line=event.start_mark.line + 1))

    def _fatal(self, said: Sentence, event: Any) -> InvalidDocument:
        self._problem(said, event)
        return InvalidDocument(self.problems)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        text = event.value
        self.weight += _NODE_WEIGHT + len(text)
        if event.tag is not None:
            self._problem(_tag(event), event)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and type(frame.container) is dict:
            self._key(frame, text, event)
            value: Any = text
        else:
            # implicit[0]: written without quotes.
            value = _plain(text) if event.implicit[0] else text
            self._add(value)
        if event.anchor:
            self.anchors[event.anchor] = (value, _NODE_WEIGHT + len(text))

    def _key(self, frame: _Frame, key: str, event: Any) -> None:
        if key in frame.container:
            self._problem(Sentence("The key `%(key)s` stands twice; keep one.", key=_shortened(key)), event)
        elif key == "<<" and event.implicit[0]:
            said = Sentence("Merge keys (`<<`) are not part of YAML 1.2; write the keys out.")
            self._problem(said, event)
        frame.key = key

    def _add(self, value: Any) -> None:
        if not self.stack:
            self.root = value
            return
        frame = self.stack[-1]
        if type(frame.container) is list:
            frame.container.append(value)
        else:
            if frame.key != "<<":
                frame.container.setdefault(frame.key, value)
            frame.key = None

    def _open(self, event: Any) -> None:
        if len(self.stack) >= MAX_DEPTH:
            said = Sentence(
                "Lists and mappings stand in one another more than %(most)s deep here; lay them flatter.",
                most=MAX_DEPTH,
            )
            raise self._fatal(said, event)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and type(frame.container) is dict:
            raise self._fatal(Sentence("A list or mapping cannot be a key; write text."), event)
        if event.tag is not None:
            self._problem(_tag(event), event)
        container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._add(container)
        self.stack.append(_Frame(container, event.anchor, self.weight))
        self.weight += _NODE_WEIGHT
        if event.anchor:
            self.anchors[event.anchor] = (_OPEN, 0)

    def _close(self) -> None:
        frame = self.stack.pop()
        if frame.anchor:
            self.anchors[frame.anchor] = (frame.container, self.weight - frame.weight_before)

    def _alias(self, event: yaml.AliasEvent) -> None:
        name = event.anchor
        if name not in self.anchors:
            said = Sentence(
                "The alias *%(name)s stands for nothing; there is no &%(name)s before it.", name=name
            )
            raise self._fatal(said, event)
        value, weight = self.anchors[name]
        if value is _OPEN:
            said = Sentence("The alias *%(name)s stands within &%(name)s itself; take it out.", name=name)
            raise self._fatal(said, event)
        self.weight += weight
        self.repeated += weight
        if self.repeated > MAX_REPEATED:
            said = Sentence("Aliases repeat more here than is read; write the document out.")
            raise self._fatal(said, event)
        frame = self.stack[-1]
        if frame.key is None and type(frame.container) is dict:
            raise self._fatal(Sentence("An alias cannot be a key; write text."), event)
        self._add(value)


def _events(text: str) -> Iterator[Any]:
    parser = CParser(text)
    try:
        while (event := parser.get_event()) is not None:
            yield event
    finally:
        parser.dispose()


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _tag(event: Any) -> Sentence:
    return Sentence("The tag %(tag)s means nothing here; take it out.", tag=event.tag)


_ADVICE_ON_TEXT = N_(
    "This is not YAML: %(complaint)s; indent with spaces, never tabs, and put text that begins with @, `, %% "
    "or & in quotes."
)
_ADVICE_ON_COLONS = N_(
    "This is not YAML: %(complaint)s; put text that contains a colon and a space in quotes, and check the "
    "indentation."
)
_ADVICE = N_("This is not YAML: %(complaint)s; check quotes, brackets and indentation here and just above.")


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    what = f"{error.context} {error.problem}"
    if "cannot start any token" in what or "tab character" in what:
        advice = _ADVICE_ON_TEXT
    else:
        advice = _ADVICE_ON_COLONS if _MARK_OF_CONTEXT in what else _ADVICE
    mark = error.problem_mark or error.context_mark
    said = Sentence(advice, complaint=yaml_complaint(error.context, error.problem))
    return Problem(said, line=mark.line + 1 if mark else 0)


def lines_of(text: str, wanted: set[Path]) -> dict[Path, int]:
    """Return the 1-based lines of the wanted paths; only documents with mistakes are read this second time."""
    lines: dict[Path, int] = {}
    path: list[str | int] = []
    #: For each list or mapping around: the next position, or None in a mapping.
    positions: list[int | None] = []
    key: str | None = None

    def enter(event: Any) -> None:
        nonlocal key
        if positions:
            if positions[-1] is None:
                path.append(key or "")
                key = None
            else:
                path.append(positions[-1])
                positions[-1] += 1
        here = tuple(path)
        if here in wanted:
            lines.setdefault(here, event.start_mark.line + 1)

    try:
        for event in _events(text):
            if isinstance(event, yaml.ScalarEvent) and positions and positions[-1] is None and key is None:
                key = event.value
                here = (*path, key)
                if here in wanted and event.start_mark is not None:
                    lines.setdefault(here, event.start_mark.line + 1)
            elif isinstance(event, (yaml.ScalarEvent, yaml.AliasEvent)):
                enter(event)
                if positions:
                    path.pop()
            elif isinstance(event, yaml.CollectionStartEvent):
                enter(event)
                positions.append(None if isinstance(event, yaml.MappingStartEvent) else 0)
            elif isinstance(event, yaml.CollectionEndEvent):
                positions.pop()
                if positions:
                    path.pop()
    except yaml.YAMLError:
        pass  # JSON may hold escapes that YAML does not know; the lines up to there are found
    return lines
