"""The smallest domain with everything in it: counts the events of each contact, tells each, wakes once."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from rapport.contracts import ContactData, Data, Event, tell
from rapport.contracts.followup_events import FollowupScheduled
from rapport.decision import Counted, Decision, Index, Ref, State, States, Tell, Touch

WAKE_AFTER = timedelta(minutes=10)


class Tally(State, frozen=True, kw_only=True):
    """How many different events of a contact have been seen, and how often somebody clicked."""

    collection: ClassVar[str] = "tallies"
    wakeful: ClassVar[bool] = True
    indexes: ClassVar[tuple[Index, ...]] = (Index(("customer_id",)),)

    customer_id: str
    seen: tuple[str, ...] = ()
    clicks: int = 0
    wakes: tuple[datetime, ...] = ()

    def index(self) -> dict[str, Any]:
        return {"customer_id": self.customer_id, "count": len(self.seen)}


class TallyDomain:
    """Pure, as every domain. An event whose subject is "boom" raises; one with "huge" can't be stored."""

    def touches(self, event: Event[Data]) -> Iterable[Touch]:
        if isinstance(event.data, ContactData):
            yield Ref(Tally, event.data.contact_id)

    def on_event(self, event: Event[Data], partition: int, states: States, now: datetime) -> Decision[Any]:  # noqa: ARG002 - the protocol's shape
        data = event.data
        if not isinstance(data, ContactData):
            return Decision()
        if event.subject == "boom":
            raise ValueError("this domain does not like it")
        before = states.get(Tally, data.contact_id) or Tally(
            id=data.contact_id, partition=partition, customer_id=data.customer_id
        )
        if event.identity in before.seen:
            return Decision(why="duplicate")
        seen = (*before.seen, event.identity) if event.subject != "huge" else ("x" * (17 << 20),)
        after = before.but(seen=seen, wake_at=before.wake_at or event.time + WAKE_AFTER, backfill=event.backfill)
        counted = Counted("tally_rows", {"hour": event.time.replace(minute=0)}, {"events": 1})
        return Decision((after,), (told(after, f"{data.contact_id}/{event.identity}", event.time),), (counted,))

    def touches_on_clock(self, state: State) -> Iterable[Touch]:  # noqa: ARG002 - nothing beside itself
        return ()

    def on_clock(self, state: State, states: States, now: datetime) -> Decision[Any]:  # noqa: ARG002 - dated by wake_at
        assert isinstance(state, Tally)
        assert state.wake_at is not None
        woken = state.but(wake_at=None, wakes=(*state.wakes, state.wake_at))
        return Decision((woken,), (told(woken, f"{state.id}/woken/{len(woken.wakes)}", state.wake_at),))


def click(tally: Tally | None, states: States, now: datetime) -> Decision[Any]:  # noqa: ARG001 - the shape of `decide`
    """What a person's action on a contact decides."""
    assert tally is not None
    after = tally.but(clicks=tally.clicks + 1)
    return Decision((after,), (told(after, f"{tally.id}/click/{after.clicks}", now),))


def told(tally: Tally, event_id: str, at: datetime) -> Tell:
    """One event a change; `step` counts the changes of a contact, so that a gap or a wrong order is seen."""
    data = FollowupScheduled(
        customer_id=tally.customer_id,
        followup_id=event_id,
        play="tally",
        step=len(tally.seen) + tally.clicks + len(tally.wakes),
        do="check_in",
        purpose="service",
        due_at=at,
    )
    event = tell("followup.scheduled", data, source="/rapport/tally", id=event_id, time=at)
    return Tell(tally.customer_id, event)
