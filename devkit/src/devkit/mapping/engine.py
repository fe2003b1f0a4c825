"""Rows in, events out; pure but for reading the file."""

import csv
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rapport.contracts import format_instant

from devkit.errors import CommandFailed
from devkit.mapping.file import EventRule, FromColumn, Mapping, Value, columns_of

_TRUE, _FALSE = {"1", "true", "yes", "y", "t"}, {"0", "false", "no", "n", "f"}


@dataclass(frozen=True, slots=True)
class Made:
    """One event that a row has become, as CloudEvents' JSON, and when it happened."""

    at: datetime
    sequence: int
    event: dict[str, Any]


def events_of(path: Path, mapping: Mapping, *, rows: int | None = None) -> list[Made]:
    """
    The events of a CSV file (`.gz` may be), in order of time, then of the file; of the first `rows` rows only.

    `sequence` is the place in the file, so that what happened at one instant keeps
    the file's order. CommandFailed names the line that can't be read.
    """
    made = sorted(_made(path, mapping, rows), key=lambda one: (one.at, one.sequence))
    if not made:
        raise CommandFailed(f"{path}: not one event comes out of it")
    return made


def _made(path: Path, mapping: Mapping, rows: int | None) -> Iterator[Made]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding=mapping.encoding, newline="") as file:
            reader = csv.DictReader(file, delimiter=mapping.delimiter)
            missing = mapping.columns - set(reader.fieldnames or ())
            if missing:
                raise CommandFailed(f"{path} has no column {', '.join(sorted(missing))}")
            for number, row in enumerate(reader):
                if number == rows:
                    return
                try:
                    yield from events_of_row(row, number, mapping)
                except ValueError as error:
                    raise CommandFailed(f"{path}, line {reader.line_num}: {error}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandFailed(f"{path} can't be read: {error}") from None


def events_of_row(row: dict[str, str], number: int, mapping: Mapping) -> Iterable[Made]:
    """What row `number` of a file says; ValueError names the column that says nothing sensible."""
    cells = {column: (row[column] or "").strip() for column in mapping.columns}
    for place, rule in enumerate(mapping.events):
        if not _applies(rule, cells):
            continue
        event_id = _filled(rule.id, cells)
        if event_id is None:
            raise ValueError(f"{rule.type}: the id {rule.id!r} needs a column that is blank")
        at = _instant(cells[rule.time], rule.time, mapping)
        sequence = number * len(mapping.events) + place
        values = {name: _value(value, cells, mapping) for name, value in rule.data.items()}
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": mapping.source,
            "type": rule.type,
            "time": format_instant(at),
            "sequence": str(sequence),
            "datacontenttype": "application/json",
            "data": {name: value for name, value in values.items() if value is not None},
        }
        yield Made(at, sequence, event)


def _applies(rule: EventRule, cells: dict[str, str]) -> bool:
    """`present` and `blank` speak of the cell, anything else is what must stand in it."""
    if not cells[rule.time]:
        return False
    for column, wanted in rule.when.items():
        cell = cells[column]
        any_of = [wanted] if isinstance(wanted, str) else wanted
        if not any(cell == one or (one == "present" and cell) or (one == "blank" and not cell) for one in any_of):
            return False
    return True


def _value(value: Value, cells: dict[str, str], mapping: Mapping) -> Any:
    if isinstance(value, str):
        return _filled(value, cells)
    if not isinstance(value, FromColumn):
        return value
    cell = cells[value.column]
    if not cell:
        return value.default
    if value.map is not None:
        return value.map.get(cell, value.default)
    return _read(cell, value, mapping)


def _filled(template: str, cells: dict[str, str]) -> str | None:
    if any(not cells[column] for column in columns_of(template)):
        return None
    return template.format_map(cells)


def _read(cell: str, value: FromColumn, mapping: Mapping) -> Any:
    try:
        match value.kind:
            case "text":
                return cell
            case "number":
                return float(cell)
            case "integer":
                return int(cell)
            case "instant":
                return format_instant(_instant(cell, value.column, mapping))
            case "boolean" if cell.lower() in _TRUE | _FALSE:
                return cell.lower() in _TRUE
    except ValueError:
        pass
    raise ValueError(f"column {value.column}: {cell!r} is no {value.kind}")


def _instant(cell: str, column: str, mapping: Mapping) -> datetime:
    """
    The instant that a cell means; a local time without offset is one of the mapping's zone.

    Of a local time that occurs twice the first is meant; one that does not occur
    means what the offset before the gap gives (RFC 5545 §3.3.5).
    """
    try:
        read = datetime.strptime(cell, mapping.time_format) if mapping.time_format else datetime.fromisoformat(cell)  # noqa: DTZ007 - the zone comes next
    except ValueError:
        raise ValueError(f"column {column}: {cell!r} is no time") from None
    return (read if read.tzinfo else read.replace(tzinfo=ZoneInfo(mapping.timezone), fold=0)).astimezone(UTC)
