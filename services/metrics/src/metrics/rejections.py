"""What any service refused for good, by the event that it was: where no journal has it, this is its fate."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic_core import from_json
from rapport.contracts import identity
from rapport.erasing import Pseudonyms
from rapport.runtime import dead_letter as names
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database, UpdateOne
from rapport.runtime.patience import Patience

COLLECTION: Final = "rejections"
_MOST_OF_ONE: Final = 50

Handler = Callable[[Sequence[Any]], Awaitable[None]]
Kept = Callable[["Rejection", str], Awaitable["Rejection"]]

_YEARS: Final = range(2, 9000)
"""Years that have an instant in UTC whatever the offset, and to which any retention can be added."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """
    Who refused an event, whence and why. What it said is in the dead letters, not here.

    `event` is the identity that it came with; of an erased customer's, source and id may be others now.
    """

    event: str
    source: str
    event_id: str
    service: str
    topic: str
    reason: str
    pointer: str
    at: datetime

    def names(self, customer_id: str) -> bool:
        """Whether the customer's id can be read in it."""
        return bool(customer_id) and any(customer_id in text for text in (self.source, self.event_id, self.reason))

    def nameless(self, customer_id: str, pseudonyms: Pseudonyms) -> "Rejection":
        """The same with the customer erased."""
        return replace(
            self,
            source=pseudonyms.instead(self.source, customer_id),
            event_id=pseudonyms.instead(self.event_id, customer_id),
            reason=self.reason.replace(customer_id, "(erased)"),
        )

    @property
    def name(self) -> str:
        """Delivered twice, or refused again for the same reason, it is the same rejection."""
        return identity(self.event, f"{self.service}\0{self.topic}\0{self.reason}")


def rejection_of(record: Any, topic_prefix: str = "") -> Rejection | None:
    """The rejection in a record of the topic dead-letters; None where source or id can't be read."""
    headers = {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
    given = {name: headers[f"ce_{name}"] for name in ("source", "id") if f"ce_{name}" in headers}
    found = given or _document(record.value)
    source, event_id = found.get("source"), found.get("id")
    if not (isinstance(source, str) and isinstance(event_id, str) and source and event_id):
        return None
    return Rejection(
        event=identity(source, event_id),
        source=source,
        event_id=event_id,
        service=headers.get(names.SERVICE, ""),
        topic=headers.get(names.TOPIC, "").removeprefix(topic_prefix),
        reason=headers.get(names.REASON, "unknown"),
        pointer=headers.get(names.POINTER, ""),
        at=_instant(headers.get(names.AT, ""), record.timestamp),
    )


class Rejections:
    """Kept for `retention` and then deleted by MongoDB itself."""

    def __init__(self, database: Database, retention: timedelta) -> None:
        self._kept = database[COLLECTION]
        self._retention = retention

    async def prepare(self) -> None:
        await self._kept.create_index([("event", 1), ("at", -1)])
        await self._kept.create_index([("until", 1)], expireAfterSeconds=0)

    async def add(self, rejections: Iterable[Rejection]) -> None:
        writes = [
            UpdateOne({"_id": one.name}, {"$setOnInsert": self._document(one)}, upsert=True) for one in rejections
        ]
        if writes:
            await self._kept.bulk_write(writes, ordered=False)

    async def of(self, source: str, event_id: str) -> list[Rejection]:
        """The rejections of one event, the newest first."""
        found = self._kept.find({"event": identity(source, event_id)})
        return [_rejection(document) async for document in found.sort("at", -1).limit(_MOST_OF_ONE)]

    async def forget(self, customer_id: str, pseudonyms: Pseudonyms) -> None:
        """Other names for the events that are named after this customer."""
        named = {"$regex": re.escape(customer_id)}
        found = self._kept.find({"$or": [{"source": named}, {"event_id": named}, {"reason": named}]})
        async for document in found:
            one = _rejection(document).nameless(customer_id, pseudonyms)
            await self._kept.update_one({"_id": document["_id"]}, {"$set": asdict(one)})

    def _document(self, one: Rejection) -> dict[str, Any]:
        return {"until": one.at + self._retention, **asdict(one)}


def keeper(rejections: Rejections, kept: Kept, clock: Clock, topic_prefix: str) -> Handler:
    """`kept` is how a rejection may be kept that is about the customer of this id."""
    patiently = Patience("metrics", clock)

    async def remember(records: Sequence[Any]) -> None:
        found = [(rejection_of(record, topic_prefix), _customer(record)) for record in records]
        await rejections.add([await kept(one, customer_id) for one, customer_id in found if one])

    async def on_dead_letters(records: Sequence[Any]) -> None:
        """Remember which events were refused, by whom and why."""
        await patiently("rejections", lambda: remember(records))

    return on_dead_letters


def _customer(record: Any) -> str:
    """Whom a refused record is about: as it says itself, else its key."""
    document = _document(record.value)
    data = document.get("data")
    said = (data if isinstance(data, dict) else document).get("customer_id")  # in binary mode the value is the data
    return said if isinstance(said, str) else (record.key or b"").decode(errors="replace")


def _rejection(document: Mapping[str, Any]) -> Rejection:
    return Rejection(**{field.name: document[field.name] for field in fields(Rejection)})


def _document(value: bytes | None) -> Mapping[str, Any]:
    try:
        document = from_json(value or b"null")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _instant(text: str, timestamp_ms: int) -> datetime:
    """As our services write it; where somebody else has written what makes no sense, when the record was made."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    sensible = found is not None and found.tzinfo is not None and found.year in _YEARS
    return found if found and sensible else datetime.fromtimestamp(timestamp_ms / 1000, UTC)
