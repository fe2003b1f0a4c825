"""What /openapi.json says of `POST /v1/events`."""

from typing import Any, Final

_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "time", "data"],
    "additionalProperties": True,
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 500},
        "source": {"type": "string", "format": "uri-reference", "minLength": 1, "maxLength": 500},
        "type": {"type": "string", "examples": ["contact.received"]},
        "time": {"type": "string", "format": "date-time"},
        "subject": {"type": "string"},
        "datacontenttype": {"const": "application/json"},
        "data": {
            "type": "object",
            "required": ["customer_id"],
            "properties": {"customer_id": {"type": "string", "minLength": 1, "maxLength": 200}},
            "description": "by type, see /asyncapi",
        },
    },
}
_RESULT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {
        "index": {"type": "integer"},
        "id": {"type": "string"},
        "status": {"enum": ["accepted", "refused"]},
        "code": {"type": "integer", "description": "the status that this event alone would have been answered with"},
        "reason": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_TAKEN: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["accepted", "results"],
    "properties": {"accepted": {"type": "integer"}, "results": {"type": "array", "items": _RESULT}},
}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
}


def problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"schema": _PROBLEM}}}


WHO: Final[dict[int | str, dict[str, Any]]] = {401: problem("no key"), 403: problem("the key has not the role")}
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: problem("there is none of this name")}
REFUSED_ORDER: Final[dict[int | str, dict[str, Any]]] = {422: problem("an order that is unclear or out of bounds")}
_RETRY: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
_RATE: Final = {
    "RateLimit-Policy": {"schema": {"type": "string"}, "description": "of a key with a rate: events in a window"},
    "RateLimit": {"schema": {"type": "string"}, "description": "of a key with a rate: what is left, and until when"},
}

POST_EVENTS: Final[dict[str, Any]] = {
    "responses": {
        202: {
            "description": "all are stored",
            "headers": _RATE,
            "content": {"application/json": {"schema": _TAKEN}},
        },
        207: {
            "description": "some are stored, some were refused",
            "headers": _RATE,
            "content": {"application/json": {"schema": _TAKEN}},
        },
        400: problem("no CloudEvent, or no JSON"),
        401: problem("no key"),
        403: problem("the key may not send this, or not for this source"),
        413: problem("an event over 256 KiB, a batch over 4 MiB or over 1,000 events"),
        415: problem("a content type or content encoding that is not read"),
        422: problem("violates the contract; kept in the dead letters"),
        429: {**problem("over the rate of the key"), "headers": _RETRY},
        503: {**problem("Kafka has not acknowledged in time, or too much is in work: send again"), "headers": _RETRY},
    },
    "openapi_extra": {
        "security": [{"bearer": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {"schema": _EVENT},
                "application/cloudevents-batch+json": {
                    "schema": {"type": "array", "maxItems": 1000, "items": _EVENT},
                },
                "application/json": {
                    "schema": {
                        **_EVENT["properties"]["data"],
                        "description": "binary mode: `data` here, the attributes in ce- headers",
                    },
                },
            },
        },
    },
}
