"""The policy file while somebody writes it."""

from pathlib import Path
from typing import Any

from sla_monitor.domain.policy_book import PolicyVersion
from sla_monitor.policies import Policies

from tests.support.clock import ManualClock
from tests.support.sla import POLICY


class Watched(Policies):
    """Keeps no versions, and remembers what would have become one."""

    def __init__(self, path: Path) -> None:
        rows: Any = {"policies": None, "closures": None}
        nobody: Any = None
        super().__init__(rows, nobody, ManualClock(), path)
        self.stored: list[str] = []

    async def look(self) -> None:
        await self._look_at_the_file()

    async def _store(self, text: str, by: str | None) -> PolicyVersion:  # noqa: ARG002 - whoever
        self.stored.append(text)
        return self.book.latest


async def test_a_file_is_believed_once_it_says_the_same_at_two_looks(tmp_path: Path):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, "utf-8")
    watched = Watched(path)
    more = POLICY + "teams: {}\n"
    for written in ("policies: []", POLICY[: POLICY.index("policies:")], more):
        path.write_text(written, "utf-8")
        await watched.look()
    assert watched.stored == []
    await watched.look()
    await watched.look()
    assert watched.stored == [more]


async def test_a_file_that_is_written_back_as_it_was_is_no_news(tmp_path: Path):
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, "utf-8")
    watched = Watched(path)
    for written in ("", POLICY, POLICY):
        path.write_text(written, "utf-8")
        await watched.look()
    assert (watched.stored, watched.refused) == ([], None)
