"""Places in lists of contacts, newest first; those never opened come last."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from metrics.domain.deadlines import millis
from metrics.domain.states import ContactFact, instant

NEWEST_FIRST: Final = [("opened_at", -1), ("_id", 1)]


class BadCursor(ValueError):
    """The cursor is none that a list of ours has given."""


class Place(NamedTuple):
    """Of a contact: when it was opened (milliseconds), and its id."""

    opened_at: int | None
    id: str

    @property
    def rank(self) -> tuple[bool, int, str]:
        return self.opened_at is None, -(self.opened_at or 0), self.id

    def cursor(self) -> str:
        opened = None if self.opened_at is None else instant(self.opened_at).isoformat()
        return base64.urlsafe_b64encode(json.dumps([opened, self.id]).encode()).decode()

    def match(self) -> dict[str, Any]:
        """What comes after it."""
        opened = None if self.opened_at is None else instant(self.opened_at)
        same = {"opened_at": opened, "_id": {"$gt": self.id}}
        return same if opened is None else {"$or": [{"opened_at": {"$lt": opened}}, {"opened_at": None}, same]}


def place_of(cursor: str) -> Place:
    try:
        opened, name = json.loads(base64.urlsafe_b64decode(cursor))
        str(name).encode()
        return Place(millis(datetime.fromisoformat(opened)) if opened else None, str(name))
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise BadCursor("this cursor is none of ours") from None


def next_place(found: Sequence[ContactFact], limit: int) -> str | None:
    """The cursor of the page after this one, where more was found than fits into it."""
    return Place(found[limit - 1].opened_at, found[limit - 1].id).cursor() if len(found) > limit else None
