"""Beside the board, in a real browser: a contact's page that keeps itself true, and silences begun and ended."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import NEEDS_A_BROWSER, NEEDS_AXE, shoot, signed_in, violations
from tests.support.receivers import receiver
from tests.support.sla_service import RunningSla, policy, running_sla
from tests.support.stack import Addresses

pytestmark = [*NEEDS_A_BROWSER, NEEDS_AXE]

_SOON = 20_000


@pytest.fixture(scope="module")
async def sla(tmp_path_factory: pytest.TempPathFactory, stack: Addresses) -> AsyncIterator[RunningSla]:
    from tests.support.stack import unique  # noqa: PLC0415 - the fixture of that name lives shorter

    folder = tmp_path_factory.mktemp("beside")
    with receiver() as desk:
        path = policy(folder, desk.address, "webhook:http://127.0.0.1:9/dead", within="1s")
        async with running_sla(folder, stack, unique("beside"), policy=path) as running:
            yield running


async def test_a_contact_s_page_follows_what_happens_and_keeps_what_is_being_written(sla: RunningSla, browser: Browser):
    about: dict[str, Any] = {"customer_id": "K-1", "team": "billing", "subject": "Invoice wrong"}
    await sla.tell("contact.received", "C-1", ago=5, **about)
    await sla.alert("C-1/first_response/1", "breached")
    async with signed_in(browser, f"{sla.service.url}/contacts/C-1", timezone_id="Asia/Tokyo") as page:
        first = page.locator('[id="first_response/1"]')
        await expect(page.locator("#zone")).to_contain_text("Times are those of Europe/Berlin. Now it is")
        await expect(first.locator("time").first).to_have_attribute("title", re.compile(" here$"))
        await expect(first).to_contain_text("still waiting")
        reason = first.get_by_label("Close because")
        await reason.fill("rang the cust")
        other = page.locator('[id="resolution/1"] summary')
        await other.click()
        await sla.tell("contact.responded", "C-1", customer_id="K-1", agent_id="agent-7")
        await expect(page.locator("#history")).to_contain_text("contact.responded", timeout=_SOON)
        await expect(reason).to_have_value("rang the cust")
        await expect(page.locator('[id="resolution/1"] details')).to_have_attribute("open", "")
        await reason.fill("")
        await page.locator("h1").click()
        await sla.tell("customer.updated", customer_id="K-1", name="Rossi", title="Ms")
        await sla.tell("contact.received", "C-1", **about)
        await expect(page.locator('[id="next_response/1"]')).to_have_count(0)
        await expect(first).to_contain_text("answered since", timeout=_SOON)
        await expect(page.locator("#facts")).to_contain_text("Ms Rossi", timeout=_SOON)
        await sla.tell("contact.resolved", "C-1", customer_id="K-1", outcome="solved")
        await expect(page.locator("#facts")).to_contain_text("resolved", timeout=_SOON)
        await expect(page.locator("#stale")).to_be_hidden()


async def test_alerts_are_silenced_by_who_may_and_the_board_says_so(sla: RunningSla, browser: Browser):
    async with signed_in(browser, f"{sla.service.url}/silences") as page:
        await expect(page.get_by_text("Nothing is muted")).to_be_visible()
        await page.get_by_label("Contact id").fill("C-9")
        await page.get_by_label("Because").fill("فاتورة: known, told by phone")
        await page.get_by_role("button", name="Silence", exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text("Silenced until")
        await shoot(page, "silences")
        assert await violations(page) == []
        await page.get_by_role("link", name="Board").click()
        await expect(page.locator(".asof")).to_contain_text("1 silence mutes alerts")
        await page.get_by_role("link", name="1 silence mutes alerts").click()
        await page.get_by_role("button", name="End it now").click()
        await expect(page.get_by_role("heading", name="Ended lately")).to_be_visible()
        assert await violations(page) == []


async def test_a_receiver_that_fails_is_seen_and_tried_again(sla: RunningSla, browser: Browser):
    async with signed_in(browser, f"{sla.service.url}/receivers") as page:
        await page.get_by_role("button", name="Test lead").click()
        await expect(page.get_by_role("alert")).to_contain_text("lead has not taken the test message")
        await expect(page.get_by_role("row", name="lead")).to_contain_text("failing, 1 in a row")
        await page.get_by_role("button", name="Test desk").click()
        await expect(page.get_by_role("status")).to_have_text("desk has taken the test message.")
        await shoot(page, "receivers")
        assert await violations(page) == []
        await page.set_viewport_size({"width": 360, "height": 740})
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
