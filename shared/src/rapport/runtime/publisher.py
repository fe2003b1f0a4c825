"""Into Kafka: acknowledged by all in-sync replicas, idempotent, in order per key."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from rapport.runtime import telemetry
from rapport.runtime.batching import WORTHWHILE, Turns, partition_of_key, send_together

log = telemetry.logger()

STRUCTURED = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
"""The headers of a record whose value is one CloudEvent in structured mode."""


_STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to publish. `topic` is without the prefix of the settings."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = STRUCTURED


def partition_of(key: str, partitions: int) -> int:
    """Where Kafka's default partitioner puts a record with this key, whichever the topic."""
    return partition_of_key(key.encode(), partitions)


def _key(record: Outgoing) -> bytes | None:
    """Aiokafka sends no record without both key and value, though Kafka holds such; an empty key stands in."""
    return b"" if record.key is None and record.value is None else record.key


class NotAcknowledged(Exception):
    """Kafka did not say in time that it has stored the records; it may have."""


class Publisher:
    """One producer, replaced when it has failed for good."""

    def __init__(self, bootstrap: str, *, client_id: str, topic_prefix: str = "") -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._prefix = topic_prefix
        self._producer: AIOKafkaProducer | None = None
        self._turns: Turns = defaultdict(asyncio.Lock)
        self._starting = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._ready()

    async def stop(self) -> None:
        """Return when what was taken in is stored, or after a few seconds."""
        producer, self._producer = self._producer, None
        if producer:
            self._retiring.add(asyncio.create_task(_stop(producer)))
        if self._retiring:
            _, late = await asyncio.wait(self._retiring, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()

    async def ping(self) -> None:
        """Return when a broker has answered."""
        producer = await self._ready()
        await producer.client.fetch_all_metadata()

    async def publish(self, records: Iterable[Outgoing], *, within: float = 30.0) -> None:
        """
        Return when all are stored; raise `NotAcknowledged` when that was not said within `within` seconds.

        Records with the same key are stored in the order given. After a failure
        some may be stored: publish them all again, their identity makes that harmless.
        """
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(within):
                producer = await self._ready()
                outgoing = list(records)
                if len(outgoing) >= WORTHWHILE:
                    await send_together(producer, outgoing, self._prefix, self._turns)
                    return
                sent = [
                    await producer.send(self._prefix + r.topic, r.value, key=_key(r), headers=list(r.headers))
                    for r in outgoing
                ]
                if sent:
                    await asyncio.gather(*map(asyncio.shield, sent))
        except TimeoutError:
            raise NotAcknowledged(f"Kafka did not acknowledge within {within:g} s") from None
        except KafkaError as error:
            self._retire(producer)
            raise NotAcknowledged(f"Kafka refused: {error}") from error

    async def _ready(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    client_id=self._client_id,
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=2,
                    max_batch_size=1 << 20,
                    max_request_size=2 << 20,
                    request_timeout_ms=30_000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    def _retire(self, producer: AIOKafkaProducer | None) -> None:
        """Use another producer from now on; this one stops when what it holds has run out."""
        if producer is None or producer is not self._producer:
            return
        self._producer = None
        log.warning("producer replaced after an error")
        retiring = asyncio.create_task(_stop(producer))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        await producer.stop()
    except KafkaError as error:
        log.warning("a producer did not stop cleanly", error=str(error))
