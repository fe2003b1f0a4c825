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

_LONGEST_REASON = 2_000

_WINDOW = 1000
_FEWEST = 100


class TooManyDeadLetters(Exception):
    """So large a share of records is refused that the fault is likelier ours; nothing more is taken in."""


def dead_letter(record: Any, *, service: str, pointer: str, reason: str, now: datetime) -> Outgoing:
    """The record as it came (`key`, `value`, `headers`, `topic`, `partition`, `offset`), with why it was refused."""
    ours = {
        REASON: reason[:_LONGEST_REASON],
        POINTER: pointer,
        SERVICE: service,
        TOPIC: record.topic,
        PARTITION: str(record.partition),
        OFFSET: str(record.offset),
        AT: format_instant(now),
    }
    kept = [(name, value) for name, value in record.headers if name not in ours]
    added = [(name, text.encode(errors="replace")) for name, text in ours.items()]
    return Outgoing(topics.DEAD_LETTERS, record.key, record.value, (*kept, *added))


class FailureShare:
    """Watches the share of refused records among the last 1,000, once there are 100."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._recent: deque[bool] = deque(maxlen=_WINDOW)

    def check(self, *, taken: int, refused: int) -> None:
        """Raises `TooManyDeadLetters` when with this batch the share would be past the limit."""
        if not refused:
            return
        kept = max(0, _WINDOW - taken)
        recent = list(self._recent)[-kept:] if kept else []
        failed, of = sum(recent) + min(refused, _WINDOW), len(recent) + min(taken, _WINDOW)
        if of >= _FEWEST and failed > self._limit * of:
            raise TooManyDeadLetters(
                f"{failed} of the last {of} records were refused; "
                "nothing more is taken in until this is looked at and the service restarted"
            )

    def note(self, *, taken: int, refused: int) -> None:
        """Count a batch that has been settled."""
        self._recent.extend([True] * refused + [False] * (taken - refused))
