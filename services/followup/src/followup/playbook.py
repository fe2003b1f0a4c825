"""
The versions of the plays file in MongoDB, and the book that decisions are made from.

A changed file becomes the next version by one insert under its number: of two
replicas that read it at once, one stores it and the other finds it stored. It
comes into force a few seconds later, when every replica has read it. Texts are
stored as written, `${…}` unexpanded.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NoReturn

from rapport.runtime import telemetry
from rapport.runtime.addresses import Unreachable, expand
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database, DuplicateKeyError
from rapport.runtime.patience import Patience
from rapport.runtime.settings import Misconfigured

from followup.domain.draft import Rules
from followup.domain.plays import TEXT_CHANNELS, Plays, Sender
from followup.domain.plays_file import WrongPlays, kept_plays, parse_plays
from followup.domain.rule_book import RuleBook
from followup.smtp import Server
from followup.texts import Gateway

log = telemetry.logger()

Outlet = Server | Gateway
"""Where a sender sends: to a mail server, or to a service that carries texts."""

_LOOK_EVERY: Final = 1.0
_LEAD: Final = timedelta(seconds=3)
"""From being stored to being in force; longer than the pause between two looks."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the plays, ready for use: what is decided by, and where each of its senders sends."""

    number: int
    effective_from: datetime
    source: str
    rules: Rules
    outlets: Mapping[str, Outlet]

    @property
    def plays(self) -> Plays:
        return self.rules.plays


class Playbook:
    """
    All versions of the plays, kept up to date while the service runs. A wrong file is `Misconfigured` at once.

    `timeless` are the templates that name no time.
    """

    def __init__(
        self, database: Database, clock: Clock, path: Path | None, timeless: frozenset[str] = frozenset()
    ) -> None:
        self._stored = database["plays"]
        self._clock = clock
        self._path = path
        self._timeless = timeless
        self._text = read_file(path)
        self._coming = self._text
        """What the file said at the last look, believed once it says so again: somebody may be writing it."""
        plays = understood(self._text, path)
        first = self._version(1, clock.now(), self._text, plays, outlets_of(plays))
        self._versions: list[Version] = [first]
        self._listeners: list[Callable[[RuleBook], None]] = []
        self._refused = ""

    @property
    def in_force(self) -> Version:
        """The version that is in force now."""
        now = self._clock.now()
        return next((one for one in reversed(self._versions) if one.effective_from <= now), self._versions[0])

    @property
    def book(self) -> RuleBook:
        return RuleBook(tuple((one.effective_from, one.rules) for one in self._versions))

    def on_change(self, listener: Callable[[RuleBook], None]) -> None:
        """Hand over the book whenever it has another version."""
        self._listeners.append(listener)

    async def load(self) -> None:
        """Read all versions; a file that says something new becomes the next."""
        await self._store(self._text)

    async def follow(self) -> NoReturn:
        """Take over what other replicas store, and what is written into the file."""
        patiently = Patience("followup", self._clock)
        while True:
            await self._clock.sleep(_LOOK_EVERY)
            await patiently("plays", self._look)

    async def _look(self) -> None:
        if await self._stored.find_one({"_id": {"$gt": self._versions[-1].number}}, {"_id": 1}):
            await self._read()
        try:
            text = read_file(self._path)
            settled, self._coming = text == self._coming, text
            if text != self._text and settled:
                await asyncio.to_thread(lambda: outlets_of(understood(text, self._path)))
                await self._store(text)
                self._text = text
        except Misconfigured as error:
            if str(error) != self._refused:
                log.warning("the plays file is refused; the version in force stays", error=str(error)[:500])
            self._refused = str(error)
        else:
            self._refused = ""

    async def _store(self, text: str) -> None:
        """Return when the newest version says this, or is one of a newer release, which stays."""
        newest = await self._read()
        while newest is None or newest["source"] != text:
            if newest and newest["_id"] != self._versions[-1].number:
                return
            number = newest["_id"] + 1 if newest else 1
            since = max(self._clock.now() + _LEAD, newest["effective_from"]) if newest else self._clock.now()
            try:
                await self._stored.insert_one({"_id": number, "effective_from": since, "source": text})
            except DuplicateKeyError:
                log.info("another replica has stored a version", version=number)
            else:
                log.info("plays stored", version=number, effective_from=since.isoformat())
            newest = await self._read()

    async def _read(self) -> dict[str, Any] | None:
        """Take up what is stored; answers the newest, None where nothing is."""
        documents: list[dict[str, Any]] = [document async for document in self._stored.find({}).sort("_id", 1)]
        known = {one.number: one for one in self._versions}
        read = [await asyncio.to_thread(self._kept, document, known.get(document["_id"])) for document in documents]
        self._versions = [one for one in read if one] or self._versions
        for listener in self._listeners:
            listener(self.book)
        return documents[-1] if documents else None

    def _kept(self, document: Mapping[str, Any], known: Version | None) -> Version | None:
        """The version that is stored; None for one that this release of the service does not understand."""
        number, since, source = document["_id"], document["effective_from"], document["source"]
        if known and (known.effective_from, known.source) == (since, source):
            return known
        try:
            plays = kept_plays(source)
        except WrongPlays as error:
            log.error("a stored version of the plays can't be used here", version=number, error=str(error)[:500])  # noqa: TRY400 - it says all
            return None
        return self._version(number, since, source, plays, outlets_of(plays, kept=True))

    def _version(
        self, number: int, since: datetime, source: str, plays: Plays, outlets: Mapping[str, Outlet]
    ) -> Version:
        return Version(number, since, source, Rules(plays, frozenset(outlets), self._timeless), outlets)


def read_file(path: Path | None) -> str:
    """The text of the plays file, or of the one in the package; `Misconfigured` when it can't be read."""
    try:
        return path.read_text("utf-8") if path else (files("followup") / "plays.yaml").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"plays file {path}: {' '.join(str(error).split())}") from None


def understood(text: str, path: Path | None) -> Plays:
    """The plays of a file's text; `Misconfigured` names file, place and reason."""
    try:
        return parse_plays(text)
    except WrongPlays as error:
        raise Misconfigured(f"plays file {path}: {error}") from None


def outlets_of(plays: Plays, *, kept: bool = False) -> dict[str, Outlet]:
    """
    Where each sender sends; one whose variables are not set is left out, and what it should send suppressed.

    So is one of `kept` plays whose address is none; else that is `Misconfigured`. Blocks for seconds, once, where
    the first one writes texts.
    """
    found: dict[str, Outlet] = {}
    for name, sender in plays.senders.items():
        try:
            found[name] = _outlet(name, sender)
        except (Unreachable, ValueError) as error:
            if isinstance(error, ValueError) and not kept:
                raise Misconfigured(f"plays: senders.{name}.url: {error}") from None
            log.warning("a sender can't send", sender=name, url=sender.url, reason=str(error))
    return found


def _outlet(name: str, sender: Sender) -> Outlet:
    if (sender.from_ is None) != (name in TEXT_CHANNELS):
        raise ValueError("whether it writes mails or texts is not clear from its name")
    address = expand(sender.url)
    return Server.read(address.url) if sender.from_ else Gateway.read(address)
