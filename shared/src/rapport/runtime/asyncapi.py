"""The AsyncAPI 3 document of a service, made from the event models."""

from collections.abc import Sequence
from typing import Any

from rapport.contracts import EVENT_DATA, TOPIC_OF


def document(service: str, *, receives: Sequence[str], sends: Sequence[str], server: str) -> dict[str, Any]:
    """Channels, messages and operations for the topics that a service reads and writes."""
    channels: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for topic in dict.fromkeys([*receives, *sends]):
        types = [event_type for event_type, home in TOPIC_OF.items() if home == topic.removesuffix(".in")]
        channels[topic] = {
            "address": topic,
            "description": "CloudEvents 1.0, structured JSON; the key is the customer's id",
            "messages": {event_type: _message(event_type, schemas) for event_type in types},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"Rapport {service}", "version": "1"},
        "defaultContentType": "application/cloudevents+json",
        "servers": {"kafka": {"host": server, "protocol": "kafka"}},
        "channels": channels,
        "operations": {
            **{f"receive-{topic}": _operation("receive", topic) for topic in receives},
            **{f"send-{topic}": _operation("send", topic) for topic in sends},
        },
        "components": {"schemas": schemas},
    }


def _operation(action: str, topic: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}}


def _message(event_type: str, schemas: dict[str, Any]) -> dict[str, Any]:
    model = EVENT_DATA[event_type]
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    return {
        "name": event_type,
        "summary": (model.__doc__ or "").strip().split("\n")[0],
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "time", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string"},
                "source": {"type": "string", "format": "uri-reference"},
                "type": {"const": event_type},
                "time": {"type": "string", "format": "date-time"},
                "data": schema,
            },
        },
    }
