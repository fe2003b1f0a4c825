"""Words that are looked for in what was said."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

_NOT_SAID: Final = frozenset({"customer_id", "contact_id", "agent_id", "reviewer_id", "owner_id"})
"""Who it is about and who did it; for these there are filters."""


def words_of(text: str) -> frozenset[str]:
    """What is looked for, whatever the case: each of these, anywhere."""
    return frozenset(text.casefold().split())


def held(words: frozenset[str], entry: str) -> frozenset[str]:
    """Those of the words that the data of an event, structured JSON, holds in any of its texts."""
    said = "\n".join(_texts(msgspec.json.decode(entry).get("data"))).casefold()
    return frozenset(word for word in words if word in said)


def _texts(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            pending += [inner for name, inner in one.items() if name not in _NOT_SAID]
        elif isinstance(one, list):
            pending += one
