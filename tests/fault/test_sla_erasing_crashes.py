"""Law: whenever the replica that writes an erased customer's contacts anew is killed, another goes on to the end."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from rapport.contracts import encode
from rapport.contracts.contact_events import CustomerErased
from rapport.contracts.registry import tell
from rapport.decision import Decision
from rapport.erasing import is_erased
from sla_monitor import walking
from sla_monitor.domain.log import to_millis
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.policy_book import PolicyBook
from sla_monitor.domain.risk import RiskState
from sla_monitor.domain.states import AlertState, ContactState, CustomerState
from sla_monitor.domain.watch import WatchDomain
from sla_monitor.erasing import Erasures

from tests.support.clock import EPOCH, ManualClock
from tests.support.killing import killed_at_every_third_await
from tests.support.replica import PARTITIONS, Log, Site, horizons, received
from tests.support.sla import policy, targets
from tests.support.stack import Addresses
from tests.support.traces import traces

MUCH_LATER = horizons(EPOCH + timedelta(minutes=1))
RULES = targets(
    "first_response: {within: 1s, elapsed: true}",
    page="now",
    escalation="climb",
    rest='escalations: {climb: [{after: 0s, notify: [lead]}]}\nreceivers: {lead: {url: "json://lead"}}\n',
)


class Replica:
    """A process that has just started."""

    def __init__(self, site: Site) -> None:
        self.domain = WatchDomain(PolicyBook([policy(RULES)]))
        self.processor = site.replica(domain=self.domain)
        self.erasures = Erasures(site.database, site.new_store(), self.processor, self.domain, site.clock)

    async def erase(self) -> None:
        await self.erasures.prepare()
        while await self.erasures._one():
            pass


@pytest.fixture
async def site(stack: Addresses, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(walking, "_BATCH", 1)
    monkeypatch.setattr(walking, "_AT_ONCE", 1)
    kinds = (ContactState, CustomerState, AlertState, NotificationState, RiskState)
    site = Site(stack.mongodb, unique("erasing"), ManualClock(), kinds)
    await site.prepare()
    yield site
    await site.close()


async def have_erased(site: Site, log: Log, customer_id: str, *, late: bool = True) -> None:
    """Somebody with two contacts that are late, or soon will be, whom the word has come to erase."""
    replica = Replica(site)
    await replica.erasures.prepare()
    await replica.processor.process(
        [
            log.append(
                n % PARTITIONS, received(f"c-{customer_id[2:]}-{n}", f"{customer_id[2:]}-{n}", customer=customer_id)
            )
            for n in range(2)
        ]
    )
    if late:
        await replica.processor.sweep(MUCH_LATER)
    word = tell(
        "customer.erased",
        CustomerErased(customer_id=customer_id),
        source="/crm",
        id=f"erase-{customer_id[2:]}",
        time=EPOCH + timedelta(seconds=5),
    )
    named = word.model_copy(update={"erasedas": f"erased:{customer_id[2:]}"})
    assert {name for name, _ in await traces(site.database, f"'{customer_id}'", f'"{customer_id}"')} >= {
        "contacts",
        *(["alerts"] if late else []),
    }
    await replica.processor.process([log.append(0, encode(named))])


def _written(customer_id: str) -> tuple[str, str]:
    """An id as it stands in a document, and in a text of one."""
    return repr(customer_id), f'"{customer_id}"'


async def assert_nothing_is_left(site: Site, customer_id: str) -> None:
    assert await traces(site.database, *_written(customer_id)) == []
    contacts = await site.store.find(ContactState, {"customer_id": f"erased:{customer_id[2:]}"})
    alerts = await site.store.find(AlertState, {"customer_id": f"erased:{customer_id[2:]}"})
    assert (len(contacts), len(alerts)) == (2, 2)


async def test_killed_at_whichever_await_another_replica_forgets_the_rest(site: Site):
    log = Log()
    await killed_at_every_third_await(
        site,
        begin=lambda n: have_erased(site, log, f"K-{n:03}"),
        work=lambda: Replica(site).erase(),
        check=lambda n: assert_nothing_is_left(site, f"K-{n:03}"),
    )


async def test_an_alert_that_is_raised_right_before_their_contact_is_written_anew_bears_the_name_as_well(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    await have_erased(site, Log(), "K-1", late=False)
    replica, other = Replica(site), Replica(site)
    await other.erasures.prepare()
    act = replica.processor.act

    async def act_after_a_sweep(*args: Any, **more: Any) -> Decision[Any]:
        await other.processor.sweep(MUCH_LATER)
        return await act(*args, **more)

    monkeypatch.setattr(replica.processor, "act", act_after_a_sweep)
    await replica.erase()
    await assert_nothing_is_left(site, "K-1")


async def test_a_message_whose_time_ends_meanwhile_holds_nothing_up(site: Site, monkeypatch: pytest.MonkeyPatch):
    await have_erased(site, Log(), "K-1")
    replica, messages = Replica(site), site.store.collection(NotificationState.collection)
    assert await messages.count_documents({}) == 2
    act = replica.processor.act

    async def act_after_the_end_of_all(*args: Any, **more: Any) -> Decision[Any]:
        if any(touch.kind is NotificationState for touch in more.get("touches", ())):
            await messages.delete_many({})
        return await act(*args, **more)

    monkeypatch.setattr(replica.processor, "act", act_after_the_end_of_all)
    await replica.erase()
    assert await messages.count_documents({}) == 0
    await assert_nothing_is_left(site, "K-1")


async def test_whom_the_version_before_had_only_begun_to_forget_is_called_otherwise_as_well(site: Site):
    replica, log = Replica(site), Log()
    await replica.erasures.prepare()
    await replica.processor.process([log.append(0, received("c-1", "e-1", customer="K-1"))])
    until = to_millis(EPOCH + timedelta(seconds=5))
    begun = CustomerState(id="K-1", partition=0, erased=until, erasing=True)
    await replica.processor.act(CustomerState, "K-1", lambda _, __, ___: Decision((begun,)), partition=0)
    await replica.erase()
    assert await traces(site.database, *_written("K-1")) == []
    [contact] = await site.store.find(ContactState, {})
    assert is_erased(contact.customer_id)
