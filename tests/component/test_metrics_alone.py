"""metrics with figures of its own: what a setting, a repeat and an instant change."""

from collections.abc import Callable
from pathlib import Path

from metrics.domain import ContactFact, CustomerFact, JournalEntry
from metrics.domain.question import parse
from metrics.store import Reports

from tests.support.metrics import LIMITS, at, event, received, responded
from tests.support.metrics_service import running_metrics
from tests.support.stack import Addresses


async def test_figures_by_agent_can_be_switched_off(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]):
    async with running_metrics(tmp_path, stack.kafka, stack.mongodb, unique("m"), agent_figures="off") as metrics:
        response = await metrics.ask("/v1/report", measure="contacts", by="agent")
        assert response.status_code == 403
        assert response.json()["errors"][0]["pointer"] == "/by"
        await metrics.feed(
            received(at("09:00"), agent_id="agent-7"),
            responded(at("09:30"), agent_id="agent-7"),
            event("purchase.made", at("10:00"), purchase_id="P", amount="1", currency="EUR", agent_id="agent-7"),
        )
        for path, more in (
            ("/v1/report/contacts", {"measure": "first_response"}),
            ("/v1/report/contacts", {"measure": "first_response", "format": "csv"}),
            ("/contacts", {"measure": "first_response"}),
            ("/v1/report/customers", {"measure": "after_sale"}),
        ):
            listed = await metrics.ask(path, **more)
            assert (listed.status_code, "K-1" in listed.text, "agent-7" in listed.text) == (200, True, False)


async def test_the_same_identity_with_other_content_is_told_and_changes_nothing(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str]
):
    one = received(at("09:00"), "C-9", id="same")
    async with running_metrics(tmp_path, stack.kafka, stack.mongodb, unique("m")) as metrics:
        await metrics.feed(one, received(at("09:00"), "C-9", id="same", channel="phone"))
        fate = await metrics.get("/v1/events", source="/crm", id="same")
        assert [repeat["fate"] for repeat in fate["repeats"]] == ["duplicate (differs)"]
        assert await metrics.rows(measure="contacts", by="channel") == [{"channel": "email", "contacts": 1}]


async def test_figures_of_one_instant_do_not_see_what_comes_while_they_are_asked_for(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str]
):
    async with running_metrics(tmp_path, stack.kafka, stack.mongodb, unique("instant")) as own:
        reports = Reports(own.service.store(ContactFact, CustomerFact, JournalEntry))
        contacts = parse({"measure": ["contacts"]})
        await own.feed(received(at("09:10"), "C-1"))
        async with reports.one_instant() as instant:
            before = await reports.groups(contacts, LIMITS, session=instant)
            await own.feed(received(at("09:20"), "C-2"))
            assert await reports.groups(contacts, LIMITS, session=instant) == before
        assert await reports.groups(contacts, LIMITS) != before
