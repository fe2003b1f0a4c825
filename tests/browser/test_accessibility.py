"""Every page that people look at, judged by axe-core: WCAG 2.2 AA, day and night, on a phone and on a desk."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import NEEDS_A_BROWSER, NEEDS_AXE, shoot, signed_in, tab, violations
from tests.support.followup import event
from tests.support.followup_world import followup_world
from tests.support.intake import BATCH, batch, real_intake
from tests.support.intake import event as happened
from tests.support.metrics import answered, at, opened, received, responded, verdict
from tests.support.metrics_service import running_metrics
from tests.support.receivers import Receiver, receiver
from tests.support.sla_service import RunningSla, policy, running_sla
from tests.support.stack import Addresses

pytestmark = [*NEEDS_A_BROWSER, NEEDS_AXE]

CUSTOMERS: dict[str, dict[str, Any]] = {
    "K-1": {"name": "Rossi", "title": "Ms", "tier": "gold"},
    "K-2": {"name": "ليلى حداد", "title": "Dr"},
    "K-3": {"name": "Łukasz Wiśniewski-Kowalczyk", "tier": "platinum"},
}


@pytest.fixture(scope="module")
def desk() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture(scope="module")
async def sla(tmp_path_factory: pytest.TempPathFactory, stack: Addresses, desk: Receiver) -> AsyncIterator[RunningSla]:
    """A board on which something of everything is going on."""
    from tests.support.stack import unique  # noqa: PLC0415 - the fixture of that name lives shorter

    folder = tmp_path_factory.mktemp("axe")
    path = policy(folder, desk.address, desk.address, within="1m")
    seldom = timedelta(hours=1)  # the auditor would take away the trouble that a test makes up
    own: dict[str, Any] = {"policy": path, "public_url": "http://board.example", "audit_every": seldom}
    async with running_sla(folder, stack, unique("axe"), **own) as running:
        await fill(running)
        yield running


SUBJECTS = (
    "Invoice wrong",
    "Cannot log in since the update",
    "طلب استرداد المبلغ",
    "Where is my parcel? It should have been here on Monday, and the tracking page has said the same since then",
    "Kündigung meines Vertrags zum nächstmöglichen Zeitpunkt",
    "חשבונית כפולה",
    "お問い合わせ",
    "https://shop.example.com/orders/2026/11/0000000000000000000000000000000000000000000000004711",
    "Re: Re: Fwd: question",
    "Price of the extended warranty",
)
NAMES = (
    "Rossi",
    "ליאור כהן",
    "María José de la Concepción Fernández-Villaverde y Ruiz de Castañeda",
    "O'Brien",
    "王小明",
    "Nguyễn Thị Minh Khai",
    "محمد بن عبد الله الأنصاري",
)
CHANNELS = ("email", "phone", "chat", "web", "social", "sms", "in_person")


async def crowd(sla: RunningSla) -> None:
    """Thirty more of all kinds, as a bad day brings them."""
    for number, name in enumerate(NAMES):
        tier = ("gold", "platinum", None)[number % 3]
        known: dict[str, Any] = {"name": name, "tier": tier} if tier else {"name": name}
        await sla.tell("customer.updated", customer_id=f"P-{number}", **known)
    for number in range(30):
        data: dict[str, Any] = {
            "subject": SUBJECTS[number % len(SUBJECTS)],
            "customer_id": f"P-{number % len(NAMES)}",
            "channel": CHANNELS[number % len(CHANNELS)],
            "team": ("billing", "mail", "returns-and-refunds-europe")[number % 3],
        }
        if number % 4:
            data["agent_id"] = ("agent-7", "leïla.haddad@example.com", "bob")[number % 3]
        if number % 2:
            data["priority"] = "low"
        ago = (61 + 977 * number) if number % 2 == 0 else 300 + number * 480
        await sla.tell("contact.received", f"T-{5000 + number}", ago=ago, **data)
    for number in range(0, 30, 2):
        name = f"T-{5000 + number}/first_response/1"
        await sla.alert(name, "breached")
        if number % 6 == 0:
            await sla.post(f"/v1/alerts/{name}/acknowledge", key="bob-key")


async def fill(sla: RunningSla) -> None:
    for customer, fields in CUSTOMERS.items():
        await sla.tell("customer.updated", customer_id=customer, **fields)
    url = "https://crm.example.org/tickets/4711"
    waiting: dict[str, tuple[float, str, dict[str, Any]]] = {
        "C-4711": (754, "K-1", {"subject": "Invoice wrong", "reference": "#4711", "url": url}),
        "C-4712": (93_000, "K-2", {"subject": "فاتورة خاطئة", "agent_id": "agent-7", "channel": "web"}),
        "C-4713": (3_700, "K-3", {"subject": "Cannot log in since the update", "channel": "chat"}),
        "C-4714": (400, "anonymous:77", {"channel": "phone", "subject": "Called twice, line was busy"}),
    }
    for contact, (ago, customer, fields) in waiting.items():
        await sla.tell("contact.received", contact, ago=ago, customer_id=customer, **fields)
    for number in range(5):
        data: dict[str, Any] = {
            "subject": f"Question {number}",
            "priority": "low",
            "customer_id": f"K-{number % 3 + 1}",
        }
        await sla.tell("contact.received", f"C-48{number}", ago=number * 600, **data)
    await sla.tell("contact.waiting", "C-4711", ago=600, customer_id="K-1", on="customer")
    await sla.tell("contact.resumed", "C-4711", ago=300, customer_id="K-1")
    for contact in waiting:
        await sla.alert(f"{contact}/first_response/1", "breached")
    assert (await sla.post("/v1/alerts/C-4712/first_response/1/acknowledge")).status_code == 200
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()  # noqa: TID251 - the real clock is under test
    assert (await sla.post("/v1/alerts/C-4713/first_response/1/snooze", {"until": until})).status_code == 200


async def test_the_board_and_its_bar_and_keys(sla: RunningSla, browser: Browser):
    async with signed_in(browser, f"{sla.service.url}/") as page:
        await expect(page.locator(".row")).to_have_count(10)
        await shoot(page, "board")
        assert await violations(page) == []
        await page.get_by_label("Select Invoice wrong, first response").check()
        await shoot(page, "bulk")
        assert await violations(page) == []
        await page.keyboard.press("?")
        await shoot(page, "keys")
        assert await violations(page) == []


async def test_the_board_of_who_may_only_watch(sla: RunningSla, browser: Browser):
    async with signed_in(browser, f"{sla.service.url}/?team=nobody-has-this", key="watch-key") as page:
        await expect(page.get_by_text("Nobody waits here")).to_be_visible()
        await shoot(page, "empty")
        assert await violations(page) == []
        await page.goto(f"{sla.service.url}/")
        await expect(page.locator(".row")).to_have_count(10)
        await shoot(page, "watching")
        assert await violations(page) == []


async def test_a_contact_with_its_explanation(sla: RunningSla, browser: Browser):
    async with signed_in(browser, f"{sla.service.url}/contacts/C-4711") as page:
        await expect(page.get_by_role("heading", name="Invoice wrong")).to_be_visible()
        for closed in await page.locator("details:not([open]) summary").all():
            await closed.click()
        await expect(page.locator("td", has_text="paused").first).to_be_visible()
        await shoot(page, "contact")
        assert await violations(page) == []


async def test_what_the_link_in_a_message_opens(sla: RunningSla, desk: Receiver, browser: Browser):
    links = [taken.body["commonAnnotations"]["acknowledge_url"] for taken in desk.taken]
    async with tab(browser) as page:
        await page.goto(links[0].replace("http://board.example", sla.service.url))
        await expect(page.get_by_text("Business time used").first).to_be_attached()
        await shoot(page, "link")
        assert await violations(page) == []


@pytest.mark.parametrize("path", ["/policy", "/workload", "/workload?by=team", "/silences", "/receivers"])
async def test_the_pages_beside_the_board(sla: RunningSla, browser: Browser, path: str):
    async with signed_in(browser, f"{sla.service.url}{path}") as page:
        await shoot(page, re.sub(r"\W+", "-", path).strip("-"))
        assert await violations(page) == []


async def test_the_sign_in_page_also_when_it_refuses(sla: RunningSla, browser: Browser):
    async with tab(browser) as page:
        await page.goto(f"{sla.service.url}/login")
        assert await violations(page) == []
        await page.get_by_label("Key").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await shoot(page, "sign-in")
        assert await violations(page) == []


async def test_the_board_of_a_bad_day(sla: RunningSla, browser: Browser):
    await crowd(sla)
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()  # noqa: TID251 - the real clock is under test
    silence = {"match": {"team": ["mail"]}, "ends_at": until, "comment": "the mailroom moves"}
    assert (await sla.post("/v1/silences", silence)).status_code == 201
    row = {
        "_id": "audit/receiver_failing/lead",
        "cause": "receiver_failing",
        "about": "lead",
        "says": "lead has not taken 4 messages in a row: ConnectTimeout: https://hooks.example.com/services/T0/B0",
        "since": datetime.now(UTC) - timedelta(minutes=12),  # noqa: TID251 - the real clock is under test
        "told": ["desk"],
        "confirmed": True,
    }
    async with signed_in(browser, f"{sla.service.url}/") as page:
        await expect(page.locator(".row")).to_have_count(40)
        await sla.service.database["trouble"].insert_one(row)
        await expect(page.locator(".trouble")).to_contain_text("lead has not taken", timeout=20_000)
        await shoot(page, "bad-day")
        assert await violations(page) == []
        for width in (360, 1280):
            await page.set_viewport_size({"width": width, "height": 740})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
        for path in ("silences", "receivers"):
            await page.goto(f"{sla.service.url}/{path}")
            await shoot(page, f"bad-day-{path}")
            assert await violations(page) == []


async def test_the_dashboard(tmp_path: Path, stack: Addresses, unique: Callable[[str], str], browser: Browser):
    async with running_metrics(tmp_path, stack.kafka, stack.mongodb, unique("axe")) as metrics:
        for number, channel in enumerate(("email", "phone", "chat", "web", "email", "phone", "email")):
            contact, day = f"C-{number}", number % 4
            await metrics.feed(
                received(at("09:10", day=day), contact, team="a", channel=channel, agent_id="ann"),
                opened(at("09:10", day=day), {"first_response": at("10:00", day=day)}, contact, policy="mail"),
                responded(at(f"09:{10 + 5 * number}", day=day), contact, agent_id="ann"),
                verdict("met" if number % 3 else "breached", at("09:40", day=day), at("10:00", day=day), contact),
                answered(at("15:00", day=day), 1 + number % 5, f"S-{number}", contact_id=contact),
            )
        async with signed_in(browser, f"{metrics.service.url}/?days=7", key="watch") as page:
            await expect(page.get_by_role("heading", name="Contacts per day by channel")).to_be_visible()
            closed = page.locator("details:not([open]) summary")
            while await closed.count():
                await closed.first.click()
            assert await page.evaluate("document.documentElement.scrollWidth") <= 1280
            await shoot(page, "dashboard")
            assert await violations(page) == []
            await page.set_viewport_size({"width": 360, "height": 740})
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360
            await page.get_by_role("link", name="All figures").click()
            await expect(page.get_by_role("heading", name="How well")).to_be_visible()
            await shoot(page, "figures")
            cut = "[...document.querySelectorAll('.scroll')].filter(one => one.scrollHeight > one.clientHeight).length"
            assert await page.evaluate(cut) == 0
            assert await violations(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360
            await page.get_by_role("link", name="Dashboard").click()
            await page.locator(".cards a").first.click()
            await expect(page.get_by_role("heading", name="Contacts behind contacts")).to_be_visible()
            await shoot(page, "figure")
            assert await violations(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_the_dead_letters(tmp_path: Path, stack: Addresses, unique: Callable[[str], str], browser: Browser):
    async with (
        real_intake(tmp_path, stack.kafka, stack.mongodb, unique("axe")) as intake,
        signed_in(browser, f"{intake.service.url}/dead-letters", key="admin-key") as page,
    ):
        await shoot(page, "no-dead-letters")
        assert await violations(page) == []
        wrong = [happened(id=f"sung-{number}", type="contact.sung") for number in range(3)]
        wrong.append(happened(id="x" * 90, source="/crm/" + "europe-" * 12, data=[]))
        wrong.append(happened(id="فاتورة", type="contact.رسالة"))
        await intake.post(batch(*wrong), BATCH)
        await intake.letters(len(wrong))
        await page.reload()
        await expect(page.get_by_text("unknown type").first).to_be_visible()
        await shoot(page, "dead-letters")
        assert await violations(page) == []
        await page.set_viewport_size({"width": 360, "height": 740})
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_the_survey_and_the_work_list(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], browser: Browser
):
    now = datetime.now(UTC)  # noqa: TID251 - the real clock is under test
    profile = {"email": "layla@example.org", "name": "ليلى حداد", "language": "ar", "phone": "+49 30 123456"}
    async with followup_world(tmp_path, stack, unique("axe")) as world:
        await world.happen(
            event("customer.updated", now - timedelta(seconds=50), **profile),
            event(
                "contact.received", now - timedelta(seconds=40), contact_id="C-1", channel="email", subject="Invoice"
            ),
            event("contact.resolved", now - timedelta(seconds=1), contact_id="C-1", outcome="solved"),
        )
        body = (await world.mail()).get_body(("plain",))
        assert body is not None
        link = re.search(r"http\S+(/s/[^\s?]+)", body.get_content())
        assert link is not None
        async with tab(browser) as page:
            for language in ("ar", "en"):
                await page.goto(f"{world.service.url}{link[1]}?lang={language}")
                await shoot(page, f"survey-{language}")
                assert await violations(page) == []
            await page.get_by_role("radio").last.check(force=True)
            await page.get_by_role("button").click()
            await expect(page.get_by_role("status")).to_be_visible()
            await shoot(page, "survey-thanks")
            assert await violations(page) == []
        async with signed_in(browser, f"{world.service.url}/", key="act-key") as page:
            await expect(page.get_by_role("heading", name="ليلى حداد")).to_be_visible(timeout=20_000)
            await shoot(page, "work-list")
            assert await violations(page) == []
