"""`rapport watch`: the alerts there are, and then every change as it comes."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.rapport import RAPPORT, rapport
from tests.support.sla_service import RunningSla, policy, running_sla
from tests.support.stack import Addresses

NOWHERE = "webhook:http://127.0.0.1:9/"


@pytest.fixture
async def sla(tmp_path: Path, stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[RunningSla]:
    path = policy(tmp_path, NOWHERE, NOWHERE)
    async with running_sla(tmp_path, stack, unique("watch"), policy=path) as running:
        await running.tell("contact.received", "[red]C-1", ago=60)
        await running.alert("[red]C-1/first_response/1", "breached")
        yield running


def at(sla: RunningSla, *more: str, key: str = "watch-key") -> list[str]:
    return ["watch", "--url", sla.service.url, "--key", key, *more]


async def line(process: Process) -> str:
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()


async def test_once_shows_what_there_is_as_it_is_called_and_ends(sla: RunningSla):
    ended = await asyncio.to_thread(rapport, *at(sla, "--once"))
    assert ended.returncode == 0, ended.stderr
    [shown] = ended.stdout.splitlines()
    assert shown.startswith("BREACHED     first response · #[red]C-1 · due ")
    assert shown.endswith("· billing")


async def test_of_another_team_there_is_nothing(sla: RunningSla):
    ended = await asyncio.to_thread(rapport, *at(sla, "--once", "--team", "mail"))
    assert (ended.returncode, ended.stdout) == (0, "")


async def test_every_change_is_shown_once_as_it_comes_until_ctrl_c(sla: RunningSla):
    process = await asyncio.create_subprocess_exec(RAPPORT, *at(sla), stdout=PIPE)
    try:
        assert (await line(process)).startswith("BREACHED     first response · #[red]C-1")
        await sla.tell("contact.received", "C-2", ago=60)
        assert (await line(process)).startswith("BREACHED     first response · #C-2")
        await sla.tell("contact.responded", "C-2", ago=0)
        assert (await line(process)).startswith("CLEARED      first response · #C-2")
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_without_a_right_key_it_says_so(sla: RunningSla):
    for more in ((), ("--once",)):
        ended = await asyncio.to_thread(rapport, *at(sla, *more, key="wrong"))
        assert ended.returncode == 1
        assert "401" in ended.stderr
