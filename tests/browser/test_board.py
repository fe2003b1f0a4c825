"""The on-call board in a real browser: it tells the truth, keeps telling it, and says when it can't."""

import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.support.receivers import receiver
from tests.support.sla_service import RunningSla, policy, running_sla
from tests.support.stack import Addresses

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SHOTS = os.environ.get("RAPPORT_SCREENSHOTS")
"""A folder for pictures of what the tests see."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine (make browser installs it)"),
]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        await chromium.close()


@pytest.fixture
async def sla(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RunningSla]:
    with receiver() as desk:
        path = policy(tmp_path, desk.address, desk.address, within="2s")
        async with running_sla(tmp_path, stack, unique("board"), policy=path) as running:
            yield running


@asynccontextmanager
async def signed_in(browser: Browser, url: str, key: str = "ada-key", **options: Any) -> AsyncIterator[Page]:
    """A page of somebody who has signed in; whatever its console complains about fails the test."""
    context: BrowserContext = await browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(url)
    await expect(page).to_have_url(re.compile("/login"))
    await page.get_by_label("Key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="On-call board")).to_be_visible()
    yield page
    assert not complaints
    await context.close()


async def shoot(page: Page, name: str) -> None:
    """Pictures on a phone and on a desk, by day and by night, where somebody wants them."""
    if not SHOTS:
        return
    size = page.viewport_size
    for width in (360, 1280):
        for scheme in ("light", "dark"):
            await page.set_viewport_size({"width": width, "height": 900})
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{scheme}.png", full_page=True)
    if size:
        await page.set_viewport_size(size)


async def test_a_breach_appears_by_itself_and_is_taken_with_a_click(sla: RunningSla, browser: Browser):
    async with signed_in(browser, sla.service.url) as page:
        await expect(page.get_by_text("Nobody waits")).to_be_visible()
        await sla.tell("customer.updated", customer_id="K-1", name="روسي", title="Dr", tier="gold")
        await sla.tell("contact.received", "C-1", subject="Invoice wrong", agent_id="agent-7")
        row = page.locator('[data-key="C-1/first_response/1"]')
        await expect(row).to_contain_text("Breached", timeout=20_000)
        await expect(row).to_contain_text("Invoice wrong")
        await expect(row.locator("bdi[dir=auto]")).to_have_text("Dr روسي")
        await expect(page.locator(".figure", has_text="Breached, waiting")).to_contain_text("1")
        await sla.tell("contact.received", "C-2", customer_id="K-2", subject="Second one", priority="low")
        await expect(page.locator('[data-key="C-2"]')).to_contain_text("On time", timeout=20_000)
        await shoot(page, "board")
        await row.get_by_role("button", name="Acknowledge").click()
        await expect(row).to_contain_text("Taken", timeout=20_000)
        await expect(row).to_contain_text("by ada")
        await row.get_by_role("link", name="Invoice wrong").click()
        await expect(page.get_by_role("heading", name="Invoice wrong")).to_be_visible()
        await expect(page.get_by_text("breached, still waiting")).to_be_visible()
        await expect(page.locator("table").first).to_contain_text("open")
        await shoot(page, "contact")
        await page.get_by_role("link", name="Policy").first.click()
        await expect(page.get_by_role("heading", name="What we promise our customers")).to_be_visible()
        await shoot(page, "policy")


async def test_the_board_works_without_scripts_and_by_keyboard(sla: RunningSla, browser: Browser):
    await sla.tell("contact.received", "C-1", subject="Where is it?")
    await sla.alert("C-1/first_response/1", "breached")
    async with signed_in(browser, f"{sla.service.url}/?team=billing", java_script_enabled=False) as page:
        await page.goto(f"{sla.service.url}/?team=billing&status=breached")
        button = page.get_by_role("button", name="Acknowledge Where is it?")
        await button.focus()
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("team=billing&status=breached"))
        await expect(page.get_by_text("Nobody waits here")).to_be_visible()
    assert (await sla.alert("C-1/first_response/1", "acknowledged"))["by"] == "ada"


async def test_nothing_overflows_on_a_phone(sla: RunningSla, browser: Browser):
    long = "Unbreakable" * 17
    await sla.tell("contact.received", f"C/{long}", subject=long, agent_id="agent-" + "7" * 80)
    await sla.alert(f"C/{long}/first_response/1", "breached")
    async with signed_in(browser, sla.service.url) as page:
        await page.set_viewport_size({"width": 360, "height": 740})
        for path in ("/", f"/contacts/C/{long}", "/policy"):
            await page.goto(sla.service.url + path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360, path


async def test_a_board_that_hears_nothing_says_so_until_it_hears_again(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], browser: Browser
):
    name = unique("board")
    with receiver() as desk:
        path = policy(tmp_path, desk.address, desk.address)
        async with running_sla(tmp_path, stack, name, policy=path) as first:
            context = await browser.new_context(viewport={"width": 1280, "height": 900})
            page = await context.new_page()
            await page.goto(f"{first.service.url}/login")
            await page.get_by_label("Key").fill("watch-key")
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_text("Nobody waits")).to_be_visible()
            await expect(page.locator("#stale")).to_be_hidden()
            port = int(first.service.url.rpartition(":")[2])
        await expect(page.locator("#stale")).to_be_visible(timeout=20_000)
        await shoot(page, "stale")
        async with running_sla(tmp_path, stack, unique("board"), policy=path, port=port):
            await expect(page.locator("#stale")).to_be_hidden(timeout=20_000)
        await context.close()
