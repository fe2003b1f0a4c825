"""Who gets messages: names of the policy and their addresses, how each fares, and when it is tried again."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.contracts import format_instant
from rapport.runtime.addresses import kind_of
from rapport.runtime.clock import Clock
from rapport.runtime.mongo import Database

from sla_monitor.delivery import Outcome
from sla_monitor.domain.policy import PolicyFile
from sla_monitor.domain.policy_book import PolicyBook

_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """One address of a receiver. `fields` are what it may learn of a contact; None: everything."""

    url: str
    fields: tuple[str, ...] | None = None


def place_of(book: PolicyBook, name: str, entry: int, version: int | None) -> Place | None:
    """
    Where a receiver or a person is reached: as the newest policy says, else as the one that chose it, else another.

    What was missed under an earlier version climbs on by its escalation, whose receivers a newer one may not know.
    """
    if not book.latest.number:
        return None
    for known in (book.latest, book.version(version), *reversed(book.versions)):
        places = places_in(known.file, name)
        if entry < len(places):
            return places[entry]
    return None


def places_in(file: PolicyFile, name: str) -> list[Place]:
    known = file.receivers.get(name)
    if known:
        return [Place(a.url, tuple(a.fields) if a.fields is not None else None) for a in known.entries]
    person = file.people.get(name)
    if person and person.url:
        return [Place(person.url, tuple(person.fields) if person.fields is not None else None)]
    return []


def names_in(file: PolicyFile) -> list[str]:
    """All that can be reached, receivers before people."""
    return [*file.receivers, *(name for name, person in file.people.items() if person.url)]


def forgetful_in(file: PolicyFile) -> dict[str, Place]:
    """The Alertmanagers by `receiver#entry`: what they hear no more of they take for over, so they are told again."""
    places = {f"{name}#{entry}": at for name in names_in(file) for entry, at in enumerate(places_in(file, name))}
    return {name: place for name, place in places.items() if forgets(place)}


def forgets(place: Place) -> bool:
    return kind_of(place.url) == "alertmanager"


class Health:
    """
    How each receiver fares, kept where all replicas see it.

    A receiver that fails is left alone until its wait is over, twice as long
    after each failure, so that it costs nobody else anything.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._rows = database["receivers"]
        self._clock = clock
        self._retry_at: dict[str, datetime] = {}
        self._failures: dict[str, int] = {}

    async def load(self) -> None:
        """Go on from what the sender before has seen."""
        self._failures = {row["_id"]: int(row.get("failures", 0)) async for row in self._rows.find({})}

    def failures(self, name: str) -> int:
        """How many messages in a row it has not taken."""
        return self._failures.get(name, 0)

    def closed_until(self, name: str) -> datetime | None:
        """When it may be tried again; None when it may now."""
        retry_at = self._retry_at.get(name)
        return retry_at if retry_at and retry_at > self._clock.now() else None

    async def note(self, name: str, outcome: Outcome) -> None:
        now = self._clock.now()
        if outcome.ok:
            self._retry_at.pop(name, None)
            self._failures[name] = 0
            update: dict[str, Any] = {"$set": {"last_success": now, "failing": False, "failures": 0}}
            await self._rows.update_one({"_id": name}, update, upsert=True)
        else:
            error = {"at": now, "error": outcome.detail}
            update = {"$set": {"last_error": error, "failing": True}, "$inc": {"failures": 1}}
            row = await self._rows.find_one_and_update({"_id": name}, update, upsert=True, return_document=True)
            self._failures[name] = int(row["failures"])
            self._retry_at[name] = now + wait_after(row["failures"], outcome.after)

    async def rows(self) -> dict[str, dict[str, Any]]:
        return {row["_id"]: row async for row in self._rows.find({})}

    async def failing(self, names: list[str]) -> int:
        return int(await self._rows.count_documents({"failing": True, "_id": {"$in": names}}))


def wait_after(failures: int, asked: float = 0.0) -> timedelta:
    """How long a receiver is left alone after so many failures in a row, with jitter; not less than it asks for."""
    ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(failures - 1, 10))
    return timedelta(seconds=max(asked, random.uniform(ceiling / 2, ceiling)))  # noqa: S311 - jitter is no secret


def shown(name: str, place: Place | None, row: dict[str, Any]) -> dict[str, Any]:
    """A receiver as GET /v1/receivers shows it; its address stays out, for it may be a secret."""
    error = row.get("last_error")
    success = row.get("last_success")
    return {
        "name": name,
        "kind": kind_of(place.url) if place else "secret",
        "failures": int(row.get("failures", 0)),
        "failing": bool(row.get("failing", False)),
        "last_success": format_instant(success) if success else None,
        "last_error": {"at": format_instant(error["at"]), "error": error["error"]} if error else None,
    }
