"""Law: whenever the replica that applies a policy is killed, another goes on and ends as if nothing had happened."""

import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sla_monitor import walking
from sla_monitor.applying import Applications
from sla_monitor.domain.monitor import SlaDomain
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.states import AlertState, ContactState, CustomerState
from sla_monitor.policies import Policies

from tests.support.clock import EPOCH, ManualClock
from tests.support.replica import PARTITIONS, Log, Site, received
from tests.support.sla import OFFICE
from tests.support.stack import Addresses
from tests.support.suspension import Killed, Suspended, die_here, the_end_of

CONTACTS = [f"c-{number}" for number in range(2)]
MOST_AWAITS = 100
LEASE = 16
HOUR = timedelta(hours=1)


def text(hours: int) -> str:
    return f"{OFFICE}policies: [{{name: only, calendar: always, targets: {{resolution: {{within: {hours}h}}}}}}]\n"


class Replica:
    """A process that has just started, with the policies as they are stored."""

    def __init__(self, site: Site, path: Path) -> None:
        self.policies = Policies(site.database, site.published, site.clock, path)  # type: ignore[arg-type] # the same call
        self.domain = SlaDomain(self.policies.book)
        self.policies.on_change(lambda book: setattr(self.domain, "book", book))
        self.processor = site.replica(domain=self.domain)
        self.applications = Applications(site.database, site.store, self.processor, self.policies, site.clock)

    async def apply(self, version: int) -> None:
        """Read the policies, ask, and work until it is done."""
        await self.policies.load()
        if await self.applications.shown(version) is None:
            await self.applications.ask(version, "root")
        while not (await self.applications.shown(version) or {})["finished_at"]:
            await self.applications.go_on()


@pytest.fixture
async def site(stack: Addresses, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(walking, "_BATCH", 1)
    monkeypatch.setattr(walking, "_AT_ONCE", 1)
    kinds = (ContactState, CustomerState, AlertState, NotificationState)
    site = Site(stack.mongodb, unique("applying"), ManualClock(), kinds)
    await site.prepare()
    yield site
    await site.close()


async def open_contacts(site: Site, path: Path) -> None:
    replica, log = Replica(site, path), Log()
    await replica.policies.load()
    await replica.processor.process(
        [log.append(n % PARTITIONS, received(name, f"{name}-1")) for n, name in enumerate(CONTACTS)]
    )


async def assert_applied_once(site: Site, replica: Replica, version: int) -> None:
    await replica.processor.collect_left_overs()
    for name in CONTACTS:
        contact = await site.store.get(ContactState, name)
        assert contact is not None
        assert (contact.policy_version, (contact.due_at or EPOCH) - EPOCH) == (version, (version + 1) * HOUR)
    done = await replica.applications.shown(version)
    assert done is not None
    assert (done["contacts"], done["moves"], done["superseded"]) == (len(CONTACTS), len(CONTACTS), False)
    told = [json.loads(record.value) for record in site.published.records if record.value]
    ids = {e["id"]: e["data"]["contact_id"] for e in told if e.get("causationid") == f"policy/{version}"}
    assert Counter(ids.values()) == dict.fromkeys(CONTACTS, 1)


async def test_killed_at_whichever_await_another_replica_carries_the_application_on(site: Site, tmp_path: Path):
    path = tmp_path / "policy.yaml"
    path.write_text(text(2), "utf-8")
    await open_contacts(site, path)
    dead: list[Suspended[None]] = []
    for version, n in enumerate(range(1, MOST_AWAITS, 2), 2):
        path.write_text(text(version + 1), "utf-8")
        site.clock.advance(LEASE)  # type: ignore[attr-defined] # nobody holds the lease any more
        site.sessions.clear()
        killed = Suspended(Replica(site, path).apply(version), n, die_here)
        with contextlib.suppress(Killed):
            await killed
        dead.append(killed)
        await killed.last_words()
        await site.bury()
        site.clock.advance(LEASE)  # type: ignore[attr-defined] # nor does the dead
        replica = Replica(site, path)
        await replica.apply(version)
        await assert_applied_once(site, replica, version)
        if not killed.reached:
            break
    assert 20 < n < MOST_AWAITS - 2
    for zombie in dead[:-1]:
        site.clock.advance(LEASE)  # type: ignore[attr-defined] # so that it can go on at once
        await the_end_of(zombie.rise())
    await assert_applied_once(site, replica, version)
