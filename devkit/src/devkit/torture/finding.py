"""What is in Kafka in the end, held against what the senders were told."""

from collections import Counter
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic_core import from_json
from rapport.contracts import topics

from devkit.torture.senders import Told

_SHOWN: Final = 20
_WAIT_MILLIS: Final = 10_000


@dataclass(slots=True)
class Found:
    """The balance. `faults` are the first of those found; there must be none."""

    records: int = 0
    repeats: int = 0
    taken: int = 0
    letters: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        if len(self.faults) < _SHOWN:
            self.faults.append(text)


async def find(kafka: str, told: Told) -> Found:
    """Read both topics to their ends, and settle."""
    ledger = Ledger(told)
    async for name, key in _events(kafka, topics.CONTACT_EVENTS):
        ledger.record(name, key)
    return ledger.close({name async for name, _ in _events(kafka, topics.DEAD_LETTERS)})


class Ledger:
    """
    What must be true, and what is.

    Every event answered 2xx must be in contact-events at least once; of each
    customer, whose events one client has sent in order, each for the first time
    after the one before it; nothing refused; every refused one in the dead letters.
    """

    def __init__(self, told: Told) -> None:
        self._told = told
        self._last: Counter[str] = Counter()
        self._found = Found(taken=sum(told.taken.values()), faults=told.wrong[:_SHOWN])

    def record(self, name: str, key: bytes | None) -> None:
        """The next record of contact-events."""
        found, last = self._found, self._last
        found.records += 1
        customer, _, text = name.rpartition("/")
        if name.startswith("bad/"):
            found.fault(f"{name} violates the contract and is there")
            return
        if key != customer.encode():
            found.fault(f"{name} has the key {key!r}")
        number = int(text)
        if number <= last[customer]:
            found.repeats += 1
            return
        if number > last[customer] + 1:
            found.fault(f"{name} is there before {customer}/{last[customer] + 1}")
        last[customer] = number

    def close(self, letters: AbstractSet[str]) -> Found:
        """The balance, once all records have been seen, and these are the ids of the dead letters."""
        found = self._found
        for customer, number in self._told.taken.items():
            if self._last[customer] < number:
                there = f"{customer}/{self._last[customer]}"
                found.fault(f"{customer}/{number} was answered 2xx; the last one there is {there}")
        found.letters = len(letters)
        if strays := {name for name in letters if not name.startswith("bad/")}:
            found.fault(f"{len(strays)} dead letters satisfy the contract, {min(strays)} among them")
        if missing := self._told.refused - letters:
            found.fault(f"{len(missing)} refused events are no dead letters, {min(missing)} among them")
        return found


async def _events(kafka: str, topic: str) -> AsyncIterator[tuple[str, bytes | None]]:
    """The id and the key of each record, partition by partition in their order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        numbers = await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - no public way without subscribing
        places = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            consumer.pause(*[other for other in places if other != place])
            consumer.resume(place)
            while await consumer.position(place) < ends[place]:
                batches: dict[Any, list[Any]] = await consumer.getmany(place, timeout_ms=_WAIT_MILLIS)
                for record in batches.get(place, ()):
                    yield from_json(record.value)["id"], record.key
    finally:
        await consumer.stop()
