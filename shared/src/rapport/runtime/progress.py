"""Whether consumers get on with what waits for them: one that sticks does not say so (aiokafka#1154)."""

from datetime import datetime, timedelta

from aiokafka.errors import KafkaError

from rapport.runtime.subscribing import Consumer


class Progress:
    """Since when records have been waiting for each consumer without a break, as far as was looked."""

    def __init__(self) -> None:
        self._consumers: list[Consumer] = []
        self._behind: dict[Consumer, datetime] = {}

    def watch(self, consumer: Consumer) -> None:
        self._consumers.append(consumer)

    async def look(self, now: datetime) -> None:
        for consumer in self._consumers:
            try:
                lag = await consumer.lag()
            except (TimeoutError, KafkaError):
                lag = {}
            if any(lag.values()):
                self._behind.setdefault(consumer, now)
            else:
                self._behind.pop(consumer, None)

    def forgive(self) -> None:
        """Begin anew: what they wait for is not theirs to have."""
        self._behind.clear()

    def idle(self, now: datetime) -> timedelta:
        """The longest that any of them has settled nothing while records waited for it."""
        idle = (now - max(since, consumer.progressed_at) for consumer, since in self._behind.items())
        return max(idle, default=timedelta())
