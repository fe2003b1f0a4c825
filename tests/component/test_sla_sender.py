"""The sender under its lease: whoever stood still past its term says nothing more, and what it took is not lost."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from rapport.decision import Decision, Ref, States
from sla_monitor.composing import Composer
from sla_monitor.delivery import Letter, Outcome
from sla_monitor.domain import sending
from sla_monitor.domain.grouping import key_of
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.states import AlertState, ContactState, CustomerState
from sla_monitor.domain.watch import WatchDomain
from sla_monitor.means import Means
from sla_monitor.receivers import Health
from sla_monitor.records import Records
from sla_monitor.sender import Sender
from sla_monitor.silences import Holding

from tests.support.clock import ManualClock
from tests.support.replica import Site
from tests.support.sla import at, book, notification, targets

RECEIVERS = """
receivers: {desk: {url: "webhook:https://desk.example"}}
grouping: {by: [team], wait: 0s, interval: 10s}
"""
POLICY = targets("first_response: {within: 4h}", rest=RECEIVERS)
Happens = Callable[[], Awaitable[None]]


async def _nothing() -> None:
    """What happens mostly."""


class _Holding(Holding):
    """Holds nothing back."""

    def __init__(self) -> None:
        """It needs nothing for that."""

    async def refresh(self) -> None:
        """There is nothing to look at."""

    def why(self, *_: Any) -> str:
        return ""

    def silencing(self, _: Any) -> None:
        return None

    def hours(self, _: Any) -> None:
        return None


class _Links:
    """Has none, for whoever needs none."""

    async def offer(self, *_: Any) -> str | None:
        return None


@dataclass
class Moment:
    """What happens once to a sender, right before it takes a message or when it has just taken one."""

    happens: Happens
    taken: bool

    async def come(self) -> None:
        happens, self.happens = self.happens, _nothing
        await happens()

    def into(self, links: Any, processor: Any) -> None:
        offer, act = links.offer, processor.act

        async def offered(*asked: Any) -> str | None:
            await self.come()
            link: str | None = await offer(*asked)
            return link

        async def acted(*asked: Any, **options: Any) -> Decision[Any]:
            made: Decision[Any] = await act(*asked, **options)
            if made.why == "sending":
                await self.come()
            return made

        if self.taken:
            processor.act = acted
        else:
            links.offer = offered


class Desk:
    """One database with a contact whose deadline is missed, its senders, and what its receiver was sent."""

    def __init__(self, site: Site, clock: ManualClock) -> None:
        self.site, self.clock = site, clock
        self.book = book(POLICY)
        self.letters: list[Letter] = []

    async def send(self, _: str, letter: Letter) -> Outcome:
        self.letters.append(letter)
        return Outcome(ok=True, detail="HTTP 200")

    async def close(self) -> None:
        """As a delivery does."""

    def records(self) -> Records:
        return Records(self.processor())

    def processor(self) -> Any:
        return self.site.replica(domain=WatchDomain(self.book))

    def sender(self, moment: Moment | None = None) -> Sender:
        """That of a replica that has just started."""
        store, database, clock = self.site.new_store(), self.site.database, self.clock
        policies: Any = SimpleNamespace(book=self.book)
        reading: Any = None
        delivery: Any = self
        links: Any = _Links()
        processor = self.processor()
        if moment:
            moment.into(links, processor)
        means = Means(processor, store, database, policies, delivery, Health(database, clock), reading, clock)
        composer = Composer(store, policies, links, clock, "")
        return Sender(means, composer=composer, holding=_Holding(), attempts=8)

    async def write(self, *states: Any) -> None:
        def decide(_: Any, __: States, ___: Any) -> Decision[Any]:
            return Decision(states=states)

        touches = [Ref(type(one), one.id) for one in states]
        await self.processor().act(type(states[0]), states[0].id, decide, touches=touches, partition=0)

    async def missed(self) -> NotificationState:
        """A deadline is missed, and its message waits."""
        one = notification(group="billing/mail", policy_version=1)
        about: dict[str, Any] = {"partition": 0, "contact_id": "C-1", "customer_id": "K-1", "group": "billing/mail"}
        facts: dict[str, Any] = {"target": "first_response", "cycle": 1, "state": "breached", "started_at": at("08:00")}
        alert = AlertState(id=one.alert_id, due_at=at("12:00"), breached_at=at("12:00"), **about, **facts)
        await self.write(ContactState(id="C-1", partition=0, customer_id="K-1"), alert, one)
        return one

    async def over(self, number: int) -> NotificationState:
        """It is missed no more, and the message of that waits."""
        one = notification(number, kind="cleared", group="billing/mail", policy_version=1, due=self.clock.now())
        alert = await self.site.new_store().get(AlertState, one.alert_id)
        assert alert is not None
        await self.write(alert.but(state="cleared"), one)
        return one

    async def status(self, one: NotificationState) -> str:
        found = await self.site.new_store().get(NotificationState, one.id)
        assert found is not None
        return found.status


@pytest.fixture
async def desk(stack: Any, unique: Callable[[str], str]) -> AsyncIterator[Desk]:
    kinds = (ContactState, CustomerState, AlertState, NotificationState)
    clock = ManualClock(at("12:00"))
    site = Site(stack.mongodb, unique("sender"), clock, kinds)
    await site.prepare()
    yield Desk(site, clock)
    await site.close()


async def looks(*senders: Sender, times: int = 8, clock: ManualClock) -> None:
    """Each looks some times, some seconds apart, and ends what it began."""
    for _ in range(times):
        for one in senders:
            clock.advance(2)
            await one._look()
            await ended(one)


async def ended(sender: Sender) -> None:
    for task in list(sender._tasks._running.values()):
        await task


@pytest.mark.parametrize("taken", [False, True])
async def test_who_stood_still_past_its_lease_does_not_send_what_another_has_sent(desk: Desk, taken: bool):  # noqa: FBT001 - when
    async def stand_still() -> None:
        desk.clock.advance(90)
        await looks(other, clock=desk.clock)

    stood_still, other = desk.sender(Moment(stand_still, taken)), desk.sender()
    await looks(stood_still, clock=desk.clock)
    one = await desk.missed()
    await looks(stood_still, other, clock=desk.clock)
    assert (len(desk.letters), await desk.status(one)) == (1, "sent")


@pytest.mark.parametrize("taken", [False, True])
async def test_what_it_did_not_send_since_its_lease_was_over_waits_for_the_next_sender(desk: Desk, taken: bool):  # noqa: FBT001 - when
    async def stand_still() -> None:
        desk.clock.advance(90)

    stood_still, other = desk.sender(Moment(stand_still, taken)), desk.sender()
    await looks(stood_still, clock=desk.clock)
    one = await desk.missed()
    await looks(stood_still, times=1, clock=desk.clock)
    assert (len(desk.letters), await desk.status(one)) == (0, "pending")
    await looks(other, stood_still, clock=desk.clock)
    assert (len(desk.letters), await desk.status(one)) == (1, "sent")


async def test_what_somebody_takes_without_a_lease_and_leaves_is_sent_by_who_holds_it(desk: Desk):
    before, now = desk.sender(), desk.sender()
    await looks(before, times=1, clock=desk.clock)
    token = before.token
    assert token is not None
    desk.clock.advance(90)
    await looks(now, times=1, clock=desk.clock)
    one = await desk.missed()
    await desk.records().carry_out([one], lambda ids: sending.take({}, dict.fromkeys(ids, "billing/mail"), token))
    assert await desk.status(one) == "sending"
    await looks(now, clock=desk.clock)
    assert (len(desk.letters), await desk.status(one)) == (1, "sent")


async def test_who_has_heard_the_end_and_was_not_rung_since_does_not_hear_it_again(desk: Desk):
    sender = desk.sender()
    await desk.missed()
    await looks(sender, clock=desk.clock)
    ends = []
    for number in (2, 3):
        ends.append(await desk.over(number))
        await looks(sender, clock=desk.clock)
    assert [await desk.status(one) for one in ends] == ["sent", "dropped"]
    assert len(desk.letters) == 2


async def test_a_group_waits_no_longer_where_the_sender_before_had_a_clock_that_was_ahead(desk: Desk):
    one = await desk.missed()
    sent = {"_id": key_of(one).text, "sent_at": at("12:00") + timedelta(days=365)}
    await desk.site.database["groups"].insert_one(sent)
    await looks(desk.sender(), clock=desk.clock)
    assert (len(desk.letters), await desk.status(one)) == (1, "sent")
