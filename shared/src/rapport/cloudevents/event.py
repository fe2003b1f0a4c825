"""An event as its reader sees it, whichever way it came, and the refusal of what is none."""

from dataclasses import dataclass, field
from typing import Any


class MalformedEvent(ValueError):
    """
    The message is no CloudEvent, because of `reason`, at `pointer`.

    The pointer is a JSON pointer (RFC 6901) into the event as JSON would write it, whatever the mode: `/id`, `/data`,
    `/3/source` in a batch, and the empty string for the message as a whole. `kind` is the reason without what differs
    from message to message, so that it can be kept and counted by.
    """

    def __init__(self, pointer: str, reason: str, kind: str | None = None) -> None:
        super().__init__(pointer, reason)
        self.pointer = pointer
        self.reason = reason
        self.kind = kind or reason

    def __str__(self) -> str:
        return f"{self.pointer}: {self.reason}" if self.pointer else self.reason


class UnsupportedFormat(MalformedEvent):
    """The content type announces a CloudEvents format that is not read here (Avro, XML, a batch in Kafka)."""


@dataclass(slots=True)
class CloudEvent:
    """
    One event. Attributes are in their canonical text form, so equal values are equal strings.

    Integers are decimal, booleans `true` or `false`, `time` is in UTC with `Z` and without trailing zeros. `data` is a
    JSON value where the content type is JSON (or the event was JSON and named none), a string where it is text,
    bytes where it is anything else, and None where there is none; an empty body is none. `typed` has the values of
    those extensions that came as JSON's integers and booleans, so that they can be written as such again.
    """

    attributes: dict[str, str]
    data: Any = None
    typed: dict[str, int] = field(default_factory=dict, compare=False)


def member(name: str, base: str = "") -> str:
    """The pointer to a member of an object at `base`."""
    return f"{base}/{name.replace('~', '~0').replace('/', '~1')}"
