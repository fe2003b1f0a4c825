"""
The one replica that sends: takes what waits, groups it, looks again, delivers and records.

Each receiver has its own task, so a dead one delays nobody else. A crash while
sending sends again under the same name; whoever took over is told by the token.
A process that stood still past its term hands nothing over any more, and what it
takes all the same is found by whoever sends now.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from rapport.runtime import telemetry as shared
from rapport.runtime.alarms import asleep_since
from rapport.runtime.lease import Lease

from sla_monitor import telemetry
from sla_monitor.composing import OVER, Alerts, Composer, Heard, letter_of, via
from sla_monitor.delivery import Outcome
from sla_monitor.domain import sending
from sla_monitor.domain.escalation import PRODUCTS
from sla_monitor.domain.grouping import STORM, Batch, GroupKey, folded, in_pieces, may_go, moot, rest_after
from sla_monitor.domain.message import Message
from sla_monitor.domain.notifications import NotificationState
from sla_monitor.domain.silences import facts_of
from sla_monitor.domain.states import AlertState, ContactState
from sla_monitor.means import Means
from sla_monitor.records import Records
from sla_monitor.silences import Holding
from sla_monitor.tasks import Tasks
from sla_monitor.waiting import Waiting

log = shared.logger()

_LOOK_AROUND_EVERY: Final = timedelta(seconds=1)
_PROMPT: Final = timedelta(seconds=1)
"""How late a deadline is looked at where nothing holds it up, and some more."""


class Sender:
    """Sends what `NotificationState`s ask for, while it holds the lease."""

    def __init__(
        self,
        means: Means,
        *,
        composer: Composer,
        holding: Holding,
        attempts: int,
    ) -> None:
        self._means = means
        self._composer = composer
        self._holding = holding
        self._attempts = attempts
        self._records = Records(means.processor)
        self._waiting = Waiting(means.store, means.database, means.clock)
        self._lease = Lease(means.database, "sender", means.clock)
        self._looked_around: datetime | None = None
        self._tasks = Tasks()
        self.token: int | None = None
        """Of the lease, while this replica sends."""

    async def run(self) -> None:
        """Until cancelled. While MongoDB is away nothing is sent."""
        try:
            while True:
                began = self._means.clock.now()
                await self._means.processor.patiently("sender", self._look)
                await self._means.clock.sleep(rest_after(self._means.clock.now() - began))
        finally:
            await self._tasks.stop()
            await self._means.delivery.close()
            await self._lease.release()

    async def _look(self) -> None:
        token = await self._lease.held()
        if token != self.token:
            await self._tasks.stop()
            self.token = token
            if token is not None:
                await self._take_over()
        if token is None:
            telemetry.WAITING.set(0)
            telemetry.HELD.set(0)
            return
        try:
            self._tasks.reap()
        except Exception:
            self.token = None  # what it was sending is taken up again
            raise
        now = self._means.clock.now()
        grouping = self._means.policies.book.latest.file.grouping
        if self._looked_around is None or now - self._looked_around >= _LOOK_AROUND_EVERY:
            self._looked_around = now
            await self._take_back()
            await self._holding.refresh()
            await self._waiting.renew(self._holding)
            await self._records.carry_out(await self._waiting.due_again(grouping), sending.again)
        await self._waiting.refresh()
        found = self._waiting.batches(grouping, self._holding)
        storm = any(len(batch.members) >= STORM and batch.ready_at <= now for batch in found)
        behind = storm and await self._behind(now)
        ready: dict[str, list[Batch]] = defaultdict(list)
        for batch in found:
            if may_go(batch, now, behind=behind):
                ready[batch.key.receiver].append(batch)
        for receiver, waiting in ready.items():
            if receiver not in self._tasks and self._means.health.closed_until(receiver) is None:
                self._tasks.begin(receiver, self._serve(waiting, token))

    async def _take_over(self) -> None:
        await self._waiting.take_over()
        await self._means.health.load()
        self._looked_around = None

    async def _take_back(self) -> None:
        """What another sender was about to send when it stopped is sent by us; alerts may repeat, never get lost."""
        unsure = await self._waiting.on_their_way(but=self._tasks)
        await self._records.carry_out(
            unsure, lambda ids: sending.give_back(ids, None, "the sender stopped", perhaps=True)
        )

    async def _behind(self, now: datetime) -> bool:
        """Whether deadlines have passed that nobody has looked at yet."""
        contacts = self._means.store.collection(ContactState.collection)
        return await contacts.find_one(asleep_since(now - _PROMPT), {"_id": 1}) is not None

    # --- one receiver -----------------------------------------------------------------

    async def _serve(self, waiting: Sequence[Batch], token: int) -> None:
        for batch in waiting:
            if await self._send(batch, token):
                continue
            if self._means.health.failures(batch.key.receiver) >= self._attempts:
                await self._pass_over([one for other in waiting for one in other.members])
            return

    async def _send(self, batch: Batch, token: int) -> bool:
        """Whether the receiver may get its next message at once."""
        key, since = batch.key, self._waiting.since(batch.key)
        members, superseded = folded(batch.members)
        await self._records.carry_out(superseded, partial(sending.drop, why="a later step says the same"))
        heard = await self._heard(key, members)
        taken, sent = True, list[NotificationState]()
        for piece in self._pieces(key, members, heard):
            told = await self._send_piece(key, piece, heard, token)
            taken = told is not None
            if told is None:
                break
            sent += told
        if taken and sent:
            await self._waiting.note_sent(key, sent, self._means.clock.now())
        self._waiting.forget(batch.members, key, None if taken else since)
        return taken

    def _pieces(
        self, key: GroupKey, members: Sequence[NotificationState], heard: Heard
    ) -> Sequence[Sequence[NotificationState]]:
        """What is told at a time: all of it, but for incidents of PagerDuty, each of which is told of by itself."""
        if key.kind not in OVER or via(self._composer.place(key, members)) != "pagerduty":
            return [members]
        return in_pieces(members, lambda one: {row.known_as for row in heard.get(one.alert_id, ())})

    async def _send_piece(
        self, key: GroupKey, members: Sequence[NotificationState], heard: Heard, token: int
    ) -> Sequence[NotificationState] | None:
        """Those that were told, which may be none; None where the receiver did not take it."""
        alerts = await self._alerts(members)
        needed = await self._still_needed(key, members, alerts, heard)
        wanted = [one for one in needed if not self._holding.why(one, facts_of(alerts[one.alert_id]))]
        if not wanted:
            return wanted
        message = await self._composer.message(key, wanted, alerts, heard)
        if not self._lease.lasts:
            return None
        await self._take(message, wanted, alerts, token)
        if not self._lease.lasts:
            await self._records.carry_out(wanted, lambda ids: sending.give_back(ids, token, "its sender stood still"))
            return None
        outcome = await self._deliver(message, wanted)
        await self._means.health.note(key.receiver, outcome)
        if outcome.ok:
            await self._note_sent(key, wanted, token)
            return wanted
        await self._note_failed(wanted, token, outcome)
        return None

    async def _heard(self, key: GroupKey, members: Sequence[NotificationState]) -> Heard:
        """What the receiver knows already, where that matters."""
        matters = key.kind in OVER or via(self._composer.place(key, members)) == "alertmanager"
        return await self._composer.heard(key, members) if matters else {}

    async def _still_needed(
        self, key: GroupKey, members: Sequence[NotificationState], alerts: Alerts, heard: Heard
    ) -> list[NotificationState]:
        """The members that must go out, seen right before they do; the others are recorded with the reason."""
        product = via(self._composer.place(key, members))
        deaf = key.kind == "acknowledged" and product != "pagerduty"
        needless: dict[str, list[NotificationState]] = defaultdict(list)
        wanted: list[NotificationState] = []
        for one in members:
            reason = moot(one, alerts.get(one.alert_id))
            if key.kind in OVER and one.alert_id not in heard:
                reason = "this receiver knows of nothing that goes on"
            elif key.kind == "cleared" and product not in PRODUCTS and not _was_rung(heard[one.alert_id]):
                reason = "this receiver was only warned of it"
            if deaf:
                reason = "this receiver has no use for it"
            (needless[reason] if reason else wanted).append(one)
        for reason, those in needless.items():
            await self._records.carry_out(those, partial(sending.drop, why=reason))
        return wanted

    async def _take(self, message: Message, members: Sequence[NotificationState], alerts: Alerts, token: int) -> None:
        place = self._composer.place(message.key, members)
        names = message.names(via(place))
        by_id = {one.id: names.get(one.alert_id, "") for one in members}
        groups = {one.id: alerts[one.alert_id].group for one in members}

        def take(ids: Sequence[str]) -> sending.Decide:
            return sending.take(by_id, {name: groups[name] for name in ids}, token)

        await self._records.carry_out(members, take)

    async def _deliver(self, message: Message, members: Sequence[NotificationState]) -> Outcome:
        key = message.key
        place = self._composer.place(key, members)
        if place is None:
            return Outcome(ok=False, detail="no policy knows where this receiver is")
        with shared.timed(telemetry.SEND_SECONDS, receiver=key.receiver):
            outcome = await self._means.delivery.send(place.url, letter_of(message, place))
        telemetry.MESSAGES.labels(key.receiver, outcome.word).inc()
        log.info(
            "message",
            receiver=key.receiver,
            kind=key.kind,
            group=key.group,
            alerts=len(members),
            outcome=outcome.word,
            detail=outcome.detail,
        )
        return outcome

    async def _alerts(self, members: Sequence[NotificationState]) -> dict[str, AlertState]:
        found = await self._means.store.find(AlertState, {"_id": {"$in": [one.alert_id for one in members]}})
        return {alert.id: alert for alert in found}

    # --- what is recorded ---------------------------------------------------------------

    async def _note_sent(self, key: GroupKey, members: Sequence[NotificationState], token: int) -> None:
        now = self._means.clock.now()
        await self._records.carry_out(members, lambda ids: sending.sent(ids, token, now), contacts=True)
        telemetry.ALERTS_SENT.labels(key.receiver, key.kind).inc(len(members))
        for one in members:
            telemetry.ALERT_LAG.observe(max(0.0, (now - (one.known_at or one.due)).total_seconds()))

    async def _note_failed(self, members: Sequence[NotificationState], token: int, outcome: Outcome) -> None:
        """
        Tried again while it may help; past so many tries the escalation goes on without this receiver.

        It is tried on all the same, for when nobody else takes the alert either.
        """
        now = self._means.clock.now()
        last = [one for one in members if not outcome.again or sending.is_tried_out(one, self._holding.hours(one), now)]
        names = {one.id for one in last}
        others = [one for one in members if one.id not in names]
        await self._records.carry_out(
            others, lambda ids: sending.give_back(ids, token, outcome.detail, perhaps=outcome.perhaps)
        )
        book = self._means.policies.book
        await self._records.carry_out(
            last, lambda ids: sending.give_up(ids, outcome.detail, book, perhaps=outcome.perhaps), contacts=True
        )
        dead = self._means.health.failures(members[0].receiver) >= self._attempts
        await self._pass_over([one for one in others if dead or one.attempts + 1 >= self._attempts])

    async def _pass_over(self, members: Sequence[NotificationState]) -> None:
        """Let these alerts climb past their receiver, each once."""
        left = [one for one in members if one.kind == "breach" and not one.passed]
        await self._records.carry_out(left, partial(sending.pass_over, book=self._means.policies.book), contacts=True)


def _was_rung(heard: Sequence[NotificationState]) -> bool:
    return any(one.kind == "breach" for one in heard)
