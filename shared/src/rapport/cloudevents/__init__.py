"""
CloudEvents 1.0 in and out, strictly: over HTTP (binary, structured, batched) and in Kafka (binary, structured).

What comes out of `from_http` and `from_kafka` satisfies every MUST of the specification (1.0.2: core, JSON format,
HTTP and Kafka bindings); anything else ends in `MalformedEvent`. What the encoders write, the decoders take back.
"""

from rapport.cloudevents.event import CloudEvent, MalformedEvent, UnsupportedFormat
from rapport.cloudevents.http_binding import from_http, to_binary_http
from rapport.cloudevents.json_format import to_structured
from rapport.cloudevents.kafka_binding import from_kafka, to_kafka_binary

__all__ = [
    "CloudEvent",
    "MalformedEvent",
    "UnsupportedFormat",
    "from_http",
    "from_kafka",
    "to_binary_http",
    "to_kafka_binary",
    "to_structured",
]
