"""What intake decides: whether an event satisfies the contract, may come from this caller, and is not too much."""

from intake.domain.admission import (
    MAX_EVENT,
    Accepted,
    Caller,
    Door,
    Refused,
    Trace,
    admit,
    may_send,
    too_large,
)
from intake.domain.faults import Fault, Refusal, malformed
from intake.domain.inflate import NotCompressed, TooMuch, UnknownEncoding, inflate
from intake.domain.rate import Bucket
from intake.domain.slices import slices
from intake.domain.swift import wave_through

__all__ = [
    "MAX_EVENT",
    "Accepted",
    "Bucket",
    "Caller",
    "Door",
    "Fault",
    "NotCompressed",
    "Refusal",
    "Refused",
    "TooMuch",
    "Trace",
    "UnknownEncoding",
    "admit",
    "inflate",
    "malformed",
    "may_send",
    "slices",
    "too_large",
    "wave_through",
]
