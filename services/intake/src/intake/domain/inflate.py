"""Compressed bodies, opened under a hard limit: a bomb costs no more memory than an honest body."""

import zlib
from typing import Final

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_LOW_NIBBLE, _DEFLATED = 0x0F, 8
_PIECE: Final = 1 << 16

MOST_MEMBERS: Final = 64
"""Members that a gzip body may have: senders that pack as they write have a few, an attacker millions of empty ones."""


class UnknownEncoding(ValueError):
    """The Content-Encoding is none that is read here."""


class TooMuch(ValueError):
    """The body is larger than the limit once opened, or of more members than anybody needs."""


class NotCompressed(ValueError):
    """The body is not what its Content-Encoding says, or ends too early."""


def inflate(encoding: str, body: bytes, limit: int) -> bytes:
    """
    The body itself, at most `limit` bytes of it ever in memory.

    Read are gzip (of up to 64 members), deflate (with and without zlib's
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
    at, room = 0, limit
    while at < len(body) or not parts:
        if len(parts) == MOST_MEMBERS:
            raise TooMuch(f"has more than {MOST_MEMBERS} gzip members")
        part, at = _one(body, 16 + zlib.MAX_WBITS, room, at)
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _one(body: bytes, window: int, limit: int, at: int = 0) -> tuple[bytes, int]:
    """The compressed stream that begins at `at`, opened, and where it ends; read in pieces, none copied twice."""
    stream = zlib.decompressobj(window)
    view = memoryview(body)
    opened: list[bytes] = []
    room = limit + 1
    while at < len(body) and not stream.eof:
        piece = view[at : at + _PIECE]
        try:
            part = stream.decompress(piece, room)
        except zlib.error:
            raise NotCompressed("is not what its Content-Encoding says") from None
        opened.append(part)
        room -= len(part)
        if room <= 0:
            raise TooMuch(f"is larger than {limit} bytes once opened")
        at += len(piece) - len(stream.unused_data)
    if not stream.eof:
        raise NotCompressed("ends in the middle of its compressed data")
    return b"".join(opened), at
