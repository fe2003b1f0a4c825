"""The CloudEvents SDKs of other languages send to a running intake, and what they send arrives."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from rapport.contracts import decode

from tests.support.intake import RealIntake, real_intake
from tests.support.stack import Addresses

HERE = Path(__file__).parent
CUSTOMER = "K-über/1"


@pytest.fixture
async def intake(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RealIntake]:
    async with real_intake(tmp_path, stack.kafka, stack.mongodb, unique("peer")) as running:
        yield running


async def output(*command: str, cwd: Path) -> str:
    """What a command prints; fails with what it complains of."""
    run = await asyncio.to_thread(subprocess.run, command, cwd=cwd, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def tool(name: str) -> str:
    found = shutil.which(name)
    return found or pytest.skip(f"no {name} on this machine")


async def arrived(intake: RealIntake) -> list[tuple[str, str]]:
    events = [decode(record.value) for record in await intake.stored(2)]
    return [(event.id, getattr(event.data, "customer_id", "")) for event in events]


async def test_the_python_sdk(intake: RealIntake):
    statuses = []
    for name, write in (("py-binary", to_binary), ("py-structured", to_structured)):
        attributes = {
            "id": name,
            "source": "/crm/py",
            "type": "contact.received",
            "specversion": "1.0",
            "time": datetime.now(UTC),  # noqa: TID251 - an emitter's own clock
            "datacontenttype": "application/json",
        }
        event = CloudEvent(attributes, {"customer_id": CUSTOMER, "contact_id": "py-1", "channel": "email"})
        message = write(event, JSONFormat())
        headers = {**message.headers, "authorization": "Bearer emit-key"}
        statuses.append((await intake.http.post("/v1/events", content=message.body, headers=headers)).status_code)
    assert statuses == [202, 202]
    assert await arrived(intake) == [("py-binary", CUSTOMER), ("py-structured", CUSTOMER)]


async def test_the_javascript_sdk(intake: RealIntake, tmp_path: Path):
    node, npm = tool("node"), tool("npm")
    for file in (HERE / "js").iterdir():
        shutil.copy(file, tmp_path)
    await output(npm, "install", "--silent", "--no-audit", "--no-fund", cwd=tmp_path)
    said = await output(node, "send.mjs", str(intake.http.base_url).rstrip("/"), "emit-key", CUSTOMER, cwd=tmp_path)
    assert json.loads(said) == [202, 202]
    assert await arrived(intake) == [("js-binary", CUSTOMER), ("js-structured", CUSTOMER)]


async def test_the_go_sdk(intake: RealIntake, tmp_path: Path):
    go = tool("go")
    for file in (HERE / "go").iterdir():
        shutil.copy(file, tmp_path)
    await output(go, "mod", "tidy", cwd=tmp_path)
    await output(go, "build", "-o", "peer", ".", cwd=tmp_path)
    said = await output("./peer", str(intake.http.base_url).rstrip("/"), "emit-key", CUSTOMER, cwd=tmp_path)
    assert json.loads(said) == [202, 202]
    assert await arrived(intake) == [("go-binary", CUSTOMER), ("go-structured", CUSTOMER)]


async def test_the_java_sdk(intake: RealIntake, tmp_path: Path):
    maven, java = tool("mvn"), tool("java")
    for file in (HERE / "java").iterdir():
        shutil.copy(file, tmp_path)
    await output(maven, "-q", "-B", "dependency:build-classpath", "-Dmdep.outputFile=classpath", cwd=tmp_path)
    classes = (tmp_path / "classpath").read_text()
    address = str(intake.http.base_url).rstrip("/")
    said = await output(java, "-cp", classes, "Send.java", address, "emit-key", CUSTOMER, cwd=tmp_path)
    assert json.loads(said) == [202, 202]
    assert await arrived(intake) == [("java-binary", CUSTOMER), ("java-structured", CUSTOMER)]
