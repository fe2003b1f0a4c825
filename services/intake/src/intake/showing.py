"""A dead letter as JSON shows it, and where a page of them goes on."""

import base64
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json
from rapport.contracts import format_instant
from rapport.runtime.problem import Problem

from intake.letters import Letter
from intake.store import Cursor


def shown(letter: Letter) -> dict[str, Any]:
    """The letter whole: its value as `event` where it is JSON, else as `value_base64`."""
    facts: dict[str, Any] = {
        "id": letter.id,
        "at": format_instant(letter.at),
        "reason": letter.reason,
        "pointer": letter.pointer,
        "service": letter.service,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "source": letter.source,
        "event_id": letter.event_id,
        "type": letter.event_type,
        "customer_id": letter.customer_id,
        "key": _text(letter.key),
        "headers": [[name, _text(value)] for name, value in letter.headers],
        "replayed_at": format_instant(letter.replayed_at) if letter.replayed_at else None,
        "replayed_by": letter.replayed_by,
        "dropped_at": format_instant(letter.dropped_at) if letter.dropped_at else None,
        "dropped_by": letter.dropped_by,
    }
    try:
        return {**facts, "event": from_json(letter.value or b"null", allow_inf_nan=False)}
    except ValueError:
        return {**facts, "value_base64": base64.b64encode(letter.value or b"").decode()}


def cursor_after(at: datetime, last: str) -> str:
    """What leads to what comes after the thing of this instant and id."""
    return packed(f"{int(at.timestamp() * 1000 + 0.5)}.{last}")


def cursor_of(text: str) -> Cursor:
    """Where a page goes on; 422 for what was not given out here."""
    millis, _, last = unpacked(text).partition(".")
    try:
        return datetime.fromtimestamp(int(millis) / 1000, UTC), last
    except (ValueError, OverflowError, OSError):
        raise _unknown() from None


def packed(text: str) -> str:
    """Text as a cursor, which nobody need be able to read."""
    return base64.urlsafe_b64encode(text.encode()).decode()


def unpacked(cursor: str) -> str:
    """The text in a cursor; 422 where there is none."""
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise _unknown() from None


def _unknown() -> Problem:
    return Problem(422, "cursor is none that was given here", errors=[("/query/cursor", "unknown")])


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")
