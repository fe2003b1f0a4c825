"""A batch cut into its events where a reader of JSON gives up on it as a whole: half an emoji in one, one too deep."""

import json
import re
from typing import Final

_READER: Final = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)
"""Takes whatever has the structure of JSON; whether an event is sound is for whoever reads it."""

_BEGIN: Final = re.compile(r"[ \t\r\n]*+\[[ \t\r\n]*+")
_BETWEEN: Final = re.compile(r"[ \t\r\n]*+([,\]])[ \t\r\n]*+")
_TOKEN: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]++|[\]}]++', re.DOTALL)
_MOST_TOKENS: Final = 20_000
"""Strings and runs of brackets that are looked at one by one, which takes long."""


def slices(body: bytes, most: int) -> list[bytes] | None:
    """The elements of a JSON array as they are written, at most `most` of them; None where it is no JSON array."""
    text = body.decode(errors="surrogateescape")
    begin = _BEGIN.match(text)
    if begin is None:
        return None
    found: list[bytes] = []
    at, left = begin.end(), _MOST_TOKENS
    while len(found) < most:
        try:
            _, end = _READER.raw_decode(text, at)
        except RecursionError:
            end, looked_at = _end_of_deep(text, at, left)
            left -= looked_at
        except ValueError:
            return None
        found.append(text[at:end].encode(errors="surrogateescape"))
        between = _BETWEEN.match(text, end)
        if between is None:
            return None
        at = between.end()
        if between[1] == "]":
            return found if at == len(text) else None
    return found


def _end_of_deep(text: str, at: int, most: int) -> tuple[int, int]:
    """Where an element ends that is too deep to be read, by its brackets, and how many tokens that took."""
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(text, at), 1):
        first, length = text[token.start()], token.end() - token.start()
        if first in "[{":
            depth += length
        elif first != '"':
            if length >= depth:
                return token.start() + depth, count
            depth -= length
        if count >= most:
            break
    return len(text), most
