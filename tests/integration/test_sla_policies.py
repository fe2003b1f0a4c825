"""The policy file from the operator's side: refused with one line, stored once, announced."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rapport.runtime.mongo import connect

from tests.support.sla_service import policy, running_sla, until
from tests.support.stack import Addresses


async def start(folder: Path, stack: Addresses, name: str, text: str) -> subprocess.CompletedProcess[str]:
    """`python -m sla_monitor` with that policy, until it ends."""
    path = folder / "wrong.yaml"
    path.write_text(text, "utf-8")
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": stack.kafka,
        "MONGODB_URI": stack.mongodb,
        "RAPPORT_POLICY": str(path),
        "RAPPORT_PORT": "0",
        "RAPPORT_DATABASE_PREFIX": f"{name}_",
        "RAPPORT_TOPIC_PREFIX": f"{name}.",
        "RAPPORT_LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "sla_monitor"]
    return await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


async def test_a_wrong_policy_ends_the_start_with_one_line_and_status_2(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str]
):
    text = "calendars: {}\npolicies:\n  - name: mail\n    calendar: boston\n"
    ended = await start(tmp_path, stack, unique("policy"), text)
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert "RAPPORT_POLICY" in line
    assert "line 4, column 5" in line
    assert "there is no calendar called 'boston'" in line


async def test_a_changed_file_is_the_next_version_and_the_same_file_is_none(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str]
):
    name = unique("policy")
    os.environ["DESK_URL"] = "webhook:http://127.0.0.1:9/secret"
    client = connect(stack.mongodb)
    stored = client[f"{name}_sla_monitor"]["policies"]
    rows: list[Any] = []

    async def start_and_stop(within: str, expected: int) -> None:
        path = policy(tmp_path, "${DESK_URL}", "${DESK_URL}", within=within)
        async with running_sla(tmp_path, stack, name, keep=True, policy=path) as sla:
            answer = (await sla.get("/v1/policy")).json()
            assert answer["version"] == expected
            assert "secret" not in answer["document"]

            async def announced() -> bool:
                return {event["data"]["version"] for event in await sla.told("policy.published")} == set(
                    range(1, expected + 1)
                )

            await until(announced)
        rows[:] = [row async for row in stored.find({}).sort("_id", 1)]

    try:
        await start_and_stop("1h", 1)
        await start_and_stop("1h", 1)
        await start_and_stop("2h", 2)
        assert [row["_id"] for row in rows] == [1, 2]
        assert "secret" not in str(rows)
        assert all(row["tzdata"] and row["holidays"] == {"always": []} for row in rows)
    finally:
        await client.drop_database(f"{name}_sla_monitor")
        client.close()


async def test_of_two_replicas_that_start_at_once_one_stores_the_version(
    tmp_path: Path, stack: Addresses, unique: Callable[[str], str]
):
    name, path = unique("policy"), policy(tmp_path, "webhook:http://127.0.0.1:9/", "webhook:http://127.0.0.1:9/")
    async with (
        running_sla(tmp_path, stack, name, keep=True, policy=path) as one,
        running_sla(tmp_path, stack, name, policy=path) as other,
    ):
        versions = [(await each.get("/v1/policy")).json()["versions"] for each in (one, other)]
        assert versions[0] == versions[1]
        assert len(versions[0]) == 1
