"""What a webhook brought, as events: when it comes, and when a dead letter of it is tried again."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import to_json
from rapport.cloudevents import CloudEvent, MalformedEvent, from_http
from rapport.mapping import Reading, read_payload

from intake.connectors import Hook, Hooks
from intake.domain import Door, Fault, Refusal, Refused, malformed
from intake.letters import HOOKS, Letter
from intake.reading import Came, judged

_STRUCTURED: Final = {"content-type": "application/cloudevents+json"}


def as_events(reading: Reading) -> tuple[list[CloudEvent], list[Refused]]:
    """The events that are sound, and what could not be made or is unsound."""
    sound: list[CloudEvent] = []
    unsound = [
        Refused("", Refusal.CONTRACT, (Fault("", fault),), kind)
        for fault, kind in zip(reading.faults, reading.kinds, strict=True)
    ]
    for made in reading.events:
        try:
            sound += from_http(_STRUCTURED, to_json(made))
        except MalformedEvent as error:
            unsound.append(Refused(made["id"], Refusal.CONTRACT, (malformed(error),), error.kind))
    return sound, unsound


def whose(events: Sequence[Came], reading: Reading) -> str:
    """The customer whom a payload is about: the first that any event of it names, even one that could not be made."""
    said: list[Any] = [event.data for event in events if isinstance(event, CloudEvent)]
    named = (data.get("customer_id") for data in said if isinstance(data, dict))
    return next((one for one in named if isinstance(one, str) and one), reading.customer_id)


def kept_headers(hook: Hook, headers: Mapping[str, str]) -> tuple[tuple[str, bytes], ...]:
    """What a dead letter keeps of the request beside its body: the content type, and what the mapping looks at."""
    wanted = {path[1:] for paths in hook.mapping.paths for path in paths.split("|") if path.startswith("@")}
    kept = {"content-type": headers.get("content-type", "application/json")}
    kept |= {name: value for name in sorted(wanted) if (value := headers.get(name)) is not None}
    return tuple((name, value.encode()) for name, value in kept.items())


def remade(letter: Letter, hooks: Hooks) -> list[CloudEvent] | str:
    """What the payload of a letter becomes by today's mapping, as of when it came; or why it becomes nothing."""
    hook = hooks.find(letter.topic.removeprefix(HOOKS))
    if hook is None:
        return "its hook is no longer there"
    headers = {name: value.decode(errors="replace") for name, value in letter.headers}
    try:
        events, unsound = as_events(read_payload(letter.value or b"", hook.mapping, letter.at, headers))
    except ValueError as error:
        return str(error)
    return unsound[0].lasting.reason if unsound else events


def parted(events: Sequence[Came], door: Door) -> tuple[list[Came], list[Refused]]:
    """
    The events to let in, and the verdicts on those that violate the contract.

    What a mapping makes wrongly is no event to be kept: the payload is, so that
    it can be mapped again.
    """
    sound: list[Came] = []
    violating: list[Refused] = []
    for event, verdict in zip(events, judged(events, door), strict=True):
        if isinstance(verdict, Refused) and verdict.refusal is Refusal.CONTRACT:
            violating.append(verdict)
        else:
            sound.append(event)
    return sound, violating
