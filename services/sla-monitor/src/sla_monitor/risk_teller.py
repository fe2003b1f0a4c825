"""Tells people that a conflict with a customer is near, as the policy's `risk: notify` says."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

from rapport.runtime import telemetry as shared
from rapport.runtime.addresses import kind_of
from rapport.runtime.lease import Lease

from sla_monitor import telemetry
from sla_monitor.delivery import Letter
from sla_monitor.domain.log import instant
from sla_monitor.domain.risk import RiskState, receiver_of
from sla_monitor.domain.risk_notices import NEWS, AtRisk, RiskMessage, settle
from sla_monitor.means import Means
from sla_monitor.receivers import place_of
from sla_monitor.risk_waiting import PLACES, unheard
from sla_monitor.silences import Silences

log = shared.logger()

_EVERY: Final = timedelta(seconds=1)


class RiskTeller:
    """
    Runs on every replica; the one that holds the lease tells.

    What waits for one place goes out together, as alerts do: after the grouping's
    `wait`, and not before its `interval` has passed since the last. Each place has a
    task of its own. A crash after sending tells again under the same name.
    """

    def __init__(self, means: Means, *, silences: Silences, public_url: str) -> None:
        self._means = means
        self._silences = silences
        self._public_url = public_url
        self._places = means.database[PLACES]
        self._lease = Lease(means.database, "risks", means.clock)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._means.processor.patiently("risks", self._look)
                await self._means.clock.sleep(_EVERY.total_seconds())
        finally:
            await self._stop()
            await self._lease.release()

    async def _look(self) -> None:
        if await self._lease.held() is None:
            await self._stop()
            telemetry.RISKS_WAITING.set(0)
            return
        for place in [place for place, task in self._tasks.items() if task.done()]:
            self._tasks.pop(place).result()
        for place, those in (await self._ready()).items():
            if place not in self._tasks and self._means.health.closed_until(receiver_of(place)) is None:
                self._tasks[place] = asyncio.create_task(self._tell(place, those))

    async def _ready(self) -> Mapping[str, list[AtRisk]]:
        """What may be told now, by place, the longest standing first. What is true no more is settled."""
        waiting: dict[str, list[AtRisk]] = defaultdict(list)
        silences, now, count = await self._silences.active(), self._means.clock.now(), 0
        async for one in unheard(self._means):
            notice, at_risk = one.notice, one.at_risk
            if at_risk is None or now - instant(notice.learnt) > NEWS:
                await self._settle(one.customer_id, notice.key, notice.waiting, told=False)
                continue
            count += len(notice.waiting)
            if not any(silence.mutes(at_risk.facts) for silence in silences):
                for place in notice.waiting:
                    waiting[place].append(at_risk)
        telemetry.RISKS_WAITING.set(count)
        return await self._whose_time_has_come(waiting) if waiting else {}

    async def _whose_time_has_come(self, waiting: Mapping[str, list[AtRisk]]) -> Mapping[str, list[AtRisk]]:
        grouping, now = self._means.policies.book.latest.file.grouping, self._means.clock.now()
        last = {row["_id"]: row["told_at"] async for row in self._places.find({"_id": {"$in": list(waiting)}})}
        ready = {}
        for place, those in waiting.items():
            may_go = min(instant(one.notice.learnt) for one in those) + grouping.wait
            if place in last:
                may_go = max(may_go, last[place] + grouping.interval)
            if may_go <= now:
                ready[place] = sorted(those, key=lambda one: (one.cause.millis, one.id))
        return ready

    async def _tell(self, place: str, those: Sequence[AtRisk]) -> None:
        name, _, entry = place.rpartition("#")
        found = place_of(self._means.policies.book, name, int(entry), None)
        if found is None:
            log.warning("nobody is told of a risk", receiver=name, why="the policy knows it no longer")
            await self._settle_all(place, those, told=False)
            return
        now = self._means.clock.now()
        message = RiskMessage(place, tuple(those), now, self._public_url, found.fields)
        letter = Letter(
            message.name, message.text[:120], message.text, message.body(), tuple(message.posts(kind_of(found.url)))
        )
        with shared.timed(telemetry.SEND_SECONDS, receiver=name):
            outcome = await self._means.delivery.send(found.url, letter)
        said = "sent" if outcome.ok else "retried" if outcome.again else "failed"
        telemetry.MESSAGES.labels(name, said).inc()
        log.info("risks told", receiver=name, customers=len(those), outcome=said, detail=outcome.detail)
        await self._means.health.note(name, outcome)
        if outcome.ok:
            await self._places.update_one({"_id": place}, {"$set": {"told_at": now}}, upsert=True)
        if outcome.ok or not outcome.again:
            await self._settle_all(place, those, told=outcome.ok)

    async def _settle_all(self, place: str, those: Sequence[AtRisk], *, told: bool) -> None:
        for one in those:
            await self._settle(one.customer_id, one.notice.key, (place,), told=told)

    async def _settle(
        self, customer_id: str, key: tuple[str, str, int], places: Collection[str], *, told: bool
    ) -> None:
        for place in places:
            await self._means.processor.act(RiskState, customer_id, settle(key, place, told=told))

    async def _stop(self) -> None:
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
