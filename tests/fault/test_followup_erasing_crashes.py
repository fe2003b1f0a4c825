"""Law: whenever the replica that renames what is held of an erased customer is killed, another goes on to the end."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from followup import erasing
from followup.domain.draft import Rules
from followup.domain.followups import Followups
from followup.domain.plays_file import parse_plays
from followup.domain.rule_book import RuleBook
from followup.domain.state import CheckIn, CustomerState, Message, NamelessContact, Posting, SurveyLink
from followup.domain.surveys import change_consent
from followup.erasing import Erasures
from rapport.contracts import encode
from rapport.decision import Decision
from rapport.runtime.lease import Lease

from tests.support.clock import EPOCH, ManualClock
from tests.support.followup import event
from tests.support.killing import killed_at_every_third_await
from tests.support.replica import Log, Site, horizons
from tests.support.stack import Addresses
from tests.support.traces import traces

PLAYS = """
plays:
  - name: thanks
    on: {type: contact.resolved}
    steps: [{after: 0s, do: message, template: thanks, purpose: service}]
budget: {exempt: [service]}
consent: {default: {service: true}}
senders: {default: {from: "care@example.org", url: "smtp://localhost"}}
"""


class Replica:
    """A process that has just started."""

    def __init__(self, site: Site) -> None:
        self.domain = Followups(RuleBook.of(Rules(parse_plays(PLAYS))))
        self.processor = site.replica(domain=self.domain)
        lease = Lease(site.database, "erasing", site.clock)
        self.erasures = Erasures(site.new_store(), self.processor, self.domain, lease, site.clock)

    async def erase(self) -> None:
        await self.erasures.prepare()
        while await self.erasures._one():
            pass


@pytest.fixture
async def site(stack: Addresses, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(erasing, "_AT_ONCE", 1)
    kinds = (CustomerState, Message, SurveyLink, Posting, CheckIn, NamelessContact)
    site = Site(stack.mongodb, unique("erasing"), ManualClock(), kinds)
    await site.prepare()
    yield site
    await site.close()


async def have_erased(site: Site, log: Log, number: str) -> None:
    """Somebody with two messages and a wish on their way, of whom the word has come that they are to be erased."""
    customer_id, second = f"K-{number}", timedelta(seconds=1)
    replica = Replica(site)
    await replica.erasures.prepare()
    solved = [
        event("contact.resolved", EPOCH + second, customer=customer_id, contact_id=f"C-{number}-{n}", outcome="solved")
        for n in range(2)
    ]
    about = event("customer.updated", EPOCH, id=f"u-{number}", customer=customer_id, email="ada@example.org")
    await replica.processor.process([log.append(0, encode(one)) for one in (about, *solved)])
    await replica.processor.sweep(horizons(EPOCH + 2 * second))
    wish = change_consent(customer_id, 0, {"survey": False}, EPOCH + 2 * second, f"c-{number}")
    await replica.processor.act(Posting, wish.states[0].id, lambda _, __, ___: wish, partition=0)
    found = {name for name, _ in await traces(site.database, customer_id)}
    assert found == {"customers", "messages", "postings"}
    word = event("customer.erased", EPOCH + 5 * second, id=f"e-{number}", customer=customer_id)
    named = word.model_copy(update={"erasedas": f"erased:{number}"})
    await replica.processor.process([log.append(0, encode(named))])


async def assert_nothing_is_left(site: Site, number: str) -> None:
    assert await traces(site.database, f"K-{number}") == []
    messages = await site.store.find(Message, {"s": {"$regex": f"erased:{number}"}})
    assert [one.customer_id for one in messages] == [f"erased:{number}"] * 2


async def test_killed_at_whichever_await_another_replica_renames_the_rest(site: Site):
    log = Log()
    await killed_at_every_third_await(
        site,
        begin=lambda n: have_erased(site, log, f"{n:03}"),
        work=lambda: Replica(site).erase(),
        check=lambda n: assert_nothing_is_left(site, f"{n:03}"),
    )


async def test_a_message_whose_time_ends_meanwhile_holds_nothing_up(site: Site, monkeypatch: pytest.MonkeyPatch):
    await have_erased(site, Log(), "1")
    replica, messages = Replica(site), site.store.collection(Message.collection)
    act = replica.processor.act

    async def act_after_the_end_of_all(*args: Any, **more: Any) -> Decision[Any]:
        await messages.delete_many({})
        return await act(*args, **more)

    monkeypatch.setattr(replica.processor, "act", act_after_the_end_of_all)
    await replica.erase()
    assert await traces(site.database, "K-1") == []
