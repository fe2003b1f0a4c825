"""The short way in: JSON that needs nothing changed is judged and travels on as the bytes it came as."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec
from rapport.cloudevents.values import uri_reference
from rapport.contracts import CONTACT_EVENT_DATA

from intake.domain.admission import ERASED, MAX_EVENT, MAX_NAME, Accepted, Door, may_send
from intake.domain.json_limits import MAX_DEPTH, limit_fault
from intake.domain.shapes import satisfies

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?!000)\d{3})?Z", re.ASCII)
"""The times that the long way would write just so."""

_DIGITS: Final = bytes(ord("0") if code in b"0123456789" else ord(" ") for code in range(256))
_LONG_NUMBER: Final = b"0" * 19
"""As many digits as an integer of 63 bits can have: with fewer it has room."""

_AMBIGUOUS: Final = b"\\u0022"
"""An escaped quote that would hide in the count of quotes."""

_NUL: Final = b"\\u0000"

_TOGETHER: Final = 1 << 20
"""Bytes that are read together at most: what is read takes several times as much memory."""

_UNSET: Final = msgspec.UNSET
_Unset = msgspec.UnsetType
_Type: Any = Literal[tuple(sorted(CONTACT_EVENT_DATA.keys() - {ERASED}))]


class _Wire(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The events that take the short way: all else, further extensions among it, takes the long one."""

    specversion: Literal["1.0"]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
    source: str
    type: _Type
    time: str
    data: dict[str, Any]
    datacontenttype: Literal["application/json"] | _Unset = _UNSET
    subject: Annotated[str, msgspec.Meta(min_length=1)] | _Unset = _UNSET
    sequence: str | _Unset = _UNSET
    causationid: str | _Unset = _UNSET
    traceparent: str | _Unset = _UNSET
    backfill: bool | _Unset = _UNSET


_read: Final = msgspec.json.Decoder(list[_Wire]).decode
_write: Final = msgspec.json.encode


def wave_through(documents: Sequence[bytes], door: Door) -> list[Accepted | None]:
    """
    The record that each of these JSON documents becomes, or None: then only the long way can tell what it is.

    Whatever is accepted here would be accepted by `admit`, as a record that says
    the same; a law in the tests holds the two against each other. The document
    itself is kept, down to how its numbers are written: `datacontenttype`,
    `partitionkey`, `recordedtime`, `traceparent`, `tracestate` and `backfill` are
    added at its end. So none of them may be there already and mean something else, no member
    may come twice, and what has another canonical form (a time, a null) goes the
    long way. Several, each of which must be one JSON value, are read together, which
    costs least, and one by one where one of them stands in the way of all.
    """
    if len(documents) > 1 and sum(map(len, documents)) > _TOGETHER:
        half = len(documents) // 2
        return wave_through(documents[:half], door) + wave_through(documents[half:], door)
    together = b",".join(documents)
    events = _whole(together)
    if events is None or len(events) != len(documents):
        return [None] if len(documents) == 1 else [one for raw in documents for one in wave_through([raw], door)]
    numbers = _LONG_NUMBER in together.translate(_DIGITS)
    arrays = b"[" in together
    return [
        _waved(raw, event, door, numbers=numbers, arrays=arrays) for raw, event in zip(documents, events, strict=True)
    ]


def _whole(together: bytes) -> list[_Wire] | None:
    """
    The events, if all that their documents hold came out of them, and can be stored.

    Written again, a document that has lost one of two namesakes, wherever, has
    fewer quotes; none ever has more.
    """
    if b"\\" in together and (_AMBIGUOUS in together or _NUL in together):
        return None
    try:
        events = _read(b"[%b]" % together)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return events if _write(events).count(b'"') == together.count(b'"') else None


def _waved(raw: bytes, event: _Wire, door: Door, *, numbers: bool, arrays: bool) -> Accepted | None:
    """
    The record, or None. `numbers`: one of those that it came with may be too large; `arrays`: it may have some.

    Depth is judged by counting, so that nearly no document has to be walked through.
    """
    moment = _usual_moment(event.time)
    if (
        moment is None
        or moment > door.latest
        or not (door.caller.emit and _may_send(event.source, door.caller.sources))
        or not _plain(event.id)
        or _alters(event)
        or raw.count(b"{") + (arrays and raw.count(b"[")) > MAX_DEPTH
        or (numbers and limit_fault(event.data, b"") is not None)
        or not satisfies(event.type, event.data)
    ):
        return None
    key: str = event.data["customer_id"]
    history = moment < door.live_since
    typed = b',"datacontenttype":"application/json"' if event.datacontenttype is _UNSET else b""
    marked = b',"backfill":true' if history and event.backfill is _UNSET else b""
    end = door.end if event.traceparent is _UNSET else door.end_of_traced
    body = raw if raw.endswith(b"}") else raw.rstrip()
    value = b"".join((body[:-1], typed, marked, b',"partitionkey":', _write(key), end))
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
    return event.backfill is False or not (
        (event.traceparent is _UNSET or _plain(event.traceparent))
        and (event.subject is _UNSET or _plain(event.subject))
        and (event.sequence is _UNSET or _plain(event.sequence))
        and (event.causationid is _UNSET or _plain(event.causationid))
    )
