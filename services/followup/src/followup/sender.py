"""
Takes messages that wait, hands them over, and records what became of them.

One replica at a time, to a mail server or to a service that carries texts.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from rapport.decision import Decision, Ref, States
from rapport.runtime import telemetry
from rapport.runtime.clock import Clock
from rapport.runtime.lease import Lease
from rapport.runtime.mongo import MongoError
from rapport.runtime.processor import Processor
from rapport.runtime.store import Store
from rapport.runtime.through_apprise import ThroughApprise

from followup.domain import sending
from followup.domain.erasing import customer_of
from followup.domain.state import Message, SurveyLink
from followup.mails import Links, Writer
from followup.outcome import Outcome
from followup.playbook import Playbook, Version
from followup.smtp import Server, deliver
from followup.telemetry import MESSAGES
from followup.texts import deliver_text
from followup.tokens import hashed, new_token
from followup.wording import Unwritable

log = telemetry.logger()

_AT_ONCE: Final = 8
_IDLE_SECONDS: Final = 0.25
_OTHERS_SECONDS: Final = 2.0
_LAST_SECONDS: Final = 20.0
"""How long a stop waits for what is on its way; a mail server has less."""
_LOOK_AROUND_EVERY: Final = timedelta(seconds=5)


class Sender:
    """
    Sends under a lease whose token it leaves on every message it takes.

    One trip to a mail server is shorter than the lease, so a message in `sending`
    under an older token was lost in a crash: it has failed, nobody knows how. A
    process that stood still past its term hands nothing over any more, and what it
    takes all the same and leaves is found by whoever sends now.

    What a mail server said is recorded however long MongoDB is away; where MongoDB did
    not say whether a message is taken, it has not been handed over, and waits again.
    `of_customer` names what is read of a customer, by whatever name they have now.
    """

    def __init__(
        self,
        processor: Processor,
        store: Store,
        lease: Lease,
        clock: Clock,
        playbook: Playbook,
        writer: Writer,
        links: Callable[[], Links],
        of_customer: Callable[[str], list[Ref]],
    ) -> None:
        self._of_customer = of_customer
        self._processor = processor
        self._store = store
        self._lease = lease
        self._clock = clock
        self._playbook = playbook
        self._writer = writer
        self._links = links
        self._apprise = ThroughApprise(allow_internal=True)
        self._settled: int | None = None
        self._looked_around = clock.now()
        self._unsure: set[str] = set()
        self._sent = 0

    async def run(self) -> None:
        """Send for ever. A stop lets what is on its way arrive and be recorded."""
        try:
            while True:
                await self._processor.patiently("sender", self._finish_round)
                if not self._sent:
                    await self._clock.sleep(_IDLE_SECONDS if self._settled else _OTHERS_SECONDS)
        finally:
            with contextlib.suppress(*MongoError):
                await self._lease.release()

    async def round(self) -> int:
        """Send what waits, some at once; answers how many were taken up."""
        fence = await self._lease.held()
        if fence is None:
            self._settled = None
            return 0
        now = self._clock.now()
        if self._settled != fence or now - self._looked_around >= _LOOK_AROUND_EVERY:
            await self._settle_lost(fence)
            self._settled, self._looked_around = fence, now
        await self._put_back_unsure(fence)
        where = {"status": "pending", "next_at": {"$lte": now}}
        waiting = await self._store.find(Message, where, sort=(("next_at", 1),), limit=_AT_ONCE)
        ends = await asyncio.gather(*(self._send(message, fence) for message in waiting), return_exceptions=True)
        for error in filter(None, ends):
            raise error
        return len(waiting)

    async def _finish_round(self) -> None:
        task = asyncio.ensure_future(self.round())
        try:
            self._sent = await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task}, timeout=_LAST_SECONDS)
            task.cancel()
            await asyncio.wait({task})
            raise

    async def _settle_lost(self, fence: int) -> None:
        for message in await self._store.find(Message, {"status": "sending"}):
            if message.fence < fence:
                log.warning("a message was lost on its way and is not sent again", followup=message.id)
                await self._record(message, Outcome("unknown"), None)

    async def _put_back_unsure(self, fence: int) -> None:
        for name in list(self._unsure):
            message = await self._store.get(Message, name)
            if message and message.status == "sending" and message.fence == fence:
                await self._record(message, Outcome("later", "MongoDB did not answer"), None)
            self._unsure.discard(name)

    async def _send(self, message: Message, fence: int) -> None:
        if not self._lease.lasts:
            return
        token = new_token()
        version = self._playbook.in_force
        taken: sending.Taken | None = None

        def take(current: Message | None, states: States, now: datetime) -> Decision[Any]:
            nonlocal taken
            taken = None
            customer = customer_of(message, states)
            if current is None or customer is None:
                return Decision()
            current = current.but(customer_id=customer.id)
            decision, taken = sending.take(current, customer, version.rules, now, fence=fence, token=hashed(token))
            return decision

        try:
            await self._act(message, take)
        except MongoError:
            self._unsure.add(message.id)
            raise
        if taken is not None:
            stood_still = Outcome("later", "its sender stood still")
            outcome = await self._deliver(taken, token, version) if self._lease.lasts else stood_still
            await self._record(message, outcome, taken)

    async def _deliver(self, taken: sending.Taken, token: str, version: Version) -> Outcome:
        to, outlet = taken.way.address or "", version.outlets[taken.way.sender]
        try:
            chosen = self._writer.choose(taken)
            if chosen.falls_back:
                log.info("template falls back", wanted=chosen.wanted, used=chosen.file)
            if not isinstance(outlet, Server):
                text = self._writer.write_text(taken, chosen, token, version.plays, self._links())
                return await deliver_text(taken.followup.id, text, to, outlet, self._apprise)
            mail = self._writer.write(taken, chosen, token, version.plays, self._links(), self._clock.now())
        except Unwritable as error:
            log.error("a message can't be written", followup=taken.followup.id, error=str(error))  # noqa: TRY400
            return Outcome("refused", str(error)[:500])
        return await deliver(mail, mail["From"].addresses[0].addr_spec, mail["To"].addresses[0].addr_spec, outlet)

    async def _record(self, message: Message, outcome: Outcome, taken: sending.Taken | None) -> None:
        rules = self._playbook.in_force.rules

        def settle(current: Message | None, states: States, now: datetime) -> Decision[Any]:
            customer = customer_of(message, states)
            if current is None or customer is None:
                return Decision()
            current = current.but(customer_id=customer.id)
            match outcome.result:
                case "sent":
                    return sending.sent(current, customer, taken.link if taken else None, rules, now)
                case "later":
                    return sending.try_again(current, customer, rules, now, outcome.reason)
                case "refused":
                    dead = taken.way.address if taken and outcome.nobody else None
                    return sending.failed(current, customer, rules, now, outcome.reason, dead)
                case _:
                    return sending.failed(current, customer, rules, now, sending.UNKNOWN)

        await self._processor.patiently("sender", lambda: self._act(message, settle))
        MESSAGES.labels(outcome.result).inc()
        log.info("message", followup=message.id, result=outcome.result, reason=outcome.reason)

    async def _act(self, message: Message, decide: Callable[[Message | None, States, datetime], Decision[Any]]) -> None:
        touches = [*self._of_customer(message.customer_id), Ref(SurveyLink, message.id)]
        await self._processor.act(Message, message.id, decide, touches=touches)
