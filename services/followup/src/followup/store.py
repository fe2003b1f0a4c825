"""The queries that only followup has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rapport.runtime.store import Store

from followup.domain.followups import Followups
from followup.domain.state import CheckIn, CustomerState, SurveyLink


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls a caller asks for. `teams` are those it may see; all when empty."""

    status: str = "owed"
    agent: str | None = None
    team: str | None = None
    due_before: datetime | None = None
    teams: tuple[str, ...] = ()
    limit: int = 50
    cursor: str | None = None


class Followup:
    """What pages and lists ask for."""

    def __init__(self, store: Store, domain: Followups) -> None:
        self._store = store
        self._domain = domain

    async def check_ins(self, wanted: Wanted) -> tuple[list[CheckIn], str | None]:
        """Calls by when they are due, and the cursor to go on from; ValueError for a cursor that is none of ours."""
        where: dict[str, Any] = {"status": wanted.status}
        if wanted.agent:
            where["owner"] = wanted.agent
        if wanted.team:
            where["team"] = wanted.team
        conditions: list[Mapping[str, Any]] = [where]
        if wanted.teams:
            conditions.append({"team": {"$in": list(wanted.teams)}})
        if wanted.due_before:
            conditions.append({"due_at": {"$lt": wanted.due_before}})
        if wanted.cursor:
            millis, _, name = wanted.cursor.partition(":")
            due = datetime.fromtimestamp(int(millis) / 1000, UTC)
            conditions.append({"$or": [{"due_at": {"$gt": due}}, {"due_at": due, "_id": {"$gt": name}}]})
        sort = (("due_at", 1), ("_id", 1))
        found = await self._store.find(CheckIn, {"$and": conditions}, sort=sort, limit=wanted.limit + 1)
        page = found[: wanted.limit]
        more = len(found) > wanted.limit
        return page, f"{round(page[-1].due_at.timestamp() * 1000)}:{page[-1].id}" if more else None

    async def check_in(self, check_in_id: str) -> CheckIn | None:
        return await self._store.get(CheckIn, check_in_id)

    async def customer(self, customer_id: str) -> CustomerState | None:
        found = await self._store.get(CustomerState, customer_id)
        return found if found and not found.erasure else None

    async def was_erased(self, customer_id: str) -> bool:
        """Whether somebody of this id was erased, and nobody has it now."""
        if await self.customer(customer_id) is not None:
            return False
        return await self._store.get(CustomerState, self._domain.pseudonyms.place_of(customer_id)) is not None

    async def customers(self, customer_ids: Iterable[str]) -> dict[str, CustomerState]:
        found = await self._store.find(CustomerState, {"_id": {"$in": sorted(set(customer_ids))}})
        return {customer.id: customer for customer in found}

    async def held(self, contact_ids: Sequence[str]) -> set[str]:
        """Those of these contacts of which some customer's state still knows."""
        found = await self._store.find(CustomerState, {"contacts": {"$in": list(contact_ids)}})
        return {name for customer in found for name in customer.contacts}

    async def link(self, token_hash: str) -> SurveyLink | None:
        """The survey whose link holds the token with this hash."""
        found = await self._store.find(SurveyLink, {"token": token_hash}, limit=1)
        return found[0] if found else None
