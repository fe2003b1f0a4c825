"""How much is worked on at once, and how much each key sends: past that, the sender has to wait."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem

from intake import telemetry
from intake.domain import Bucket

_BUSY_SECONDS: Final = "1"


class Share:
    """The bytes that one request has in work."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self.taken = 0

    def add(self, count: int) -> None:
        """503 where that would be too much."""
        self._load.add(count)
        self.taken += count


class Load:
    """Bytes in work over all requests, and a token bucket per key that has a rate."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._buckets: dict[str, Bucket] = {}

    @contextmanager
    def share(self) -> Iterator[Share]:
        """What a request takes of the bytes; given back when it has been answered."""
        share = Share(self)
        try:
            yield share
        finally:
            self.add(-share.taken)

    def add(self, count: int) -> None:
        if count > 0 and self._bytes + count > self._most:
            telemetry.THROTTLED.labels("in flight").inc()
            raise Problem(503, "too much is being worked on; send again", headers={"Retry-After": _BUSY_SECONDS})
        self._bytes += count
        telemetry.IN_FLIGHT.set(self._bytes)

    def check(self, key: Key, now: datetime) -> None:
        """429 while the key is over its rate."""
        bucket = self._bucket(key, now)
        if bucket and (wait := bucket.wait(now)):
            telemetry.THROTTLED.labels("rate").inc()
            seconds = max(1, math.ceil(wait))
            raise Problem(
                429,
                f"the key {key.name!r} may send {key.rate:g} events a second; wait {seconds} s",
                headers={"Retry-After": str(seconds)},
            )

    def count(self, key: Key, events: int, now: datetime) -> None:
        """So many events of this key have come."""
        if bucket := self._bucket(key, now):
            bucket.take(events, now)

    def _bucket(self, key: Key, now: datetime) -> Bucket | None:
        if key.rate is None:
            return None
        bucket = self._buckets.get(key.name)
        if bucket is None or bucket.rate != key.rate:
            bucket = self._buckets[key.name] = Bucket.full(key.rate, now)
        return bucket
