"""Mistakes as programs read them: problem details of RFC 9457."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Response, json
from flask.typing import ResponseReturnValue

from maintenance.errors import SHOWN_PROBLEMS, Problem

MEDIA_TYPE = "application/problem+json"


def problem(
    status: int, title: object, detail: str, problems: Iterable[Problem] = (), **headers: str
) -> ResponseReturnValue:
    """Return the answer for what went wrong; of a document's mistakes each with its place and line."""
    errors = [_error(each) for each in problems]
    body = {"type": "about:blank", "title": str(title), "status": status, "detail": detail}
    if errors:
        body["errors"] = errors[:SHOWN_PROBLEMS]
    answer = Response(json.dumps(body, ensure_ascii=False), status, mimetype=MEDIA_TYPE)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return answer


def _error(each: Problem) -> dict[str, object]:
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in each.path)
    return {"detail": each.message, "pointer": f"#{pointer}"} | ({"line": each.line} if each.line else {})
