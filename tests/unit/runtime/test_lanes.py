"""What lanes promise: a partition in order, two at once, little that waits, and an end after the first error."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from rapport.runtime.clock import others_first
from rapport.runtime.lanes import Lanes

AT_ONCE = 3


@dataclass(frozen=True)
class Record:
    partition: int
    offset: int


class Settling:
    """Batches that end when they are let through."""

    def __init__(self) -> None:
        self.begun: list[tuple[Record, ...]] = []
        self.done: defaultdict[int, list[int]] = defaultdict(list)
        self._gates: list[asyncio.Event] = []
        self.error: Exception | None = None

    async def __call__(self, records: Sequence[Record]) -> None:
        self.begun.append(tuple(records))
        gate = asyncio.Event()
        self._gates.append(gate)
        await gate.wait()
        if self.error:
            raise self.error
        for record in records:
            self.done[record.partition].append(record.offset)

    async def let_through(self) -> None:
        """Let all batches that have begun end, and the next begin."""
        gates, self._gates = self._gates, []
        for gate in gates:
            gate.set()
        await turns()


async def turns() -> None:
    """Let everybody come as far as they can."""
    for _ in range(20):
        await others_first()


def records(partition: int, count: int, first: int = 0) -> list[Record]:
    return [Record(partition, offset) for offset in range(first, first + count)]


@pytest.fixture
def settling() -> Settling:
    return Settling()


@pytest.fixture
def failures() -> list[BaseException]:
    return []


@pytest.fixture
async def lanes(settling: Settling, failures: list[BaseException]) -> AsyncIterator[Lanes]:
    made = Lanes(settling, at_once=AT_ONCE, fail=failures.append)
    yield made
    stopping = asyncio.create_task(made.stop())
    while not stopping.done():
        await settling.let_through()


async def test_one_partition_is_settled_in_order_a_batch_at_a_time(lanes, settling):
    await lanes.feed(records(0, 4))
    await lanes.feed(records(0, 4, first=4))
    await turns()
    assert len(settling.begun) == 1
    for _ in range(4):
        await settling.let_through()
    assert settling.done == {0: [*range(8)]}
    assert [len(batch) for batch in settling.begun] == [3, 3, 2]


async def test_two_partitions_are_settled_side_by_side(lanes, settling):
    await lanes.feed(records(0, 1) + records(1, 1))
    await turns()
    assert settling.begun == [(Record(0, 0),), (Record(1, 0),)]


async def test_what_comes_for_a_lane_meanwhile_goes_together(lanes, settling):
    await lanes.feed(records(0, 1) + records(1, 1))
    await turns()
    await lanes.feed(records(0, 1, first=1))
    await lanes.feed(records(0, 1, first=2))
    await settling.let_through()
    assert settling.begun[2:] == [(Record(0, 1), Record(0, 2))]


async def test_a_partition_stays_in_its_lane_until_it_is_at_rest(lanes, settling):
    await lanes.feed(records(0, 1) + records(1, 4))
    await turns()
    await lanes.feed(records(1, 1, first=4))
    await turns()
    assert settling.begun == [(Record(0, 0),), tuple(records(1, 3))]
    for _ in range(3):
        await settling.let_through()
    assert settling.done == {0: [0], 1: [*range(5)]}
    await lanes.feed(records(1, 1, first=5) + records(2, 1))
    await turns()
    assert settling.begun[-2:] == [(Record(1, 5),), (Record(2, 0),)]


async def test_feeding_waits_while_too_much_waits(lanes, settling):
    feeding = asyncio.create_task(lanes.feed(records(0, 6 * AT_ONCE)))
    await turns()
    assert not feeding.done()
    await settling.let_through()
    assert feeding.done()


async def test_after_an_error_nothing_more_is_settled(lanes, settling, failures):
    await lanes.feed(records(0, 2 * AT_ONCE))
    await turns()
    settling.error = RuntimeError("no")
    await settling.let_through()
    assert failures == [settling.error]
    for attempt in (lanes.feed(records(1, 1)), lanes.settled()):
        with pytest.raises(RuntimeError, match="no"):
            await attempt
    await settling.let_through()
    assert len(settling.begun) == 1


async def test_a_stop_lets_what_has_begun_end_and_forgets_the_rest(lanes, settling):
    await lanes.feed(records(0, 2 * AT_ONCE))
    await turns()
    stopping = asyncio.create_task(lanes.stop())
    await turns()
    assert not stopping.done()
    await settling.let_through()
    assert stopping.done()
    assert settling.done == {0: [0, 1, 2]}
