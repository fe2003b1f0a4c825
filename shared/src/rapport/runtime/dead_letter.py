"""A record that can never be processed goes, whole, to the topic dead-letters with the reason."""

from collections import deque
from datetime import datetime
from typing import Any

from rapport.contracts import format_instant, topics
from rapport.runtime.publisher import Outgoing

REASON, POINTER, SERVICE, TOPIC, PARTITION, OFFSET, AT = (
    "rapport-reason",
    "rapport-pointer",
    "rapport-service",
    "rapport-topic",
    "rapport-partition",
    "rapport-offset",
    "rapport-at",
)
"""Names of the headers that say why and whence; the record's own headers are kept beside them."""

_WINDOW = 1000
_FEWEST = 100


class TooManyDeadLetters(Exception):
    """So large a share of records is refused that the fault is likelier ours; nothing more is taken in."""


def dead_letter(record: Any, *, service: str, pointer: str, reason: str, now: datetime) -> Outgoing:
    """The record as it came (`key`, `value`, `headers`, `topic`, `partition`, `offset`), with why it was refused."""
    ours = {
        REASON: reason,
        POINTER: pointer,
        SERVICE: service,
        TOPIC: record.topic,
        PARTITION: str(record.partition),
        OFFSET: str(record.offset),
        AT: format_instant(now),
    }
    kept = [(name, value) for name, value in record.headers if name not in ours]
    added = [(name, text.encode()) for name, text in ours.items()]
    return Outgoing(topics.DEAD_LETTERS, record.key, record.value, (*kept, *added))


class FailureShare:
    """Watches the share of refused records among the last 1,000, once there are 100."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._failed = 0

    def note(self, *, taken: int, refused: int) -> None:
        """Count one batch; raises `TooManyDeadLetters` past the limit."""
        for failed in (*([True] * refused), *([False] * (taken - refused))):
            if len(self._recent) == _WINDOW:
                self._failed -= self._recent[0]
            self._recent.append(failed)
            self._failed += failed
        if len(self._recent) >= _FEWEST and self._failed > self._limit * len(self._recent):
            raise TooManyDeadLetters(
                f"{self._failed} of the last {len(self._recent)} records were refused; "
                "nothing more is taken in until this is looked at and the service restarted"
            )
