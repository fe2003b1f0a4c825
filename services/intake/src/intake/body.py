"""The body of a request, read and opened under hard limits."""

from typing import Final

from rapport.runtime.problem import Problem
from rapport.runtime.shortcut import field
from starlette.requests import Request

from intake.domain import MAX_EVENT, NotCompressed, TooMuch, UnknownEncoding, inflate
from intake.load import Share

MAX_BATCH: Final = 4 << 20
"""Bytes that the body of a batch may have."""

_POLITE: Final = 32 << 20
"""Bytes of a body too large that are still read (and dropped), so that the sender gets to see the answer."""


def limit_of(content_type: str) -> int:
    """How many bytes a body of this type may have."""
    return MAX_BATCH if content_type[:30].lower().startswith("application/cloudevents-batch") else MAX_EVENT


async def read(request: Request, share: Share, limit: int) -> bytes:
    """The body, opened where it was compressed. 400, 413, 415 or 503 where it can't be had."""
    body = await _received(request, share, limit)
    encoding = field(request, b"content-encoding")
    if encoding is None:
        return body
    try:
        opened = inflate(encoding, body, limit)
    except UnknownEncoding as error:
        raise Problem(415, f"Content-Encoding: {error}", headers={"Accept-Encoding": "gzip, deflate"}) from None
    except NotCompressed as error:
        raise Problem(400, f"the body {error}", errors=[("", str(error))]) from None
    except TooMuch as error:
        raise Problem(413, f"the body {error}") from None
    share.add(len(opened))
    return opened


async def _received(request: Request, share: Share, limit: int) -> bytes:
    stated = field(request, b"content-length")
    if stated is not None and stated.isdecimal() and int(stated) > _POLITE:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size, more = 0, True
    while more and size <= _POLITE:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "the body ended too early")
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size <= limit:
            share.add(len(chunk))
            chunks.append(chunk)
    if size > limit:
        raise _too_large(limit)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body is larger than {limit} bytes; send single events of at most {MAX_EVENT}, or batches")
