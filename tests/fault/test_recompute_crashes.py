"""Law: killed at whichever await, a recompute leaves the old figures or the new ones, whole, and goes on."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
from metrics.domain import ContactFact, CustomerFact, Figures, JournalEntry
from metrics.domain.erasing import Erasure
from metrics.domain.loyalty import Loyalty
from metrics.domain.question import parse
from metrics.domain.replay import FIGURES
from metrics.domain.report import rows
from metrics.recompute import Recompute
from metrics.replaying import Replaying
from metrics.store import Reports
from rapport.contracts import Data, Event
from rapport.runtime.documents import document_of

from tests.support.clock import ManualClock
from tests.support.metrics import LIMITS, NOW, Memory, answered, at, event, opened, received, resolved, responded
from tests.support.replica import PARTITIONS, Log, Site, horizons
from tests.support.suspension import Killed, Suspended, die_here, the_end_of

RULES = Loyalty({"EUR": 1_000_000}, ((100, "silver"), (1000, "gold")), 365 * 86_400_000, "rules")
QUESTIONS: tuple[dict[str, Any], ...] = (
    {"measure": "contacts", "by": "channel"},
    {"measure": "messages", "granularity": "day"},
    {"measure": "first_response", "by": "team"},
    {"measure": "sla", "by": "target"},
    {"measure": "csat", "by": "agent"},
    {"measure": "contacts", "by": "tier"},
)
MOST_KILLS = 2_000


class Metrics:
    """metrics without Kafka, and the same in memory."""

    def __init__(self, site: Site, clock: ManualClock) -> None:
        self.site = site
        self.clock = clock
        self.memory = Memory(partitions=3, loyalty=RULES)
        self.recompute = Recompute(site.database, site.clock)
        self._log = Log()
        self._replica = site.replica(domain=Figures(RULES))
        self._store = site.new_store()
        self._reports = Reports(self._store)

    async def feed(self, *events: Event[Data]) -> None:
        self.memory.feed(*events, now=self.site.clock.now())
        values = [(self.memory._partition(one), one.model_dump_json(exclude_unset=True).encode()) for one in events]
        await self._replica.process([self._log.append(partition, value) for partition, value in values])

    async def look(self) -> None:
        """Tell what has fallen due."""
        now = self.site.clock.now()
        self.memory.look(now)
        await self._replica.sweep(horizons(now))

    def replaying(self) -> Replaying:
        """A process that has just started."""
        return Replaying(self.site.new_store(), self.recompute, self.site.database, self.site.clock)

    async def assert_figures_are_whole(self, *questions: Mapping[str, Any]) -> None:
        await self._store.look_which_stands()
        for asked in questions:
            question = parse({name: [text] for name, text in asked.items()})
            for facts in (True, False):
                if not facts and question.combination() is None:
                    continue
                groups = await self._reports.groups(question, LIMITS, facts=facts)
                assert rows(question, groups) == self.memory.report(**asked, facts=facts), (asked, facts)

    async def customers(self) -> dict[str, CustomerFact]:
        await self._store.look_which_stands()
        found = await self._store.find(CustomerFact, {})
        return {one.id: one.but(partition=0) for one in found}


@pytest.fixture
async def metrics(stack, unique) -> AsyncIterator[Metrics]:
    kinds = (JournalEntry, ContactFact, CustomerFact)
    clock = ManualClock(NOW)
    site = Site(stack.mongodb, unique("recompute"), clock, kinds, FIGURES)
    await site.prepare()
    yield Metrics(site, clock)
    await site.close()


def traffic(count: int, start: int = 0) -> Iterator[Event[Data]]:
    """Contacts of a few customers, one in three answered and scored, who buy and are told to have a tier."""
    for number in range(start, start + count):
        who: dict[str, Any] = {"customer_id": f"K-{number % 5}"}
        contact, when = f"C-{number}", at("09:00", day=number % 7)
        yield received(when, contact, channel="phone" if number % 2 else "email", team="a", **who)
        yield opened(when, {"first_response": at("17:00", day=number % 7)}, contact, **who)
        if number % 3 == 0:
            yield responded(at("10:00", day=number % 7), contact, agent_id="ann", **who)
            yield resolved(at("11:00", day=number % 7), contact, agent_id="ann", **who)
            yield answered(at("12:00", day=number % 7), 1 + number % 5, f"S-{number}", contact_id=contact, **who)
        yield bought(at("08:00", day=-1), f"P-{number}", "60", **who)
        if number % 4 == 0:
            yield event("customer.updated", at("07:00"), language="de", tier="gold" if number % 8 else None, **who)


def bought(when: datetime, purchase: str, amount: str, **data: Any) -> Event[Data]:
    return event("purchase.made", when, purchase_id=purchase, amount=amount, currency="EUR", **data)


def bought_long_ago(customer: str, *amounts: str) -> Iterator[Event[Data]]:
    for amount in amounts:
        yield bought(at("08:00", day=-20), f"P-{amount}", amount, customer_id=customer, backfill=True)


async def test_killed_at_whichever_await_the_figures_are_whole_and_all_there(metrics: Metrics, monkeypatch):
    for name, number in (("replaying._AT_ONCE", 30), ("replaying.SMALL", 8), ("comparing._AT_ONCE", 5)):
        monkeypatch.setattr(f"metrics.{name}", number)
    await metrics.feed(*traffic(12), *bought_long_ago("K-9", "60", "70"))
    await metrics.recompute.start("ann", standing=0)
    zombies: list[Suspended[bool]] = []
    swapped_after = n = step = start = 0
    for kills in range(MOST_KILLS):
        n += 1
        piece = Suspended(metrics.replaying().advance(), n, die_here)
        with contextlib.suppress(Killed):
            await piece
        if piece.reached:
            zombies.append(piece)
            await piece.last_words()
            await metrics.site.bury()
            metrics.clock.advance(20)
        await metrics.assert_figures_are_whole(QUESTIONS[kills % len(QUESTIONS)])
        run = await metrics.recompute.read()
        assert run
        assert run.error is None
        n, step = (0, run.step) if run.step != step or not piece.reached else (n, step)
        if run.comparison and run.state == "compared":
            assert run.comparison["equal"], run.comparison
            await metrics.look()
            await metrics.recompute.swap("bob")
        if kills % 30 == 0:
            start += 20
            await metrics.feed(*traffic(1, start))
        if run.state == "swapped":
            swapped_after = swapped_after or kills
        if run.tidied:
            break
    assert 100 < swapped_after < MOST_KILLS - 1

    await metrics.feed(*traffic(1, 6_000))
    await metrics.assert_figures_are_whole(*QUESTIONS)
    for zombie in zombies:
        await the_end_of(zombie.rise())
    await metrics.feed(*traffic(3, 7_000))
    await metrics.assert_figures_are_whole(*QUESTIONS)
    assert run
    assert (run.by, run.swap_by) == ("ann", "bob")
    expected = {name: fact.but(partition=0) for name, fact in metrics.memory.kept[CustomerFact].items()}
    assert await metrics.customers() == expected
    told = [record.value for record in metrics.site.published.records]
    assert len(told) == len(set(told)) == len(metrics.memory.told)
    await metrics.site.new_store().prepare(PARTITIONS)
    names = await metrics.site.database.list_collection_names()
    assert {name for name in names if name.partition(".")[0] in FIGURES} == {f"{name}.1" for name in FIGURES}


async def test_who_is_erased_while_the_journal_is_played_does_not_come_back_with_what_was_played(metrics: Metrics):
    await metrics.feed(*traffic(3))
    await metrics.recompute.start("ann", standing=0)
    while await metrics.replaying().advance():
        metrics.clock.advance(20)
    await metrics.feed(event("customer.erased", at("09:00", day=8), customer_id="K-1"))
    await metrics.recompute.swap("ann")
    metrics.clock.advance(20)
    while await metrics.replaying().advance():
        metrics.clock.advance(80)

    run = await metrics.recompute.read()
    assert run
    assert (run.state, run.tidied) == ("failed", True)
    assert "erased" in str(run.error)
    await metrics.assert_figures_are_whole(*QUESTIONS)
    assert not [name for name in await metrics.site.database.list_collection_names() if name.endswith(".1")]


async def test_a_recompute_begins_once_nobody_is_being_erased(metrics: Metrics):
    erasures = metrics.site.database[Erasure.collection]
    await erasures.insert_one(document_of(Erasure(id="somebody", partition=0, periods=(), customer_id="K-9")))
    await metrics.feed(*traffic(3))
    await metrics.recompute.start("ann", standing=0)
    assert not await metrics.replaying().advance()
    metrics.clock.advance(20)
    await erasures.delete_one({"_id": "somebody"})
    assert await metrics.replaying().advance()
