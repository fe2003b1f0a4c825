"""
Group commit: what many ask to be stored within a moment goes to Kafka together, in one batch for each partition.

That costs a seventh of one `send` and one future for each record, and as few requests to the broker as can be.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

LINGER_SECONDS: Final = 0.002
"""How long the first record for a partition at rest waits for company."""


class Record(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class TooMuchWaits(Exception):
    """So many bytes wait for Kafka already that no more are taken."""


class _Commit:
    """Records that were asked for together, and are done when the last batch that holds one of them is stored."""

    __slots__ = ("batches", "future")

    def __init__(self, future: "asyncio.Future[None]") -> None:
        self.future = future
        self.batches = 0

    def stored(self) -> None:
        self.batches -= 1
        if not self.batches and not self.future.done():
            self.future.set_result(None)

    def failed(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Batch:
    """Records of one partition that go as one, and who waits for them."""

    __slots__ = ("builder", "bytes", "commits")

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.commits: list[_Commit] = []
        self.bytes = 0

    def takes(self, record: Record, commit: _Commit) -> bool:
        """Whether there was room for it; there always is for the first."""
        value = record.value
        if self.builder.append(timestamp=None, key=record.key, value=value, headers=[*record.headers]) is None:
            return False
        if not self.commits or self.commits[-1] is not commit:
            self.commits.append(commit)
            commit.batches += 1
        self.bytes += len(value or b"")
        return True

    @property
    def follows_a_failure(self) -> bool:
        return any(commit.future.done() for commit in self.commits)


class _Partition:
    """The batches that wait for one partition, in order; the last of them may still be added to."""

    __slots__ = ("batches", "busy", "number", "topic")

    def __init__(self, topic: str, number: int) -> None:
        self.topic = topic
        self.number = number
        self.batches: deque[_Batch] = deque()
        self.busy = False


class Committer:
    """
    Puts records into batches and hands these to a producer, one at a time for each partition.

    While one is on its way the next fills up, so the busier it is the larger
    they grow. A batch that nobody waits for any more is not sent at all.
    """

    def __init__(self, producer: AIOKafkaProducer, topic_prefix: str, most_bytes: int) -> None:
        self._producer = producer
        self._prefix = topic_prefix
        self._most = most_bytes
        self._loop = asyncio.get_running_loop()
        self._topics: dict[str, list[_Partition]] = {}
        self._resting: list[_Partition] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._bytes = 0

    async def prepare(self, topics: Iterable[str]) -> None:
        """Learn how many partitions these topics have, for those not known yet."""
        for topic in topics:
            if topic not in self._topics:
                full = self._prefix + topic
                count = len(await self._producer.partitions_for(full))
                self._topics.setdefault(topic, [_Partition(full, number) for number in range(count)])

    def knows(self, records: Iterable[Record]) -> bool:
        return {record.topic for record in records} <= self._topics.keys()

    def add(self, records: Iterable[Record]) -> "asyncio.Future[None]":
        """
        A future that is done when all are stored, or has failed. Records with the same key stay in this order.

        Raises `TooMuchWaits` and takes none where too many bytes wait. Forsaking
        the future takes nothing back that is on its way.
        """
        if self._bytes > self._most:
            raise TooMuchWaits
        commit = _Commit(self._loop.create_future())
        for record in records:
            partitions = self._topics[record.topic]
            partition = partitions[partition_of_key(record.key or b"", len(partitions))]
            batch = partition.batches[-1] if partition.batches else self._begun(partition)
            if not batch.takes(record, commit):
                batch = self._begun(partition)
                batch.takes(record, commit)
            self._bytes += len(record.value or b"")
        if not commit.batches:
            commit.future.set_result(None)
        return commit.future

    async def drain(self) -> None:
        """Return when nothing is on its way any more."""
        self._send_resting()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _begun(self, partition: _Partition) -> _Batch:
        """A new batch, the last of a partition; one at rest is sent after a moment."""
        batch = _Batch(self._producer.create_batch())
        partition.batches.append(batch)
        if len(partition.batches) == 1 and not partition.busy:
            if not self._resting:
                self._loop.call_later(LINGER_SECONDS, self._send_resting)
            self._resting.append(partition)
        return batch

    def _send_resting(self) -> None:
        resting, self._resting = self._resting, []
        for partition in resting:
            partition.busy = True
            task = self._loop.create_task(self._send_all(partition))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send_all(self, partition: _Partition) -> None:
        """
        Send what waits for a partition until nothing does.

        What was asked for together with a failed batch fails with it: it may be
        later news about the same key, not to be stored before what is sent again.
        """
        try:
            while partition.batches:
                batch = partition.batches.popleft()
                error = await self._send(partition, batch)
                self._settled(batch, error)
                while error and partition.batches and partition.batches[0].follows_a_failure:
                    self._settled(partition.batches.popleft(), error)
        finally:
            partition.busy = False

    async def _send(self, partition: _Partition, batch: _Batch) -> Exception | None:
        if all(commit.future.done() for commit in batch.commits):
            return None
        batch.builder.close()
        try:
            sent = await self._producer.send_batch(batch.builder, partition.topic, partition=partition.number)
            await sent
        except (KafkaError, OSError) as error:
            return error
        return None

    def _settled(self, batch: _Batch, error: Exception | None) -> None:
        self._bytes -= batch.bytes
        for commit in batch.commits:
            if error is None:
                commit.stored()
            else:
                commit.failed(error)


@lru_cache(maxsize=65_536)
def partition_of_key(key: bytes, partitions: int) -> int:
    """Where the producer's own partitioner, and Java's, puts a record with this key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
