"""What /openapi.json says of intake: every event by type, every answer with an example."""

from typing import Any, Final

from rapport.contracts import CONTACT_EVENT_DATA
from rapport.runtime.examples import example
from rapport.runtime.openapi import problem

_REF: Final = "#/components/schemas/"
_EVENT: Final = {"$ref": f"{_REF}CloudEvent"}
_ID: Final[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 500}
_EXTENSION: Final[dict[str, Any]] = {
    "type": ["string", "boolean", "integer", "null"],
    "minimum": -(2**31),
    "maximum": 2**31 - 1,
}
"""An extension in the JSON types that CloudEvents allows; it travels on as a string."""

_ERRORS: Final[dict[str, Any]] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["pointer", "reason"],
        "properties": {"pointer": {"type": "string"}, "reason": {"type": "string"}},
    },
}
_RESULT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {
        "index": {"type": "integer", "description": "its place in the batch"},
        "id": {"type": "string"},
        "status": {"enum": ["accepted", "refused"]},
        "code": {"type": "integer", "description": "the status that this event alone would have been answered with"},
        "reason": {"type": "string"},
        "errors": _ERRORS,
    },
}
_TAKEN: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["accepted", "results"],
    "properties": {"accepted": {"type": "integer"}, "results": {"type": "array", "items": _RESULT}},
}


