"""What waits to be sent, as the sender knows it while its tasks send."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sla_monitor.domain.grouping import key_of
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy import Grouping
from sla_monitor.silences import LAGS, OUTSIDE_HOURS, Holding
from sla_monitor.waiting import Waiting

from tests.support.clock import ManualClock
from tests.support.sla import at, notification

NOON = at("12:00")
FIRST, SECOND = notification(1), notification(2)


class _Rows:
    """What a cursor of the driver gives."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    async def to_list(self, _: None) -> list[dict[str, Any]]:
        return self._rows

    def __aiter__(self) -> "_Rows":
        self._left = iter(self._rows)
        return self

    async def __anext__(self) -> dict[str, Any]:
        for row in self._left:
            return row
        raise StopAsyncIteration


class _Database:
    """The pending messages; `meanwhile` happens while they are read."""

    def __init__(self) -> None:
        self.pending: list[NotificationState] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    def collection(self, _: str) -> "_Database":
        return self

    def __getitem__(self, _: str) -> "_Database":
        return self

    async def count_documents(self, _: Any) -> int:
        return len(self.pending)

    def find(self, *asked: Any) -> Any:
        return self._states(asked[1]) if asked[0] is NotificationState else self._rows(asked[0])

    def _rows(self, where: Any) -> _Rows:
        return _Rows([{"_id": one.id} for one in self.pending] if "status" in where else [])

    async def _states(self, where: Any) -> list[NotificationState]:
        if self.meanwhile:
            await self.meanwhile()
        return [one for one in self.pending if one.id in where["_id"]["$in"]]


class _Held(Holding):
    """Holds all back for one reason, or none."""

    def __init__(self, reason: str = "") -> None:
        self._reason = reason

    def why(self, *_: Any) -> str:
        return self._reason


async def test_what_is_sent_while_more_is_read_waits_no_longer():
    database: Any = _Database()
    waiting = Waiting(database, database, ManualClock(NOON))
    database.pending = [FIRST]
    await waiting.refresh()

    async def sent() -> None:
        database.pending.remove(FIRST)
        waiting.forget([FIRST], key_of(FIRST))

    database.pending.append(SECOND)
    database.meanwhile = sent
    await waiting.refresh()
    [batch] = waiting.batches(Grouping(), _Held())
    assert batch.members == (SECOND,)


@pytest.mark.parametrize(("reason", "held"), [("", 0), (LAGS, 1), (OUTSIDE_HOURS, 0)])
async def test_what_waits_for_business_hours_is_not_counted_as_held_back(reason: str, held: int):
    database: Any = _Database()
    database.pending = [FIRST]
    waiting = Waiting(database, database, ManualClock(NOON))
    await waiting.refresh()
    assert len(waiting.batches(Grouping(), _Held(reason))) == (0 if reason else 1)
    assert REGISTRY.get_sample_value("rapport_sla_messages_held") == held
