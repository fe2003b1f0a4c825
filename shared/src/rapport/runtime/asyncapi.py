"""The AsyncAPI 3 document of a service, made from the event models."""

from collections.abc import Sequence
from typing import Any, Final

from rapport.contracts import EVENT_DATA, TOPIC_OF, topics
from rapport.runtime import dead_letter
from rapport.runtime.examples import example

_ABOUT: Final = {
    topics.CONTACT_EVENTS: "What intake has taken in, valid and in order per customer.",
    topics.CONTACT_EVENTS_IN: (
        "For other systems: CloudEvents in Kafka's binary or structured mode. intake validates and forwards them; "
        "what it refuses goes to dead-letters. A key that is not empty must be the customer's id."
    ),
    topics.SLA_EVENTS: "Deadlines and alerts, in order per customer.",
    topics.FOLLOWUP_EVENTS: "Surveys and check-ins, in order per customer.",
    topics.METRICS_EVENTS: "What the figures say of a customer.",
    topics.DEAD_LETTERS: "Records that could not be processed, byte for byte, with why and whence in their headers.",
}
_REQUIRED: Final = ("specversion", "id", "source", "type", "time")
_ERASED_AS: Final = {"type": "string", "description": "what all services call the customer from then on"}
_SENT: Final = (*_REQUIRED, "subject", "causationid", "sequence", "traceparent", "tracestate", "backfill")
"""The attributes that a sender may give."""

_KEY: Final = {
    "kafka": {"key": {"type": "string", "description": "the customer's id"}, "bindingVersion": "0.5.0"},
}
_REASONS: Final = {
    dead_letter.REASON: "why",
    dead_letter.POINTER: "JSON pointer to what is wrong",
    dead_letter.SERVICE: "who refused it",
    dead_letter.TOPIC: "where it came from",
    dead_letter.PARTITION: "likewise",
    dead_letter.OFFSET: "likewise",
    dead_letter.AT: "when",
}


def document(
    service: str, *, receives: Sequence[str], sends: Sequence[str], server: str, partitions: int, prefix: str = ""
) -> dict[str, Any]:
    """
    Channels, messages and operations for the topics that a service reads and writes.

    `server` are its brokers as it is told them, `prefix` what the topics' names
    begin with in this Kafka.
    """
    channels: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for topic in dict.fromkeys([*receives, *sends]):
        names = _messages_of(topic, messages, schemas)
        channels[topic] = {
            "address": prefix + topic,
            "title": topic,
            "description": _ABOUT[topic],
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            "bindings": {"kafka": {"partitions": partitions, "bindingVersion": "0.5.0"}},
        }
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:rapport:{service}",
        "info": {
            "title": f"Rapport {service}",
            "version": "1",
            "description": "CloudEvents 1.0 in structured JSON; the key of a record is the customer's id.",
            "contact": {"name": "whoever operates this Rapport"},
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "tags": [{"name": service, "description": f"the topics of {service}"}],
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": _servers(server),
        "channels": channels,
        "operations": {
            **{f"receive-{topic}": _operation("receive", topic, channels) for topic in dict.fromkeys(receives)},
            **{f"send-{topic}": _operation("send", topic, channels) for topic in dict.fromkeys(sends)},
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _servers(brokers: str) -> dict[str, Any]:
    """One entry a broker; the first is named without a number."""
    hosts = [host.strip() for host in brokers.split(",") if host.strip()]
    return {
        "kafka" if place == 1 else f"kafka-{place}": {
            "host": host,
            "protocol": "kafka",
            "description": "a broker of this service",
        }
        for place, host in enumerate(hosts, 1)
    }


def _operation(action: str, topic: str, channels: dict[str, Any]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": f"{action}s {topic}",
        "description": _ABOUT[topic],
        "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in channels[topic]["messages"]],
    }


def _messages_of(topic: str, messages: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """The names of what a topic carries; described, where that was not done yet."""
    if topic == topics.DEAD_LETTERS:
        messages["dead-letter"] = _dead_letter()
        return ["dead-letter"]
    names = [event_type for event_type, home in TOPIC_OF.items() if home == topic.removesuffix(".in")]
    for event_type in names:
        if event_type not in messages:
            messages[event_type] = _message(event_type, schemas)
    if topic != topics.CONTACT_EVENTS_IN:
        return names
    for event_type in names:
        messages[f"{event_type}.binary"] = _in_binary_mode(messages[event_type])
    return [*names, *(f"{event_type}.binary" for event_type in names)]


def _in_binary_mode(message: dict[str, Any]) -> dict[str, Any]:
    """The same event with its attributes in headers and its data alone as the value."""
    attributes = {name: about for name, about in message["payload"]["properties"].items() if name in _SENT}
    [example] = message["examples"]
    written = {f"ce_{name}": value for name, value in example["payload"].items() if name in attributes}
    return {
        **message,
        "name": f"{message['name']}.binary",
        "title": f"{message['title']}, in binary mode",
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "required": [*(f"ce_{name}" for name in _REQUIRED), "content-type"],
            "properties": {
                **{f"ce_{name}": about for name, about in attributes.items()},
                "content-type": {"const": "application/json"},
            },
        },
        "payload": message["payload"]["properties"]["data"],
        "examples": [
            {
                "name": example["name"],
                "headers": {**written, "content-type": "application/json"},
                "payload": example["payload"]["data"],
            }
        ],
    }


def _message(event_type: str, schemas: dict[str, Any]) -> dict[str, Any]:
    model = EVENT_DATA[event_type]
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema
    return {
        "name": event_type,
        "title": event_type,
        "summary": " ".join((model.__doc__ or "").split()),
        "contentType": "application/cloudevents+json",
        "payload": {
            "type": "object",
            "required": [*_REQUIRED, "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "minLength": 1, "maxLength": 500},
                "source": {"type": "string", "format": "uri-reference", "minLength": 1, "maxLength": 500},
                "type": {"const": event_type},
                "time": {"type": "string", "format": "date-time"},
                "subject": {"type": "string"},
                "datacontenttype": {"const": "application/json"},
                "partitionkey": {"type": "string", "description": "the customer's id"},
                "causationid": {"type": "string", "description": "id of the event that this one follows from"},
                "recordedtime": {"type": "string", "format": "date-time", "description": "when intake took it in"},
                "sequence": {"type": "string"},
                "traceparent": {"type": "string"},
                "tracestate": {"type": "string"},
                **({"erasedas": _ERASED_AS} if event_type == "customer.erased" else {}),
                "backfill": {"type": "boolean", "description": "history, not news"},
                "data": {"$ref": f"#/components/schemas/{model.__name__}"},
            },
        },
        "bindings": _KEY,
        "examples": [{"name": event_type, "payload": example(event_type)}],
    }


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "dead-letter",
        "title": "dead letter",
        "summary": "A record as it came: key, value and headers, and beside them why it was refused.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": {name: {"type": "string", "description": about} for name, about in _REASONS.items()},
        },
        "payload": {"description": "whatever came"},
    }
