"""Lengths of time as the policy file writes them: "4h", "3 business days", "75%", "30m before"."""

import re
from datetime import timedelta
from typing import NamedTuple

_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_WALL = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_DAYS = re.compile(r"(\d+) business days?")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")
_BEFORE = re.compile(r"(.+) before")
_WHOLE = 100
_LONGEST_DAYS = 3660
"""Ten years: past that a length is a slip of the pen, and sums with it could leave the calendar."""


class Length(NamedTuple):
    """How long a target allows: open seconds, or business days."""

    seconds: float = 0
    days: int = 0


class Warn(NamedTuple):
    """When a warning is told: after a share of the open time allowed, or so many open seconds before it is used up."""

    share: float = 0
    before: float = 0

    def used(self, total: float) -> float:
        """The open seconds after which it is told, of `total` allowed; negative if never."""
        return total * self.share if self.share else total - self.before


class TooLong(ValueError):
    """A length that nobody means."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:50]!r} is longer than ten years")


def read_seconds(text: object, *, units: str = "smhdw") -> float:
    """The seconds in "90s", "1h30m" or "7d"; ValueError for anything else."""
    if isinstance(text, str) and text:
        parts = _WALL.findall(text)
        if "".join(number + unit for number, unit in parts) == text.replace(" ", "") and all(
            u in units for _, u in parts
        ):
            seconds = sum(float(number) * _UNIT[unit] for number, unit in parts)
            if seconds > _LONGEST_DAYS * _UNIT["d"]:
                raise TooLong(text)
            return seconds
    raise ValueError(f"{text!r} is not a duration such as {', '.join('30' + unit for unit in units)}")


def read_wall(text: object) -> timedelta:
    """Time by the clock on the wall."""
    return timedelta(seconds=read_seconds(text))


def read_length(text: object) -> Length:
    """What a target allows. Plain days are refused: nobody could tell whether 24 or 8 hours are meant."""
    if isinstance(text, str):
        days = _DAYS.fullmatch(text.strip())
        if days and float(days[1]) > _LONGEST_DAYS:
            raise TooLong(text)
        if days and int(days[1]) > 0:
            return Length(days=int(days[1]))
    try:
        return Length(seconds=read_seconds(text, units="smh"))
    except TooLong:
        raise
    except ValueError:
        raise ValueError(f"{text!r} is not a length such as 30s, 5m, 4h or 3 business days") from None


def read_share(text: object) -> float:
    """The share in "75%"."""
    found = _PERCENT.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or not 0 <= float(found[1]) <= _WHOLE:
        raise ValueError(f"{text!r} is not a share such as 75%")
    return float(found[1]) / _WHOLE


def read_warn(text: object) -> Warn:
    if isinstance(text, str):
        before = _BEFORE.fullmatch(text.strip())
        if before:
            return Warn(before=read_seconds(before[1], units="smh"))
        if _PERCENT.fullmatch(text.strip()):
            share = read_share(text)
            if 0 < share < 1:
                return Warn(share=share)
    raise ValueError(f"{text!r} is no warning such as 75% or 30m before")
