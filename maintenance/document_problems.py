"""What pydantic finds wrong in a document, as sentences with their places; and what else can be checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from maintenance.errors import Problem, did_you_mean
from maintenance.sentences import N_, Sentence

_M = TypeVar("_M", bound=BaseModel)

Path = tuple[str | int, ...]

#: So often what is wrong is taken out anew: an entry without its last key is wrong in turn.
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Checked(Generic[_M]):
    """A document as far as it could be read, and its mistakes so far."""

    #: What is right; None where nothing is.
    entry: _M | None
    problems: tuple[Problem, ...] = ()
    #: For each list from which entries were taken out: the positions in the document of those left.
    kept: Mapping[Path, list[int]] = field(default_factory=dict)
    #: Every place with a mistake at it or somewhere below it.
    touched: frozenset[Path] = frozenset()

    def place(self, path: Path) -> Path:
        """Return where in the document stands what is left at `path`."""
        return _original(path, self.kept)

    def is_wrong(self, entry: Path, *keys: str) -> bool:
        """Return whether there is a mistake in one of these keys of the entry that stands at `entry`."""
        return any((*entry, key) in self.touched for key in keys)


def check(model: type[_M], data: Any, stand_ins: Mapping[str, Any]) -> Checked[_M]:
    """Return the document read as `model`.

    After mistakes the wrong parts are taken out, with `stand_ins` for missing keys, and what is left is
    read all the same: so what is wrong between entries is told in one go with what is wrong within them.
    """
    problems: tuple[Problem, ...] = ()
    kept: dict[Path, list[int]] = {}
    stood_in: set[Path] = set()
    for _ in range(_ROUNDS):
        try:
            entry = model.model_validate(data)
        except ValidationError as error:
            found = list(_mistakes(error, model, data))
        else:
            return Checked(entry, problems, kept, frozenset(_prefixes(p.path for p in problems)))
        problems = problems or tuple(problem for _, problem in found)
        added, wrong = {}, set()
        for kind, problem in found:
            path = _original(problem.path, kept)
            if kind != "missing":
                wrong.add(path)
            elif path[-1] in stand_ins and path not in stood_in:
                added[path] = stand_ins[str(path[-1])]
            else:
                wrong.add(path[:-1])
        if () in wrong:
            break
        stood_in |= added.keys()
        data = _pruned(data, (), wrong, added, _prefixes([*wrong, *added]), kept)
    return Checked(None, problems)


def _prefixes(paths: Iterable[Path]) -> set[Path]:
    return {path[:depth] for path in paths for depth in range(len(path) + 1)}


def _original(path: Path, kept: Mapping[Path, list[int]]) -> Path:
    """Return the place in the document of a place in what was left of it."""
    original: Path = ()
    for part in path:
        found = kept[original][part] if isinstance(part, int) and original in kept else part
        original = (*original, found)
    return original


def _pruned(
    value: Any,
    path: Path,
    wrong: set[Path],
    added: Mapping[Path, Any],
    touched: set[Path],
    kept: dict[Path, list[int]],
) -> Any:
    """Return the value without what is wrong in it; all paths are those of the document."""
    if path not in touched:
        return value
    if isinstance(value, dict):
        left = {
            key: _pruned(each, (*path, key), wrong, added, touched, kept)
            for key, each in value.items()
            if (*path, key) not in wrong
        }
        return left | {p[-1]: stand_in for p, stand_in in added.items() if p[:-1] == path}
    if isinstance(value, list):
        positions = kept.get(path, range(len(value)))
        pairs = [(at, each) for at, each in zip(positions, value, strict=True) if (*path, at) not in wrong]
        kept[path] = [at for at, _ in pairs]
        return [_pruned(each, (*path, at), wrong, added, touched, kept) for at, each in pairs]
    return value


_SENTENCES = {
    "missing": N_("`%(key)s` is missing; add it."),
    "string_type": N_("Write text here, not %(given)s."),
    "int_type": N_("Write a whole number here, not %(given)s."),
    "bool_type": N_("Write true or false here, not %(given)s."),
    "list_type": N_("Write a list here, as in [ … ], not %(given)s."),
    "dict_type": N_("Write keys and values here, as in { … }, not %(given)s."),
    "model_type": N_("Write keys and values here, as in { … }, not %(given)s."),
    "too_short": N_("This list is empty; name at least one."),
    "string_pattern_mismatch": N_(
        "%(given)s cannot be used: up to 32 letters, digits, hyphens and underscores."
    ),
    "greater_than_equal": N_("Write a number of at least %(limit)s."),
    "less_than_equal": N_("Write a number of at most %(limit)s."),
}


def _mistakes(error: ValidationError, model: type[BaseModel], data: Any) -> Iterator[tuple[str, Problem]]:
    """Yield pydantic's word and a sentence with its path for each mistake."""
    for detail in error.errors(include_url=False):
        # Pydantic adds "[key]" where the key of a mapping is wrong; the key itself stands before it.
        path = tuple(part for part in detail["loc"] if part != "[key]")
        yield detail["type"], Problem(_sentence(detail, path, model), _within(path, data))


def _within(path: Path, data: Any) -> Path:
    """Return the path as far as the document goes: a short form has no places within it."""
    for depth, part in enumerate(path):
        if isinstance(data, dict) and isinstance(part, str):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int):
            data = data[part]
        else:
            return path[:depth]
    return path


def _sentence(detail: ErrorDetails, path: tuple[str | int, ...], model: type[BaseModel]) -> Sentence:
    kind, context = detail["type"], detail.get("ctx") or {}
    if isinstance(sentence := context.get("sentence"), Sentence):
        return sentence
    if kind == "extra_forbidden":
        return _unknown_key(str(path[-1]), keys_at(model, path[:-1]))
    if kind not in _SENTENCES:
        return Sentence("This cannot be read (%(complaint)s); correct it.", complaint=detail["msg"])
    return Sentence(
        _SENTENCES[kind],
        key=path[-1] if path else "",
        given=_described(detail.get("input")),
        limit=context.get("ge", context.get("le")),
    )


def _unknown_key(key: str, known: list[str]) -> Sentence:
    said = Sentence("There is no key `%(key)s` here.", key=key[:70])
    names = ", ".join(f"`{each}`" for each in known)
    return said.then(did_you_mean(key, known) or Sentence("Known are %(names)s.", names=names))


def _described(value: Any) -> str | Sentence:
    """Return in a few words what stands where something else should."""
    if value is None:
        return Sentence("nothing")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"“{value[:40]}”"
    if isinstance(value, (int, float)):
        return Sentence("the number %(number)s", number=str(value)[:40])
    return Sentence("a list") if isinstance(value, (list, tuple)) else Sentence("keys and values")


def keys_at(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """Return the keys that the entry at `path` of a document can have."""
    for part in path:
        if isinstance(part, int):
            continue
        fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        found = _entry_in(fields.get(part))
        if found is None:
            return []
        model = found
    return [field.alias or name for name, field in model.model_fields.items()]


def _entry_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _entry_in(arg))), None)
