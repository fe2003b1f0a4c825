"""How what a file of rules asks for is held against what an event says: the same for policies and for plays."""

from collections.abc import Iterator, Mapping
from typing import Any


def plain(value: object) -> str:
    """How a value of YAML and one of JSON compare: true is "true", 3 is 3.0 and "3"."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def leaves(members: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Whatever is no object, by its path, such as `attributes.order.country`; in the order of the names."""
    pending = sorted(members.items(), reverse=True)
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending += [(f"{path}.{name}", inner) for name, inner in sorted(value.items(), reverse=True)]
        else:
            yield path, value
