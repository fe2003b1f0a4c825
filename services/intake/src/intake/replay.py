"""Dead letters tried again: through the same validation, on to the topic they were meant for."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from rapport.contracts import topics
from rapport.runtime.clock import Clock
from rapport.runtime.patience import Patience
from rapport.runtime.publisher import Outgoing

from intake.connectors import Hooks
from intake.customers import Customers
from intake.domain import Accepted, Caller, Door, Refused
from intake.gate import Publishes, count_verdicts
from intake.hooked import remade
from intake.letters import HOOKS, Letter
from intake.reading import judged
from intake.records import HTTP, SERVICE, accepted_record, judge
from intake.store import Cursor, DeadLetters, Which

_PAGE: Final = 500
_SHOWN: Final = 100
_THROUGH_THE_DOOR: Final = (HTTP, topics.CONTACT_EVENTS_IN, topics.CONTACT_EVENTS)


@dataclass(slots=True)
class Outcome:
    """What became of the letters so far; `refused` gives, for the first hundred, why they are still dead."""

    replayed: int = 0
    still_refused: int = 0
    refused: list[dict[str, str]] = field(default_factory=list)


Progress = Callable[[Outcome], Awaitable[bool]]
"""Told after each page; answers whether to go on."""


class Replay:
    """Sends letters again. What has gone out is marked and not sent a second time."""

    def __init__(
        self,
        letters: DeadLetters,
        customers: Customers,
        hooks: Hooks,
        publisher: Publishes,
        live_window: timedelta,
        clock: Clock,
    ) -> None:
        self._letters = letters
        self._hooks = hooks
        self._customers = customers
        self._publisher = publisher
        self._live_window = live_window
        self._clock = clock
        self._patiently = Patience(SERVICE, clock)

    async def run(self, which: Which, *, by: str, rate: float | None, progress: Progress) -> Outcome:
        """
        Replay what is meant, the oldest first, as the admin who orders it, at most `rate` a second.

        Killed in the middle, it may be ordered again: a letter that went out but was
        not marked goes out once more, and its identity makes that harmless.
        """
        outcome = Outcome()
        after: Cursor | None = None
        limit = min(_PAGE, math.ceil(rate)) if rate else _PAGE
        while page := await self._waiting(which, limit, after):
            began = self._clock.now()
            await self._page(page, outcome, by=by)
            after = (page[-1].at, page[-1].id)
            if not await progress(outcome):
                break
            if rate:
                taken = (self._clock.now() - began).total_seconds()
                await self._clock.sleep(max(0.0, len(page) / rate - taken))
        return outcome

    async def _waiting(self, which: Which, limit: int, after: Cursor | None) -> list[Letter]:
        return await self._patiently("replay", lambda: self._letters.waiting(which, limit=limit, after=after))

    async def _page(self, page: Sequence[Letter], outcome: Outcome, *, by: str) -> None:
        now = self._clock.now()
        door = Door(Caller(admin=True), now, self._live_window)
        going: list[str] = []
        records: list[Outgoing] = []
        accepted: list[Accepted] = []
        for letter in await self._patiently("replay", lambda: self._customers.complete(page)):
            found = await self._hooked(letter, door) if letter.topic.startswith(HOOKS) else again(letter, door)
            if isinstance(found, str):
                outcome.still_refused += 1
                if len(outcome.refused) < _SHOWN:
                    outcome.refused.append({"id": letter.id, "reason": found})
                continue
            going.append(letter.id)
            if isinstance(found, Outgoing):
                records.append(found)
                continue
            events = [found] if isinstance(found, Accepted) else found
            accepted += events
            records += map(accepted_record, events)
        await self._patiently("replay", lambda: self._publisher.publish(records))
        await self._patiently("replay", lambda: self._letters.replayed(going, by=by, now=now))
        await self._patiently("replay", lambda: self._customers.note(accepted))
        outcome.replayed += len(going)

    async def _hooked(self, letter: Letter, door: Door) -> list[Accepted] | str:
        """The events of a webhook's payload, all of them, or why one of them is still refused."""
        events = remade(letter, self._hooks)
        if isinstance(events, str):
            return events
        completed = await self._patiently("replay", lambda: self._customers.resolve(events))
        verdicts = judged(completed, door)
        count_verdicts("replay", verdicts)
        accepted = [verdict for verdict in verdicts if isinstance(verdict, Accepted)]
        refused = [verdict for verdict in verdicts if isinstance(verdict, Refused)]
        return refused[0].lasting.reason if refused else accepted


def again(letter: Letter, door: Door) -> Accepted | Outgoing | str:
    """
    What to publish now, or why not.

    What was meant for contact-events is judged anew; what another service could
    not process goes back, as it was, to the topic that it came from.
    """
    if letter.topic in _THROUGH_THE_DOOR:
        verdict = judge(letter, door)
        count_verdicts("replay", [verdict])
        return verdict if isinstance(verdict, Accepted) else verdict.lasting.reason
    if letter.topic in topics.ALL and letter.topic != topics.DEAD_LETTERS:
        return Outgoing(letter.topic, letter.key, letter.value, letter.headers)
    return "came from no topic that is known here"
