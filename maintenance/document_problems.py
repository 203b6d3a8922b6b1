"""What pydantic finds wrong in a document, as sentences with their places; and what else can be checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from maintenance.errors import Problem, did_you_mean

_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Checked(Generic[_M]):
    """A document as far as it could be read, and its mistakes so far."""

    #: What is right; None when the whole is not even keys and values.
    entry: _M | None
    problems: list[Problem]
    #: For each list of which entries were wrong: the positions in the document of those that are left.
    kept: dict[str, list[int]] = field(default_factory=dict)

    def position(self, name: str, index: int) -> int:
        """Return where in the document's list the entry stands that is left at `index`."""
        return self.kept[name][index] if name in self.kept else index


def check(model: type[_M], data: Any, stand_ins: Mapping[str, Any]) -> Checked[_M]:
    """Return the document read as `model`.

    After mistakes what is right is read all the same, with `stand_ins` for missing keys, so that what
    is wrong between entries can be told in one go with what is wrong within them.
    """
    try:
        return Checked(model.model_validate(data), [])
    except ValidationError as error:
        problems = list(problems_of(error, model))
    if not isinstance(data, dict):
        return Checked(None, problems)
    right = {**stand_ins, **data}
    kept: dict[str, list[int]] = {}
    wrong_keys = {problem.path[0] for problem in problems if len(problem.path) == 1}
    wrong_entries = {problem.path[:2] for problem in problems if len(problem.path) > 1}
    for name, value in data.items():
        if name in wrong_keys or (not isinstance(value, list) and any(p[0] == name for p in wrong_entries)):
            right.pop(name)
            if name in stand_ins:
                right[name] = stand_ins[name]
        elif isinstance(value, list):
            kept[name] = [i for i in range(len(value)) if (name, i) not in wrong_entries]
            right[name] = [value[i] for i in kept[name]]
    try:
        return Checked(model.model_validate(right), problems, kept)
    except ValidationError:
        return Checked(None, problems)


_SENTENCES = {
    "missing": "`{key}` is missing; add it.",
    "string_type": "Write text here, not {given}.",
    "int_type": "Write a whole number here, not {given}.",
    "bool_type": "Write true or false here, not {given}.",
    "list_type": "Write a list here, as in [ … ], not {given}.",
    "dict_type": "Write keys and values here, as in {{ … }}, not {given}.",
    "model_type": "Write keys and values here, as in {{ … }}, not {given}.",
    "too_short": "This list is empty; name at least one.",
    "string_pattern_mismatch": "“{given}” cannot be used: up to 32 letters, digits, hyphens and underscores.",
}


def problems_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """Yield one sentence with its path for each mistake pydantic found."""
    for detail in error.errors(include_url=False):
        # Pydantic adds "[key]" where the key of a mapping is wrong; the key itself stands before it.
        path = tuple(part for part in detail["loc"] if part != "[key]")
        yield Problem(_sentence(detail, path, model), path)


def _sentence(detail: ErrorDetails, path: tuple[str | int, ...], model: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind == "sentence":
        return detail["msg"]
    if kind == "extra_forbidden":
        known = keys_at(model, path[:-1])
        hint = did_you_mean(str(path[-1]), known) or f" Known are {', '.join(f'`{key}`' for key in known)}."
        return f"There is no key `{str(path[-1])[:70]}` here.{hint}"
    if kind.startswith("greater_than"):
        limits = detail.get("ctx") or {}
        return f"Write a number of at least {limits.get('ge', limits.get('gt'))}."
    if kind in _SENTENCES:
        key = path[-1] if path else ""
        return _SENTENCES[kind].format(key=key, given=_described(detail.get("input")))
    return f"{detail['msg']}."


def _described(value: Any) -> str:
    """Return in a few words what stands where something else should."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"“{value[:40]}”"
    if isinstance(value, (int, float)):
        return f"the number {str(value)[:40]}"
    return "a list" if isinstance(value, (list, tuple)) else "keys and values"


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
