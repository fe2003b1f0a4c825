"""A consumer is stuck when records wait for it and it settles none; whoever has nothing to do is not."""

from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.errors import KafkaTimeoutError
from rapport.runtime.progress import Progress

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def after(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Reading:
    """A consumer for which so many records wait; None where nobody says."""

    def __init__(self, waiting: int | None) -> None:
        self.waiting = waiting
        self.progressed_at = NOON

    async def lag(self) -> dict[str, int]:
        if self.waiting is None:
            raise KafkaTimeoutError
        return {"contact-events": self.waiting}


@pytest.fixture
def progress() -> Progress:
    return Progress()


async def looked(progress: Progress, *seconds: int) -> float:
    for at in seconds:
        await progress.look(after(at))
    return progress.idle(after(seconds[-1])).total_seconds()


async def test_who_settles_nothing_of_what_waits_is_idle_from_when_that_was_seen(progress):
    progress.watch(Reading(3))
    assert await looked(progress, 100, 105, 160) == 60


async def test_what_has_only_just_come_makes_nobody_idle(progress):
    progress.watch(Reading(1))
    assert await looked(progress, 3600) == 0


async def test_who_settles_some_is_not_idle(progress):
    reading = Reading(3)
    progress.watch(reading)
    await progress.look(after(0))
    reading.progressed_at = after(55)
    assert await looked(progress, 60) == 5


async def test_who_has_caught_up_begins_anew(progress):
    reading = Reading(3)
    progress.watch(reading)
    await progress.look(after(0))
    reading.waiting = 0
    await progress.look(after(30))
    reading.waiting = 1
    assert await looked(progress, 60, 65) == 5


async def test_one_that_moves_does_not_hide_one_that_sticks(progress):
    stuck, moving = Reading(3), Reading(9)
    progress.watch(stuck)
    progress.watch(moving)
    await progress.look(after(0))
    moving.progressed_at = after(60)
    assert await looked(progress, 61) == 61


async def test_without_an_answer_from_kafka_nobody_is_called_idle(progress):
    reading = Reading(3)
    progress.watch(reading)
    await progress.look(after(0))
    reading.waiting = None
    assert await looked(progress, 90) == 0


async def test_it_begins_anew_when_what_they_need_was_away(progress):
    progress.watch(Reading(3))
    await progress.look(after(0))
    progress.forgive()
    assert await looked(progress, 90, 91) == 1