def event_schemas() -> dict[str, Any]:
    """The event in general, and the data of each type."""
    schemas: dict[str, Any] = {}
    for model in CONTACT_EVENT_DATA.values():
        schema = model.model_json_schema(ref_template=f"{_REF}{{model}}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = _with_nulls(schema)
    branches = [_branch(event_type, model.__name__) for event_type, model in CONTACT_EVENT_DATA.items()]
    schemas["CloudEvent"] = {
        "type": "object",
        "title": "CloudEvent",
        "description": "Its `source` and `id` are its identity. Unknown extensions and fields are kept and passed on.",
        "required": ["specversion", "id", "source", "type", "time", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": _ID,
            "source": {**_ID, "format": "uri-reference"},
            "type": {"enum": list(CONTACT_EVENT_DATA)},
            "time": {"type": "string", "format": "date-time", "description": "when it happened; at most 5 min ahead"},
            "subject": {"type": ["string", "null"], "minLength": 1},
            "datacontenttype": {"enum": ["application/json", None]},
            "sequence": {
                **_EXTENSION,
                "minLength": 1,
                "description": "orders events of one contact and instant",
            },
            "traceparent": {**_EXTENSION, "description": "W3C trace context"},
            "tracestate": {**_EXTENSION, "description": "what tracing systems have noted of that trace"},
            "backfill": {"type": ["boolean", "null"], "description": "history, not news"},
            "data": {"type": "object"},
        },
        "oneOf": branches,
    }
    return schemas


def _with_nulls(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, with null for every field that may be left out."""
    required = schema.get("required", ())
    for name, about in schema["properties"].items():
        if name not in required and {"type": "null"} not in about.get("anyOf", ()):
            kept = {key: about.pop(key) for key in ("title", "default") if key in about}
            schema["properties"][name] = {"anyOf": [about, {"type": "null"}], **kept}
    return schema


def _branch(event_type: str, model: str) -> dict[str, Any]:
    return {"title": event_type, "properties": {"type": {"const": event_type}, "data": {"$ref": f"{_REF}{model}"}}}


def _taken(description: str, *results: dict[str, Any]) -> dict[str, Any]:
    accepted = sum(result["status"] == "accepted" for result in results)
    shown = {"accepted": accepted, "results": list(results)}
    content = {"application/json": {"schema": _TAKEN, "example": shown}}
    return {"description": description, "headers": _RATE, "content": content}


_RETRY: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
_RATE: Final = {
    "RateLimit-Policy": {"schema": {"type": "string"}, "description": "of a key with a rate: events in a window"},
    "RateLimit": {"schema": {"type": "string"}, "description": "of a key with a rate: what is left, and until when"},
}
_REFUSED: Final = {
    "index": 1,
    "id": "crm-2",
    "status": "refused",
    "code": 422,
    "reason": "is required",
    "errors": [{"pointer": "/data/channel", "reason": "is required"}],
}
_RECEIVED: Final = example("contact.received")
_RESPONDED: Final = {**example("contact.responded"), "id": "crm-2"}

WHO: Final[dict[int | str, dict[str, Any]]] = {
    401: problem(401, "send `Authorization: Bearer <key>`, or sign in at /login"),
    403: problem(403, "the key 'crm' has not the role 'watch'"),
}
NOT_FOUND: Final[dict[int | str, dict[str, Any]]] = {404: problem(404, "no such dead letter")}
REFUSED_CURSOR: Final[dict[int | str, dict[str, Any]]] = {422: problem(422, "cursor is none that was given here")}
REFUSED_ORDER: Final[dict[int | str, dict[str, Any]]] = {
    422: problem(422, "give either ids, or reason and source, or all")
}

_ATTRIBUTES: Final = {
    "specversion": "1.0",
    "id": "identity within the source, 1 to 500 characters",
    "source": "which system says so: a URI-reference of 1 to 500 characters",
    "type": "what has happened, such as contact.received",
    "time": "when it happened, by RFC 3339; at most 5 min ahead",
    "subject": "what it is about, in CloudEvents' sense",
    "sequence": "orders events of one contact and instant",
    "traceparent": "W3C trace context",
    "tracestate": "what tracing systems have noted of that trace",
    "backfill": "history, not news: true or false",
}
_HEADERS: Final[list[dict[str, Any]]] = [
    *(
        {
            "name": f"ce-{name}",
            "in": "header",
            "schema": {"type": "string"},
            "description": f"{about}; in binary mode only, else it is not looked at",
        }
        for name, about in _ATTRIBUTES.items()
    ),
    {
        "name": "Content-Encoding",
        "in": "header",
        "schema": {"enum": ["gzip", "deflate", "identity"]},
        "description": "how the body is packed",
    },
]

POST_EVENTS: Final[dict[str, Any]] = {
    "responses": {
        202: _taken("all are stored", {"id": "crm-1", "status": "accepted"}),
        207: _taken("some are stored, some were refused", {"index": 0, "id": "crm-1", "status": "accepted"}, _REFUSED),
        400: problem(400, "no CloudEvent, or no JSON", specversion="is required"),
        401: problem(401, "send `Authorization: Bearer <key>`"),
        403: problem(403, "the key may not send this, or not for this source"),
        408: problem(408, "the request took longer than 20 s, and a second for every 16 KiB, to arrive"),
        413: problem(413, "an event over 256 KiB, a batch over 4 MiB or over 1,000 events"),
        414: problem(414, "the address has more than 8192 bytes"),
        415: problem(415, "a content type or content encoding that is not read"),
        422: problem(422, "violates the contract; kept in the dead letters", channel="is required"),
        429: {**problem(429, "over the rate of the key"), "headers": {**_RETRY, **_RATE}},
        431: problem(431, "over 100 header fields, or 32 KiB of them"),
        503: {
            **problem(503, "Kafka has not acknowledged in time, or too much is in work: send again"),
            "headers": _RETRY,
        },
    },
    "openapi_extra": {
        "security": [{"bearer": []}],
        "parameters": _HEADERS,
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {
                    "schema": _EVENT,
                    "examples": {
                        "received": {"summary": "a customer wrote", "value": _RECEIVED},
                        "responded": {"summary": "and was answered", "value": _RESPONDED},
                    },
                },
                "application/cloudevents-batch+json": {
                    "schema": {"type": "array", "maxItems": 1000, "items": _EVENT},
                    "example": [_RECEIVED, _RESPONDED],
                },
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["customer_id"],
                        "properties": {"customer_id": {"type": "string", "minLength": 1, "maxLength": 200}},
                        "description": "binary mode: `data` here, the attributes in headers such as `ce-id`",
                    },
                    "example": _RECEIVED["data"],
                },
            },
        },
    },
}
