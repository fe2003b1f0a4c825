"""
The on-call board among very many open alerts: how soon it is painted, and how soon it shows what has changed.

RAPPORT_BENCH_ALERTS says how many alerts are open (10,000). A change is timed from before it is asked for over HTTP
to its row being there: in the stream of every board that is open, and on the screen where there is a chromium.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Final

import httpx
import psutil  # type: ignore[import-untyped]
from rapport.contracts import contact_events, encode, tell, topics
from rapport.runtime.clock import SystemClock
from rapport.runtime.publisher import Outgoing, Publisher
from rich.console import Console

from devkit.bench.report import Row
from devkit.platform.running import Platform

ALERTS: Final = int(os.environ.get("RAPPORT_BENCH_ALERTS", "10000"))
BOARDS: Final = 20
CHANGES: Final = 300
CHANGES_A_SECOND: Final = 50
PAGES: Final = 20
AT_ONCE: Final = 1_000

POLICY: Final = """
calendars:
  always: {timezone: UTC, hours: {mon-sun: ["00:00-24:00"]}}
policies:
  - name: bench
    calendar: always
    targets: {first_response: {within: 1h}}
    page: list
"""

_PAINT: Final = """() => new Promise(painted => new PerformanceObserver(entries => {
    const [first] = entries.getEntriesByName('first-contentful-paint');
    if (first) painted(first.startTime);
}).observe({type: 'paint', buffered: true}))"""
_SEEN: Final = """([key, owner]) => new Promise(seen => new MutationObserver((_, watcher) => {
    const row = document.querySelector(`[data-key="${key}"]`);
    if (row && row.querySelector('.owner').textContent.includes(owner)) { watcher.disconnect(); seen(); }
}).observe(document.getElementById('rows'), {childList: true}))"""
CLOCK: Final = SystemClock()


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.yaml"
        policy.write_text(POLICY, "utf-8")
        with Platform.start(ephemeral=True, policy=policy, services=("sla_monitor",)) as platform:
            return asyncio.run(_measure(platform))


async def _measure(platform: Platform) -> list[Row]:
    headers = {"authorization": f"Bearer {platform.keys.act}"}
    limits = httpx.Limits(max_connections=BOARDS + 60)
    address = platform.addresses.sla_monitor
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60, limits=limits) as http:
        await _fill(platform, http)
        pages = await _pages(http, "/")
        small = await _pages(http, "/policy")
        size = len((await http.get("/")).content) / 1e6
        _print(f"the page, 500 of {ALERTS:,} rows, {size:.1f} MB", _said(pages))
        _print("the figures alone (GET /v1/board)", _said(await _pages(http, "/v1/board")))
        _print("one change, one board", _said(await _changes(http, boards=1, rate=5, count=50)))
        label = f"{CHANGES_A_SECOND} changes a second, {BOARDS} boards"
        _print(label, _said(await _changes(http, boards=BOARDS, rate=CHANGES_A_SECOND, count=CHANGES)))
        await _on_screen(http, address, platform.keys.act)
    memory = psutil.Process(platform.services["sla_monitor"].pid).memory_info().rss / 1e6
    rates = [len(times) / sum(times) for times in (pages, small)]
    return [Row(f"board of {ALERTS:,} alerts", rates[0], "pages", "the policy's page", rates[1], memory)]


async def _fill(platform: Platform, http: httpx.AsyncClient) -> None:
    """As many breaches as asked for, each of another customer."""
    publisher = Publisher(platform.addresses.kafka, client_id="rapport-bench")
    long_ago = CLOCK.now() - timedelta(hours=3)
    records = []
    for number in range(ALERTS):
        contact_id, customer_id = f"C-{number}", f"K-{number}"
        data = contact_events.ContactReceived(
            contact_id=contact_id,
            customer_id=customer_id,
            channel="email",
            subject=f"Question {number} about the last invoice",
            team=f"team-{number % 7}",
        )
        at = long_ago + timedelta(milliseconds=number)
        event = tell("contact.received", data, source="/bench", id=contact_id, time=at)
        records.append(Outgoing(topics.CONTACT_EVENTS, customer_id.encode(), encode(event)))
    for first in range(0, ALERTS, AT_ONCE):
        await publisher.publish(records[first : first + AT_ONCE])
    await publisher.stop()
    while (await http.get("/v1/board")).json()["unacknowledged"] < ALERTS:
        await CLOCK.sleep(0.5)


async def _pages(http: httpx.AsyncClient, path: str) -> list[float]:
    """Seconds that a page takes, one after the other."""
    times = []
    for _ in range(PAGES):
        started = perf_counter()
        (await http.get(path)).raise_for_status()
        times.append(perf_counter() - started)
    return times


async def _changes(http: httpx.AsyncClient, *, boards: int, rate: int, count: int) -> list[float]:
    """Seconds from asking for a change to its row in a board's stream, of all boards."""
    asked: dict[str, float] = {}
    times: list[float] = []
    async with asyncio.TaskGroup() as group, _open(http, boards) as streams:
        watching = [group.create_task(_watch(stream, asked, times, count)) for stream in streams]
        for number in range(count):
            alert = f"C-{number}/first_response/1"
            asked[alert] = perf_counter()
            group.create_task(_assign(http, alert, f"agent-{boards}-{number}"))
            await CLOCK.sleep(1 / rate)
        await asyncio.wait(watching)
    return times


