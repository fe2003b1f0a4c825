"""What is said to intake, what is waited for and what its answers mean; who does the talking is elsewhere."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from rapport.client.events import Event
from rapport.cloudevents.json_format import BATCH
from rapport.cloudevents.media import render
from rapport.runtime.clock import backoff

MOST_EVENTS: Final = 500
MOST_BYTES: Final = 3 << 20
PATH: Final = "/v1/events"
HEADERS: Final = {"content-type": BATCH}

_TOO_MANY, _OUR_FAULT, _TIMEOUT = 429, 500, 408
_ABOUT_EVENTS: Final = frozenset({400, 413, 422})
"""Answers that are owed to an event of the batch, even where they do not say to which."""

_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_ASKED = 0.2, 10.0, 600.0


class NotSent(Exception):
    """
    Not every event could be brought home.

    `results` are those of the events before; from `events[len(results)]` on
    nothing is known: send them again, with the same ids. Where it is `final`,
    that helps only once somebody has changed something: the key, the address.
    """

    def __init__(self, reason: str, results: Sequence["Result"] = (), *, final: bool = False) -> None:
        super().__init__(reason)
        self.results = list(results)
        self.final = final

    def after(self, results: Sequence["Result"]) -> "NotSent":
        """The same, said of a longer row of events that began with these."""
        return NotSent(str(self), [*results, *self.results], final=self.final)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one event: stored, or refused for `reason`, where `pointer` says."""

    id: str
    accepted: bool
    reason: str = ""
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """An event as it is sent."""

    id: str
    json: bytes


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a batch is tried, and for how many seconds of waiting at most."""

    tries: int = 8
    seconds: float = float("inf")


Step = bytes | float
"""What to do next: post this body, or wait for so many seconds."""

Heard = httpx.Response | httpx.TransportError | None
"""What came of it; None of waiting."""

Conversation = Generator[Step, Heard, list[Result]]


def batches(events: Iterable[Event]) -> Iterator[list[Written]]:
    """
    The events as JSON, in batches of at most 500 events and 3 MiB; a larger one goes alone.

    ValueError where JSON can't say one: NaN, infinity, half an emoji.
    """
    return packed(map(written, events))


def written(event: Event) -> Written:
    try:
        return Written(str(event.get("id", "")), render(dict(event), ""))
    except ValueError as error:
        raise ValueError(f"the event {event.get('id')!r} can't be sent: {error}") from None


def packed(events: Iterable[Written]) -> Iterator[list[Written]]:
    batch: list[Written] = []
    size = 0
    for event in events:
        if batch and (len(batch) == MOST_EVENTS or size + len(event.json) > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += len(event.json) + 1
    if batch:
        yield batch


def settle(batch: Sequence[Written], patience: Patience) -> Conversation:
    """
    Post the batch until there is a verdict on each of its events; `NotSent` after the last try.

    Tried again are 429, 408, 5xx and network errors, after what Retry-After asks
    for, else a pause that doubles, with jitter. A batch that is refused without
    a word on which event is to blame is halved until that one is alone.
    """
    body = b"[" + b",".join(event.json for event in batch) + b"]"
    waits = backoff(_FIRST_WAIT, _LONGEST_WAIT)
    waited = 0.0
    for attempt in range(patience.tries):
        heard = yield body
        if isinstance(heard, httpx.Response) and not _passing(heard.status_code):
            results = _results(batch, heard)
            return results if results is not None else (yield from _by_halves(batch, patience))
        why, asked = _trouble(heard)
        pause = max(next(waits), asked)
        waited += pause
        if attempt + 1 == patience.tries or waited > patience.seconds:
            break
        yield pause
    raise NotSent(f"given up after {attempt + 1} tries: {why}")


def _by_halves(batch: Sequence[Written], patience: Patience) -> Conversation:
    middle = len(batch) // 2
    first = yield from settle(batch[:middle], patience)
    try:
        second = yield from settle(batch[middle:], patience)
    except NotSent as error:
        raise error.after(first) from None
    return first + second


def _passing(status: int) -> bool:
    """Whether sending the same again may help."""
    return status in {_TOO_MANY, _TIMEOUT} or status >= _OUR_FAULT


def _trouble(heard: Heard) -> tuple[str, float]:
    """What was wrong, and how many seconds intake asks for."""
    if isinstance(heard, httpx.Response):
        return f"answered {heard.status_code} {heard.text[:200]}".strip(), _seconds(heard.headers.get("retry-after"))
    return f"{type(heard).__name__}: {heard}", 0.0


def _results(batch: Sequence[Written], response: httpx.Response) -> list[Result] | None:
    """
    What an answer that is final says of each event; None where one of several is to blame and it does not say which.

    `NotSent` where it is about the sender and not about events.
    """
    status = response.status_code
    try:
        body = response.json()
        if response.is_success:
            return [_result(event, said) for event, said in zip(batch, body["results"], strict=True)]
        faults = _faults(body.get("errors", ()))
        detail = str(body.get("detail", ""))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise NotSent(f"answered {status} with something else than intake does: is this intake?", final=True) from None
    if faults.keys() >= set(range(len(batch))):
        return [Result(event.id, accepted=False, **faults[index]) for index, event in enumerate(batch)]
    if status not in _ABOUT_EVENTS:
        raise NotSent(f"answered {status}: {detail}", final=True)
    return [Result(batch[0].id, accepted=False, reason=detail)] if len(batch) == 1 else None


def _result(event: Written, said: Mapping[str, Any]) -> Result:
    if said["status"] == "accepted":
        return Result(event.id, accepted=True)
    errors = said.get("errors") or [{"pointer": ""}]
    return Result(event.id, accepted=False, reason=said.get("reason", ""), pointer=errors[0]["pointer"])


def _faults(errors: Iterable[Mapping[str, str]]) -> dict[int, dict[str, str]]:
    """The first fault of each event that an answer names by its place in the batch."""
    faults: dict[int, dict[str, str]] = {}
    for error in errors:
        place, slash, pointer = error["pointer"].removeprefix("/").partition("/")
        if place.isdecimal():
            faults.setdefault(int(place), {"reason": error["reason"], "pointer": slash + pointer})
    return faults


def _seconds(text: str | None) -> float:
    return min(float(text), _LONGEST_ASKED) if text and text.isdecimal() else 0.0
