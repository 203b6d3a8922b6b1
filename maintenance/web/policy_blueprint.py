"""The blueprint of the pages of policies, to which several files add theirs."""

from __future__ import annotations

from flask import Blueprint, Response

bp = Blueprint("policies", __name__, url_prefix="/plan/policies")


@bp.after_request
def _for_one_person(response: Response) -> Response:
    response.headers["Cache-Control"] = "private, no-cache"
    return response
