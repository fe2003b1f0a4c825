"""Compressed bodies, opened under a hard limit: a bomb costs no more memory than an honest body."""

import zlib
from typing import Final

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_LOW_NIBBLE, _DEFLATED = 0x0F, 8


class UnknownEncoding(ValueError):
    """The Content-Encoding is none that is read here."""


class TooMuch(ValueError):
    """The body is larger than the limit once opened."""


class NotCompressed(ValueError):
    """The body is not what its Content-Encoding says, or ends too early."""


def inflate(encoding: str, body: bytes, limit: int) -> bytes:
    """
    The body itself, at most `limit` bytes of it ever in memory.

    Read are gzip (of several members, too), deflate (with and without zlib's
    wrapper, as senders disagree about it) and identity, once; encodings on top
    of each other are not.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _members(body, limit)
        case "deflate":
            wrapped = bool(body) and body[0] & _LOW_NIBBLE == _DEFLATED
            return _one(body, _GZIP_OR_ZLIB if wrapped else _RAW, limit)[0]
        case _:
            raise UnknownEncoding("only gzip, deflate and identity are read, and only one of them")


def _members(body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    while body or not parts:
        part, body = _one(body, 16 + zlib.MAX_WBITS, limit)
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _one(body: bytes, window: int, limit: int) -> tuple[bytes, bytes]:
    """One compressed stream, opened, and what follows it."""
    stream = zlib.decompressobj(window)
    try:
        opened = stream.decompress(body, limit + 1)
    except zlib.error:
        raise NotCompressed("is not what its Content-Encoding says") from None
    if len(opened) > limit:
        raise TooMuch(f"is larger than {limit} bytes once opened")
    if not stream.eof:
        raise NotCompressed("ends in the middle of its compressed data")
    return opened, stream.unused_data
