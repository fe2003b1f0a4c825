"""The short forms that a plays file is written in: `3w`, `2 per 30d`, `20:00-09:00`, `next 10:00`."""

import re
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d{1,6})\s*([smhdw])")
_BUSINESS = re.compile(r"(\d{1,4})\s+business\s+(day|hour)s?")
_CAP = re.compile(r"(\d{1,4})\s+per\s+(\S+)")
_CLOCK = re.compile(r"(\d\d):(\d\d)")


def read_span(text: object) -> timedelta:
    """A length of wall-clock time such as `30s`, `4h`, `1d` or `3w`; a day is 24 hours."""
    if isinstance(text, timedelta):
        return text
    found = _SPAN.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        raise ValueError(f"{text!r} is no duration: write a number and s, m, h, d or w, such as 3d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def write_span(span: timedelta) -> str:
    """The shortest form that `read_span` reads back."""
    seconds = round(span.total_seconds())
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Span = Annotated[timedelta, BeforeValidator(read_span), PlainSerializer(write_span)]


@dataclass(frozen=True, slots=True)
class Delay:
    """How long after its trigger a step is due: wall-clock time, or open hours or days of the customer's calendar."""

    span: timedelta = timedelta()
    business: int = 0
    unit: Literal["day", "hour"] = "day"

    @classmethod
    def read(cls, text: object) -> "Delay":
        if isinstance(text, Delay):
            return text
        found = _BUSINESS.fullmatch(text.strip()) if isinstance(text, str) else None
        if found:
            return cls(business=int(found[1]), unit="day" if found[2] == "day" else "hour")
        return cls(span=read_span(text))

    def __str__(self) -> str:
        if self.business:
            return f"{self.business} business {self.unit}{'s' if self.business > 1 else ''}"
        return write_span(self.span)


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` within any stretch of `per`."""

    most: int
    per: timedelta

    @classmethod
    def read(cls, text: object) -> "Cap":
        if isinstance(text, Cap):
            return text
        found = _CAP.fullmatch(text.strip()) if isinstance(text, str) else None
        if not found:
            raise ValueError(f"{text!r} is no cap: write it like 2 per 30d")
        most = int(found[1])
        if most == 0:
            raise ValueError(f"{text!r} leaves room for nothing: leave out the steps that must never happen")
        return cls(most, read_span(found[2]))

    def __str__(self) -> str:
        return f"{self.most} per {write_span(self.per)}"


def read_clock(text: str) -> time:
    """A local time of day, 00:00 to 24:00; 24:00 is the next midnight and reads as 00:00."""
    found = _CLOCK.fullmatch(text.strip())
    if text.strip() == "24:00":
        return time(0)
    if not found or int(found[1]) > 23 or int(found[2]) > 59:  # noqa: PLR2004 - a clock's own numbers
        raise ValueError(f"{text!r} is no time of day: write it like 09:00")
    return time(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Hours:
    """From one local time of day to another, over midnight where the second is not later."""

    start: time
    end: time

    @classmethod
    def read(cls, text: object) -> "Hours":
        if isinstance(text, Hours):
            return text
        start, dash, end = text.partition("-") if isinstance(text, str) else ("", "", "")
        if not dash:
            raise ValueError(f"{text!r} are no hours: write them like 20:00-09:00")
        hours = cls(read_clock(start), read_clock(end))
        if hours.start == hours.end:
            raise ValueError(f"{text!r} leaves no time of the day open, or is empty")
        return hours

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


def read_next(text: object) -> time:
    """The time of day in `next 10:00`."""
    if isinstance(text, time):
        return text
    word, _, clock = text.partition(" ") if isinstance(text, str) else ("", "", "")
    if word != "next":
        raise ValueError(f"{text!r} is no instant: write it like next 10:00")
    return read_clock(clock)


RISK_LASTS = timedelta(days=90)
"""How long a sign of risk counts where the plays only say that there must be one."""


def read_risk(value: object) -> timedelta | None:
    """How old a sign of risk may be: `true` means the usual time, `false` that none is asked for."""
    if value is None or isinstance(value, bool):
        return RISK_LASTS if value else None
    try:
        return read_span(value)
    except ValueError:
        raise ValueError(f"{value!r} is neither true nor false nor how old a sign may be, such as 90d") from None


def _as_text(value: Any) -> str:
    return str(value)


DelayField = Annotated[Delay, BeforeValidator(Delay.read), PlainSerializer(_as_text)]
CapField = Annotated[Cap, BeforeValidator(Cap.read), PlainSerializer(_as_text)]
RiskField = Annotated[
    timedelta | None,
    BeforeValidator(read_risk),
    PlainSerializer(lambda lasts: None if lasts is None else write_span(lasts)),
]
HoursField = Annotated[Hours, BeforeValidator(Hours.read), PlainSerializer(_as_text)]
NextField = Annotated[time, BeforeValidator(read_next), PlainSerializer(lambda at: f"next {at:%H:%M}")]
