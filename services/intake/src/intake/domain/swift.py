"""The short way in: JSON that needs nothing changed is judged and travels on as the bytes it came as."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from rapport.cloudevents.values import uri_reference
from rapport.contracts import CONTACT_EVENT_DATA

from intake.domain.admission import ERASED, MAX_EVENT, MAX_NAME, Accepted, Door, may_send
from intake.domain.json_limits import MAX_DEPTH, limit_fault
from intake.domain.shapes import satisfies

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?!000)\d{3})?Z", re.ASCII)
"""The times that the long way would write just so."""

_TYPES: Final = CONTACT_EVENT_DATA.keys() - {ERASED}
_DIGITS: Final = bytes(ord("0") if code in b"0123456789" else ord(" ") for code in range(256))
_LONG_NUMBER: Final = b"0" * 19
"""As many digits as an integer of 63 bits can have: with fewer it has room."""

_AMBIGUOUS: Final = b"\\u0022"
"""An escaped quote that would hide in the count of quotes."""

_NUL: Final = b"\\u0000"

_UNSET: Final = msgspec.UNSET
_Unset = msgspec.UnsetType


class _Wire(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The events that take the short way: all else, further extensions among it, takes the long one."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    data: dict[str, Any]
    datacontenttype: str | _Unset = _UNSET
    subject: str | _Unset = _UNSET
    sequence: str | _Unset = _UNSET
    causationid: str | _Unset = _UNSET
    traceparent: str | _Unset = _UNSET
    backfill: bool | _Unset = _UNSET


_read: Final = msgspec.json.Decoder(_Wire).decode
_write: Final = msgspec.json.encode


def wave_through(raw: bytes, door: Door) -> Accepted | None:
    """
    The record that this JSON document becomes, or None: then only the long way can tell what it is.

    Whatever is accepted here would be accepted by `admit`, as a record that says
    the same; a law in the tests holds the two against each other. The document
    itself is kept, down to how its numbers are written: `datacontenttype`,
    `partitionkey`, `recordedtime`, `traceparent`, `tracestate` and `backfill` are
    added at its end. So none of them may be there already and mean something else, no member
    may come twice, and what has another canonical form (a time, a null) goes the
    long way.
    """
    try:
        event = _read(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    moment = _usual_moment(event.time)
    if (
        moment is None
        or event.type not in _TYPES
        or moment > door.latest
        or event.specversion != "1.0"
        or not (0 < len(event.id) <= MAX_NAME and _plain(event.id))
        or not (door.caller.emit and _may_send(event.source, door.caller.sources))
        or _alters(event)
        or not _keeps(raw, event)
        or not satisfies(event.type, event.data)
    ):
        return None
    return _spliced(raw, event, door, moment)


def _spliced(raw: bytes, event: _Wire, door: Door, moment: datetime) -> Accepted | None:
    """The document with what intake adds at its end; None where that makes it too large."""
    key: str = event.data["customer_id"]
    history = moment < door.live_since
    typed = b',"datacontenttype":"application/json"' if event.datacontenttype is _UNSET else b""
    marked = b',"backfill":true' if history and event.backfill is _UNSET else b""
    end = door.end if event.traceparent is _UNSET else door.end_of_traced
    body = raw if raw.endswith(b"}") else raw.rstrip()
    value = b'%b%b%b,"partitionkey":%b%b' % (body[:-1], typed, marked, _write(key), end)
    if len(value) > MAX_EVENT:
        return None
    live = not history and event.backfill is _UNSET
    return Accepted(event.id, key, value, event.source, moment if live else None)


def _usual_moment(text: str) -> datetime | None:
    """The instant, where it is written in its canonical form; there may be no such day, hour or second."""
    if _TIME.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _plain(text: str) -> bool:
    """Whether there is nothing in it but printable ASCII, which every attribute may hold."""
    return text.isascii() and text.isprintable()


@lru_cache(maxsize=4096)
def _may_send(source: str, globs: tuple[str, ...]) -> bool:
    """Whether it is a URI-reference of a good length, and one that these globs cover."""
    try:
        uri_reference(source)
    except ValueError:
        return False
    return len(source) <= MAX_NAME and may_send(source, globs)


def _alters(event: _Wire) -> bool:
    """Whether an attribute that may be left out is there, and would not stay as it is or needs a closer look."""
    if event.datacontenttype is not _UNSET and event.datacontenttype != "application/json":
        return True
    if event.backfill is False or event.subject == "":
        return True
    return not (
        (event.traceparent is _UNSET or _plain(event.traceparent))
        and (event.subject is _UNSET or _plain(event.subject))
        and (event.sequence is _UNSET or _plain(event.sequence))
        and (event.causationid is _UNSET or _plain(event.causationid))
    )


def _keeps(raw: bytes, event: _Wire) -> bool:
    """
    Whether all that the document holds came out of it, and can be stored.

    Written again, a document that has lost one of two namesakes, wherever, has
    fewer quotes. Depth is judged by counting, and numbers by runs of digits, so
    that nearly no document has to be walked through.
    """
    if _write(event).count(b'"') != raw.count(b'"') or (b"\\" in raw and (_AMBIGUOUS in raw or _NUL in raw)):
        return False
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        return False
    return _LONG_NUMBER not in raw.translate(_DIGITS) or limit_fault(event.data, b"") is None
