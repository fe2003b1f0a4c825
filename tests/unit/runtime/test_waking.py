"""How much is woken at once."""

from datetime import timedelta
from typing import Any

import pytest
from rapport.decision import State
from rapport.runtime.due import Due
from rapport.runtime.store import Row, Store
from rapport.runtime.waking import AT_ONCE, Waker

from tests.support.clock import EPOCH, ManualClock
from tests.support.tally import Tally, TallyDomain


@pytest.mark.parametrize(("partitions", "most"), [(1, AT_ONCE), (3, AT_ONCE), (12, 333), (60, 100)])
async def test_in_a_storm_each_partition_is_asked_for_its_share_and_never_for_more_than_clicks_wait_for(
    partitions: int, most: int, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []

    async def of_each(*_: Any, most: int, **__: Any) -> list[State]:
        asked.append(most)
        return []

    monkeypatch.setattr(Due, "of_each", of_each)
    store: Any = Store.__new__(Store)
    waker = Waker("tally", TallyDomain(), store, ManualClock(), timedelta(minutes=1))
    rows = {p: Row(p) for p in range(partitions)}
    await waker.due_of_each(Tally, rows, dict.fromkeys(rows, EPOCH), behind=())
    assert asked == [most]
