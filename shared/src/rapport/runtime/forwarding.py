"""Out of Kafka: batches to a handler that keeps no state, with Kafka's own offsets as the truth about positions."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from rapport.runtime import telemetry
from rapport.runtime.clock import Clock
from rapport.runtime.settings import Settings
from rapport.runtime.subscribing import ASK_SECONDS, MEMBERSHIP, Guard, OnBatch, headers_unread, whole_message

log = telemetry.logger()


class Forwarder:
    """
    One consumer group's subscription to one topic; the offsets are committed after each batch, at least once.

    What somebody else's transaction holds is read once that is committed, and never where it was aborted.
    """

    def __init__(
        self,
        broker: KafkaBroker,
        settings: Settings,
        service: str,
        topic: str,
        on_batch: OnBatch,
        fail: Callable[[BaseException], None],
        clock: Clock,
    ) -> None:
        self._service = service
        self._topic = settings.topic_prefix + topic
        self._clock = clock
        self._guard = Guard(fail)
        self._handling = False
        self.progressed_at = clock.now()
        self._subscriber = broker.subscriber(
            self._topic,
            batch=True,
            group_id=f"{settings.topic_prefix}rapport-{service}-{topic}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            max_records=settings.batch_records,
            isolation_level="read_committed",
            **MEMBERSHIP,
        )

        async def handle(message: KafkaMessage) -> None:
            message.clear_cache()
            self._handling = True
            if await self._guard(lambda: on_batch(message.raw_message)):
                await self._settled(message)
                self._handling = False

        self._subscriber(handle, parser=headers_unread, decoder=whole_message)

    async def lag(self) -> dict[str, int]:
        """
        How many records of the topic wait in this replica's partitions, asked of the broker itself.

        Counted from what is committed: a partition's records may have been handled by another replica. Nothing
        waits where all has been fetched and handled, though the end of a transaction may stand behind the last record.
        """
        consumer: Any = self._subscriber.consumer
        ours = list(consumer.assignment()) if consumer else []
        waiting = 0
        if ours:
            async with asyncio.timeout(ASK_SECONDS):
                ends = await consumer.end_offsets(ours)
                firsts = await consumer.beginning_offsets(ours)
                done = await asyncio.gather(*map(consumer.committed, ours))
                fetched = await asyncio.gather(*map(consumer.position, ours))
            waiting = sum(
                max(0, ends[tp] - max(firsts[tp], committed or 0))
                for tp, committed, position in zip(ours, done, fetched, strict=True)
                if self._handling or position < ends[tp]
            )
        telemetry.LAG.labels(self._service, self._topic).set(waiting)
        return {self._topic: waiting}

    async def _settled(self, message: KafkaMessage) -> None:
        telemetry.RECORDS.labels(self._service, self._topic).inc(len(message.raw_message))
        self.progressed_at = self._clock.now()
        try:
            await message.ack()
        except KafkaError as error:
            log.info("a batch will come again", topic=self._topic, error=str(error))
