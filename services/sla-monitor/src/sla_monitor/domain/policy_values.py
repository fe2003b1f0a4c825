"""
The values that a policy file is written in: hours, lengths, shares, names; each read from YAML, each with its schema.

What a value may look like is said once, beside the function that reads it, so
that an editor's hints and our own refusals agree.
"""

from datetime import date, time, timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema
from rapport.business_time.opening_hours import WEEKDAYS

from sla_monitor.domain.durations import Length, Warn, read_length, read_share, read_wall, read_warn

Scalar = str | bool | int | float

_DAY: Final = f"(?:{'|'.join(WEEKDAYS)})"
_DAYS: Final = f"{_DAY}(?: ?- ?{_DAY})?"
_CLOCK: Final = r"\d{1,2}:\d{2}(?::\d{2})?"


def as_list(value: object) -> object:
    return list(value) if isinstance(value, list | tuple) else [value]


def one_or_more(of: dict[str, Any], *, least: int = 0) -> WithJsonSchema:
    """The schema of a value that may stand alone or in a list."""
    some: dict[str, Any] = {"type": "array", "items": of}
    if least:
        some["minItems"] = least
    return WithJsonSchema({"anyOf": [of, some]}, mode="validation")


def _text(pattern: str, about: str, *examples: str) -> WithJsonSchema:
    said: dict[str, Any] = {"type": "string", "pattern": f"^(?:{pattern})$", "description": about}
    return WithJsonSchema({**said, "examples": list(examples)}, mode="validation")


def _time_of_day(value: object) -> time:
    if isinstance(value, time):
        return value
    try:
        found = time.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a time of day such as 15:00") from None
    if found.tzinfo is not None:
        raise ValueError(f"{value!r} names a zone; a cutoff is meant in the calendar's")
    return found


def _interval(value: object) -> tuple[str, str]:
    if isinstance(value, tuple | list) and len(value) == 2:  # noqa: PLR2004 - a pair
        return (str(value[0]), str(value[1]))
    opens, dash, closes = str(value).partition("-")
    if not dash:
        raise ValueError(f"{value!r} is not an interval such as 09:00-17:00")
    return (opens.strip(), closes.strip())


def _weekdays(text: str) -> list[str]:
    days: list[str] = []
    for part in text.replace(" ", "").lower().split(","):
        first, _, last = part.partition("-")
        if first not in WEEKDAYS or (last or first) not in WEEKDAYS:
            raise ValueError(f"{text!r} is not a weekday or a range of them, such as mon or mon-fri")
        start, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        days += [WEEKDAYS[at % 7] for at in range(start, end + 1 if end >= start else end + 8)]
    return days


def _week(value: object) -> object:
    """Hours by single weekdays; a weekday named twice is a contradiction."""
    if not isinstance(value, dict):
        raise ValueError("must map weekdays to lists of intervals")  # noqa: TRY004 - pydantic wants ValueError
    week: dict[str, Any] = {}
    for key, hours in value.items():
        for day in _weekdays(str(key)):
            if day in week:
                raise ValueError(f"{day} is given twice")
            week[day] = hours
    return week


_INTERVAL_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": rf"^\s*{_CLOCK}\s*-\s*{_CLOCK}\s*$",
    "examples": ["09:00-17:00", "22:00-06:00", "00:00-24:00"],
}
INTERVALS_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [_INTERVAL_SCHEMA, {"type": "array", "items": _INTERVAL_SCHEMA}],
    "description": "opening hours of a day; an interval may cross midnight, 24:00 is the next midnight",
}

Interval = Annotated[tuple[str, str], BeforeValidator(_interval), WithJsonSchema(_INTERVAL_SCHEMA, mode="validation")]
Intervals = Annotated[list[Interval], BeforeValidator(as_list), WithJsonSchema(INTERVALS_SCHEMA, mode="validation")]
Week = Annotated[
    dict[str, Intervals],
    BeforeValidator(_week),
    WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {rf"^\s*{_DAYS}(?: ?, ?{_DAYS})*\s*$": INTERVALS_SCHEMA},
            "additionalProperties": False,
            "description": "opening hours by weekday or range of weekdays",
            "examples": [{"mon-fri": ["09:00-12:30", "13:00-17:00"]}],
        },
        mode="validation",
    ),
]
Overrides = Annotated[
    dict[date, Annotated[list[Interval], BeforeValidator(as_list)]],
    WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {r"^\d{4}-\d\d-\d\d$": INTERVALS_SCHEMA},
            "additionalProperties": False,
            "description": "hours of single dates, instead of the weekday's",
        },
        mode="validation",
    ),
]
TimeOfDay = Annotated[
    time, BeforeValidator(_time_of_day), _text(r"\d{2}:\d{2}(?::\d{2})?", "a local time of day", "15:00")
]
Wall = Annotated[
    timedelta,
    BeforeValidator(lambda value: value if isinstance(value, timedelta) else read_wall(value)),
    _text(r"(?: *\d+(?:\.\d+)?[smhdw])+ *", "a length of time by the clock on the wall", "10s", "5m", "1h30m", "7d"),
]
Span = Annotated[
    Length,
    BeforeValidator(lambda value: value if isinstance(value, Length) else read_length(value)),
    _text(
        r"\s*[1-9]\d* business days?\s*|(?: *\d+(?:\.\d+)?[smh])+ *",
        "open time in the policy's calendar, or business days",
        "30s",
        "5m",
        "4h",
        "3 business days",
    ),
]
Share = Annotated[
    float,
    BeforeValidator(lambda value: value if isinstance(value, float) else read_share(value)),
    Field(ge=0, le=1),
    _text(r"\s*(?:100|\d{1,2}(?:\.\d+)?) ?%\s*", "a share", "10%"),
]
_WARN_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": r"^\s*(?:(?!0+(?:\.0+)? ?%)\d{1,2}(?:\.\d+)? ?%|(?: *\d+(?:\.\d+)?[smh])+ before)\s*$",
    "examples": ["75%", "30m before"],
}
Warn_ = Annotated[Warn, BeforeValidator(lambda value: value if isinstance(value, Warn) else read_warn(value))]
Warns = Annotated[
    list[Warn_],
    BeforeValidator(as_list),
    one_or_more(_WARN_SCHEMA),
]
Names = Annotated[list[str], BeforeValidator(as_list), one_or_more({"type": "string"}, least=1)]


def listed(*words: str) -> WithJsonSchema:
    """The schema of one or several of some words."""
    return one_or_more({"enum": list(words)})
