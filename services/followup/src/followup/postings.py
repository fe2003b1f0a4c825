"""Hands what customers answer and choose to intake, and keeps it until intake has confirmed it."""

from datetime import datetime, timedelta
from typing import Any, Final

import httpx
from rapport.decision import Decision, States
from rapport.runtime import telemetry
from rapport.runtime.clock import Clock
from rapport.runtime.lease import Lease
from rapport.runtime.processor import Processor
from rapport.runtime.store import Store

from followup.domain.state import Posting
from followup.telemetry import POSTINGS, WAITING

log = telemetry.logger()

_SECONDS: Final = 5.0
_IDLE_SECONDS: Final = 1.0
_AT_ONCE: Final = 50
_LONGEST: Final = 3600
_TAKEN: Final = 202


class Postbox:
    """Only a 202 means that intake has an event; until then it is kept here and tried again, for ever."""

    def __init__(
        self, processor: Processor, store: Store, lease: Lease, clock: Clock, url: str, key: str | None
    ) -> None:
        self._processor = processor
        self._store = store
        self._lease = lease
        self._clock = clock
        self._url = url.rstrip("/") + "/v1/events"
        self._headers = {"content-type": "application/cloudevents+json"}
        if key:
            self._headers["authorization"] = f"Bearer {key}"

    async def run(self) -> None:
        while True:
            await self._processor.patiently("postings", self._round)
            await self._clock.sleep(_IDLE_SECONDS)

    async def post(self, posting_id: str) -> bool:
        """Whether intake has this event now; if not, it stays and is tried again later."""
        posting = await self._store.get(Posting, posting_id)
        if posting is None:
            return False
        if posting.status == "taken":
            return True
        failure = await self._try(posting.event)

        def settle(current: Posting | None, _: States, now: datetime) -> Decision[Any]:
            return Decision((settled(current, failure, now),)) if current else Decision()

        await self._processor.act(Posting, posting_id, settle)
        POSTINGS.labels("kept" if failure else "taken").inc()
        if failure:
            log.warning("intake has not confirmed an event of ours; kept", posting=posting_id, reason=failure)
        return failure is None

    async def _round(self) -> None:
        if await self._lease.held() is None:
            return
        where = {"status": "pending", "next_at": {"$lte": self._clock.now()}}
        for posting in await self._store.find(Posting, where, sort=(("next_at", 1),), limit=_AT_ONCE):
            await self.post(posting.id)
        WAITING.set(await self._store.collection(Posting.collection).count_documents({"status": "pending"}))

    async def _try(self, event: str) -> str | None:
        """Why intake has not taken it; None when it has."""
        try:
            async with httpx.AsyncClient(timeout=_SECONDS) as client:
                answer = await client.post(self._url, content=event.encode(), headers=self._headers)
        except httpx.HTTPError as error:
            return type(error).__name__
        return None if answer.status_code == _TAKEN else f"{answer.status_code} {answer.text[:300]}"


def settled(posting: Posting, failure: str | None, now: datetime) -> Posting:
    """The posting after a try. What intake has is no longer kept here: it may hold somebody's words."""
    attempts = posting.attempts + 1
    if failure is None:
        return posting.but(status="taken", event="", reason=None, attempts=attempts)
    wait = timedelta(seconds=min(_LONGEST, 2 ** min(attempts, 20)))
    return posting.but(attempts=attempts, reason=failure, next_at=now + wait)
