"""Customers of whom more was told since a copy took over what had been told."""

from datetime import datetime, timedelta
from typing import Any, Final

from rapport.runtime import alarms
from rapport.runtime.store import Store

from metrics.domain import CustomerFact

_CLOCKS_DIFFER: Final = timedelta(minutes=1)


async def woken_since(live: Store, copy: Store, now: datetime, *, most: int) -> list[str]:
    """
    Those that were due in the copy and wake at another time now: whoever wakes tells, and wakes later.

    What is told when an event is folded is in the journal, and is taken over when it is played.
    """
    shown: dict[str, Any] = {"wake_at": 1}
    as_live = {
        "from": live.collection(CustomerFact.collection).name,
        "localField": "_id",
        "foreignField": "_id",
        "pipeline": [{"$project": shown}],
        "as": "live",
    }
    pipeline = [
        {"$match": alarms.due_anywhere(now + _CLOCKS_DIFFER)},
        {"$project": shown},
        {"$lookup": as_live},
        {"$match": {"$expr": {"$ne": ["$wake_at", {"$first": "$live.wake_at"}]}}},
        {"$limit": most},
    ]
    return [found["_id"] async for found in copy.collection(CustomerFact.collection).aggregate(pipeline)]
