"""
The versions of the policy in MongoDB, and the book that decisions are made from.

A changed text becomes the next version by one insert under its number: of two
replicas that read it at once, one stores it and the other finds it stored. Texts
are stored as written, `${…}` unexpanded. What somebody has published stays in
force until the file says something that it did not say before.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NoReturn

from rapport.contracts import Data, Event, encode, tell, topics
from rapport.contracts.sla_events import PolicyPublished
from rapport.rule_file import Fault
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database, DuplicateKeyError
from rapport.runtime.patience import Patience
from rapport.runtime.publisher import Outgoing, Publisher
from rapport.runtime.settings import Misconfigured

from sla_monitor.domain.policy_book import Closure, PolicyBook, PolicyRefused, PolicyVersion, publish
from sla_monitor.domain.telling import SOURCE

log = shared.logger()

_LOOK_EVERY: Final = 1.0
_KEY: Final = b"policy"


def read_file(path: Path | None) -> str:
    """The text of the policy file, or of the one in the package; `Misconfigured` when it can't be read."""
    try:
        return path.read_text("utf-8") if path else files("sla_monitor").joinpath("policy.yaml").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"RAPPORT_POLICY: {path}: {' '.join(str(error).split())}") from None


class Policies:
    """All versions of the policy, kept up to date while the service runs. A wrong file is `Misconfigured` at once."""

    def __init__(self, database: Database, publisher: Publisher, clock: Clock, path: Path | None) -> None:
        self._versions = database["policies"]
        self._closures = database["closures"]
        self._publisher = publisher
        self._clock = clock
        self.book = PolicyBook()
        self._listeners: list[Callable[[PolicyBook], None]] = []
        self._path = path
        self._text: str | None = (text := read_file(path))
        """What the file said when it was last looked at; None where it could not be read."""
        self._coming: str | None = None
        """What it said at the last look, believed once it says so again: somebody may be writing it."""
        self.refused: PolicyRefused | None = None
        """What is wrong with the file as it now is, where it can't take the place of the version in force."""
        try:
            self._next(text)
        except PolicyRefused as error:
            raise Misconfigured(f"RAPPORT_POLICY: {self._path}: {' '.join(str(error).split())}") from None

    def on_change(self, listener: Callable[[PolicyBook], None]) -> None:
        """Hand over the book whenever it has another version."""
        self._listeners.append(listener)

    async def load(self) -> None:
        """Read all versions; a file that says something new becomes the next."""
        await self._read()
        if self._text is not None and not self._has_said(self._text):
            await self._store(self._text, by=None)

    async def publish(self, text: str, by: str) -> PolicyVersion:
        """The text in force from now on, as a version of its own if it says something new; `PolicyRefused` if wrong."""
        await self._read()
        version = await self._store(text, by=by)
        await self._announce()
        return version

    async def close(self, closure: Closure) -> None:
        """Keep a closure; from now on all calendars know of it, on the other replicas within a second or two."""
        row = closure.model_dump(exclude={"id"})
        asked = {"asked_at": self._clock.now(), "after": "", "finished_at": None}
        await self._closures.insert_one({"_id": closure.id, **row, **asked})
        await self._read()

    async def _store(self, text: str, by: str | None) -> PolicyVersion:
        while self.book.latest.source != text or not self.book.latest.number:
            version = self._next(text, by)
            try:
                await self._versions.insert_one(_document(version))
            except DuplicateKeyError:
                await self._read()
                continue
            names = [policy.name for policy in version.file.policies]
            log.info("policy stored", version=version.number, policies=names, by=by)
            for fault in version.cautions:
                log.warning("the policy has a loose end", version=version.number, fault=str(fault))
            await self._read()
        return self.book.latest

    def _has_said(self, text: str) -> bool:
        """Whether that is what the file said last, whatever has been published since."""
        ours = [version for version in self.book.versions if version.number and version.published_by is None]
        return bool(ours) and ours[-1].source == text

    async def follow(self) -> NoReturn:
        """Take over what other replicas store, and announce what has not been announced."""
        patiently = Patience("sla-monitor", self._clock)
        while True:
            await patiently("policies", self._look)
            await self._clock.sleep(_LOOK_EVERY)

    async def _look(self) -> None:
        closures = await self._closures.count_documents({})
        newer = {"_id": {"$gt": self.book.latest.number}}
        if closures != len(self.book.latest.closures) or await self._versions.find_one(newer, {"_id": 1}):
            await self._read()
        await self._look_at_the_file()
        await self._announce()

    async def _look_at_the_file(self) -> None:
        """A file that has changed since it was last read becomes the next version, or is refused whole."""
        try:
            text = read_file(self._path)
        except Misconfigured as error:
            if self._text is not None:
                log.warning("the policy file can't be read; the version in force stays", error=str(error)[:300])
            self._text, self.refused = None, PolicyRefused([Fault("", f"can't be read: {error}"[:300], 1, 1)])
            return
        settled, self._coming = text == self._coming, text
        if text == self._text or not settled:
            return
        self._text, self.refused = text, None
        try:
            if not self._has_said(text):
                await self._store(text, by=None)
        except PolicyRefused as error:
            self.refused = error
            log.warning("the policy file is refused; the version in force stays", faults=list(map(str, error.faults)))

    async def _read(self) -> None:
        closures = [_closure(row) async for row in self._closures.find({}).sort("_id", 1)]
        self.book = PolicyBook([_version(d, closures) async for d in self._versions.find({}).sort("_id", 1)])
        for listener in self._listeners:
            listener(self.book)

    def _next(self, text: str, by: str | None = None) -> PolicyVersion:
        latest = self.book.latest
        since = max(self._clock.now(), latest.effective_from)
        return publish(text, number=latest.number + 1, effective_from=since, by=by)

    async def _announce(self) -> None:
        async for document in self._versions.find({"announced": False}).sort("_id", 1):
            event = announcement(_version(document))
            await self._publisher.publish([Outgoing(topics.SLA_EVENTS, _KEY, encode(event))])
            await self._versions.update_one({"_id": document["_id"]}, {"$set": {"announced": True}})


def announcement(version: PolicyVersion) -> Event[Data]:
    """policy.published: what applies from when."""
    data = PolicyPublished(
        version=version.number,
        effective_from=version.effective_from,
        policies=[policy.name for policy in version.file.policies],
        document=version.source,
    )
    return tell("policy.published", data, source=SOURCE, id=f"policy/{version.number}", time=version.effective_from)


def _document(version: PolicyVersion) -> dict[str, Any]:
    return {
        "_id": version.number,
        "effective_from": version.effective_from,
        "source": version.source,
        "holidays": {name: [day.isoformat() for day in days] for name, days in version.holidays.items()},
        "tzdata": version.tzdata,
        "published_by": version.published_by,
        "announced": False,
    }


def _closure(row: dict[str, Any]) -> Closure:
    return Closure(id=row["_id"], **{name: row[name] for name in Closure.model_fields if name != "id"})


def _version(document: dict[str, Any], closures: Sequence[Closure] = ()) -> PolicyVersion:
    effective: datetime = document["effective_from"]
    return PolicyVersion(
        number=document["_id"],
        effective_from=effective,
        source=document["source"],
        holidays={name: tuple(date.fromisoformat(day) for day in days) for name, days in document["holidays"].items()},
        tzdata=document["tzdata"],
        published_by=document["published_by"],
        closures=tuple(closures),
    )
