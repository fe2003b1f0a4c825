"""The counts are compared all the time, and an hour in which they differ is told of until it is right again."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from metrics.balancing import Balancing
from metrics.domain import ContactFact, CustomerFact, JournalEntry
from metrics.store import Reports
from rapport.runtime.processor import Processor

from tests.support.clock import ManualClock
from tests.support.metrics import at, received
from tests.support.metrics_service import running_metrics
from tests.support.stack import Addresses

HOURS = ("06:10", "08:10", "09:10", "10:10", "11:10")


async def test_every_hour_has_its_turn_and_what_is_off_stays_so_until_its_next(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str]
):
    async with running_metrics(tmp_path, stack.kafka, stack.mongodb, unique("balance")) as metrics:
        await metrics.feed(*(received(at(hour), f"C-{hour}") for hour in HOURS))
        store = metrics.service.store(ContactFact, CustomerFact, JournalEntry)
        balancing = Balancing(Reports(store), cast("Processor", None), ManualClock(at("11:30")))
        journal = store.collection(JournalEntry.collection)
        lost = {hour: await _taken_out(journal, at(hour)) for hour in ("06:10", "10:10")}

        async def off() -> list[tuple[datetime, int]]:
            await balancing.look()
            return sorted(balancing.off.items())

        ten, six = (at("10:00"), 2), (at("06:00"), 2)
        assert await off() == [ten]  # of this hour, the one before, and 09
        assert await off() == [ten]  # 08
        assert await off() == [six, ten]
        await journal.insert_many(lost.values())
        assert await off() == [six]  # nothing is older: 09 again
        assert await off() == [six]
        assert await off() == []


async def _taken_out(journal: Any, time: datetime) -> Any:
    return await journal.find_one_and_delete({"time": time})