async def _assign(http: httpx.AsyncClient, alert: str, owner: str) -> None:
    (await http.post(f"/v1/alerts/{alert}/assign", json={"to": owner})).raise_for_status()


@asynccontextmanager
async def _open(http: httpx.AsyncClient, boards: int) -> AsyncIterator[Sequence[AsyncIterator[str]]]:
    """So many boards that have been told they are ready."""
    requests = [http.build_request("GET", "/board/stream") for _ in range(boards)]
    answers = await asyncio.gather(*(http.send(request, stream=True) for request in requests))
    streams = [answer.aiter_lines() for answer in answers]
    for stream in streams:
        while await anext(stream) != "event: ready":
            pass
    try:
        yield streams
    finally:
        for answer in answers:
            await answer.aclose()


async def _watch(stream: AsyncIterator[str], asked: dict[str, float], times: list[float], count: int) -> None:
    seen: set[str] = set()
    rows = False
    async for line in stream:
        if line.startswith("event: "):
            rows = line == "event: rows"
        elif rows and line.startswith("data: "):
            now = perf_counter()
            new = {row["key"] for row in json.loads(line.removeprefix("data: "))} - seen
            times += [now - asked[key] for key in new if key in asked]
            seen |= new
            if len(seen) >= count:
                return


async def _on_screen(http: httpx.AsyncClient, address: str, key: str) -> None:
    """First paint, and the time to a change on the screen, in Debian's chromium."""
    chromium = shutil.which("chromium")
    try:
        from playwright.async_api import async_playwright  # noqa: PLC0415 - not everywhere, and only for this
    except ImportError:
        chromium = None
    if chromium is None:
        _print("on the screen", "not measured: there is no chromium, or no playwright")
        return
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        await page.request.post(f"{address}/login", form={"key": key})
        paints, shown = [], []
        for _ in range(5):
            await page.goto(address)
            paints.append(await page.evaluate(_PAINT) / 1000)
        for number in range(20):
            alert, owner = f"C-{number}/first_response/1", f"screen-{number}"
            seen = asyncio.ensure_future(page.evaluate(_SEEN, [alert, owner]))
            started = perf_counter()
            await _assign(http, alert, owner)
            await seen
            shown.append(perf_counter() - started)
        await browser.close()
    _print("first contentful paint", _said(paints))
    _print("a change, on the screen", _said(shown))


def _said(times: Sequence[float]) -> str:
    ordered = sorted(times)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return (
        f"{p50 * 1000:,.0f} ms (p50), {p99 * 1000:,.0f} ms (p99), {ordered[-1] * 1000:,.0f} ms (most) of {len(times)}"
    )


def _print(what: str, said: str) -> None:
    Console(stderr=True).print(f"{what}: {said}")
