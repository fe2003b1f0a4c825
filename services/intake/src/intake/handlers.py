"""Kafka in: contact-events.in is judged and forwarded, dead-letters is mirrored. At least once, both."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from rapport.contracts import topics
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock, backoff
from rapport.runtime.mongo import MongoError, is_transient
from rapport.runtime.publisher import NotAcknowledged

from intake import telemetry
from intake.domain import Caller, Door
from intake.gate import Publishes, count_verdicts
from intake.letters import letter_of
from intake.records import SERVICE, forwarded, judge
from intake.store import DeadLetters

log = shared.logger()

Records = Sequence[Any]
Handler = Callable[[Records], Awaitable[None]]


def forwarder(publisher: Publishes, clock: Clock, live_window: timedelta) -> Handler:
    async def on_contact_events_in(records: Records) -> None:
        """Send on what satisfies the contract, and the rest, whole, to the dead letters."""
        now = clock.now()
        door = Door(Caller(), now, live_window)
        verdicts = [judge(record, door) for record in records]
        outgoing = [forwarded(record, verdict, now) for record, verdict in zip(records, verdicts, strict=True)]
        await patiently("forward", lambda: publisher.publish(outgoing), clock)
        count_verdicts(topics.CONTACT_EVENTS_IN, verdicts)

    return on_contact_events_in


def mirror(letters: DeadLetters, clock: Clock, topic_prefix: str) -> Handler:
    async def on_dead_letters(records: Records) -> None:
        """Copy what any service refused to where it can be looked at and replayed."""
        found = [letter_of(record, topic_prefix) for record in records]
        await patiently("mirror", lambda: letters.add(found), clock)
        telemetry.MIRRORED.inc(len(found))

    return on_dead_letters


async def patiently(what: str, attempt: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Try until Kafka and MongoDB are back; what can never succeed is raised."""
    waits = backoff()
    while True:
        try:
            return await attempt()
        except (NotAcknowledged, *MongoError) as error:
            if not isinstance(error, NotAcknowledged) and not is_transient(error):
                raise
            shared.RETRIES.labels(SERVICE, what).inc()
            log.warning("waiting", what=what, error=str(error)[:200])
        await clock.sleep(next(waits))
