"""The on-call board in a real browser: it tells the truth, keeps telling it, and says when it can't."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.support.browser import NEEDS_A_BROWSER, shoot, signed_in, tab
from tests.support.receivers import receiver
from tests.support.sla_service import RunningSla, policy, running_sla
from tests.support.stack import Addresses

pytestmark = NEEDS_A_BROWSER

_SOON = 20_000


@pytest.fixture(scope="module")
async def sla(tmp_path_factory: pytest.TempPathFactory, stack: Addresses) -> AsyncIterator[RunningSla]:
    """One service for all tests here; each test has a team of its own."""
    from tests.support.stack import unique  # noqa: PLC0415 - the fixture of that name lives shorter

    folder = tmp_path_factory.mktemp("board")
    with receiver() as desk:
        path = policy(folder, desk.address, desk.address, within="1s")
        async with running_sla(folder, stack, unique("board"), policy=path) as running:
            yield running


async def breached(sla: RunningSla, team: str, *contacts: str) -> None:
    """Contacts of a team that wait beyond their first response, the first one the longest."""
    for ago, contact in enumerate(reversed(contacts), start=5):
        data: dict[str, Any] = {"team": team, "subject": f"About {contact}", "customer_id": f"K-{contact}"}
        await sla.tell("contact.received", contact, ago=ago, **data)
    for contact in contacts:
        await sla.alert(f"{contact}/first_response/1", "breached")


def row(page: Page, contact: str) -> Locator:
    return page.locator(f'[data-key="{contact}/first_response/1"]')


async def test_a_breach_appears_by_itself_and_is_taken_with_a_click(sla: RunningSla, browser: Browser):
    async with signed_in(browser, f"{sla.service.url}/?team=live") as page:
        await expect(page.get_by_text("Nobody waits")).to_be_visible()
        await sla.tell("customer.updated", customer_id="K-1", name="روسي", title="Dr", tier="gold")
        await sla.tell("contact.received", "C-1", team="live", subject="Invoice wrong", agent_id="agent-7")
        late = row(page, "C-1")
        await expect(late).to_contain_text("Breached", timeout=_SOON)
        await expect(late).to_contain_text("Invoice wrong")
        await expect(late.locator("bdi[dir=auto]")).to_have_text("Dr روسي")
        await expect(page.locator(".figure", has_text="Breached, waiting")).to_contain_text("1")
        await expect(page).to_have_title(re.compile(r"^\(1\) On-call board"))
        await sla.tell("contact.received", "C-2", customer_id="K-2", team="live", subject="Second", priority="low")
        await expect(page.locator('[data-key="C-2"]')).to_contain_text("On time", timeout=_SOON)
        await late.get_by_role("button", name="Acknowledge").click()
        await expect(late).to_contain_text("Taken", timeout=_SOON)
        await expect(late).to_contain_text("by ada")
        await expect(page.get_by_role("status")).to_contain_text("1 acknowledged")
        await late.get_by_role("link", name="Invoice wrong", exact=True).click()
        await expect(page.get_by_role("heading", name="Invoice wrong")).to_be_visible()
        await expect(page.get_by_text("breached, still waiting")).to_be_visible()
        await expect(page.locator("table").first).to_contain_text("open")
        await page.get_by_role("link", name="Policy").first.click()
        await expect(page.get_by_role("heading", name="What we promise our customers")).to_be_visible()
        await page.get_by_role("link", name="Workload").click()
        await expect(page.get_by_role("row", name="agent-7")).to_contain_text("1 overdue")


async def test_what_is_answered_leaves_the_board_by_itself(sla: RunningSla, browser: Browser):
    await breached(sla, "answered", "D-1", "D-2")
    async with signed_in(browser, f"{sla.service.url}/?team=answered") as page:
        await expect(page.locator(".row")).to_have_count(2)
        await sla.tell("contact.resolved", "D-1", customer_id="K-D-1", outcome="solved")
        await expect(page.locator(".row")).to_have_count(1, timeout=_SOON)
        await expect(row(page, "D-2")).to_be_visible()


async def test_the_board_works_by_keyboard_alone(sla: RunningSla, browser: Browser):
    await breached(sla, "keys", "E-1", "E-2", "E-3")
    async with signed_in(browser, f"{sla.service.url}/?team=keys") as page:
        keys = page.keyboard
        await expect(page.locator(".row")).to_have_count(3)
        for key in "jjk":
            await keys.press(key)
        await expect(row(page, "E-1")).to_be_focused()
        await keys.press("a")
        await expect(row(page, "E-1")).to_contain_text("by ada", timeout=_SOON)
        await expect(row(page, "E-1")).to_be_focused()
        await keys.press("j")
        await keys.press("s")
        await expect(page.get_by_role("combobox", name="for", exact=True)).to_be_focused()
        await keys.press("Enter")
        await expect(row(page, "E-2")).to_contain_text("until", timeout=_SOON)
        await expect(row(page, "E-2")).to_be_focused()
        await keys.press("j")
        await keys.press("x")
        await expect(page.locator("#picked")).to_have_text("1 selected:")
        await keys.press("c")
        await keys.type("a test, j and k")
        await keys.press("Enter")
        await expect(row(page, "E-3")).to_have_count(0, timeout=_SOON)
        assert (await sla.alert("E-3/first_response/1", "closed"))["reason"] == "a test, j and k"
        await keys.press("?")
        await expect(page.get_by_role("dialog")).to_contain_text("next row")
        await page.get_by_label("Keys are on in this browser").uncheck()
        await keys.press("Escape")
        await page.locator("h1").click()
        await keys.press("?")
        await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_one_key_acknowledges_all_that_are_selected(sla: RunningSla, browser: Browser):
    await breached(sla, "all", "L-1", "L-2", "L-3")
    async with signed_in(browser, f"{sla.service.url}/?team=all") as page:
        await expect(page.locator(".row")).to_have_count(3)
        for key in "jxjxja":
            await page.keyboard.press(key)
        for contact in ("L-1", "L-2"):
            await expect(row(page, contact)).to_contain_text("by ada", timeout=_SOON)
        await expect(page.get_by_role("status")).to_have_text("2 acknowledged.")
        await expect(row(page, "L-3")).to_contain_text("Breached")
        await expect(row(page, "L-3")).to_be_focused()
        await expect(page.locator("#bulk")).to_be_hidden()


async def test_many_are_taken_at_once_and_what_can_not_be_done_says_why(sla: RunningSla, browser: Browser):
    await breached(sla, "bulk", "F-1", "F-2", "F-3")
    async with signed_in(browser, f"{sla.service.url}/?team=bulk") as page:
        await expect(page.locator("#bulk")).to_be_hidden()
        for contact in ("F-1", "F-3"):
            await row(page, contact).get_by_role("checkbox").check()
        await page.get_by_role("button", name="Close", exact=True).click()
        await expect(page.get_by_role("status")).to_have_text(re.compile("closing needs a reason, and 1 more"))
        await page.get_by_label("to", exact=True).fill("agent-9")
        await page.get_by_role("button", name="Assign").click()
        for contact in ("F-1", "F-3"):
            await expect(row(page, contact)).to_contain_text("agent-9", timeout=_SOON)
        await expect(row(page, "F-2")).to_contain_text("nobody")
        await expect(page.get_by_role("status")).to_have_text("2 assigned.")
        await expect(page.locator("#bulk")).to_be_hidden()


async def test_filters_stand_in_the_address_and_hold_for_what_comes(sla: RunningSla, browser: Browser):
    await breached(sla, "filters", "G-1", "G-2")
    async with signed_in(browser, f"{sla.service.url}/") as page:
        await page.get_by_label("Team").select_option("filters")
        await page.get_by_label("State").select_option("Breached")
        await page.get_by_label("Find").fill("G-")
        await page.get_by_role("button", name="Show").click()
        await expect(page).to_have_url(re.compile(r"team=filters&status=breached&agent=&policy=&q=G-"))
        await expect(page.locator(".row")).to_have_count(2)
        assert (await sla.post("/v1/alerts/G-1/first_response/1/acknowledge")).status_code == 200
        await expect(page.locator(".row")).to_have_count(1, timeout=_SOON)
        await breached(sla, "elsewhere", "G-9")
        await breached(sla, "filters", "G-3")
        await expect(page.locator(".row")).to_have_count(2, timeout=_SOON)
        await page.reload()
        await expect(page.locator(".row .title")).to_have_text(["About G-2", "About G-3"])
        await page.get_by_role("link", name="Show all").click()
        await expect(row(page, "G-9")).to_be_visible()


async def test_who_may_only_watch_sees_no_button_and_who_has_no_key_sees_nothing(sla: RunningSla, browser: Browser):
    await breached(sla, "roles", "H-1")
    async with signed_in(browser, f"{sla.service.url}/?team=roles", key="watch-key") as page:
        await expect(row(page, "H-1")).to_be_visible()
        await expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
        await expect(page.get_by_role("checkbox")).to_have_count(0)
        refused = await page.request.post(
            f"{sla.service.url}/act", form={"action": "acknowledge", "id": "H-1/first_response/1"}
        )
        assert refused.status == 403
        await page.get_by_role("button", name="Sign out").click()
        await page.goto(f"{sla.service.url}/?team=roles")
        await page.get_by_label("Key").fill("no-such-key")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text("That key is not known here.")


async def test_the_board_works_without_scripts_and_by_keyboard(sla: RunningSla, browser: Browser):
    await breached(sla, "plain", "I-1", "I-2")
    address = f"{sla.service.url}/?team=plain&status=breached"
    async with signed_in(browser, address, java_script_enabled=False) as page:
        button = page.get_by_role("button", name="Acknowledge About I-1")
        await button.focus()
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("team=plain&status=breached"))
        await expect(page.locator(".row")).to_have_count(1)
        await row(page, "I-2").get_by_role("checkbox").check()
        await page.get_by_label("because").fill("answered by phone")
        await page.get_by_role("button", name="Close").click()
        await expect(page.get_by_text("Nobody waits here")).to_be_visible()
        await expect(page.get_by_role("status")).to_have_text("1 closed")
    assert (await sla.alert("I-1/first_response/1", "acknowledged"))["by"] == "ada"


async def test_nothing_overflows_on_a_phone(sla: RunningSla, browser: Browser):
    long = "Unbreakable" * 17
    data: dict[str, Any] = {"team": "phone", "subject": long, "agent_id": "agent-" + "7" * 80}
    await sla.tell("contact.received", f"C/{long}", ago=4_000 * 86_400, **data)
    await sla.alert(f"C/{long}/first_response/1", "breached")
    async with signed_in(browser, f"{sla.service.url}/?team=phone") as page:
        for width in (360, 1280):
            await page.set_viewport_size({"width": width, "height": 740})
            for path in ("/?team=phone", f"/contacts/C/{long}", "/policy", "/workload"):
                await page.goto(sla.service.url + path)
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
                wide = "[...document.querySelectorAll('.figure')].filter(f => f.scrollWidth > f.clientWidth).length"
                assert await page.evaluate(wide) == 0, path


async def test_fifty_changes_a_second_among_500_rows_move_nothing_that_is_looked_at(sla: RunningSla, browser: Browser):
    names = [f"J-{number:03d}" for number in range(500)]
    records = [
        sla.record(
            "contact.received", name, at=sla.service.clock.now(), team="many", subject=name, customer_id=f"K-{name}"
        )
        for name in names
    ]
    await sla.service.publisher.publish(records)
    await sla.alert(f"{names[-1]}/first_response/1", "breached", seconds=60)
    async with signed_in(browser, f"{sla.service.url}/?team=many") as page:
        await expect(page.locator(".row")).to_have_count(500, timeout=_SOON)
        await expect(page.locator(".row.breached")).to_have_count(500, timeout=_SOON)
        watched = row(page, "J-250")
        await watched.focus()
        await page.evaluate("""() => {
            for (const row of document.querySelectorAll('.row')) row.old = true;
            window.shifts = [];
            const where = ({node, previousRect: from, currentRect: to}) =>
                `${node && (node.id || node.className || node.nodeName)} from ${from.y} to ${to.y}`;
            new PerformanceObserver(list => {
                for (const entry of list.getEntries()) window.shifts.push(...entry.sources.map(where));
            }).observe({type: 'layout-shift'});
        }""")
        before = await watched.evaluate("row => row.getBoundingClientRect().top")
        for _ in range(2):
            taken, names = names[:50], names[50:]
            ids = [f"{name}/first_response/1" for name in taken]
            answer = await sla.post("/v1/alerts/bulk", {"ids": ids, "action": "assign", "to": "agent-5"})
            assert answer.json()["done"] == 50
        await expect(page.locator(".row", has_text="agent-5")).to_have_count(100, timeout=_SOON)
        assert await page.evaluate("[...document.querySelectorAll('.row')].filter(row => !row.old).length") == 100
        await expect(watched).to_be_focused()
        moved = await watched.evaluate("row => row.getBoundingClientRect().top") - before
        assert abs(moved) < 1, f"by {moved} px"
        assert await page.evaluate("window.shifts") == []


async def test_a_board_that_hears_nothing_says_so_until_it_hears_again(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], browser: Browser
):
    with receiver() as desk:
        path = policy(tmp_path, desk.address, desk.address)
        async with tab(browser) as page:
            async with running_sla(tmp_path, stack, unique("board"), policy=path) as first:
                await page.goto(f"{first.service.url}/login")
                await page.get_by_label("Key").fill("watch-key")
                await page.get_by_role("button", name="Sign in").click()
                await expect(page.get_by_text("Nobody waits")).to_be_visible()
                await expect(page.locator("#stale")).to_be_hidden()
                port = int(first.service.url.rpartition(":")[2])
            await expect(page.locator("#stale")).to_be_visible(timeout=_SOON)
            await shoot(page, "stale")
            async with running_sla(tmp_path, stack, unique("board"), policy=path, port=port):
                await expect(page.locator("#stale")).to_be_hidden(timeout=_SOON)
