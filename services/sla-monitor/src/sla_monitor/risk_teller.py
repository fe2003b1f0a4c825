"""Tells people that a conflict with a customer is near, as the policy's `risk: notify` says, and when it is over."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from rapport.runtime import telemetry as shared
from rapport.runtime.addresses import kind_of
from rapport.runtime.lease import Lease

from sla_monitor import telemetry
from sla_monitor.delivery import Letter, Outcome
from sla_monitor.domain.grouping import in_pieces
from sla_monitor.domain.policy import Risk
from sla_monitor.domain.risk import RiskState, raised, receiver_of
from sla_monitor.domain.risk_message import AtRisk, RiskMessage
from sla_monitor.domain.risk_notices import NEWS, Decide, Key, followed, looked_at, not_told, told, told_to_be_over
from sla_monitor.domain.signals import STANDS_FOR, STORM_KEY
from sla_monitor.domain.silences import muted_until
from sla_monitor.means import Means
from sla_monitor.receivers import Place, forgetful_in, place_of
from sla_monitor.risk_waiting import PLACES, in_parts, over, row_of, standing_in, unheard
from sla_monitor.silences import Silences
from sla_monitor.tasks import Tasks

log = shared.logger()

_EVERY: Final = timedelta(seconds=1)

Queue = tuple[str, bool]
"""A place, and whether it is to hear of ends."""


class RiskTeller:
    """
    Runs on every replica; the one that holds the lease tells.

    What waits for one place goes out together, as alerts do: after the grouping's
    `wait`, and not before its `interval` has passed since the last; ends apart from
    what they end. Each place has a task of its own. A crash after sending tells again
    under the same name.
    """

    def __init__(self, means: Means, *, silences: Silences, public_url: str, tell_again_every: timedelta) -> None:
        self._means = means
        self._silences = silences
        self._public_url = public_url
        self._places = means.database[PLACES]
        self._lease = Lease(means.database, "risks", means.clock)
        self._tasks = Tasks()
        self._looked_with: int | None = None
        """The version of the policy by whose rules all ends were looked at."""
        self._tell_again_every = tell_again_every
        self._told_again_at: datetime | None = None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._means.processor.patiently("risks", self._look)
                await self._means.clock.sleep(_EVERY.total_seconds())
        finally:
            await self._tasks.stop()
            await self._lease.release()

    async def _look(self) -> None:
        if await self._lease.held() is None:
            await self._tasks.stop()
            self._looked_with = None
            telemetry.RISKS_WAITING.set(0)
            return
        self._tasks.reap()
        if self._looked_with != self._version:
            await self._look_at_all()
        for (place, _), those in sorted((await self._ready()).items(), key=lambda one: one[0]):
            if place not in self._tasks and self._means.health.closed_until(receiver_of(place)) is None:
                self._tasks.begin(place, self._tell(place, those))
        now = self._means.clock.now()
        if self._told_again_at is None or now - self._told_again_at >= self._tell_again_every:
            self._told_again_at = now
            await self._tell_again()

    @property
    def _version(self) -> int:
        return self._means.policies.book.latest.number

    async def _look_at_all(self) -> None:
        """By other rules what stood may be over: a policy changes no customer's state."""
        version = self._version
        async for states in in_parts(self._means, {"at_risk": True}):
            for state in states:
                if (
                    followed(state.notices, raised(state.signals, self._rules), self._means.clock.now())
                    != state.notices
                ):
                    await self._act(state.id, looked_at(self._rules))
        self._looked_with = version

    async def _ready(self) -> Mapping[Queue, list[AtRisk]]:
        """What may be told now, the longest standing first. What is true no more is settled."""
        waiting: dict[Queue, list[AtRisk]] = defaultdict(list)
        async for one in unheard(self._means):
            if one.at_risk is None:
                await self._not_told(one.customer_id, one.notice.key, one.notice.waiting)
            else:
                for place in one.notice.waiting:
                    waiting[place, False].append(one.at_risk)
        async for place, at_risk in over(self._means):
            waiting[place, True].append(at_risk)
        telemetry.RISKS_WAITING.set(sum(map(len, waiting.values())))
        return await self._whose_time_has_come(await self._not_held_back(waiting)) if waiting else {}

    async def _not_held_back(self, waiting: Mapping[Queue, Sequence[AtRisk]]) -> Mapping[Queue, list[AtRisk]]:
        """What no silence mutes. What could have been told for a day is given up."""
        now = self._means.clock.now()
        silences = await self._silences.since(now - NEWS)
        found: dict[Queue, list[AtRisk]] = defaultdict(list)
        for (place, ends), those in waiting.items():
            for one in those:
                muted = muted_until(silences, one.facts)
                if one.is_given_up(now, muted):
                    await self._settle([one], place)
                elif muted <= now:
                    found[place, ends].append(one)
        return found

    async def _whose_time_has_come(self, waiting: Mapping[Queue, list[AtRisk]]) -> Mapping[Queue, list[AtRisk]]:
        grouping, now = self._means.policies.book.latest.file.grouping, self._means.clock.now()
        rows = {queue: row_of(queue[0], over=queue[1]) for queue in waiting}
        last = {row["_id"]: row["told_at"] async for row in self._places.find({"_id": {"$in": list(rows.values())}})}
        ready = {}
        for queue, those in waiting.items():
            may_go = min(one.since for one in those) + grouping.wait
            if rows[queue] in last:
                may_go = max(may_go, last[rows[queue]] + grouping.interval)
            if may_go <= now:
                ready[queue] = sorted(those, key=lambda one: (one.cause.millis, one.id))
        return ready

    async def _tell(self, place: str, those: Sequence[AtRisk]) -> None:
        name, _, entry = place.rpartition("#")
        book = self._means.policies.book
        found = place_of(book, name, int(entry), those[0].said.policy if those[0].said else None)
        if found is None:
            log.warning("nobody is told of a risk", receiver=name, why="the policy knows it no longer")
            await self._settle(those, place)
            return
        incidents = kind_of(found.url) == "pagerduty" and those[0].is_over
        for piece in in_pieces(those, _known_as) if incidents else [those]:
            if not await self._tell_piece(place, found, piece):
                return
        row = row_of(place, over=those[0].is_over)
        await self._places.update_one({"_id": row}, {"$set": {"told_at": self._means.clock.now()}}, upsert=True)

    async def _tell_piece(self, place: str, found: Place, those: Sequence[AtRisk]) -> bool:
        """Whether it was taken."""
        name, now, via = receiver_of(place), self._means.clock.now(), kind_of(found.url)
        shared_names = await self._shared(those)
        message = RiskMessage(place, tuple(those), now, self._public_url, found.fields, shared_names)
        letter = Letter(message.name, message.text, message.body(), tuple(message.posts(via)))
        with shared.timed(telemetry.SEND_SECONDS, receiver=name):
            outcome = await self._means.delivery.send(found.url, letter)
        telemetry.MESSAGES.labels(name, outcome.word).inc()
        log.info(
            "risks told",
            receiver=name,
            over=message.over,
            customers=len(those),
            outcome=outcome.word,
            detail=outcome.detail,
        )
        await self._means.health.note(name, outcome)
        await self._record(message, via, outcome)
        return outcome.ok

    async def _tell_again(self) -> None:
        """Alertmanager forgets, and takes for over what it hears no more of."""
        products = forgetful_in(self._means.policies.book.latest.file)
        known = await standing_in(products, self._means) if products else {}
        for place, those in known.items():
            if place not in self._tasks and self._means.health.closed_until(receiver_of(place)) is None:
                self._tasks.begin(place, self._post_again(place, products[place], those))

    async def _post_again(self, name: str, place: Place, those: Sequence[AtRisk]) -> None:
        now = self._means.clock.now()
        message = RiskMessage(name, tuple(those), now, self._public_url, place.fields)
        letter = Letter("standing", "standing", {}, tuple(message.again(now + STANDS_FOR)))
        outcome = await self._means.delivery.send(place.url, letter)
        await self._means.health.note(receiver_of(name), outcome)
        if not outcome.ok:
            log.warning("not told again of what stands", receiver=receiver_of(name), detail=outcome.detail)

    async def _shared(self, those: Iterable[AtRisk]) -> frozenset[str]:
        """Names of storms under which others still stand: such an incident is over with the last of them."""
        ours = {(one.customer_id, one.notice.key) for one in those}
        names = {one.said.name for one in those if one.said and one.said.name.startswith(STORM_KEY)}
        return frozenset([name for name in names if await self._stands_for_others(name, ours)])

    async def _stands_for_others(self, name: str, ours: Collection[tuple[str, Key]]) -> bool:
        """Whom it stands for has no index, which would cost with every signal: it is asked for seldom."""
        async for states in in_parts(self._means, {"at_risk": True, "storms": name}):
            for state in states:
                known = {notice.key for notice in state.notices for said in notice.said if said.name == name}
                if any((state.id, key) not in ours for key in known):
                    return True
        return False

    # --- what is recorded ---------------------------------------------------------------

    async def _record(self, message: RiskMessage, via: str, outcome: Outcome) -> None:
        if not message.over and (outcome.ok or outcome.perhaps):
            for one, said in message.said(via, self._version):
                await self._act(one.customer_id, told(one.notice.key, said, self._rules, perhaps=not outcome.ok))
        if (message.over and outcome.ok) or not (outcome.ok or outcome.again):
            await self._settle(message.those, message.place)

    async def _settle(self, those: Iterable[AtRisk], place: str) -> None:
        """Nothing more is to be told to that place of these."""
        for one in those:
            if one.is_over:
                await self._act(one.customer_id, told_to_be_over(one.notice.key, place, self._rules))
            else:
                await self._not_told(one.customer_id, one.notice.key, (place,))

    async def _not_told(self, customer_id: str, key: Key, places: Sequence[str]) -> None:
        await self._act(customer_id, not_told(key, places, self._rules))

    @property
    def _rules(self) -> Risk:
        return self._means.policies.book.latest.file.risk

    async def _act(self, customer_id: str, decide: Decide) -> None:
        await self._means.processor.act(RiskState, customer_id, decide)


def _known_as(one: AtRisk) -> list[str]:
    return [one.said.name] if one.said and one.said.name else []
