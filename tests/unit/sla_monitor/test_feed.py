"""A follower who lies behind is told to begin anew, and nobody else is."""

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from sla_monitor.domain.states import AlertState
from sla_monitor.feed import Change, Feed
from sla_monitor.live import Drawn, Live

from tests.support.clock import ManualClock

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALERT = AlertState(
    id="C/update/1",
    partition=0,
    contact_id="C",
    customer_id="K",
    target="update",
    cycle=1,
    state="breached",
    started_at=NOW,
    due_at=NOW,
)
NOBODY: Any = {"alerts": None}


def test_a_follower_of_the_stream_who_is_full_costs_no_other_a_change():
    feed, change = Feed(NOBODY, ManualClock()), Change("t", ALERT)
    with ExitStack() as stack:
        queues = [stack.enter_context(feed.changes()) for _ in range(9)]
        fill(queues[4])
        feed._tell(change)
        assert [last(queue) for queue in queues] == [None if at == 4 else change for at in range(9)]


def test_a_board_that_is_full_costs_no_other_a_row():
    nothing: Any = None

    class Store:
        def collection(self, _: str) -> None: ...

    store: Any = Store()
    live, batch = Live(nothing, nothing, store, nothing, ManualClock()), [Drawn(ALERT, "1", "", "")]
    with ExitStack() as stack:
        queues = [stack.enter_context(live._batches()) for _ in range(9)]
        fill(queues[4])
        live._tell(batch)
        assert [last(queue) for queue in queues] == [None if at == 4 else batch for at in range(9)]


def fill(queue: "asyncio.Queue[Any]") -> None:
    while not queue.full():
        queue.put_nowait([])


def last(queue: "asyncio.Queue[Any]") -> Any:
    found = None
    while not queue.empty():
        found = queue.get_nowait()
    return found
