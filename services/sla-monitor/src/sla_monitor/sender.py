"""
The one replica that sends: takes what waits, groups it, looks again, delivers and records.

Each receiver has its own task, so a dead one delays nobody else. A crash while
sending sends again under the same name; whoever took over is told by the token.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from rapport.decision import Decision, Ref, States
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.lease import Lease
from rapport.runtime.mongo import Database
from rapport.runtime.processor import Processor
from rapport.runtime.store import Store

from sla_monitor import telemetry
from sla_monitor.delivery import Delivery, Letter, Outcome
from sla_monitor.domain import sending
from sla_monitor.domain.actions import climb
from sla_monitor.domain.grouping import STORM, Batch, GroupKey, batches, key_of, may_go, moot
from sla_monitor.domain.message import Message, worst_first
from sla_monitor.domain.states import AlertState, ContactState, CustomerState, NotificationState
from sla_monitor.policies import Policies
from sla_monitor.receivers import Health, place_of

log = shared.logger()

_LOOK_EVERY: Final = 0.25
_AT_ONCE: Final = 500
"""Notifications that one transaction records."""
_LONGEST_TITLE: Final = 120
_PROMPT: Final = timedelta(seconds=1)
"""How late a deadline is looked at where nothing holds it up, and some more."""


class Sender:
    """Sends what `NotificationState`s ask for, while it holds the lease."""

    def __init__(
        self,
        *,
        processor: Processor,
        store: Store,
        database: Database,
        policies: Policies,
        delivery: Delivery,
        health: Health,
        clock: Clock,
        public_url: str,
        attempts: int,
    ) -> None:
        self._processor = processor
        self._store = store
        self._policies = policies
        self._delivery = delivery
        self._health = health
        self._clock = clock
        self._public_url = public_url
        self._attempts = attempts
        self._lease = Lease(database, "sender", clock)
        self._groups = database["groups"]
        self._token: int | None = None
        self._pending: list[NotificationState] = []
        self._seen: dict[GroupKey, datetime] = {}
        self._sent: dict[str, datetime] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled. While MongoDB is away nothing is sent."""
        try:
            while True:
                await self._processor.patiently("sender", self._look)
                await self._clock.sleep(_LOOK_EVERY)
        finally:
            await self._stop()
            await self._delivery.close()
            await self._lease.release()

    async def _look(self) -> None:
        token = await self._lease.held()
        if token != self._token:
            await self._stop()
            self._token = token
            if token is not None:
                await self._take_over()
        if token is None:
            return
        self._reap()
        await self._refresh()
        now = self._clock.now()
        grouping = self._policies.book.latest.file.grouping
        found = batches(self._pending, grouping, self._seen, self._sent)
        behind = any(len(batch.members) >= STORM and batch.ready_at <= now for batch in found) and await self._behind(
            now
        )
        ready: dict[str, list[Batch]] = defaultdict(list)
        for batch in found:
            if may_go(batch, now, behind=behind):
                ready[batch.key.receiver].append(batch)
        for receiver, waiting in ready.items():
            if receiver not in self._tasks and self._health.closed_until(receiver) is None:
                self._tasks[receiver] = asyncio.create_task(self._serve(waiting, token))

    async def _behind(self, now: datetime) -> bool:
        """Whether deadlines have passed that nobody has looked at yet."""
        where = {"wake_at": {"$gt": datetime(1, 1, 1, tzinfo=now.tzinfo), "$lt": now - _PROMPT}, "backfill": False}
        return await self._store.collection(ContactState.collection).find_one(where, {"_id": 1}) is not None

    # --- what waits -----------------------------------------------------------------

    async def _take_over(self) -> None:
        """What another sender was about to send when it stopped is sent by us; alerts may repeat, never get lost."""
        unsure = await self._store.find(NotificationState, {"status": "sending"})
        await self._record(unsure, lambda ids: sending.give_back(ids, None, "the sender stopped"))
        self._sent = {row["_id"]: row["sent_at"] async for row in self._groups.find({})}
        self._seen.clear()
        self._pending = []

    async def _refresh(self) -> None:
        """Read what has come to wait, if it is another number than we know; only we make it fewer."""
        waiting = self._store.collection(NotificationState.collection)
        count = await waiting.count_documents({"status": "pending"})
        telemetry.WAITING.set(count)
        if count != len(self._pending):
            ids = {row["_id"] async for row in waiting.find({"status": "pending"}, {"_id": 1})}
            kept = [one for one in self._pending if one.id in ids]
            missing = sorted(ids.difference(one.id for one in kept))
            self._pending = kept + await self._grouped(
                await self._store.find(NotificationState, {"_id": {"$in": missing}, "status": "pending"})
            )
        now = self._clock.now()
        keys = {key_of(one) for one in self._pending}
        self._seen = {key: self._seen.get(key, now) for key in keys}

    async def _grouped(self, found: Sequence[NotificationState]) -> list[NotificationState]:
        """Each with the group that its alert is in now."""
        ids = sorted({one.alert_id for one in found})
        rows = self._store.collection(AlertState.collection).find({"_id": {"$in": ids}}, {"group": 1})
        groups = {row["_id"]: row["group"] async for row in rows}
        return [one.but(group=groups.get(one.alert_id, one.group)) for one in found]

    # --- one receiver -----------------------------------------------------------------

    async def _serve(self, waiting: Sequence[Batch], token: int) -> None:
        for batch in waiting:
            if not await self._send(batch, token):
                return

    async def _send(self, batch: Batch, token: int) -> bool:
        """Whether the receiver may get its next message at once."""
        since = self._seen.get(batch.key)
        alerts = await self._alerts(batch.members)
        wanted = await self._still_needed(batch, alerts)
        if not wanted:
            self._forget(batch)
            return True
        await self._record(wanted, lambda ids: sending.take(ids, token))
        message = await self._message(batch.key, wanted, alerts)
        outcome = await self._deliver(batch.key, message, wanted)
        await self._health.note(batch.key.receiver, outcome)
        if outcome.ok:
            await self._note_sent(batch.key, wanted, token)
        else:
            await self._note_failed(wanted, token, outcome)
        self._forget(batch)
        if since and not outcome.ok:
            self._seen[batch.key] = since
        return outcome.ok

    async def _still_needed(self, batch: Batch, alerts: dict[str, AlertState]) -> list[NotificationState]:
        """The members that must go out, seen right before they do; the others are recorded with the reason."""
        told = await self._told(batch) if batch.key.kind == "cleared" else None
        needless: dict[str, list[NotificationState]] = defaultdict(list)
        wanted: list[NotificationState] = []
        for one in batch.members:
            reason = moot(one, alerts.get(one.alert_id))
            if told is not None and one.alert_id not in told:
                reason = "this receiver was never told of it"
            (needless[reason] if reason else wanted).append(one)
        for reason, those in needless.items():
            await self._record(those, partial(sending.drop, why=reason))
        return wanted

    async def _told(self, batch: Batch) -> set[str]:
        """The alerts of a batch of which its receiver has had a message."""
        ids = [one.alert_id for one in batch.members]
        where = {"alert_id": {"$in": ids}, "receiver": batch.key.receiver, "status": "sent"}
        return {one.alert_id for one in await self._store.find(NotificationState, where)}

    async def _deliver(self, key: GroupKey, message: Message, members: Sequence[NotificationState]) -> Outcome:
        place = place_of(self._policies.book, key.receiver, key.entry, members[0].policy_version)
        if place is None:
            return Outcome(ok=False, detail="no policy knows where this receiver is")
        letter = Letter(message.name, message.text[:_LONGEST_TITLE], message.text, message.body(self._public_url))
        with shared.timed(telemetry.SEND_SECONDS, receiver=key.receiver):
            outcome = await self._delivery.send(place.url, letter)
        said = "sent" if outcome.ok else "retried" if outcome.again else "failed"
        telemetry.MESSAGES.labels(key.receiver, said).inc()
        log.info(
            "message",
            receiver=key.receiver,
            kind=key.kind,
            group=key.group,
            alerts=len(members),
            outcome=said,
            detail=outcome.detail,
        )
        return outcome

    async def _message(
        self, key: GroupKey, members: Sequence[NotificationState], alerts: dict[str, AlertState]
    ) -> Message:
        shown = worst_first([alerts[one.alert_id] for one in members])
        customers = await self._store.find(
            CustomerState, {"_id": {"$in": [alert.customer_id for alert in shown[:100]]}}
        )
        place = place_of(self._policies.book, key.receiver, key.entry, members[0].policy_version)
        digest = hashlib.sha256("\0".join(sorted(one.id for one in members)).encode()).hexdigest()
        return Message(
            key=key,
            alerts=shown,
            customers={customer.id: customer for customer in customers},
            at=self._clock.now(),
            name=f"msg_{digest[:32]}",
            level=max(one.level for one in members),
            late=any(one.late for one in members),
            fields=place.fields if place else None,
        )

    async def _alerts(self, members: Sequence[NotificationState]) -> dict[str, AlertState]:
        found = await self._store.find(AlertState, {"_id": {"$in": [one.alert_id for one in members]}})
        return {alert.id: alert for alert in found}

    # --- what is recorded ---------------------------------------------------------------

    async def _note_sent(self, key: GroupKey, members: Sequence[NotificationState], token: int) -> None:
        now = self._clock.now()
        self._sent[key.text] = now
        await self._groups.update_one({"_id": key.text}, {"$set": {"sent_at": now}}, upsert=True)
        await self._record(members, lambda ids: sending.sent(ids, token, now), contacts=True)
        telemetry.ALERTS_SENT.labels(key.receiver, key.kind).inc(len(members))
        for one in members:
            telemetry.ALERT_LAG.observe(max(0.0, (now - one.due).total_seconds()))

    async def _note_failed(self, members: Sequence[NotificationState], token: int, outcome: Outcome) -> None:
        last = [one for one in members if not outcome.again or one.attempts + 1 >= self._attempts]
        names = {one.id for one in last}
        await self._record(last, lambda ids: sending.give_up(ids, outcome.detail))
        for one in last:
            if one.kind == "breach":
                await self._processor.act(ContactState, one.contact_id, partial(_climb, one.alert_id))
        others = [one for one in members if one.id not in names]
        await self._record(others, lambda ids: sending.give_back(ids, token, outcome.detail))

    async def _record(
        self,
        members: Iterable[NotificationState],
        decide: Callable[[Sequence[str]], sending.Decide],
        *,
        contacts: bool = False,
    ) -> None:
        """Carry it out partition by partition, so that events stay in the order of their contact."""
        by_partition: dict[int, list[NotificationState]] = defaultdict(list)
        for one in members:
            by_partition[one.partition].append(one)
        for those in by_partition.values():
            for at in range(0, len(those), _AT_ONCE):
                some = those[at : at + _AT_ONCE]
                ids = [one.id for one in some]
                touches: list[Any] = [Ref(NotificationState, name) for name in ids]
                if contacts:
                    touches += [Ref(ContactState, one.contact_id) for one in some]
                await self._processor.act(NotificationState, ids[0], decide(ids), touches=touches)

    def _forget(self, batch: Batch) -> None:
        """What was just dealt with is read anew, as it then is."""
        gone = {one.id for one in batch.members}
        self._pending = [one for one in self._pending if one.id not in gone]
        self._seen.pop(batch.key, None)

    # --- tasks ------------------------------------------------------------------------------

    def _reap(self) -> None:
        for receiver, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[receiver]
                if task.exception():
                    self._token = None  # what it was sending is taken up again
                task.result()

    async def _stop(self) -> None:
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


def _climb(alert_id: str, contact: ContactState | None, _: States, now: datetime) -> Decision[Any]:
    """Past a receiver that can't be reached: the next step rings at once."""
    return climb(contact, alert_id, now=now) if contact else Decision()
