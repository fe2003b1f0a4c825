"""The plays are versions that all replicas share, whichever of them read the file."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from followup.playbook import Playbook
from rapport.runtime.mongo import connect
from rapport.runtime.settings import Misconfigured

from tests.support.clock import EPOCH, ManualClock
from tests.support.followup_world import eventually
from tests.support.stack import Addresses


def plays(name: str) -> str:
    return f"plays: [{{name: {name}, on: {{type: contact.resolved}}, steps: [{{after: 1d, do: check_in}}]}}]"


def names(book: Playbook) -> list[str]:
    return [play.name for play in book.in_force.plays.plays]


@pytest.fixture
async def database(stack: Addresses, unique: Callable[[str], str]) -> AsyncIterator[Any]:
    client = connect(stack.mongodb)
    name = unique("plays")
    yield client[name]
    await client.drop_database(name)
    client.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plays.yaml"
    path.write_text(plays("first"))
    return path


@contextlib.asynccontextmanager
async def following(book: Playbook) -> AsyncIterator[None]:
    task = asyncio.create_task(book.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def stored(database: Any) -> list[tuple[int, str]]:
    return [(d["_id"], d["source"]) async for d in database["plays"].find().sort("_id", 1)]


async def test_replicas_that_start_at_once_share_one_version(database, file):
    books = [Playbook(database, ManualClock(), file) for _ in range(5)]
    await asyncio.gather(*(book.load() for book in books))
    assert await stored(database) == [(1, plays("first"))]
    assert {book.in_force.effective_from for book in books} == {EPOCH}


async def test_a_changed_file_is_in_force_for_all_from_one_instant_on_and_for_what_happened_before_the_old_one(
    database, file, tmp_path
):
    mine, theirs = Playbook(database, ManualClock(), file), Playbook(database, ManualClock(), file)
    await asyncio.gather(mine.load(), theirs.load())
    changed = tmp_path / "changed.yaml"
    changed.write_text(plays("second"))
    new = Playbook(database, ManualClock(EPOCH + timedelta(hours=1)), changed)
    await new.load()
    assert names(new) == ["first"]  # it has not come into force yet

    async def has_come() -> bool:
        return names(theirs) == ["second"]

    async with following(theirs):
        await eventually(has_come)
    since = theirs.in_force.effective_from
    assert EPOCH + timedelta(hours=1) < since < EPOCH + timedelta(hours=1, seconds=10)
    for instant, name in (
        (EPOCH - timedelta(days=9), "first"),
        (since - timedelta(seconds=1), "first"),
        (since, "second"),
    ):
        assert [play.name for play in theirs.book.at(instant).plays.plays] == [name]


async def test_a_file_that_changes_under_a_running_service_becomes_the_next_version(database, file):
    book = Playbook(database, ManualClock(), file)
    heard: list[int] = []
    book.on_change(lambda one: heard.append(len(one.versions)))
    await book.load()
    file.write_text(plays("second"))

    async def has_come() -> bool:
        return names(book) == ["second"]

    async with following(book):
        await eventually(has_come)
    assert await stored(database) == [(1, plays("first")), (2, plays("second"))]
    assert heard[-1] == 2


async def test_a_wrong_file_stops_the_start_but_not_a_running_service(database, file):
    book = Playbook(database, clock := ManualClock(), file)
    await book.load()
    file.write_text("plays: [{name: a}]")
    async with following(book):

        async def time_has_passed() -> bool:
            return clock.now() > EPOCH + timedelta(seconds=5)

        await eventually(time_has_passed)
    assert names(book) == ["first"]
    assert len(await stored(database)) == 1
    with pytest.raises(Misconfigured, match=r"plays file .*plays\.yaml: line 1, column 9: plays\[0\]"):
        Playbook(database, clock, file)


async def test_a_version_that_only_a_newer_release_understands_is_left_alone(database, file):
    book = Playbook(database, ManualClock(), file)
    await book.load()
    newer = {"_id": 2, "effective_from": EPOCH, "source": "plays: []\nsongs: [lullaby]"}
    await database["plays"].insert_one(newer)
    older = Playbook(database, ManualClock(), file)
    file.write_text(plays("second"))
    await older.load()
    await Playbook(database, ManualClock(), file).load()
    assert (await stored(database))[1:] == [(2, newer["source"])]
    assert names(older) == ["first"]
