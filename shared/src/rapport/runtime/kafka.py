"""Out of Kafka: batches to a processor, with MongoDB as the truth about positions."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final, NoReturn

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    LeaderNotAvailableError,
    TopicAlreadyExistsError,
    for_code,
)
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from rapport.contracts import topics
from rapport.runtime import telemetry
from rapport.runtime.clock import SystemClock, backoff
from rapport.runtime.processor import Processor, WrongCluster
from rapport.runtime.settings import Misconfigured, Settings
from rapport.runtime.store import Row, Store
from rapport.runtime.subscribing import ASK_SECONDS, MEMBERSHIP, Guard, OnBatch, Records, headers_unread, whole_message

log = telemetry.logger()

_FRESH: Final = timedelta(seconds=2)
_COMMIT_EVERY: Final = 1.0
_MOST_LOOKS: Final = 30


async def ensure_topics(settings: Settings) -> None:
    """All topics exist with the same number of partitions; `Misconfigured` names the one that has not."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers, client_id="rapport-topics")
    await admin.start()
    try:
        names = {settings.topic_prefix + name: name for name in topics.ALL}
        existing = set(await admin.list_topics())
        for name, plain in names.items():
            if name not in existing:
                await _create(admin, name, plain, settings)
        for described in await _described(admin, list(names)):
            count = len(described["partitions"])
            if count != settings.partitions:
                raise Misconfigured(
                    f"topic {described['topic']} has {count} partitions, RAPPORT_PARTITIONS says "
                    f"{settings.partitions}: all topics need the same number"
                )
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, name: str, plain: str, settings: Settings) -> None:
    options = {"retention.ms": str(7 * 24 * 3600 * 1000)}
    if plain == topics.DEAD_LETTERS:
        options["max.message.bytes"] = str(2 << 20)
    topic = NewTopic(name, settings.partitions, settings.replication, topic_configs=options)
    try:
        response = await admin.create_topics([topic])
    except TopicAlreadyExistsError:
        return
    for _, code, message in response.topic_errors:
        if code in {0, TopicAlreadyExistsError.errno}:
            continue
        error = for_code(code)
        # a broker that has just started is fenced until the controller has heard of it
        if error.retriable or (error is InvalidReplicationFactorError and "fenced" in (message or "")):
            raise error(message)
        raise Misconfigured(f"topic {name} can't be created: {message or error.__name__}")


async def _described(admin: AIOKafkaAdminClient, names: list[str]) -> list[dict[str, Any]]:
    """The topics as the brokers know them; what has just been made is waited for until it has a leader everywhere."""
    for wait in islice(backoff(0.05, 1), _MOST_LOOKS):
        found: list[dict[str, Any]] = await admin.describe_topics(names)
        unready = [t["topic"] for t in found if t["error_code"] or any(p["leader"] < 0 for p in t["partitions"])]
        if not unready:
            return found
        await SystemClock().sleep(wait)
    raise LeaderNotAvailableError(f"topics without a leader: {', '.join(unready)}")


def make_broker(settings: Settings, service: str) -> KafkaBroker:
    return KafkaBroker(
        settings.kafka_bootstrap_servers,
        client_id=f"rapport-{service}",
        consumer_only=True,
        allow_auto_create_topics=False,
        apply_types=False,
        logger=None,
        graceful_timeout=15.0,
    )


