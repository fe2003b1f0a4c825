"""The book of plays over the versions that earlier releases have stored."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from followup.playbook import Playbook
from followup.texts import Gateway
from rapport.runtime.addresses import Expanded

from tests.support.clock import EPOCH, ManualClock


class Stored:
    """MongoDB's collection of versions, as far as the book asks it."""

    def __init__(self, *sources: str) -> None:
        self.rows = [{"_id": n, "effective_from": EPOCH, "source": text} for n, text in enumerate(sources, start=1)]

    def find(self, _: Any) -> Any:
        async def rows() -> AsyncIterator[dict[str, Any]]:
            for row in self.rows:
                yield row

        return SimpleNamespace(sort=lambda *_: rows())

    async def find_one(self, where: Any, _: Any) -> dict[str, Any] | None:
        return next((row for row in self.rows if row["_id"] > where["_id"]["$gt"]), None)

    async def insert_one(self, row: dict[str, Any]) -> None:
        self.rows.append(row)


def plays(name: str, match: str = "outcome: solved", senders: str = "") -> str:
    on = f"{{type: contact.resolved, match: {{{match}}}}}"
    step = "{after: 1h, do: message, template: welcome}"
    return f"plays: [{{name: {name}, on: {on}, steps: [{step}]}}]\nsenders: {{{senders}}}\n"


MAIL = 'default: {from: "care@example.org", url: "smtp://mail"}'
OLD = plays("old", senders=MAIL)


def book(stored: Stored, path: Path, clock: ManualClock) -> Playbook:
    database: Any = {"plays": stored}
    return Playbook(database, clock, path)


@pytest.mark.parametrize(
    "taken_once",
    [
        plays("lax", match="outcome: [solved, fixed]", senders=MAIL),
        plays("lax", match="outcom: solved", senders=MAIL),
        plays("lax", senders=MAIL) + "timezone: UTC\ntimezone: UTC\n",
        plays("lax", senders=f'{MAIL}, social: {{from: "care@example.org", url: "smtp://mail"}}'),
        plays("lax", senders=f'{MAIL}, sms: {{url: "nosuch://gateway/{{phone}}"}}'),
    ],
)
async def test_plays_that_an_earlier_release_took_are_in_force_until_the_file_says_better(
    taken_once: str, tmp_path: Path
):
    stored, clock, path = Stored(OLD, taken_once), ManualClock(), tmp_path / "plays.yaml"
    path.write_text(plays("mended", senders=MAIL))
    kept = book(stored, path, clock)
    await kept.load()
    assert [row["source"] for row in stored.rows] == [OLD, taken_once, path.read_text()]
    assert [play.name for play in kept.in_force.plays.plays] == ["lax"]
    assert list(kept.in_force.outlets) == ["default"]
    clock.advance(60)
    assert [play.name for play in kept.in_force.plays.plays] == ["mended"]


async def test_plays_of_a_newer_release_stay(tmp_path: Path):
    newer = OLD.replace("do: message", "do: message, by_drone: true")
    stored, path = Stored(OLD, newer), tmp_path / "plays.yaml"
    path.write_text(plays("mine", senders=MAIL))
    await book(stored, path, ManualClock()).load()
    assert [row["source"] for row in stored.rows] == [OLD, newer]


async def test_what_takes_long_to_read_holds_up_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    texted = plays("texted", senders=f'{MAIL}, sms: {{url: "json://gateway/{{phone}}"}}')
    waited: list[bool] = []
    path = tmp_path / "plays.yaml"
    path.write_text(OLD)
    kept = book(Stored(OLD, texted), path, ManualClock())

    def read(address: Expanded) -> Gateway:
        others = threading.Event()
        loop.call_soon_threadsafe(others.set)
        waited.append(others.wait(5))
        return Gateway(address)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(Gateway, "read", read)
    await kept.load()
    path.write_text(texted + "timezone: UTC\n")
    await kept._look()
    await kept._look()
    assert waited == [True] * 3


async def test_a_file_is_believed_once_it_says_the_same_at_two_looks(tmp_path: Path):
    stored, path = Stored(OLD), tmp_path / "plays.yaml"
    path.write_text(OLD)
    kept = book(stored, path, ManualClock())
    await kept.load()
    whole = plays("whole", senders=MAIL)
    for written in ("plays: []", whole, whole, whole):
        path.write_text(written)
        await kept._look()
    assert [row["source"] for row in stored.rows] == [OLD, whole]
