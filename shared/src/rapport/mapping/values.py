"""Values of a record, read as what a mapping says that they are."""

import html
import re
import string
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final
from zoneinfo import ZoneInfo

from rapport.contracts import format_instant
from rapport.mapping.file import Condition, FromPath, Like, Mapping, Matches, Not
from rapport.mapping.record import Record, Unreadable

_TRUE, _FALSE = {"1", "true", "yes", "y", "t"}, {"0", "false", "no", "n", "f"}
_MILLISECONDS: Final = 1e11
"""A Unix time from here on counts milliseconds: as seconds it would lie past the year 5000."""
_LONGEST: Final = 20_000
_SMALL: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_TAG: Final = re.compile(r"<(!--|[!?]|/?[A-Za-z][A-Za-z0-9]*)")
_BREAKS: Final = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "blockquote"})


def holds(condition: Condition, record: Record, path: str) -> bool:
    """Whether what stands there is what the condition wants."""
    if isinstance(condition, Not):
        return not holds(condition.condition, record, path)
    if condition == "present":
        return record.value(path) is not None
    if condition == "blank":
        return record.value(path) is None
    cell = record.comparable(record.text(path))
    if isinstance(condition, Like):
        return fnmatchcase(cell, record.comparable(condition.like))
    if isinstance(condition, Matches):
        return condition.pattern.search(record.text(path)) is not None
    wanted = [condition] if isinstance(condition, str) else condition
    return any((not cell if one == "blank" else cell == record.comparable(one)) for one in wanted)


def value_of(wanted: Any, record: Record, mapping: Mapping) -> Any:
    """What a field of `data` becomes; None where it is absent. ValueError where it can't be read as it should."""
    if isinstance(wanted, str):
        return record.filled(wanted)
    if isinstance(wanted, FromPath):
        return _from_path(wanted, record, mapping)
    if isinstance(wanted, list):
        return next((value for one in wanted if (value := value_of(one, record, mapping)) is not None), None)
    if isinstance(wanted, dict):
        found = {name: value_of(one, record, mapping) for name, one in wanted.items()}
        return {name: value for name, value in found.items() if value is not None} or None
    return wanted


def _from_path(wanted: FromPath, record: Record, mapping: Mapping) -> Any:
    value = record.value(wanted.path)
    if value is None:
        return wanted.default
    if wanted.map is not None:
        return _looked_up(wanted.map, record.text(wanted.path), wanted.default, record)
    if wanted.kind == "any":
        return value
    if wanted.kind == "instant":
        return format_instant(instant(value, wanted.path, mapping))
    read = _read(record.text(wanted.path), wanted)
    return read[: wanted.cut] if wanted.cut and isinstance(read, str) else read


def _looked_up(table: dict[str, Any], cell: str, default: Any, record: Record) -> Any:
    if cell in table:
        return table[cell]
    same = record.comparable(cell)
    return next((value for key, value in table.items() if record.comparable(key) == same), default)


def _read(cell: str, wanted: FromPath) -> Any:
    try:
        match wanted.kind:
            case "text":
                return cell
            case "plain":
                return plain(cell)
            case "number":
                return float(cell)
            case "integer":
                return int(cell)
            case "boolean" if cell.lower() in _TRUE | _FALSE:
                return cell.lower() in _TRUE
    except ValueError:
        pass
    raise Unreadable(wanted.path, cell, wanted.kind)


def instant(value: Any, path: str, mapping: Mapping) -> datetime:
    """
    The instant that a value means: ISO 8601, Unix seconds or milliseconds, or as the mapping's `time_format` says.

    A local time without offset is one of the mapping's zone. Of a local time that
    occurs twice the first is meant; one that does not occur means what the offset
    before the gap gives (RFC 5545 §3.3.5).
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _unix(value)
        text = str(value).strip()
        read = _local(text, mapping)
        return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(mapping.timezone), fold=0)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise Unreadable(path, value, "time") from None


def _local(text: str, mapping: Mapping) -> datetime:
    if mapping.time_format is None:
        if text.replace(".", "", 1).isdecimal() and len(text) > len("20261231"):
            return _unix(float(text))
        return datetime.fromisoformat(text.removesuffix(" UTC") + "Z" if text.endswith(" UTC") else text)
    formats = [mapping.time_format] if isinstance(mapping.time_format, str) else mapping.time_format
    for wanted in formats:
        try:
            return datetime.strptime(text, wanted)  # noqa: DTZ007 - the zone comes next
        except ValueError:
            continue
    raise ValueError(text)


def _unix(number: float) -> datetime:
    return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS else number, UTC)


def plain(text: str) -> str:
    """
    HTML as the words that a reader sees, of its first 20,000 characters; other text as it is.

    In one pass, however broken the markup is: html.parser takes seconds for what
    somebody may send on purpose.
    """
    text = text[:_LONGEST]
    small = text.translate(_SMALL)
    words: list[str] = []
    at = 0
    while (start := text.find("<", at)) >= 0:
        words.append(html.unescape(text[at:start]))
        tag = _TAG.match(text, start)
        if tag is None:
            words.append("<")
            at = start + 1
            continue
        name = tag[1].lower()
        ends = {"!--": "-->", "script": "</script", "style": "</style"}.get(name, ">")
        end = small.find(ends, tag.end())
        if end < 0:
            at = len(text)
            break
        at = end + len(ends) if ends[-1] == ">" else end
        if name.removeprefix("/") in _BREAKS:
            words.append("\n")
    words.append(html.unescape(text[at:]))
    lines = (" ".join(line.split()) for line in "".join(words).splitlines())
    return "\n".join(line for line in lines if line)
