"""More than anybody expects of one customer: still told once, and still forgotten when they ask for it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sla_monitor.domain.states import ContactState, CustomerState

from tests.support.receivers import receiver
from tests.support.sla_service import CLOCK, policy, running_sla, until
from tests.support.stack import Addresses

CONTACTS = 10_000


async def test_a_customer_with_ten_thousand_contacts_is_matched_again_and_forgotten_whole(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str]
):
    with receiver() as desk:
        path = policy(tmp_path, desk.address, desk.address, within="4h")
        path.write_text(path.read_text("utf-8").replace("{priority: low}", "{tier: gold}"), "utf-8")
        async with running_sla(tmp_path, stack, unique("bounds"), policy=path) as sla:
            now = CLOCK.now()
            await sla.service.publisher.publish(
                [
                    sla.record("contact.received", f"C-{n}", at=now - timedelta(seconds=5), subject="My divorce")
                    for n in range(CONTACTS)
                ]
            )
            contacts = sla.service.database[ContactState.collection]
            customers = sla.service.database[CustomerState.collection]

            async def under(name: str) -> bool:
                return bool(await contacts.count_documents({"policy": name, "open": True}) == CONTACTS)

            await until(lambda: under("quick"))
            await sla.tell("customer.tier_changed", tier="gold")
            await until(lambda: under("slow"))

            await sla.tell("customer.erased")

            async def forgotten() -> bool:
                known = await customers.find({}).to_list(None)
                return len(known) == 1 and known[0]["_id"] != "K-1" and "erasing" not in known[0]

            await until(forgotten)
            assert await contacts.count_documents({"customer_id": "K-1"}) == 0
            assert await contacts.count_documents({"s": {"$regex": "divorce"}}) == 0
            assert await contacts.count_documents({"open": True}) == CONTACTS
