"""The CloudEvents envelope around every event, its identity and its place in the order of a contact."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Identity = str
"""A short stable name for (source, id): 96 bits in URL-safe base 64, 16 characters."""

Name = str
"""`source`, a blank and `id`: as unique as the pair, and sorted as it is, for no source has a blank."""


def cut_to_milliseconds(value: datetime) -> datetime:
    """The instant in UTC, without what BSON can't keep; ValueError where its date in UTC would leave the calendar."""
    if value.tzinfo is not UTC:
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise ValueError("must be between the years 1 and 9999 in UTC") from None
    microsecond = value.microsecond
    return value if microsecond % 1000 == 0 else value.replace(microsecond=microsecond - microsecond % 1000)


def format_instant(value: datetime) -> str:
    """RFC 3339 in UTC with `Z`; milliseconds only where there are some."""
    value = cut_to_milliseconds(value)
    spec = "milliseconds" if value.microsecond else "seconds"
    return value.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


class UndecodableEvent(ValueError):
    """These bytes are no event that this version knows; they can never be processed as they are."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer}: {reason}" if pointer else reason)
        self.pointer = pointer
        self.reason = reason


class Data(BaseModel):
    """What an event says; unknown fields travel on in the record and are ignored here."""

    model_config = ConfigDict(extra="ignore", frozen=True)


D = TypeVar("D", bound=Data)

_Instant = Annotated[AwareDatetime, AfterValidator(cut_to_milliseconds)]


class Event(BaseModel, Generic[D]):
    """A CloudEvent with typed data. Unknown extensions are kept in `model_extra`."""

    __slots__ = ("_raw",)  # no private attribute of pydantic's: those cost microseconds an event
    model_config = ConfigDict(extra="allow", frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, max_length=500)
    source: str = Field(min_length=1, max_length=500)
    type: str
    time: _Instant
    subject: str | None = None
    datacontenttype: str | None = "application/json"
    partitionkey: str | None = None
    causationid: str | None = None
    recordedtime: _Instant | None = None
    sequence: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    erasedas: str | None = None
    backfill: bool = False
    data: D

    def __eq__(self, other: object) -> bool:
        """Two events are equal when they say the same, however they were written."""
        return type(self) is type(other) and self.__dict__ == other.__dict__ and self.model_extra == other.model_extra

    def __hash__(self) -> int:
        return hash((self.source, self.id))

    @property
    def raw(self) -> bytes | None:
        """The record it was decoded from, with all that our models ignore; None for an event of our own making."""
        return getattr(self, "_raw", None)

    def came_as(self, record: bytes) -> None:
        """Remember the record."""
        object.__setattr__(self, "_raw", record)

    @property
    def identity(self) -> Identity:
        return identity(self.source, self.id)

    @property
    def name(self) -> Name:
        return f"{self.source} {self.id}"

    @property
    def order(self) -> OrderKey:
        """Its place among the events of its contact."""
        return natural_order(self.time, self.sequence, self.type, self.name)

    @property
    def recorded(self) -> datetime:
        """When intake took it in; for an event of our own, when it became true."""
        return self.recordedtime or self.time


@lru_cache(maxsize=1024)  # several look at the same event, one after the other
def identity(source: str, event_id: str) -> Identity:
    digest = hashlib.blake2b(f"{source}\0{event_id}".encode(), digest_size=12).digest()
    return base64.urlsafe_b64encode(digest).decode()


def identity_of(name: Name) -> Identity:
    """The identity of the event of this name. A name without a blank is none of an event's and stays what it is."""
    source, blank, event_id = name.partition(" ")
    return identity(source, event_id) if blank else name


_RANK = {
    "contact.received": 0,
    "contact.assigned": 2,
    "contact.escalated": 3,
    "contact.waiting": 4,
    "contact.resumed": 5,
    "contact.reclassified": 1,
    "contact.updated": 6,
    "contact.responded": 7,
    "contact.promised": 8,
    "contact.merged": 8,
    "contact.abandoned": 8,
    "contact.resolved": 9,
    "contact.confirmed": 10,
    "contact.reopened": 11,
}

OrderKey = tuple[int, int, str, int, str]
"""Sorts the events of one contact; compares as a tuple and survives JSON."""


def natural_order(time: datetime, sequence: str | None, event_type: str, name: Name) -> OrderKey:
    """
    The place of an event among those of its contact, the same whatever the order of arrival.

    By time, then CloudEvents' `sequence` (numbers as numbers, before everything
    else; none before any), then the natural order of types, then (source, id).
    """
    millis = int(time.timestamp() * 1000 + 0.5)
    number = int(sequence) if sequence and sequence.isdecimal() and len(sequence) < 19 else -1  # noqa: PLR2004 - 63 bits
    text = sequence if sequence and number < 0 else ""
    return (millis, number, text, _RANK.get(event_type, 5), name)
