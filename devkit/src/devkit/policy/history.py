"""Recorded history as events: the journal's NDJSON export, or a file of another system through its mapping."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rapport.contracts import Data, Event, UndecodableEvent, decode

from devkit.errors import CommandFailed
from devkit.mapping import find_mapping, table_of

_JOURNALS: Final = (".ndjson", ".jsonl", ".json")


def read_events(path: Path, mapping: str | None, rows: int | None) -> Iterator[Event[Data]]:
    """
    The events of a file; CommandFailed names the line that can't be read.

    A line of an export is an event in structured JSON, alone or under `event` or
    `text` of the journal's entry.
    """
    if mapping is not None:
        for made in table_of(path, find_mapping(mapping), rows=rows).made:
            yield _decoded(json.dumps(made.event).encode(), f"{path}: {made.event['id']}")
        return
    if not path.name.removesuffix(".gz").endswith(_JOURNALS):
        raise CommandFailed(f"{path} is no export of the journal ({', '.join(_JOURNALS)}): name its --mapping")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if rows is not None and number > rows:
                    return
                if line.strip():
                    yield _decoded(_event_in(line, f"{path}, line {number}"), f"{path}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} can't be read: {error}") from None


def _event_in(line: str, place: str) -> bytes:
    try:
        found: Any = json.loads(line)
    except ValueError as error:
        raise CommandFailed(f"{place}: {error}") from None
    if isinstance(found, dict) and "specversion" not in found:
        found = found.get("event", found.get("text", found))
    return (found if isinstance(found, str) else json.dumps(found)).encode()


def _decoded(record: bytes, place: str) -> Event[Data]:
    try:
        return decode(record)
    except UndecodableEvent as error:
        raise CommandFailed(f"{place}: {error}") from None
