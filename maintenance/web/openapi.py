"""The description of the API, for programs that write programs: OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from maintenance.catalogue import CODE_PATTERN, Impact
from maintenance.interventions import InterventionClass, PhaseKind
from maintenance.web.problems import MEDIA_TYPE

Schema = dict[str, Any]

_INSTANT: Schema = {"type": "string", "format": "date-time", "examples": ["2026-11-28T14:00:00Z"]}
_DURATION: Schema = {"type": "string", "pattern": "^P", "examples": ["PT30M", "P7D"]}
_CODE: Schema = {"type": "string", "pattern": f"^{CODE_PATTERN}$"}
_IMPACT: Schema = {"enum": [impact.code for impact in Impact]}


def openapi_document(public_url: str, limit_mb: int) -> dict[str, Any]:
    """Return the OpenAPI document of an installation; `limit_mb` is the largest question."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Janela",
            "version": "1",
            "summary": "What planned maintenance takes down, and when it would harm least.",
            "description": (
                "Questions are JSON, or YAML by the rules of intervention documents; unknown keys are mistakes. "
                f"They have {limit_mb} MB at most. Nothing that is asked here is stored. Answers may get further "
                "keys within a version."
            ),
        },
        "servers": [{"url": f"{public_url}/api/v1"}],
        "security": [{"token": []}],
        "paths": {
            "/forecast": {
                "post": _operation(
                    "forecast",
                    "What plans would take down beside everything that is announced",
                    "ForecastQuestion",
                    "Forecast",
                )
            },
            "/slots": {
                "post": _operation(
                    "slots", "Starts for a plan, those that add least harm first", "SlotsQuestion", "Slots"
                )
            },
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This document",
                    "security": [],
                    "responses": {
                        "200": {
                            "description": "This document.",
                            "content": {"application/json": {"schema": {"type": "object"}}},
                        }
                    },
                }
            },
        },
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Made by `janela tokens add NAME`.",
                }
            },
            "schemas": {**_questions(), **_answers()},
        },
    }


def _operation(name: str, summary: str, question: str, answer: str) -> dict[str, Any]:
    asked = {"schema": _ref(question)}
    refusals = {
        "401": "No token, or one that opens nothing.",
        "413": "The question is too large.",
        "422": "The question has mistakes; `errors` lists all of them.",
    }
    wrong = {MEDIA_TYPE: {"schema": _ref("Problem")}}
    return {
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": asked, "application/yaml": asked}},
        "responses": {
            "200": {"description": summary, "content": {"application/json": {"schema": _ref(answer)}}},
            **{status: {"description": words, "content": wrong} for status, words in refusals.items()},
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None, **more: Any) -> Schema:
    properties = {**required, **(optional or {})}
    return {"type": "object", "required": list(required), "properties": properties, **more}


def _entry(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return _object(required, optional, additionalProperties=False)


def _questions() -> dict[str, Schema]:
    moment = {"type": "string", "description": "Wall time of the plan's zone, or an instant with an offset."}
    words = _ref("Text")
    return {
        "Text": {
            "description": "Text, or one for each language (BCP 47).",
            "oneOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}],
        },
        "Work": _entry({"system": _CODE, "impact": _IMPACT}),
        "Phase": _entry(
            {"kind": {"enum": [kind.value for kind in PhaseKind]}, "start": moment},
            {
                "id": {"type": "string"},
                "end": moment,
                "duration": {**_DURATION, "description": "Instead of `end`."},
                "work": _list(_ref("Work")),
            },
        ),
        "Person": _entry(
            {"role": {"type": "string"}, "name": {"type": "string"}}, {"team": {"type": "string"}}
        ),
        "Contact": _entry({"kind": {"enum": ["email", "phone", "web"]}, "value": {"type": "string"}}),
        "Intervention": {
            "description": "An intervention document.",
            **_entry(
                {"title": words, "phases": {**_list(_ref("Phase")), "minItems": 1}},
                {
                    "reference": _CODE,
                    "description": words,
                    "class": {"enum": [kind.value for kind in InterventionClass], "default": "planned"},
                    "timezone": {"type": "string", "description": "IANA zone; the catalogue's unless said."},
                    "people": _list(_ref("Person")),
                    "reminders": _list(_DURATION),
                    "contacts": _list(_ref("Contact")),
                },
            ),
        },
        "ForecastQuestion": _entry(
            {"plans": {**_list(_ref("Intervention")), "minItems": 1, "maxItems": 200}}
        ),
        "SlotsQuestion": _entry(
            {"plan": _ref("Intervention")},
            {
                "earliest": {**moment, "description": "First start; the plan's own unless said."},
                "latest": {**moment, "description": "The work is over by then; 28 days later unless said."},
                "step": {**_DURATION, "default": "PT15M", "description": "The distance of candidates."},
                "apart": {**_DURATION, "default": "P1D", "description": "How far slots are from each other."},
                "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
                "blocked": {
                    "type": "boolean",
                    "default": False,
                    "description": "Show what a clash blocks, too.",
                },
            },
        ),
    }


def _answers() -> dict[str, Schema]:
    amounts = _list(_ref("Amount"))
    severity = {"enum": ["warn", "block"]}
    text: Schema = {"type": "string"}
    return {
        "Amount": _object({"unit": _ref("Text"), "amount": {"type": "integer"}}),
        "Window": _object(
            {
                "system": _CODE,
                "impact": _IMPACT,
                "start": _INSTANT,
                "end": _INSTANT,
                "because": {
                    **_list({**_list(text), "minItems": 1}),
                    "description": "Chains: systems from the nearest need to the one worked on, then the reference.",
                },
            }
        ),
        "Clash": _object(
            {
                "kind": text,
                "severity": severity,
                "systems": _list(_CODE),
                "start": _INSTANT,
                "end": _INSTANT,
                "plans": _list(_CODE),
                "message": text,
            }
        ),
        "Warning": _object({"plan": _CODE, "path": _list({"type": ["string", "integer"]}), "message": text}),
        "Forecast": _object(
            {
                "windows": _list(_ref("Window")),
                "clashes": _list(_ref("Clash")),
                "warnings": _list(_ref("Warning")),
                "harm": amounts,
            }
        ),
        "Slot": _object(
            {
                "start": _INSTANT,
                "score": {
                    "type": "number",
                    "description": "Shares of a month's volume, added over the units.",
                },
                "harm": {**amounts, "description": "What the work adds to what others do."},
                "alone": {**amounts, "description": "What it would harm if nothing else went on."},
                "avoids": {**amounts, "description": "Less than at the planned time; more where negative."},
                "audiences": _list(text),
                "reserved": {**_list(_CODE), "description": "Reserved windows that hold all of the work."},
                "clashes": _list(_object({"kind": text, "severity": severity, "message": text})),
            }
        ),
        "Slots": _object(
            {"planned": _object({"start": _INSTANT, "harm": amounts}), "slots": _list(_ref("Slot"))}
        ),
        "Problem": {
            "description": "RFC 9457.",
            **_object(
                {"type": text, "title": text, "status": {"type": "integer"}, "detail": text},
                {
                    "errors": _list(
                        _object(
                            {"detail": text, "pointer": text}, {"line": {"type": "integer", "minimum": 1}}
                        )
                    )
                },
            ),
        },
    }