class Reader:
    """
    One consumer group's subscription to some topics, feeding a processor.

    Knows which partitions this replica owns, how far each has been read, and so
    up to which instant a sweep may look.
    """

    def __init__(
        self,
        broker: KafkaBroker,
        settings: Settings,
        service: str,
        names: Sequence[str],
        processor: Processor,
        store: Store,
        fail: Callable[[BaseException], None],
    ) -> None:
        self._service = service
        self._topics = [settings.topic_prefix + name for name in names]
        self._processor = processor
        self._store = store
        self._fail = fail
        self._guard = Guard(fail)
        self._committed: dict[TopicPartition, int] = {}
        self._sought: frozenset[tuple[str, int]] = frozenset()
        self._subscriber = broker.subscriber(
            *self._topics,
            batch=True,
            group_id=f"{settings.topic_prefix}rapport-{service}",
            auto_offset_reset="none",
            ack_policy=AckPolicy.MANUAL,
            partition_assignment_strategy=[RangePartitionAssignor],
            max_records=settings.batch_records,
            listener=_Listener(self),
            **MEMBERSHIP,
        )

    def attach(self, on_batch: OnBatch) -> None:
        """
        Hand what is polled to the service's handler.

        While a partition's row is read, aiokafka goes on from what was committed; those records are left, and come
        again in their place once the row's position has been sought.
        """

        async def handle(message: KafkaMessage) -> None:
            message.clear_cache()
            records = [record for record in message.raw_message if (record.topic, record.partition) in self._sought]
            if records:
                await self._guard(lambda: on_batch(records))

        self._subscriber(handle, parser=headers_unread, decoder=whole_message)

    async def commit_for_ever(self) -> NoReturn:
        """Tell Kafka, for lag tools, how far it has come."""
        while True:
            await SystemClock().sleep(_COMMIT_EVERY)
            await self.commit()

    async def commit(self) -> None:
        """What is settled, never what is only polled: nobody may go on from behind what still waits."""
        ours = self.consumer.assignment() if self.consumer else ()
        settled = {tp: self._processor.positions[tp] for tp in ours if tp in self._sought}
        if not settled or settled == self._committed:
            return
        try:
            await self.consumer.commit(settled)
            self._committed = settled
        except KafkaError as error:
            log.info("offsets for lag tools were not committed", error=str(error))

    @property
    def consumer(self) -> Any:
        return self._subscriber.consumer

    @property
    def progressed_at(self) -> datetime:
        """When a batch was last settled."""
        return self._processor.progressed_at

    async def assigned(self, given: set[TopicPartition]) -> None:
        """Seek to where the rows say; one before, so that the last settled record is seen to be the same."""
        try:
            await self._seek(given)
        except BaseException as error:
            self._fail(error)
            raise
        self._sought = frozenset(given)
        owned = {
            tp.partition for tp in given if all(TopicPartition(topic, tp.partition) in given for topic in self._topics)
        }
        self._processor.owned = owned
        telemetry.PARTITIONS.labels(self._service).set(len(owned))
        log.info("partitions assigned", partitions=sorted(owned))

    async def _seek(self, given: set[TopicPartition]) -> None:
        if not given:
            return
        rows = await self._rows({tp.partition for tp in given})
        first = await self.consumer.beginning_offsets(list(given))
        end = await self.consumer.end_offsets(list(given))
        for tp in given:
            row = rows.get(tp.partition, Row(tp.partition))
            position = row.offsets.get(tp.topic)
            if position is None:
                position = first[tp]
            elif position > end[tp]:
                raise WrongCluster(
                    f"{tp.topic}/{tp.partition} ends at {end[tp]}, but was read up to {position}: another cluster?"
                )
            elif position < first[tp]:
                raise WrongCluster(
                    f"{tp.topic}/{tp.partition} begins at {first[tp]}, but was read only up to {position}: "
                    "records were deleted before they were read"
                )
            self._processor.positions[tp.topic, tp.partition] = position
            self.consumer.seek(tp, max(first[tp], position - 1) if tp.topic in row.last else position)

    async def _rows(self, partitions: set[int]) -> dict[int, Row]:
        rows: dict[int, Row] = {}

        async def read() -> None:
            rows.update(await self._store.rows(partitions))

        await self._processor.patiently("assignment", read)
        return rows

    async def revoked(self) -> None:
        self._sought = frozenset()
        self._processor.owned = set()
        telemetry.PARTITIONS.labels(self._service).set(0)

    def horizons(self, now: datetime, settled: Records = ()) -> dict[int, datetime]:
        """
        Up to which instant each owned partition may be swept, once the records `settled` are.

        `now` where the last poll emptied it, else the broker's stamp of the last
        record settled: what waits in the topic may be the answer.
        """
        newest = {(record.topic, record.partition): record for record in settled}
        consumer = self.consumer
        if consumer is None:
            return {}
        horizons: dict[int, datetime] = {}
        for partition in self._processor.owned:
            instants = [
                self._horizon(consumer, TopicPartition(topic, partition), now, newest.get((topic, partition)))
                for topic in self._topics
            ]
            known = [instant for instant in instants if instant is not None]
            if len(known) == len(instants):
                horizons[partition] = min(known)
        return horizons

    def _horizon(self, consumer: Any, tp: TopicPartition, now: datetime, newest: Any | None) -> datetime | None:
        if tp not in consumer.assignment():
            return None
        polled, end = consumer.last_poll_timestamp(tp), consumer.highwater(tp)
        if polled is None or end is None:
            return None
        position, stamp = self._processor.positions.get(tp, 0), self._processor.stamps.get(tp)
        if newest is not None and newest.offset >= position:
            position, stamp = newest.offset + 1, newest.timestamp
        if position >= end and now - datetime.fromtimestamp(polled / 1000, UTC) < _FRESH:
            return now
        return min(now, datetime.fromtimestamp(stamp / 1000, UTC)) if stamp is not None else None

    async def lag(self) -> dict[str, int]:
        """Records per topic that wait in our partitions, asked of the broker itself."""
        consumer = self.consumer
        ours = [tp for tp in (consumer.assignment() if consumer else ()) if tp.partition in self._processor.owned]
        ends = await asyncio.wait_for(consumer.end_offsets(ours), ASK_SECONDS) if ours else {}
        behind = dict.fromkeys(self._topics, 0)
        for tp, end in ends.items():
            behind[tp.topic] += max(0, end - self._processor.positions.get((tp.topic, tp.partition), 0))
        for topic, count in behind.items():
            telemetry.LAG.labels(self._service, topic).set(count)
        return behind


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - all are, in this protocol
        await self._reader.revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._reader.assigned(assigned)
