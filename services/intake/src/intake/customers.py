"""Which customer each contact has: for sources that know only the contact, and until a person is forgotten."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NoReturn

from pydantic_core import from_json
from rapport.cloudevents import CloudEvent, MalformedEvent, from_http, from_kafka, to_structured
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database, UpdateOne
from rapport.runtime.patience import Patience
from rapport.runtime.publisher import STRUCTURED

from intake.domain import Accepted
from intake.domain.admission import ERASED, opened
from intake.letters import Letter
from intake.reading import Came
from intake.records import SERVICE, Verdict
from intake.store import DeadLetters

COLLECTION: Final = "contacts"
ANONYMOUS: Final = "anonymous:"

_EVERY: Final = 1.0
_AT_ONCE: Final = 500
_MOST_OVERHEARD: Final = 50_000
"""Events that wait to be looked at while MongoDB is away; of more, the oldest are not remembered."""

_MERGED: Final = "contact.merged"
_JSON: Final = {"content-type": "application/cloudevents+json"}


@dataclass(frozen=True, slots=True)
class Named:
    """Whose a contact is, as an event of that instant said it; `millis` since 1970."""

    customer_id: str
    millis: int

    def beats(self, other: "Named | None") -> bool:
        """Somebody known beats an anonymous one; else what was said of the later moment holds, whenever it comes."""
        return other is None or self.rank >= other.rank

    @property
    def rank(self) -> tuple[bool, int]:
        return not self.customer_id.startswith(ANONYMOUS), self.millis


Known = dict[str, Named]


def learned(events: Iterable[tuple[str, str, Any]]) -> Known:
    """What events, each given by type, time and data, say of whose contacts are; a merged one and its heir share it."""
    known: Known = {}
    for event_type, time, data in events:
        customer_id = _name(data, "customer_id")
        if not customer_id:
            continue
        named = Named(customer_id, _millis(time))
        for contact_id in _contacts(event_type, data):
            if named.beats(known.get(contact_id)):
                known[contact_id] = named
    return known


def filled_in(event: CloudEvent, known: Mapping[str, Named]) -> CloudEvent:
    """The event with its customer; as it is where it names one, or where its contact was never seen."""
    if not lacks_customer(event):
        return event
    for contact_id in _contacts(event.attributes.get("type", ""), event.data):
        if named := known.get(contact_id):
            return CloudEvent(event.attributes, {**event.data, "customer_id": named.customer_id}, event.typed)
    return event


def lacks_customer(event: CloudEvent) -> bool:
    """Whether it leaves the customer out; null is as good as that."""
    return isinstance(event.data, dict) and event.data.get("customer_id") is None


def _contacts(event_type: str, data: Any) -> list[str]:
    fields = ("contact_id", "into") if event_type == _MERGED else ("contact_id",)
    return [name for field in fields if (name := _name(data, field))]


def _millis(time: str) -> int:
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000)
    except ValueError:
        return 0


def _name(data: Any, field: str) -> str:
    value = data.get(field) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


class Customers:
    """
    The memory in MongoDB. What it is told twice, or late, leaves it as it is.

    `asked_for` says whether anybody may leave the customer out; while nobody may,
    nothing is overheard.
    """

    def __init__(
        self, database: Database, letters: DeadLetters, clock: Clock, asked_for: Callable[[], bool] = lambda: False
    ) -> None:
        self._contacts = database[COLLECTION]
        self._letters = letters
        self._clock = clock
        self.asked_for = asked_for
        self._patiently = Patience(SERVICE, clock)
        self._overheard: deque[bytes] = deque(maxlen=_MOST_OVERHEARD)
        self._writing: list[bytes] = []

    async def prepare(self) -> None:
        """Have the index that forgetting a customer needs."""
        await self._contacts.create_index([("customer_id", 1)])

    async def resolve(self, events: Sequence[Came]) -> list[Came]:
        """The events, each with its customer where that is known, if only from another event of the same request."""
        read = [_read(event) for event in events]
        opened = [event for event in read if isinstance(event, CloudEvent)]
        if not any(lacks_customer(event) for event in opened):
            return list(events)
        known = await self._known(opened)
        return [_filled(came, event, known) for came, event in zip(events, read, strict=True)]

    async def complete(self, letters: Sequence[Letter]) -> list[Letter]:
        """The letters, each as it would have come had its sender known the customer, where that is known now."""
        read = [_read_letter(letter) for letter in letters]
        lacking = [event for event in read if event and lacks_customer(event)]
        known = await self._known(lacking) if lacking else {}
        return [_completed(letter, event, known) for letter, event in zip(letters, read, strict=True)]

    async def note(self, verdicts: Iterable[Verdict]) -> None:
        """Remember what accepted events say of their contacts, and forget whom an admin has erased."""
        events = [from_json(verdict.value) for verdict in verdicts if isinstance(verdict, Accepted)]
        await self._learn(events)
        erased = [event["data"]["customer_id"] for event in events if event["type"] == ERASED]
        if erased:
            await self.settle()
            await self._contacts.delete_many({"customer_id": {"$in": erased}})
            await self._letters.forget(erased, now=self._clock.now())

    def overhear(self, verdicts: Iterable[Verdict]) -> None:
        """Remember the same a second later: of those who name the customer, for those who need not."""
        if self.asked_for():
            self._overheard.extend(verdict.value for verdict in verdicts if isinstance(verdict, Accepted))

    async def follow(self) -> NoReturn:
        """Write down what was overheard, for ever."""
        while True:
            await self._clock.sleep(_EVERY)
            await self._patiently("customers", self.settle)

    async def settle(self) -> None:
        """Write down what was overheard up to now."""
        while self._writing or self._overheard:
            if not self._writing:
                self._writing = [self._overheard.popleft() for _ in range(min(_AT_ONCE, len(self._overheard)))]
            writing = self._writing
            await self._learn([from_json(value) for value in writing])
            if self._writing is writing:
                self._writing = []

    async def _learn(self, events: Sequence[Mapping[str, Any]]) -> None:
        known = learned((event["type"], event["time"], event["data"]) for event in events)
        if known:
            await self._contacts.bulk_write([_remembering(name, said) for name, said in known.items()], ordered=False)

    async def _known(self, events: Sequence[CloudEvent]) -> Known:
        names = {name for event in events for name in _contacts(event.attributes.get("type", ""), event.data)}
        known = await self._remembered(names)
        if names - known.keys() and (self._overheard or self._writing):
            await self.settle()
            known = await self._remembered(names)
        said = ((e.attributes.get("type", ""), e.attributes.get("time", ""), e.data) for e in events)
        for name, named in learned(said).items():
            if named.beats(known.get(name)):
                known[name] = named
        return known

    async def _remembered(self, names: Iterable[str]) -> Known:
        rows = self._contacts.find({"_id": {"$in": sorted(names)}})
        return {row["_id"]: Named(row["customer_id"], row["millis"]) async for row in rows}


def _remembering(contact_id: str, named: Named) -> UpdateOne:
    """Whichever replica writes last, what beats the other stands: the comparison is MongoDB's."""
    known = not named.customer_id.startswith(ANONYMOUS)
    wins = {
        "$or": [
            {"$lt": [{"$ifNull": ["$known", -1]}, int(known)]},
            {"$and": [{"$eq": ["$known", int(known)]}, {"$lte": ["$millis", named.millis]}]},
        ]
    }
    values = {"customer_id": named.customer_id, "millis": named.millis, "known": int(known)}
    chosen = {name: {"$cond": [wins, {"$literal": value}, f"${name}"]} for name, value in values.items()}
    return UpdateOne({"_id": contact_id}, [{"$set": chosen}], upsert=True)


def _filled(came: Came, event: Came, known: Known) -> Came:
    """What came, where its customer could not be added."""
    filled = filled_in(event, known) if isinstance(event, CloudEvent) else event
    return came if filled is event else filled


def _read(event: Came) -> Came:
    if not isinstance(event, bytes):
        return event
    try:
        [read] = from_http(_JSON, event)
    except MalformedEvent:
        return event
    return opened(read)


def _read_letter(letter: Letter) -> CloudEvent | None:
    try:
        return opened(from_kafka(letter.value, letter.headers))
    except MalformedEvent:
        return None


def _completed(letter: Letter, event: CloudEvent | None, known: Known) -> Letter:
    filled = event and filled_in(event, known)
    if filled is None or filled is event:
        return letter
    return replace(letter, value=to_structured(filled), headers=STRUCTURED)
