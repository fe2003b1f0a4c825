"""From verdicts to records: what goes on to contact-events, and what goes, whole, to the dead letters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rapport.cloudevents import MalformedEvent, from_kafka, to_structured
from rapport.contracts import topics
from rapport.runtime.dead_letter import dead_letter
from rapport.runtime.publisher import STRUCTURED, Outgoing

from intake.domain import Accepted, Door, Fault, Refusal, Refused, admit, malformed
from intake.reading import Came, InBinaryMode

SERVICE: Final = "intake"
HTTP: Final = "http"
"""Stands for the topic in dead letters of events that came by HTTP."""

MOST_KEPT: Final = (2 << 20) - (64 << 10)
"""Bytes of a refused record that a dead letter can hold: the topic takes 2 MiB, with what is said of it."""

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


def posted_records(verdicts: Sequence[Verdict], events: Sequence[Came], now: datetime) -> Iterator[Outgoing]:
    """
    What has to be stored before a request may be answered, from the verdict on each event that came.

    What violates the contract goes to the dead letters, a JSON document or the
    body in binary mode byte for byte (but for one whose customer was filled in, by
    whom it has to be found again); what is malformed, forbidden or too large does not, since the sender
    still has it.
    """
    for verdict, came in zip(verdicts, events, strict=True):
        if isinstance(verdict, Accepted):
            yield accepted_record(verdict)
        elif verdict.refusal is Refusal.CONTRACT:
            yield _dead(_posted(came), verdict.lasting, now)


def _posted(came: Came) -> Posted:
    if isinstance(came, InBinaryMode):
        return Posted(came.body, headers=came.headers)
    return Posted(came if isinstance(came, bytes) else to_structured(came))


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
    """
    Where a record of contact-events.in goes: on, or, refused for whatever reason, whole to the dead letters.

    Packed well, a record of any size fits through Kafka, but no dead letter holds
    it: of such a one only the beginning is kept, or it would stop all behind it.
    """
    if isinstance(verdict, Accepted):
        return accepted_record(verdict)
    return _dead(record if _size(record) <= MOST_KEPT else _beginning(record), verdict.lasting, now)


def _size(record: Any) -> int:
    headers = sum(len(name.encode()) + len(value or b"") for name, value in record.headers)
    return headers + len(record.key or b"") + len(record.value or b"")


def _beginning(record: Any) -> Posted:
    value, key = (record.value or b"")[: MOST_KEPT // 2], (record.key or b"")[: MOST_KEPT // 4]
    return Posted(value, key or None, (), record.topic, record.partition, record.offset)


def _dead(record: Any, fault: Fault, now: datetime) -> Outgoing:
    return dead_letter(record, service=SERVICE, pointer=fault.pointer, reason=fault.reason, now=now)
