"""Media types by RFC 2045 and 2046, and how data of such a type becomes bytes and comes back."""

import re
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic_core import from_json, to_json

from rapport.cloudevents.event import MalformedEvent, member

_TOKEN = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]++"  # noqa: S105 - a token of RFC 2045
_QUOTED = r'"[ !#-\[\]-~]*+(?:\\[ -~][ !#-\[\]-~]*+)*+"'
_PARAMETER = rf" *+; *+({_TOKEN})=({_TOKEN}|{_QUOTED})"
# Atomic: before Python 3.11.5 a possessive repeat of a group went on over what an iteration had read before it failed.
_MEDIA_TYPE = re.compile(rf"({_TOKEN})/({_TOKEN})((?>(?:{_PARAMETER})*))")
_PARAMETERS = re.compile(_PARAMETER)
# Reads each character once: a quote that is never closed reaches to the end, a run of blanks is entered in front.
_SEMICOLONS = re.compile(r'("[^"\\]*+(?:\\.[^"\\]*+)*+"?)|(?<![ \t])[ \t]*+;[ \t;]*+')
_ESCAPED = re.compile(r"\\(.)")

_UTF8 = ("utf-8", "utf8", "us-ascii")  # ASCII is UTF-8 too
# Charsets whose text goes there and back byte for byte; data in any other stays bytes.
_CODECS = {
    "": "utf-8",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "cp1252",
}


class Media(NamedTuple):
    """What a media type means for the data: JSON, text or bytes; the charset in lower case, empty where not given."""

    name: str
    kind: Literal["json", "text", "binary"]
    charset: str


@lru_cache(maxsize=1024)
def media_type(value: str) -> Media:
    """What the media type says of its data. ValueError where it is not one by RFC 2046."""
    match = _MEDIA_TYPE.fullmatch(value)
    if match is None:
        raise ValueError("is no media type (RFC 2046)")
    major, minor = match[1].lower(), match[2].lower()
    charset = ""
    for parameter in _PARAMETERS.finditer(match[3]):
        if parameter[1].lower() == "charset":
            charset = unquoted(parameter[2]).lower()
            break
    name = f"{major}/{minor}"
    if minor == "json" or minor.endswith("+json"):
        return Media(name, "json", charset)
    if (major == "text" or minor == "xml" or minor.endswith("+xml") or charset) and charset in _CODECS:
        return Media(name, "text", charset)
    return Media(name, "binary", charset)


def unquoted(value: str) -> str:
    """What a token or quoted string says: a backslash in quotes is only there for the character behind it."""
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def in_header(value: str) -> str:
    """
    What a Content-Type header of HTTP says, as RFC 2045 would write it.

    RFC 9110, 5.6.6 lets tabs stand around the semicolons and nothing between two of them. What needs none of
    that is kept as it is written.
    """
    value = value.strip(" \t")
    if ("\t" in value or value.count(";") > 1 or value.endswith(";")) and _MEDIA_TYPE.fullmatch(value) is None:
        value = _SEMICOLONS.sub(lambda found: found[1] or ";", value).rstrip(";")
    return value


def require_utf8(media: Media, pointer: str) -> None:
    """Refuse JSON in another charset: RFC 8259, 8.1 has none but UTF-8."""
    if media.charset and media.charset not in _UTF8:
        raise MalformedEvent(pointer, f"JSON must be UTF-8, not {media.charset}", "JSON must be UTF-8")


def decode(body: bytes, content_type: str | None) -> Any:
    """The data in the body of a binary-mode message. Text that its charset can't read is left as bytes."""
    if not body:
        return None
    media = media_type(content_type) if content_type is not None else None
    if media is None or media.kind == "binary":
        return body
    if media.kind == "text":
        try:
            return body.decode(_CODECS[media.charset])
        except UnicodeDecodeError:
            return body
    require_utf8(media, "/datacontenttype")
    value, _ = parse(body, "/data")
    return value


def encode(data: Any, content_type: str | None) -> bytes:
    """The body that says `data` in binary mode; empty where there is none."""
    if data is None:
        return b""
    if isinstance(data, bytes):
        return data
    if content_type is not None:
        media = media_type(content_type)
        if media.kind != "json":
            return _text_bytes(data, _CODECS.get(media.charset))
        require_utf8(media, "/datacontenttype")
    return render(data, "/data")


def _text_bytes(data: Any, codec: str | None) -> bytes:
    if not isinstance(data, str):
        raise MalformedEvent("/data", "must be a string or bytes, since datacontenttype is not JSON")
    if codec is None:
        raise MalformedEvent("/datacontenttype", "names a charset that text is not written in; give bytes")
    try:
        return data.encode(codec)
    except UnicodeEncodeError:
        raise MalformedEvent("/data", "has characters that the charset of datacontenttype lacks") from None


def parse(body: bytes, pointer: str) -> tuple[Any, bytes]:
    """The JSON value in the body, and its shortest writing. NaN, Infinity and what overflows to it are refused."""
    try:
        value = from_json(body, allow_inf_nan=False)
        written = to_json(value)
    except ValueError as error:
        raise MalformedEvent(pointer, f"is not JSON: {error}", "is not JSON") from None
    refuse_infinity(value, written, pointer)
    return value, written


def render(value: Any, pointer: str) -> bytes:
    """The value as JSON. MalformedEvent where JSON can't say it."""
    try:
        written = to_json(value)
    except ValueError as error:
        raise MalformedEvent(pointer, f"can't be written as JSON: {error}", "can't be written as JSON") from None
    refuse_infinity(value, written, pointer)
    return written


def refuse_infinity(value: Any, written: bytes, pointer: str) -> None:
    """Refuse a value that holds a number without a place in JSON; looking closer only where its writing hints at it."""
    if (b"Infinity" in written or b"NaN" in written) and (where := _endless(value, pointer)) is not None:
        raise MalformedEvent(where, "is out of the range of numbers")


def _endless(value: Any, pointer: str) -> str | None:
    if isinstance(value, float):
        return None if value - value == 0 else pointer
    if isinstance(value, dict):
        below = ((member(str(name), pointer), item) for name, item in value.items())
    elif isinstance(value, list | tuple):
        below = ((f"{pointer}/{index}", item) for index, item in enumerate(value))
    else:
        return None
    return next((found for where, item in below if (found := _endless(item, where)) is not None), None)
