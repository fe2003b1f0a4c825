"""What libraries log while nothing is wrong yet, held back until it lasts."""

import logging
from dataclasses import dataclass
from typing import Final

_EXPECTED: Final = (
    "Topic %s not found in cluster metadata",
    "Topic %s is not available during auto-create initialization",
    "Group Coordinator Request failed",
    "Marking the coordinator dead",  # one that is gone for good has the requests for another fail, which is told
    "Heartbeat failed for group %s because it is rebalancing",
)
"""A topic or a group's coordinator that was just made, and replicas that join or leave: over in a second or two."""

_LASTS: Final = 10.0
_GAP: Final = 5.0


@dataclass(slots=True)
class _Seen:
    """One text: since when it has been said without a pause, and how often since it was last let through."""

    since: float
    last: float
    told: float | None = None
    held: int = 0


class Calm(logging.Filter):
    """
    Lets a line of the Kafka client through when it says something.

    What every start and every rebalance makes it say is held back until it has
    been repeated for 10 s; any other text comes at most once in 10 s. The line that
    comes says how many were held back before it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, _Seen] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is told. Time is the line's own."""
        if not record.name.startswith("aiokafka"):
            return True
        seen = self._of(record.getMessage(), record.created)
        expected = str(record.msg).startswith(_EXPECTED)
        since = seen.since if seen.told is None and expected else seen.told
        if since is not None and record.created - since < _LASTS:
            seen.held += 1
            return False
        if seen.held:
            record.msg, record.args = f"{record.getMessage()} ({seen.held} more like it before)", None
        seen.told, seen.held = record.created, 0
        return True

    def _of(self, text: str, now: float) -> _Seen:
        self._seen = {other: seen for other, seen in self._seen.items() if now - seen.last < max(_GAP, _LASTS)}
        seen = self._seen.get(text)
        if seen is None or now - seen.last > _GAP:
            seen = self._seen[text] = _Seen(now, now, seen.told if seen else None)
        seen.last = now
        return seen
