"""A dead letter as JSON shows it, and where a page of them goes on."""

import base64
import binascii
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


def cursor_after(letter: Letter) -> str:
    """What leads to the letters after this one."""
    return base64.urlsafe_b64encode(f"{int(letter.at.timestamp() * 1000 + 0.5)}.{letter.id}".encode()).decode()


def cursor_of(text: str) -> Cursor:
    """Where a page goes on; 422 for what was not given out here."""
    try:
        millis, _, last = base64.b64decode(text, altchars=b"-_", validate=True).decode().partition(".")
        return datetime.fromtimestamp(int(millis) / 1000, UTC), last
    except (ValueError, OverflowError, OSError, binascii.Error):
        raise Problem(422, "cursor is none that was given here", errors=[("/query/cursor", "unknown")]) from None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")
