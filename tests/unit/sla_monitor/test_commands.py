"""Something done to many alerts at once: as far as one can be kept waiting, and what is left is said."""

from typing import Any

from rapport.runtime.keys import Key
from sla_monitor.commands import PATIENCE, Command, Commands, Refused
from sla_monitor.domain.states import AlertState

from tests.support.clock import EPOCH, ManualClock

KEY = Key(name="ada", sha256="0" * 64, roles=("act",))


class Slow(Commands):
    """Needs a tenth of a second for each."""

    def __init__(self, clock: ManualClock) -> None:
        nothing: Any = None
        super().__init__(nothing, nothing, nothing, clock)
        self.hands = clock

    async def carry_out(self, alert_id: str, command: Command, key: Key) -> AlertState:  # noqa: ARG002 - any command
        self.hands.advance(0.1)
        if alert_id == "gone":
            raise Refused(404, "there is no such alert")
        facts: dict[str, Any] = {"contact_id": "C", "customer_id": "K", "target": "update", "cycle": 1}
        return AlertState(
            id=alert_id, partition=0, state="acknowledged", by=key.name, started_at=EPOCH, due_at=EPOCH, **facts
        )


async def test_a_click_on_many_goes_on_for_as_long_as_one_waits_and_says_what_is_left():
    ids = [f"C-{number}/update/1" for number in range(1_500)]
    told = await Slow(ManualClock()).carry_out_each(ids, Command("acknowledge"), KEY)
    assert told.done == len(told.results) == PATIENCE.total_seconds() * 10
    assert told.remaining == 1_500 - told.done
    assert [one["id"] for one in told.results] == ids[: told.done]


async def test_one_that_is_refused_hinders_no_other_and_none_is_done_twice():
    told = await Slow(ManualClock()).carry_out_each(["a", "gone", "b", "a"], Command("acknowledge"), KEY)
    assert [(one["id"], one["status"]) for one in told.results] == [("a", "done"), ("gone", "refused"), ("b", "done")]
    assert (told.done, told.remaining) == (2, 0)
