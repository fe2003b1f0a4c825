"""
What other systems say, as events of ours: by a mapping file, without code per system (docs/mappings.md).

A table (CSV) is mapped row by row, a webhook's JSON payload as a whole. Pure: text
and values in, events out; who reads the file or answers the request is elsewhere.
"""

from rapport.mapping.file import (
    HookMapping,
    Mapping,
    Signature,
    Story,
    TableMapping,
    WrongMapping,
    parse_hook,
    parse_table,
)
from rapport.mapping.making import Made
from rapport.mapping.payload import Reading, read_payload
from rapport.mapping.table import Odd, Table, UnreadableTable, read_table

__all__ = [
    "HookMapping",
    "Made",
    "Mapping",
    "Odd",
    "Reading",
    "Signature",
    "Story",
    "Table",
    "TableMapping",
    "UnreadableTable",
    "WrongMapping",
    "parse_hook",
    "parse_table",
    "read_payload",
    "read_table",
]
