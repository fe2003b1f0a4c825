"""The rows of a CSV file, each as the events that it tells; rows that make no sense are named, not sent."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from rapport.contracts import CONTACT_EVENT_DATA
from rapport.mapping.file import Story, TableMapping
from rapport.mapping.making import Made, applies, event, listed, moment, name
from rapport.mapping.record import Record, alternatives

_MOST_DIGITS: Final = 18


class UnreadableTable(Exception):
    """The file as a whole can't be read by this mapping; the message says why."""


@dataclass(frozen=True, slots=True)
class Odd:
    """A row of which nothing is sent: its line in the file (the header is line 1), and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """The events of a file in order of time, then of the file, and the rows that were refused."""

    made: list[Made]
    odd: list[Odd]
    rows: int


@dataclass(slots=True)
class _Row:
    line: int
    number: int
    cells: dict[str, str]
    broken: str | None = None


def read_table(lines: Iterable[str], mapping: TableMapping, *, rows: int | None = None) -> Table:
    """
    What the rows of a CSV text become; of the first `rows` rows only.

    `sequence` is the place in the file, so that what happened at one instant keeps
    the file's order; within a story, its own order. A row is sent as a whole or
    refused as a whole: it is refused where a cell can't be read, says what is not
    `known`, or makes an event that violates the contract.
    """
    odd: list[Odd] = []
    found: list[_Row] = []
    count = 0
    for row in _rows(lines, mapping):
        if count == rows:
            break
        count += 1
        reason = row.broken or _strange(row.cells, mapping)
        if reason:
            odd.append(Odd(row.line, reason))
        else:
            found.append(row)
    made: list[Made] = []
    for story in _stories(found, mapping.story) if mapping.story else [found]:
        made += _told(story, mapping, odd)
    made.sort(key=lambda one: (one.at, one.sequence))
    odd.sort(key=lambda one: one.line)
    return Table(made, odd, count)


def _rows(lines: Iterable[str], mapping: TableMapping) -> Iterator[_Row]:
    reader = csv.reader(lines, delimiter=mapping.delimiter)
    try:
        header = [column.strip() for column in next(reader, [])]
        missing = {column for column in mapping.columns if not _has(header, column, mapping)}
        if missing:
            raise UnreadableTable(f"has no column {listed(missing)}")
        read = {one for column in mapping.columns for one in (column, *alternatives(column))}
        wanted = [(place, column) for place, column in enumerate(header) if column in read]
        for number, cells in enumerate(cells for cells in reader if cells):
            if len(cells) == len(header):
                yield _Row(reader.line_num, number, {column: cells[place] for place, column in wanted})
            else:
                broken = f"has {len(cells)} cells, the header has {len(header)}"
                yield _Row(reader.line_num, number, {}, broken)
    except csv.Error as error:
        raise UnreadableTable(f"line {reader.line_num}: {error}") from None


def _has(header: Sequence[str], column: str, mapping: TableMapping) -> bool:
    return column in header or any(one in header or one in mapping.constants for one in alternatives(column))


def _strange(cells: dict[str, str], mapping: TableMapping) -> str | None:
    """Why nothing in the row can be relied upon, or None."""
    for column, cell in cells.items():
        if not cell.isascii() and any("\ud800" <= character <= "\udfff" for character in cell):
            return f"{column}: is not written in {mapping.encoding}"
    needs = [mapping.story.by, *mapping.needs] if mapping.story else mapping.needs
    for column in needs:
        if _blank(cells[column], mapping):
            return f"{column}: is blank"
    for column, words in mapping.known.items():
        cell = cells[column].strip()
        if cell not in words and not ("blank" in words and _blank(cell, mapping)):
            return f"{column}: {cell!r} is none of {', '.join(words)}"
    return None


def _blank(cell: str, mapping: TableMapping) -> bool:
    return not cell.strip() or cell.strip() in mapping.blank


def _stories(rows: Iterable[_Row], story: Story) -> Iterator[list[_Row]]:
    """The rows by what they tell of, each story in its own order; blank cells take what the story said last."""
    by_name: dict[str, list[_Row]] = {}
    for row in rows:
        by_name.setdefault(row.cells[story.by].strip(), []).append(row)
    for told in by_name.values():
        numbers = [row.number for row in told]
        told.sort(key=lambda row: [_natural(row.cells[column].strip()) for column in story.order])
        for row, number in zip(told, sorted(numbers), strict=True):
            row.number = number
        yield told


def _natural(cell: str) -> tuple[int, int, str]:
    """Numbers as numbers, before all else; other texts as texts."""
    return (0, int(cell), "") if cell.isdecimal() and len(cell) <= _MOST_DIGITS else (1, 0, cell)


def _told(rows: Sequence[_Row], mapping: TableMapping, odd: list[Odd]) -> list[Made]:
    blanks = frozenset(mapping.blank)
    carry = mapping.story.carry if mapping.story else []
    before: Record | None = None
    told: list[Made] = []
    for row in rows:
        if before is not None:
            for column in carry:
                if not row.cells[column].strip() or row.cells[column].strip() in blanks:
                    row.cells[column] = before.text(column)
        record = Record(row.cells, mapping.constants, blanks=blanks, ignore_case=mapping.ignore_case)
        try:
            told += _events(record, row.number, mapping, before)
        except ValueError as error:
            odd.append(Odd(row.line, str(error)))
        else:
            before = record if mapping.story else None
    return told


def _events(record: Record, number: int, mapping: TableMapping, before: Record | None) -> list[Made]:
    """What a row says; ValueError names the column that says nothing sensible."""
    made = []
    for place, rule in enumerate(mapping.events):
        if not applies(rule, record, before) or (at := moment(rule, record, mapping)) is None:
            continue
        identity = name(rule, record, mapping)
        if identity is None:
            raise ValueError(f"{rule.type}: the id needs a column that is blank")
        sequence = number * len(mapping.events) + place
        one = event(rule, record, mapping, name=identity, at=at, sequence=str(sequence))
        _check(rule.type, one["data"])
        made.append(Made(at, sequence, one))
    return made


def _check(event_type: str, data: dict[str, Any]) -> None:
    """ValueError where the contract is violated."""
    try:
        CONTACT_EVENT_DATA[event_type].model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise ValueError(f"{event_type}: {place + ': ' if place else ''}{first['msg']}") from None
