"""Kafka in: contact-events.in is judged and forwarded, dead-letters is mirrored. At least once, both."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from rapport.contracts import topics
from rapport.runtime import telemetry as shared
from rapport.runtime.clock import Clock
from rapport.runtime.patience import Patience

from intake import telemetry
from intake.customers import Customers
from intake.domain import Caller, Door, Refused
from intake.gate import Publishes, count_verdicts
from intake.letters import letter_of
from intake.records import SERVICE, forwarded, judge
from intake.sources import Sources
from intake.store import DeadLetters

Records = Sequence[Any]
Handler = Callable[[Records], Awaitable[None]]


def forwarder(
    publisher: Publishes, sources: Sources, customers: Customers, clock: Clock, live_window: timedelta
) -> Handler:
    patiently = Patience(SERVICE, clock)

    async def on_contact_events_in(records: Records) -> None:
        """Send on what satisfies the contract, and the rest, whole, to the dead letters."""
        now = clock.now()
        door = Door(Caller(), now, live_window)
        verdicts = [judge(record, door) for record in records]
        outgoing = [forwarded(record, verdict, now) for record, verdict in zip(records, verdicts, strict=True)]
        await patiently("forward", lambda: publisher.publish(outgoing))
        if customers.asked_for():
            await patiently("customers", lambda: customers.note(verdicts))
        count_verdicts(topics.CONTACT_EVENTS_IN, verdicts)
        if refused := sum(isinstance(verdict, Refused) for verdict in verdicts):
            shared.DEAD.labels(SERVICE, topics.CONTACT_EVENTS_IN).inc(refused)
        sources.note(verdicts, now)

    return on_contact_events_in


def mirror(letters: DeadLetters, clock: Clock, topic_prefix: str) -> Handler:
    patiently = Patience(SERVICE, clock)

    async def on_dead_letters(records: Records) -> None:
        """Copy what any service refused to where it can be looked at and replayed."""
        found = [letter_of(record, topic_prefix) for record in records]
        await patiently("mirror", lambda: letters.add(found))
        telemetry.MIRRORED.inc(len(found))

    return on_dead_letters
