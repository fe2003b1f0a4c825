"""Up to which instant a partition may be swept: never past what has been read of it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from rapport.runtime.kafka import Reader, make_broker
from rapport.runtime.settings import Settings

from tests.support.clock import EPOCH

NOW = EPOCH
AN_HOUR_AGO = NOW - timedelta(hours=1)
CONTACTS, FIGURES = "contact-events", "metrics-events"


def millis(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


@dataclass
class Consumer:
    """What aiokafka's knows of its partitions: where each ends, and when that was asked."""

    ends: dict[TopicPartition, int] = field(default_factory=dict)
    polled: dict[TopicPartition, int] = field(default_factory=dict)
    assigned: set[TopicPartition] = field(default_factory=set)

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    def highwater(self, tp: TopicPartition) -> int | None:
        return self.ends.get(tp)

    def last_poll_timestamp(self, tp: TopicPartition) -> int | None:
        return self.polled.get(tp)


class Reading(Reader):
    """A reader of partition 0 of both topics, without a broker; tests say what it has read."""

    consumer: Any = None

    def __init__(self) -> None:
        settings = Settings()
        self.read = SimpleNamespace(owned={0}, positions={}, stamps={})
        everything: Any = self.read
        super().__init__(
            make_broker(settings, "test"), settings, "test", [CONTACTS, FIGURES], everything, everything, print
        )
        self.consumer = Consumer(assigned={TopicPartition(topic, 0) for topic in (CONTACTS, FIGURES)})

    def has(self, topic: str, *, read: int, end: int, polled: datetime = NOW, stamp: datetime | None = None) -> None:
        place = TopicPartition(topic, 0)
        self.consumer.ends[place] = end
        self.consumer.polled[place] = millis(polled)
        self.read.positions[topic, 0] = read
        if stamp:
            self.read.stamps[topic, 0] = millis(stamp)

    def horizon(self, *settled: Any) -> datetime | None:
        return self.horizons(NOW, settled).get(0)


def record(topic: str, offset: int, stamp: datetime) -> Any:
    return SimpleNamespace(topic=topic, partition=0, offset=offset, timestamp=millis(stamp))


@pytest.fixture
def reading() -> Reading:
    reading = Reading()
    reading.has(FIGURES, read=3, end=3)
    return reading


def test_where_the_last_poll_emptied_all_topics_it_is_now(reading):
    reading.has(CONTACTS, read=7, end=7, stamp=AN_HOUR_AGO)
    assert reading.horizon() == NOW


def test_where_records_wait_it_is_the_stamp_of_the_last_that_was_settled(reading):
    reading.has(CONTACTS, read=7, end=8, stamp=AN_HOUR_AGO)
    assert reading.horizon() == AN_HOUR_AGO


def test_where_records_wait_and_none_was_settled_nothing_may_wake(reading):
    reading.has(CONTACTS, read=0, end=8)
    assert reading.horizon() is None


def test_a_topic_that_was_not_polled_for_seconds_may_hold_what_nobody_has_seen(reading):
    reading.has(CONTACTS, read=7, end=7, polled=NOW - timedelta(seconds=3), stamp=AN_HOUR_AGO)
    assert reading.horizon() == AN_HOUR_AGO


def test_before_the_first_poll_nothing_may_wake(reading):
    reading.has(CONTACTS, read=7, end=7, stamp=AN_HOUR_AGO)
    del reading.consumer.polled[TopicPartition(CONTACTS, 0)]
    assert reading.horizon() is None


def test_of_several_topics_the_one_furthest_behind_decides(reading):
    reading.has(CONTACTS, read=7, end=7, stamp=NOW)
    reading.has(FIGURES, read=3, end=9, stamp=AN_HOUR_AGO)
    assert reading.horizon() == AN_HOUR_AGO


def test_a_broker_whose_clock_runs_ahead_wakes_nothing_early(reading):
    reading.has(CONTACTS, read=7, end=8, stamp=NOW + timedelta(hours=1))
    assert reading.horizon() == NOW


def test_a_partition_that_is_only_half_ours_is_left_alone(reading):
    reading.has(CONTACTS, read=7, end=7, stamp=NOW)
    reading.consumer.assigned = {TopicPartition(CONTACTS, 0)}
    assert reading.horizon() is None


def test_a_replica_that_has_lost_its_partitions_wakes_nothing(reading):
    reading.has(CONTACTS, read=7, end=7, stamp=NOW)
    reading.read.owned = set()
    assert reading.horizons(NOW) == {}


def test_before_it_has_joined_the_group_nothing_may_wake(reading):
    reading.consumer = None
    assert reading.horizons(NOW) == {}


def test_with_records_it_is_as_it_will_be_once_they_are_settled(reading):
    reading.has(CONTACTS, read=7, end=9, stamp=AN_HOUR_AGO)
    minute_ago = NOW - timedelta(minutes=1)
    assert reading.horizon(record(CONTACTS, 7, minute_ago)) == minute_ago
    assert reading.horizon(record(CONTACTS, 7, minute_ago), record(CONTACTS, 8, minute_ago)) == NOW
    assert reading.horizon() == AN_HOUR_AGO


def test_records_that_were_settled_before_change_nothing(reading):
    reading.has(CONTACTS, read=7, end=9, stamp=AN_HOUR_AGO)
    assert reading.horizon(record(CONTACTS, 5, NOW)) == AN_HOUR_AGO


def test_records_of_one_topic_say_nothing_about_another(reading):
    reading.has(CONTACTS, read=7, end=9, stamp=AN_HOUR_AGO)
    reading.has(FIGURES, read=3, end=9, stamp=AN_HOUR_AGO)
    assert reading.horizon(record(CONTACTS, 8, NOW)) == AN_HOUR_AGO
