"""How much is worked on at once, and how much each key sends: past that, the sender has to wait."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Self

from rapport.runtime.keys import Key
from rapport.runtime.problem import Problem

from intake import telemetry
from intake.domain import Bucket

_BUSY_SECONDS: Final = "1"
_LARGEST: Final = 5 << 20
"""Bytes that one request can need: a batch, and what it was packed in. So much any key may have in work."""

_NOBODY: Final = ""
_FREE: Final[Mapping[str, str]] = {}


class Share:
    """The bytes that one request has in work; given back when it has been answered."""

    __slots__ = ("_key", "_load", "_taken")

    def __init__(self, load: "Load", key: str) -> None:
        self._load = load
        self._key = key
        self._taken = 0

    def add(self, count: int) -> None:
        """503 where that would be too much."""
        self._load.add(count, self._key)
        self._taken += count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._load.add(-self._taken, self._key)


class Load:
    """
    Bytes in work over all requests, and a token bucket per key that has a rate.

    Of the bytes, half is for whoever comes first; of the other half no key gets
    more than it would if all that have something in work had the same. So one
    that floods leaves room for the others.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._of: dict[str, int] = {}
        self._buckets: dict[str, Bucket] = {}
        telemetry.IN_FLIGHT.set_function(lambda: self._bytes)

    def share(self, key: Key | None = None) -> Share:
        """What a request takes of the bytes."""
        return Share(self, key.name if key else _NOBODY)

    def add(self, count: int, key: str = _NOBODY) -> None:
        held = self._of.get(key, 0) + count
        if count > 0:
            self._refuse(self._bytes + count, held, len(self._of) + (key not in self._of))
        self._bytes += count
        if held:
            self._of[key] = held
        else:
            self._of.pop(key, None)

    def _refuse(self, total: int, held: int, keys: int) -> None:
        """503 where the total, or what one of so many keys holds of it, would be too much."""
        if total > self._most:
            why = "in flight"
        elif total > self._most // 2 and held > max(_LARGEST, self._most // max(2, keys)):
            why = "fair share"
        else:
            return
        telemetry.THROTTLED.labels(why).inc()
        raise Problem(503, "too much is being worked on; send again", headers={"Retry-After": _BUSY_SECONDS})

    def check(self, key: Key, now: datetime) -> None:
        """429 while the key is over its rate."""
        bucket = self._bucket(key, now)
        if bucket and (wait := bucket.wait(now)):
            telemetry.THROTTLED.labels("rate").inc()
            seconds = max(1, math.ceil(wait))
            raise Problem(
                429,
                f"the key {key.name!r} may send {key.rate:g} events a second; wait {seconds} s",
                headers={"Retry-After": str(seconds), **self.told(key, now)},
            )

    def count(self, key: Key, events: int, now: datetime) -> None:
        """So many events of this key have come."""
        if bucket := self._bucket(key, now):
            bucket.take(events, now)

    def told(self, key: Key, now: datetime) -> Mapping[str, str]:
        """
        The RateLimit header fields of an answer; none for a key without a rate.

        As in draft-ietf-httpapi-ratelimit-headers: `q` events in a window of
        `w` seconds; `r` may come now, and after `t` seconds all of `q` again.
        """
        bucket = self._bucket(key, now)
        if bucket is None:
            return _FREE
        after = math.ceil(bucket.wait(now) or bucket.full_after(now))
        quota, window = (math.floor(bucket.rate), 1) if bucket.rate >= 1 else (1, math.ceil(1 / bucket.rate))
        return {
            "RateLimit-Policy": f'"events";q={quota};w={window}',
            "RateLimit": f'"events";r={bucket.left(now)};t={after}',
        }

    def _bucket(self, key: Key, now: datetime) -> Bucket | None:
        if key.rate is None:
            return None
        bucket = self._buckets.get(key.name)
        if bucket is None:
            bucket = self._buckets[key.name] = Bucket.full(key.rate, now)
        bucket.change(key.rate, now)
        return bucket
