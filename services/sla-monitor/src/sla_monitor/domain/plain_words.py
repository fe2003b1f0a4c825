"""What a target promises and what keeps it, in plain words, for whoever has to act on it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rapport.contracts.fields import Target

from sla_monitor.domain.rules import Spec

TO_DO: Final[Mapping[Target, str]] = MappingProxyType(
    {
        "first_response": "Answer the customer; an automated answer does not count.",
        "next_response": "Answer the customer, who has written again.",
        "update": "Tell the customer how things stand: an answer or a progress report.",
        "resolution": "Resolve the contact.",
        "escalated": "Answer the customer, report to them, or resolve the contact.",
        "promise": "Get back to the customer, as they were told.",
    }
)
"""What ends the waiting, by target."""


def promised(target: str, spec: Spec) -> str:
    """By when: "within 4 h of open time; pauses while waiting on customer"."""
    return _by_when(target, spec) + _pauses(spec)


def _by_when(target: str, spec: Spec) -> str:
    if spec.length is None:
        day = "next" if spec.days_ahead else "same"
        cutoff = f", after {spec.cutoff:%H:%M} a day later" if spec.cutoff else ""
        return f"end of {day} business day{cutoff}"
    word = "every" if target == "update" else "within"
    if days := spec.length.days:
        return f"{word} {days} business day{'s' if days > 1 else ''}"
    return f"{word} {_whole(spec.length.seconds)} of {'elapsed' if spec.elapsed else 'open'} time"


def _whole(seconds: float) -> str:
    """All of a span, in hours at most: a day of open time is no day."""
    minutes, left = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count:.10g} {unit}" for count, unit in ((hours, "h"), (minutes, "min"), (left, "s")) if count]
    return " ".join(parts) or "0 s"


def _pauses(spec: Spec) -> str:
    return f"; pauses while waiting on {', '.join(spec.pause_on).replace('_', ' ')}" if spec.pause_on else ""
