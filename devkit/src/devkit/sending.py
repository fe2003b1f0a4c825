"""Events to intake by way of `rapport.client`, for commands that count what became of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import httpx
from rapport.client import Client, NotSent, Result

from devkit.errors import CommandFailed

_GIVE_UP_SECONDS: Final = 120.0
_TRIES: Final = 10_000

CloudEvent = dict[str, Any]
Id = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that violates the contract, and why."""

    source: str
    id: str
    reason: str


@dataclass(slots=True)
class Sent:
    """What became of events: `taken` were answered with a 2xx, and so are stored."""

    taken: list[Id] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    again: int = 0

    def add(self, other: "Sent") -> None:
        self.taken += other.taken
        self.refused += other.refused
        self.again += other.again


class Sender:
    """
    Posts to one intake; a context manager that closes its connection.

    After two minutes of waiting without an answer it gives up, and the command
    fails with the reason.
    """

    def __init__(
        self, url: str, key: str, *, patience: float = _GIVE_UP_SECONDS, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = url
        try:
            self._client = Client(
                url, key, tries=_TRIES, patience=patience, timeout=30.0, transport=transport, trust_env=False
            )
        except ValueError as error:
            raise CommandFailed(str(error)) from None

    def send(self, events: Sequence[CloudEvent], done: Callable[[int], None] = lambda _: None) -> Sent:
        """Send all in order; `done` is told how many have been settled after each batch."""
        before = self._client.again
        try:
            results = self._client.send(events, lambda settled: done(len(settled)))
        except NotSent as error:
            raise CommandFailed(f"intake at {self._url} does not take events in: {error}") from None
        except ValueError as error:
            raise CommandFailed(str(error)) from None
        sent = Sent(again=self._client.again - before)
        for event, result in zip(events, results, strict=True):
            if result.accepted:
                sent.taken.append((event["source"], event["id"]))
            else:
                sent.refused.append(Refused(event["source"], event["id"], _why(result)))
        return sent

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()


def _why(result: Result) -> str:
    return f"{result.pointer}: {result.reason}" if result.pointer else result.reason
