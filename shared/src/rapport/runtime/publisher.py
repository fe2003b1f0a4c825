"""Into Kafka: acknowledged by all in-sync replicas, idempotent, in order per key."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from rapport.runtime import telemetry
from rapport.runtime.batching import Committer, TooMuchWaits, partition_of_key
from rapport.runtime.deadlines import Deadlines

log = telemetry.logger()

STRUCTURED = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
"""The headers of a record whose value is one CloudEvent in structured mode."""

MOST_BYTES: Final = 64 << 20
"""Bytes of records that may wait for Kafka."""

_STOP_SECONDS: Final = 5.0


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A record to publish. `topic` is without the prefix of the settings."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = STRUCTURED


def partition_of(key: str, partitions: int) -> int:
    """Where Kafka's default partitioner puts a record with this key, whichever the topic."""
    return partition_of_key(key.encode(), partitions)


class NotAcknowledged(Exception):
    """Kafka did not say in time that it has stored the records; it may have."""


class Publisher:
    """One producer, replaced when it has failed for good. At most `most_bytes` of records wait in it."""

    def __init__(self, bootstrap: str, *, client_id: str, topic_prefix: str = "", most_bytes: int = MOST_BYTES) -> None:
        self._bootstrap = bootstrap
        self._client_id = client_id
        self._prefix = topic_prefix
        self._most_bytes = most_bytes
        self._line: _Line | None = None
        self._starting = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        await self._ready()

    async def stop(self) -> None:
        """Return when what was taken in is stored, or after a few seconds."""
        line, self._line = self._line, None
        if line:
            self._retiring.add(asyncio.create_task(_stop(line)))
        if self._retiring:
            _, late = await asyncio.wait(self._retiring, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()

    async def ping(self) -> None:
        """Return when a broker has answered."""
        line = await self._ready()
        await line.producer.client.fetch_all_metadata()

    async def publish(self, records: Iterable[Outgoing], *, within: float = 30.0) -> None:
        """
        Return when all are stored; raise `NotAcknowledged` when that was not said within `within` seconds.

        Records with the same key are stored in the order given. After a failure
        some may be stored: publish them all again, their identity makes that harmless.
        """
        outgoing = list(records)
        line, loop = self._line, asyncio.get_running_loop()
        deadline = loop.time() + within
        try:
            if line is None or not line.committer.knows(outgoing):
                async with asyncio.timeout_at(deadline):
                    line = await self._ready()
                    await line.committer.prepare({record.topic for record in outgoing})
            stored = line.committer.add(outgoing)
            line.deadlines.watch(stored, deadline)
            try:
                await stored
            finally:
                line.deadlines.forget(stored)
        except TimeoutError:
            raise NotAcknowledged(f"Kafka did not acknowledge within {within:g} s") from None
        except TooMuchWaits:
            raise NotAcknowledged("too much waits for Kafka already") from None
        except (KafkaError, OSError) as error:
            self._retire(line)
            raise NotAcknowledged(f"Kafka refused: {error}") from error

    async def _ready(self) -> "_Line":
        async with self._starting:
            if self._line is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    client_id=self._client_id,
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=1 << 20,
                    max_request_size=2 << 20,
                    request_timeout_ms=30_000,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                committer = Committer(producer, self._prefix, self._most_bytes)
                self._line = _Line(producer, committer, Deadlines(asyncio.get_running_loop()))
            return self._line

    def _retire(self, line: "_Line | None") -> None:
        """Use another producer from now on; this one stops when what it holds has run out."""
        if line is None or line is not self._line:
            return
        self._line = None
        log.warning("producer replaced after an error")
        retiring = asyncio.create_task(_stop(line))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)


class _Line(NamedTuple):
    """A producer, who fills it, and until when it is waited for."""

    producer: AIOKafkaProducer
    committer: Committer
    deadlines: Deadlines


async def _stop(line: _Line) -> None:
    try:
        await line.committer.drain()
        await line.producer.stop()
    except KafkaError as error:
        log.warning("a producer did not stop cleanly", error=str(error))
