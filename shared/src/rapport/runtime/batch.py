"""From polled records to a plan: what is new is decoded and decided in order; what never can be is a dead letter."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rapport.contracts import Data, Event, UndecodableEvent, decode
from rapport.decision import Domain, Touch
from rapport.runtime import telemetry
from rapport.runtime.dead_letter import FailureShare, dead_letter
from rapport.runtime.plan import Outcome, Plan
from rapport.runtime.store import Row

log = telemetry.logger()


class WrongCluster(Exception):
    """The topic does not hold what was read from it before: another cluster, or it was made anew."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records to settle together. `refusal`, where given, is why the store never takes what follows from them."""

    service: str
    domain: Domain
    failures: FailureShare
    records: Sequence[Any]
    refusal: str | None = None

    def plan(self, rows: Mapping[int, Row], now: datetime) -> Plan:
        """What the records beyond their partitions' positions ask for. `WrongCluster` where one is not what it was."""
        decoded: list[tuple[Any, Event[Data] | UndecodableEvent]] = []
        touches: list[Touch] = []
        for record in self.records:
            if _is_fresh(record, rows[record.partition]):
                event, touched = self._decoded(record)
                decoded.append((record, event))
                touches += touched
        return Plan(touches, lambda outcome: self._decide_all(decoded, outcome), _moved(decoded, rows, now))

    def _decoded(self, record: Any) -> tuple[Event[Data] | UndecodableEvent, list[Touch]]:
        if self.refusal:
            return UndecodableEvent("", self.refusal), []
        try:
            event = decode(record.value)
        except UndecodableEvent as error:
            return error, []
        try:
            return event, list(self.domain.touches(event))
        except Exception as error:  # noqa: BLE001 - refuses this record; the share of such is limited
            return self._refused(event, record, error), []

    def _decide_all(
        self, decoded: Sequence[tuple[Any, Event[Data] | UndecodableEvent]], outcome: Outcome
    ) -> Iterator[None]:
        outcome.taken = len(decoded)
        for record, event in decoded:
            failure = event if isinstance(event, UndecodableEvent) else self._decide(event, record, outcome)
            if failure:
                outcome.refused[record.topic] += 1
                letter = dead_letter(
                    record, service=self.service, pointer=failure.pointer, reason=failure.reason, now=outcome.now
                )
                outcome.told[record.partition].append(letter)
            yield
        self.failures.check(taken=outcome.taken, refused=outcome.refused.total())

    def _decide(self, event: Event[Data], record: Any, outcome: Outcome) -> UndecodableEvent | None:
        try:
            decision = self.domain.on_event(event, record.partition, outcome.states, outcome.now)
            outcome.apply(decision, record.partition)
        except Exception as error:  # noqa: BLE001 - as above
            return self._refused(event, record, error)
        return None

    def _refused(self, event: Event[Data], record: Any, error: Exception) -> UndecodableEvent:
        log.error("the domain refused a record", topic=record.topic, source=event.source, id=event.id, exc_info=error)
        return UndecodableEvent("", f"{type(error).__name__}: {error}")


def digest(record: Any) -> str:
    """Tells one record from another that stands at the same place of another cluster."""
    return hashlib.blake2b(record.value or b"", digest_size=8).hexdigest()


def _is_fresh(record: Any, row: Row) -> bool:
    """Whether a record is new; the one that was settled last must be the one we remember."""
    position = row.offsets.get(record.topic)
    if position is None or record.offset >= position:
        return True
    last = row.last.get(record.topic)
    if last and last[0] == record.offset and last[1] != digest(record):
        raise WrongCluster(
            f"{record.topic}/{record.partition} holds another record at offset {record.offset} than was read there "
            "before: is this another cluster, or was the topic made anew?"
        )
    return False


def _moved(decoded: Sequence[tuple[Any, Any]], rows: Mapping[int, Row], now: datetime) -> dict[int, Row]:
    moved: dict[int, Row] = {}
    newest = {(record.topic, record.partition): record for record, _ in decoded}
    for (topic, partition), record in newest.items():
        row = moved.get(partition) or rows[partition].copy()
        row.offsets[topic] = record.offset + 1
        row.last[topic] = (record.offset, digest(record))
        moved[partition] = row
    for record, event in decoded:
        if getattr(event, "backfill", False):
            moved[record.partition].backfilled_at = now
    return moved
