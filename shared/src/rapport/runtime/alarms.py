"""Which states wake when: the index that finds them, and the conditions as that index takes them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rapport.runtime.mongo import Collection

PUT_OFF: Final = timedelta(minutes=1)
"""After this a state that could not be decided about is tried again."""

_LONG_AGO: Final = datetime(1900, 1, 1, tzinfo=UTC)
"""Every query for states that wake has at least this bound: else the planner does not take the partial index."""

_LIVE: Final = [False]
_LIVE_OR_NOT: Final = [False, True]
"""Said in every query for states that wake, as the first field of their index."""


async def prepare(states: Collection) -> None:
    """The index, where it is missing."""
    await states.create_index(
        [("backfill", 1), ("wake_at", 1), ("p", 1)],
        name="alarms",
        partialFilterExpression={"wake_at": {"$gt": _LONG_AGO}},
    )


def due(until: datetime, partitions: Sequence[int], *, live: bool) -> dict[str, Any]:
    """The states of these partitions to wake up to an instant; with `live` only those that are no history."""
    return {
        "backfill": {"$in": _LIVE if live else _LIVE_OR_NOT},
        "wake_at": {"$gt": _LONG_AGO, "$lte": until},
        "p": {"$in": partitions},
    }


def due_anywhere(until: datetime) -> dict[str, Any]:
    """The states of all partitions to wake up to an instant."""
    return {"backfill": {"$in": _LIVE_OR_NOT}, "wake_at": {"$gt": _LONG_AGO, "$lte": until}}


def later(than: datetime, partitions: Sequence[int]) -> dict[str, Any]:
    """The states of these partitions that wake after an instant."""
    return {"backfill": {"$in": _LIVE_OR_NOT}, "wake_at": {"$gt": than}, "p": {"$in": partitions}}


def asleep_since(border: datetime) -> dict[str, Any]:
    """Live states that should have been woken before then."""
    return {"backfill": False, "wake_at": {"$gt": _LONG_AGO, "$lt": border}}


def failing_since(border: datetime, now: datetime) -> dict[str, Any]:
    """States that could not be decided about since before `border`; none is put off further than the index is read."""
    return {
        "backfill": {"$in": _LIVE_OR_NOT},
        "wake_at": {"$gt": _LONG_AGO, "$lte": now + PUT_OFF},
        "failing_since": {"$lt": border},
    }
