"""What is wrong with an event: where, and why, in words that the sender can act on."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from pydantic import ValidationError
from rapport.cloudevents import MalformedEvent
from rapport.contracts.fields import CURRENCY, DECIMAL


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
    ("a valid dictionary", "an object"),
    ("Field required", "is required"),
)

_PATTERNS = {
    DECIMAL: 'must be a decimal number of at most 15 digits and 6 places, such as "19.90"',
    CURRENCY: "must be a currency of ISO 4217, such as EUR",
}
"""What a pattern of the contract asks for, for those who don't read patterns."""

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
        elif found["type"] == "string_pattern_mismatch":
            reason = _PATTERNS[found["ctx"]["pattern"]]
        else:
            reason = found["msg"]
            for old, new in _WORDS:
                reason = reason.replace(old, new, 1)
        where = pointer("/data", found["loc"]) if found["loc"] else _CULPRIT.get(event_type, "/data")
        faults.append(Fault(where, reason))
    return faults
