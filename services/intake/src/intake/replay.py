"""Dead letters tried again: through the same validation, on to the topic they were meant for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from rapport.contracts import topics
from rapport.runtime.publisher import Outgoing

from intake.domain import Accepted, Caller, Door
from intake.gate import Publishes, count_verdicts
from intake.letters import Letter
from intake.records import HTTP, accepted_record, judge
from intake.store import Cursor, DeadLetters, Which

MOST: Final = 10_000
"""Letters that one order replays; the rest waits for the next."""

_PAGE: Final = 500
_SHOWN: Final = 1000
_THROUGH_THE_DOOR: Final = (HTTP, topics.CONTACT_EVENTS_IN, topics.CONTACT_EVENTS)


@dataclass(slots=True)
class Outcome:
    """What became of the letters; `refused` gives, for the first thousand, why they are still dead."""

    replayed: int = 0
    still_refused: int = 0
    more: bool = False
    refused: list[dict[str, str]] = field(default_factory=list)


class Replay:
    """Sends letters again. What has gone out is marked and not sent a second time."""

    def __init__(self, letters: DeadLetters, publisher: Publishes, live_window: timedelta) -> None:
        self._letters = letters
        self._publisher = publisher
        self._live_window = live_window

    async def run(self, which: Which, *, by: str, now: datetime) -> Outcome:
        """
        Replay what is meant, the oldest first, as the admin who orders it.

        Killed in the middle, it may be ordered again: a letter that went out but was
        not marked goes out once more, and its identity makes that harmless.
        """
        outcome = Outcome()
        door = Door(Caller(admin=True), now, self._live_window)
        after: Cursor | None = None
        tried = 0
        while page := await self._letters.waiting(which, limit=_PAGE, after=after):
            await self._page(page, door, outcome, by=by, now=now)
            tried += len(page)
            after = (page[-1].at, page[-1].id)
            if tried >= MOST:
                outcome.more = bool(await self._letters.waiting(which, limit=1, after=after))
                break
        return outcome

    async def _page(self, page: Sequence[Letter], door: Door, outcome: Outcome, *, by: str, now: datetime) -> None:
        going: list[tuple[Letter, Outgoing]] = []
        for letter in page:
            record = again(letter, door)
            if isinstance(record, Outgoing):
                going.append((letter, record))
            else:
                outcome.still_refused += 1
                if len(outcome.refused) < _SHOWN:
                    outcome.refused.append({"id": letter.id, "reason": record})
        await self._publisher.publish([record for _, record in going])
        await self._letters.replayed([letter.id for letter, _ in going], by=by, now=now)
        outcome.replayed += len(going)


def again(letter: Letter, door: Door) -> Outgoing | str:
    """
    The record to publish now, or why not.

    What was meant for contact-events is judged anew; what another service could
    not process goes back, as it was, to the topic that it came from.
    """
    if letter.topic in _THROUGH_THE_DOOR:
        verdict = judge(letter, door)
        count_verdicts("replay", [verdict])
        return accepted_record(verdict) if isinstance(verdict, Accepted) else verdict.faults[0].reason
    if letter.topic in topics.ALL and letter.topic != topics.DEAD_LETTERS:
        return Outgoing(letter.topic, letter.key, letter.value, letter.headers)
    return "came from no topic that is known here"
