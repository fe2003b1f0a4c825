"""From verdicts to records: what goes on to contact-events, and what goes, whole, to the dead letters."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rapport.cloudevents import CloudEvent, MalformedEvent, from_kafka, to_structured
from rapport.contracts import topics
from rapport.runtime.dead_letter import dead_letter
from rapport.runtime.publisher import STRUCTURED, Outgoing

from intake.domain import Accepted, Door, Fault, Refusal, Refused, admit, malformed

SERVICE: Final = "intake"
HTTP: Final = "http"
"""Stands for the topic in dead letters of events that came by HTTP."""

Verdict = Accepted | Refused


@dataclass(frozen=True, slots=True)
class Posted:
    """An event that came by HTTP, in the shape of the record that a dead letter is made from."""

    value: bytes
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = STRUCTURED
    topic: str = HTTP
    partition: int = -1
    offset: int = -1


def accepted_record(verdict: Accepted) -> Outgoing:
    return Outgoing(topics.CONTACT_EVENTS, verdict.key.encode(), verdict.value)


def posted_records(outcomes: Iterable[tuple[Verdict, CloudEvent | None]], now: datetime) -> Iterator[Outgoing]:
    """
    What has to be stored before a request may be answered; with each verdict comes the event, where it was read.

    What violates the contract goes to the dead letters; what is malformed,
    forbidden or too large does not, since the sender still has it.
    """
    for verdict, event in outcomes:
        if isinstance(verdict, Accepted):
            yield accepted_record(verdict)
        elif verdict.refusal is Refusal.CONTRACT and event is not None:
            yield _dead(Posted(to_structured(event)), verdict.lasting, now)


def judge(record: Any, door: Door) -> Verdict:
    """Whether a record of contact-events.in may go on. A key, unless it is empty, must be the customer's id."""
    try:
        event = from_kafka(record.value, record.headers)
    except MalformedEvent as error:
        return Refused("", Refusal.MALFORMED, (malformed(error),), error.kind)
    verdict = admit(event, door)
    if isinstance(verdict, Accepted) and record.key and record.key != verdict.key.encode():
        return Refused(verdict.id, Refusal.CONTRACT, (Fault("/data/customer_id", "key_mismatch"),))
    return verdict


def forwarded(record: Any, verdict: Verdict, now: datetime) -> Outgoing:
    """Where a record of contact-events.in goes: on, or, refused for whatever reason, whole to the dead letters."""
    if isinstance(verdict, Accepted):
        return accepted_record(verdict)
    return _dead(record, verdict.lasting, now)


def _dead(record: Any, fault: Fault, now: datetime) -> Outgoing:
    return dead_letter(record, service=SERVICE, pointer=fault.pointer, reason=fault.reason, now=now)
