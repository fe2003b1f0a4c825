"""Debian's Alertmanager gets our alerts, groups them, tells its own receiver, and sees them resolve."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.receivers import Receiver, receiver
from tests.support.sla_service import policy, running_sla, until
from tests.support.stack import Addresses

CONFIG = """
route: {{receiver: hook, group_by: [team, policy], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@dataclass
class Running:
    """The real one, on a free port."""

    command: list[str]
    url: str
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        async with httpx.AsyncClient() as http:

            async def ready() -> bool:
                with contextlib.suppress(httpx.HTTPError):
                    return (await http.get(f"{self.url}/-/ready")).status_code == 200
                return False

            await until(ready)

    async def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            await self.process.wait()
            self.process = None


@pytest.fixture
async def real(tmp_path: Path, hook: Receiver) -> AsyncIterator[Running]:
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("no Alertmanager here: apt-get install prometheus-alertmanager")
    (tmp_path / "alertmanager.yml").write_text(CONFIG.format(url=hook.url), "utf-8")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [
        program,
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    running = Running(command, f"http://127.0.0.1:{port}")
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def alertmanager(real: Running) -> str:
    return real.url


async def alerts(url: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient() as http:
        found: list[dict[str, Any]] = (await http.get(f"{url}/api/v2/alerts")).raise_for_status().json()
        return found


async def test_alertmanager_groups_our_alerts_and_sees_them_resolve(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], alertmanager: str, hook: Receiver
):
    path = policy(tmp_path, f"alertmanager:{alertmanager}", f"alertmanager:{alertmanager}")
    async with running_sla(tmp_path, stack, unique("peer"), policy=path) as sla:
        for contact in ("C-1", "C-2"):
            await sla.tell("contact.received", contact, customer_id=f"K-{contact}", subject="Ünïcode – late")
        await grouped(hook)
        assert {one["labels"]["contact_id"] for one in await alerts(alertmanager)} == {"C-1", "C-2"}
        await sla.tell("contact.responded", "C-1", customer_id="K-C-1", agent_id="agent-7")
        await sla.tell("contact.responded", "C-2", customer_id="K-C-2", agent_id="agent-7")

        async def resolved() -> bool:
            return any(one.body["status"] == "resolved" for one in hook.taken)

        await until(resolved, seconds=30)
        assert await alerts(alertmanager) == []


async def grouped(hook: Receiver) -> None:
    async def both() -> bool:
        return any(len(one.body["alerts"]) == 2 for one in hook.taken)

    await until(both, seconds=30)
    told = next(one.body for one in hook.taken if len(one.body["alerts"]) == 2)
    assert told["groupLabels"] == {"team": "billing", "policy": "quick"}
    assert told["status"] == "firing"


async def test_an_alert_closed_by_hand_resolves_there_too(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], alertmanager: str
):
    path = policy(tmp_path, f"alertmanager:{alertmanager}", f"alertmanager:{alertmanager}")
    async with running_sla(tmp_path, stack, unique("peer"), policy=path) as sla:
        await sla.tell("contact.received")

        async def there() -> bool:
            return bool(await alerts(alertmanager))

        await until(there)
        closed = await sla.post("/v1/alerts/C-1/first_response/1/close", {"reason": "called them"})
        assert closed.status_code == 200

        async def gone() -> bool:
            return not await alerts(alertmanager)

        await until(gone)


async def test_an_alertmanager_that_was_started_anew_hears_of_what_stands(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], real: Running
):
    path = policy(tmp_path, f"alertmanager:{real.url}", f"alertmanager:{real.url}")
    often = timedelta(seconds=0.5)
    async with running_sla(tmp_path, stack, unique("peer"), policy=path, tell_again_every=often) as sla:
        await sla.tell("contact.received")

        async def there() -> bool:
            return bool(await alerts(real.url))

        await until(there)
        await real.stop()
        await real.start()
        await until(there)


async def test_a_test_message_arrives_and_ends_by_itself(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str], alertmanager: str
):
    path = policy(tmp_path, f"alertmanager:{alertmanager}", f"alertmanager:{alertmanager}")
    async with running_sla(tmp_path, stack, unique("peer"), policy=path) as sla:
        assert (await sla.post("/v1/receivers/desk/test")).json()["ok"]
        [one] = await alerts(alertmanager)
        assert one["labels"] == {"alertname": "rapport_test", "receiver": "desk", "severity": "info"}
