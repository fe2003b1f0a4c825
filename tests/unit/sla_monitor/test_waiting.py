"""What waits to be sent, as the sender knows it while its tasks send."""

from collections.abc import Awaitable, Callable
from typing import Any

from sla_monitor.domain.grouping import key_of
from sla_monitor.domain.policy import Grouping
from sla_monitor.domain.states import NotificationState
from sla_monitor.silences import Holding
from sla_monitor.waiting import Waiting

from tests.support.clock import ManualClock
from tests.support.sla import at

NOON = at("12:00")


def message(number: int) -> NotificationState:
    return NotificationState(
        id=f"C-{number}/first_response/1/0.1.0/desk",
        partition=0,
        alert_id=f"C-{number}/first_response/1",
        contact_id=f"C-{number}",
        customer_id="K-1",
        target="first_response",
        cycle=1,
        deadline=NOON,
        receiver="desk",
        due=NOON,
    )


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


class _NothingHolds(Holding):
    def __init__(self) -> None:
        pass

    def why(self, *_: Any) -> str:
        return ""


async def test_what_is_sent_while_more_is_read_waits_no_longer():
    database: Any = _Database()
    waiting = Waiting(database, database, ManualClock(NOON))
    database.pending = [message(1)]
    await waiting.refresh()

    async def sent() -> None:
        database.pending.remove(message(1))
        waiting.forget([message(1)], key_of(message(1)))

    database.pending.append(message(2))
    database.meanwhile = sent
    await waiting.refresh()
    [batch] = waiting.batches(Grouping(), _NothingHolds())
    assert batch.members == (message(2),)
