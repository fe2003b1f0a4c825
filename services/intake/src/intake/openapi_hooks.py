"""What /openapi.json says of `/v1/hooks/{connector}`."""

from typing import Any, Final

from intake.openapi import POST_EVENTS

_CONNECTOR: Final[dict[str, Any]] = {
    "name": "connector",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "a name of the hooks file, or of a connector that comes with Rapport",
    "example": "zendesk",
}
_NONE: Final[dict[str, Any]] = {
    "description": "there is no such hook",
    "content": POST_EVENTS["responses"][401]["content"],
}
_IGNORED: Final[dict[str, Any]] = {
    "description": "of a kind that the mapping has no rule for: nothing was stored, and nothing need be sent again",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["accepted", "results", "ignored"],
                "properties": {
                    "accepted": {"const": 0},
                    "results": {"type": "array", "maxItems": 0, "items": {}},
                    "ignored": {"type": "string"},
                },
            }
        }
    },
}
_RESPONSES: Final = {
    status: POST_EVENTS["responses"][status] for status in (202, 207, 401, 403, 408, 414, 422, 429, 431, 503)
}

POST_HOOK: Final[dict[str, Any]] = {
    "responses": {
        **_RESPONSES,
        200: _IGNORED,
        400: {**POST_EVENTS["responses"][400], "description": "no JSON object, nor an array of objects"},
        404: _NONE,
        413: {**POST_EVENTS["responses"][413], "description": "a body over 1 MiB"},
        415: {**POST_EVENTS["responses"][415], "description": "no application/json, or a content encoding not read"},
    },
    "openapi_extra": {
        "security": [{"bearer": []}, {}],
        "parameters": [_CONNECTOR],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": ["object", "array"], "items": {"type": "object"}}}},
        },
    },
}
HEAD_HOOK: Final[dict[str, Any]] = {
    "responses": {200: {"description": "there is"}, 404: {"description": "there is no such hook"}},
    "openapi_extra": {"parameters": [_CONNECTOR]},
}
