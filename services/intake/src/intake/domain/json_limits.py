"""What JSON can say but no store of ours could keep: too deep, too large a number, a NUL in a name."""

from typing import Any

from intake.domain.faults import Fault, pointer

MAX_DEPTH = 32
_LEAST, _MOST = -(2**63), 2**63 - 1


def limit_fault(data: dict[str, Any], written: bytes) -> Fault | None:
    """
    The first thing in `data` that could not be stored, or None.

    `written` is the event as JSON: only where it holds an escaped NUL are the
    names looked at one by one. Objects and arrays may be 32 deep, `data` being
    the first; integers have 63 bits and a sign, as in BSON.
    """
    names = b"\\u0000" in written
    return None if not names and _storable(data, 1) else _search(data, names=names)


def _storable(value: dict[str, Any] | list[Any], depth: int) -> bool:
    """Whether all is well with numbers and depth: the quick look, which nearly every event passes."""
    for item in value.values() if isinstance(value, dict) else value:
        kind = item.__class__
        if kind is int:
            if not _LEAST <= item <= _MOST:
                return False
        elif (kind is dict or kind is list) and (depth == MAX_DEPTH or not _storable(item, depth + 1)):
            return False
    return True


def _search(data: dict[str, Any], *, names: bool) -> Fault | None:
    """The slow look, which says where."""
    pending: list[tuple[Any, tuple[str | int, ...]]] = [(data, ())]
    while pending:
        value, path = pending.pop()
        if isinstance(value, int):
            if not _LEAST <= value <= _MOST:
                return Fault(pointer("/data", path), "must be an integer of at most 63 bits")
        elif isinstance(value, dict | list):
            if len(path) >= MAX_DEPTH:
                return Fault(pointer("/data", path), f"is nested deeper than {MAX_DEPTH}")
            if isinstance(value, dict):
                if names and (fault := _nul(value, pointer("/data", path))):
                    return fault
                pending.extend((item, (*path, key)) for key, item in value.items())
            else:
                pending.extend((item, (*path, index)) for index, item in enumerate(value))
    return None


def _nul(members: dict[str, Any], where: str) -> Fault | None:
    return (
        Fault(where, "has a member whose name holds a NUL character") if any("\0" in key for key in members) else None
    )
