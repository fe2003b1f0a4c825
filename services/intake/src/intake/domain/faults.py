"""What is wrong with an event: where, and why, in words that the sender can act on."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from pydantic import ValidationError
from rapport.cloudevents import MalformedEvent


class Fault(NamedTuple):
    """`pointer` is a JSON pointer (RFC 6901) into the event; `reason` is for the sender."""

    pointer: str
    reason: str


class Refusal(StrEnum):
    """Why an event is not taken in; the first two go to the dead letters where nobody is there to be answered."""

    MALFORMED = "malformed"
    CONTRACT = "contract"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too_large"


_WORDS = (
    ("Input should ", "must "),
    ("String should ", "must "),
    ("Dictionary should ", "must "),
    ("Field required", "is required"),
)

_CULPRIT = {"survey.answered": "/data/score"}
"""The field to look at where a rule about several fields of this type is broken."""


def pointer(base: str, steps: Iterable[str | int]) -> str:
    """The JSON pointer that leads from `base` down these steps."""
    return base + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def malformed(error: MalformedEvent) -> Fault:
    return Fault(error.pointer, error.reason)


def contract_faults(error: ValidationError, event_type: str) -> list[Fault]:
    """Every fault that the model of this type found in `data`."""
    faults = []
    for found in error.errors(include_url=False, include_input=False):
        if found["type"] == "value_error":
            reason = str(found["ctx"]["error"])
        else:
            reason = found["msg"]
            for old, new in _WORDS:
                reason = reason.replace(old, new, 1)
        where = pointer("/data", found["loc"]) if found["loc"] else _CULPRIT.get(event_type, "/data")
        faults.append(Fault(where, reason))
    return faults
