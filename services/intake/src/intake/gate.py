"""The way in for events by HTTP: judged, stored, and only then answered."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Protocol

from prometheus_client import Counter
from rapport.runtime.publisher import Outgoing

from intake import telemetry
from intake.domain import Accepted, Caller, Door, Trace
from intake.reading import Came, judged
from intake.records import HTTP, Verdict, posted_records
from intake.sources import Sources


class Publishes(Protocol):
    """Stores records in Kafka; `NotAcknowledged` where it did not say in time that it has."""

    async def publish(self, records: Iterable[Outgoing], *, within: float = 30.0) -> None: ...


class Gate:
    """Lets events in one request at a time. What is returned has been stored."""

    def __init__(self, publisher: Publishes, sources: Sources, *, live_window: timedelta, ack_timeout: float) -> None:
        self._publisher = publisher
        self._sources = sources
        self._live_window = live_window
        self._ack_timeout = ack_timeout

    async def take_in(
        self, events: Sequence[Came], caller: Caller, now: datetime, trace: Trace | None
    ) -> list[Verdict]:
        """
        What became of each event, in their order, once Kafka has acknowledged all that had to be stored.

        Events of one customer are stored in the order given. After
        `NotAcknowledged` some may be stored; sending all again is harmless.
        """
        door = Door(caller, now, self._live_window, trace)
        verdicts = judged(events, door)
        await self._publisher.publish(posted_records(verdicts, events, now), within=self._ack_timeout)
        count_verdicts(HTTP, verdicts)
        self._sources.note(verdicts, now)
        return verdicts


@cache
def _accepted(via: str) -> Counter:
    return telemetry.EVENTS.labels(via, "accepted")


def count_verdicts(via: str, verdicts: Sequence[Verdict]) -> None:
    """Note how many came this way and what became of them."""
    taken = [type(verdict) for verdict in verdicts].count(Accepted)
    if taken:
        _accepted(via).inc(taken)
    if taken < len(verdicts):
        for verdict in verdicts:
            if not isinstance(verdict, Accepted):
                telemetry.EVENTS.labels(via, verdict.refusal).inc()
