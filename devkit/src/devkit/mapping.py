"""Files of other systems, read by a mapping file (docs/mappings.md): what of it touches the disk."""

import codecs
import gzip
import zlib
from importlib import resources
from pathlib import Path

from rapport.mapping import Table, TableMapping, UnreadableTable, WrongMapping, parse_table, read_table

from devkit.errors import CommandFailed

_SHIPPED = resources.files("devkit") / "mappings"


def shipped_mappings() -> list[str]:
    """The names of the mappings that come with Rapport."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _SHIPPED.iterdir() if entry.name.endswith(".yaml"))


def find_mapping(name: str, constants: dict[str, str] | None = None) -> TableMapping:
    """The mapping in the file `name`, or the shipped one of that name; CommandFailed says what is wrong with it."""
    try:
        mapping = parse_table(_text_of(name), name)
        codecs.lookup(mapping.encoding)
        return mapping.with_constants(constants or {})
    except WrongMapping as error:
        raise CommandFailed(str(error)) from None
    except LookupError:
        raise CommandFailed(f"mapping {name}: there is no encoding {mapping.encoding!r}") from None


def _text_of(name: str) -> str:
    shipped = shipped_mappings()
    if name in shipped:
        return (_SHIPPED / f"{name}.yaml").read_text("utf-8")
    if not Path(name).is_file():
        raise CommandFailed(f"there is no mapping {name!r}: give a file, or one of {', '.join(shipped)}")
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"mapping {name} can't be read: {error}") from None


def table_of(path: Path, mapping: TableMapping, *, rows: int | None = None) -> Table:
    """
    The events of a CSV file (`.gz` may be), and its rows that make no sense.

    CommandFailed where the file can't be read as a whole, or not one event comes out of it.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    encoding = "utf-8-sig" if codecs.lookup(mapping.encoding).name == "utf-8" else mapping.encoding
    try:
        with opened(path, "rt", encoding=encoding, errors="surrogateescape", newline="") as file:
            table = read_table(file, mapping, rows=rows)
    except UnreadableTable as error:
        raise CommandFailed(f"{path}: {error}") from None
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        raise CommandFailed(f"{path} can't be read: {error}") from None
    if not table.made:
        first = f" (line {table.odd[0].line}: {table.odd[0].reason})" if table.odd else ""
        raise CommandFailed(f"{path}: not one event comes out of it{first}")
    return table
