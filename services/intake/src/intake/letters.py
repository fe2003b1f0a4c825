"""A dead letter as intake keeps it: the record as it came, with why and whence."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import from_json
from rapport.contracts import cut_to_milliseconds
from rapport.runtime import dead_letter as names

from intake.records import HTTP

_OURS: Final = frozenset(
    (names.REASON, names.POINTER, names.SERVICE, names.TOPIC, names.PARTITION, names.OFFSET, names.AT)
)
_ATTRIBUTE: Final = "ce_"
"""How a header begins that is an attribute in binary mode."""
_NAMED: Final = ("source", "id", "type")
_LONGEST_NAME: Final = 200
_MOST_DIGITS: Final = 18

HOOKS: Final = "hooks/"
"""Stands, before the hook's name, for the topic in dead letters of payloads that could not be mapped."""


@dataclass(frozen=True, slots=True)
class Letter:
    """
    One refused record. `key`, `value` and `headers` are what came, byte for byte.

    `topic` is where it was refused from (`http` for what came by HTTP), `service`
    who refused it. `source`, `event_id` and `customer_id` are empty where they
    can't be told. One that was dropped or whose customer was erased has lost
    what came.
    """

    id: str
    at: datetime
    reason: str
    pointer: str
    service: str
    topic: str
    partition: int
    offset: int
    source: str
    event_id: str
    event_type: str
    customer_id: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    replayed_at: datetime | None = None
    replayed_by: str | None = None
    dropped_at: datetime | None = None
    dropped_by: str | None = None


def letter_of(record: Any, topic_prefix: str = "") -> Letter:
    """
    The letter in a record of the topic dead-letters; whatever is in it, there is always one.

    The id is made of what was refused, why and whence, by HTTP of the attributes
    in headers, too: published twice, or sent again by a stubborn sender, it is the same letter.
    """
    said = {name: value.decode(errors="replace") for name, value in record.headers if name in _OURS and value}
    headers = tuple((name, value) for name, value in record.headers if name not in _OURS and value is not None)
    document = _document(record.value)
    attributes = {name: value for name, value in headers if name.startswith(_ATTRIBUTE)}
    source, event_id, event_type = _attributes(document, attributes)
    reason = said.get(names.REASON, "unknown")
    topic = said.get(names.TOPIC, "").removeprefix(topic_prefix)
    partition, offset = _number(said.get(names.PARTITION)), _number(said.get(names.OFFSET))
    return Letter(
        id=_name(reason, topic, partition, offset, record, attributes if topic == HTTP else {}),
        at=_instant(said.get(names.AT), record.timestamp),
        reason=reason,
        pointer=said.get(names.POINTER, ""),
        service=said.get(names.SERVICE, ""),
        topic=topic,
        partition=partition,
        offset=offset,
        source=source,
        event_id=event_id,
        event_type=event_type,
        customer_id=_customer({} if topic.startswith(HOOKS) else document, attributes, record.key),
        key=record.key,
        value=record.value,
        headers=headers,
    )


def _name(reason: str, topic: str, partition: int, offset: int, record: Any, attributes: Mapping[str, bytes]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for part in (reason, topic, str(partition), str(offset)):
        digest.update(part.encode() + b"\0")
    digest.update(record.key or b"")
    digest.update(b"\0")
    digest.update(record.value or b"")
    for name, value in sorted(attributes.items()):
        digest.update(b"\0" + name.encode() + b"\0" + value)
    return digest.hexdigest()


def _document(value: bytes | None) -> Mapping[str, Any]:
    """The JSON object in a record; an empty one where there is none."""
    try:
        document = from_json(value or b"null")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _attributes(document: Mapping[str, Any], headers: Mapping[str, bytes]) -> tuple[str, str, str]:
    """Source, id and type, as far as they can be read: from the headers of binary mode, else from JSON."""
    found: Mapping[str, Any] = {
        name: headers[_ATTRIBUTE + name].decode(errors="replace") for name in _NAMED if _ATTRIBUTE + name in headers
    }
    source, event_id, event_type = (_text((found or document).get(name)) for name in _NAMED)
    return source, event_id, event_type


def _customer(document: Mapping[str, Any], headers: Mapping[str, bytes], key: bytes | None) -> str:
    """Whom it is about: as the mode says that it seems to be in, else the other, else the record's key."""
    data = document.get("data") or _in_base64(document.get("data_base64"))
    inner = _text(data.get("customer_id")) if isinstance(data, dict) else ""
    outer = _text(document.get("customer_id"))
    said = (outer or inner) if headers else (inner or outer)
    return said or (key or b"").decode(errors="replace")[:_LONGEST_NAME]


def _in_base64(written: object) -> Mapping[str, Any]:
    try:
        return _document(base64.b64decode(written)) if isinstance(written, str) else {}
    except ValueError:
        return {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) <= _MOST_DIGITS else -1


def _instant(text: str | None, timestamp_ms: int) -> datetime:
    try:
        return cut_to_milliseconds(datetime.fromisoformat(text or ""))
    except ValueError:
        return datetime.fromtimestamp(timestamp_ms / 1000, UTC)
