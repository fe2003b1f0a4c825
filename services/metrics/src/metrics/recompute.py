"""One recompute at a time: what is asked of it, how far it is, and what a person decides about it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Final, Literal

from rapport.contracts import format_instant
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database, DuplicateKeyError, Session, finished
from rapport.runtime.problem import Problem

State = Literal["running", "compared", "swapping", "swapped", "failed", "dropped"]
Phase = Literal["epoch", "play", "rest", "compare"]
"""
What is to be done next: have all partitions enter the open epoch, play what was taken in before it, look
what has been taken in since, or compare.
"""

_ID: Final = "recompute"
_UNDER_WAY: Final = ("running", "compared", "swapping")


@dataclass(frozen=True, slots=True)
class Run:
    """
    A recompute, as MongoDB keeps it: it goes on from here whoever does it.

    `edition` is the copy that it makes; `first` its first epoch, `epoch` the open one, and `playing` the one
    that is played: 0 for all that was in the journal before the first. `step` rises with everything that is
    written of it, so that who comes late writes nothing.
    """

    edition: int
    first: int
    epoch: int
    by: str
    started_at: datetime
    step: int = 0
    state: State = "running"
    phase: Phase = "epoch"
    playing: int = 0
    place: list[Any] | None = None
    played: int = 0
    entries: int = 0
    played_at: datetime | None = None
    comparison: Mapping[str, Any] | None = None
    compared_at: datetime | None = None
    swap_by: str | None = None
    ended_at: datetime | None = None
    error: str | None = None
    cleared: bool = False
    """What stood before it began is dropped."""
    tidied: bool = False
    """Nothing is left of it but the figures that stand."""

    @property
    def is_under_way(self) -> bool:
        return self.state in _UNDER_WAY

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Run":
        return cls(**{field.name: document[field.name] for field in fields(cls) if field.name in document})

    def shown(self) -> dict[str, Any]:
        took = (self.played_at - self.started_at).total_seconds() if self.played_at else 0
        instants = {name: getattr(self, name) for name in ("started_at", "compared_at", "ended_at")}
        return {
            "state": self.state,
            "by": self.by,
            "swap_by": self.swap_by,
            **{name: at and format_instant(at) for name, at in instants.items()},
            "played": self.played,
            "entries": max(self.entries, self.played),
            "rate": round(self.played / took, 1) if took else None,
            "error": self.error,
            "comparison": self.comparison,
        }


class Overtaken(Exception):
    """Somebody else has written of the recompute since it was read."""


class Recompute:
    """The record of the newest recompute."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._runs = database["recompute"]
        self._clock = clock

    async def read(self) -> Run | None:
        document = await self._runs.find_one({"_id": _ID})
        return Run.of(document) if document else None

    async def write(self, run: Run, session: Session | None = None, **changes: Any) -> Run:
        """The run with these changes, which is in MongoDB now; `Overtaken` when it is not as it was read."""
        new = replace(run, step=run.step + 1, **changes)
        written = self._runs.update_one({"_id": _ID, "step": run.step}, {"$set": asdict(new)}, session=session)
        if not (await finished(written)).matched_count:
            raise Overtaken
        return new

    async def start(self, by: str, *, standing: int) -> Run:
        """A new one beside the figures of the edition that stands; a problem while there is one."""
        last = await self.read()
        if last and last.is_under_way:
            raise Problem(409, f"there is a recompute, {last.state}, by {last.by}: swap it, or DELETE it first")
        edition, epoch = (max(last.edition, standing), last.epoch) if last else (standing, 0)
        new = Run(edition + 1, epoch + 1, epoch + 1, by, self._clock.now())
        try:
            if last:
                return await self.write(last, **_without_step(new))
            await self._runs.insert_one({"_id": _ID, **asdict(new)})
        except (Overtaken, DuplicateKeyError):
            raise Problem(409, "somebody else has started or ended a recompute just now") from None
        return new

    async def swap(self, by: str) -> Run:
        """Have the figures replaced as soon as the copy has caught up; asking again changes nothing."""
        while run := await self.read():
            if run.state in ("swapping", "swapped"):
                return run
            if run.state != "compared":
                raise Problem(409, f"the recompute is {run.state}: it can be swapped once it is compared")
            try:
                return await self.write(run, state="swapping", swap_by=by)
            except Overtaken:
                continue
        raise NONE

    async def drop(self) -> None:
        """Forget the copy, or what is told of one that has ended; the figures stay as they are."""
        while run := await self.read():
            if run.state == "dropped":
                return
            try:
                await self.write(run, state="dropped", ended_at=self._clock.now(), tidied=False)
            except Overtaken:
                continue
            return


NONE: Final = Problem(404, "there is no recompute; POST /v1/recompute starts one")


def _without_step(run: Run) -> dict[str, Any]:
    return {name: value for name, value in asdict(run).items() if name != "step"}
