"""What each attribute may hold, by the core specification. A check answers with the canonical text or a ValueError."""

import re
from calendar import isleap
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv6Address

from rapport.cloudevents.event import MalformedEvent, member
from rapport.cloudevents.media import media_type

REQUIRED = ("specversion", "id", "source", "type")

_NAME = re.compile(r"[a-z0-9]+")
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)

# RFC 3986. All runs are possessive, those of groups atomic (see media.py): whatever its length, it is read once.
_PLAIN = r"A-Za-z0-9\-._~!$&'()*+,;="


def _run(characters: str) -> str:
    return rf"[{characters}]*+(?>(?:%[0-9A-Fa-f]{{2}}[{characters}]*+)*)"


_HOST = rf"(?:\[(?:(?P<ipv6>[0-9A-Fa-f:.]++)|[vV][0-9A-Fa-f]++\.[{_PLAIN}:]++)\]|{_run(_PLAIN)})"
_PLACE = rf"//(?:{_run(_PLAIN + ':')}@)?{_HOST}(?::[0-9]*+)?(?:/{_run(_PLAIN + ':@/')})?"
_PATH = rf"(?!//){_run(_PLAIN + ':@/')}"
_QUERY = rf"(?:\?{_run(_PLAIN + ':@/?')})?"
_FRAGMENT = rf"(?:#{_run(_PLAIN + ':@/?')})?"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*+:"
_ABSOLUTE = re.compile(f"{_SCHEME}(?:{_PLACE}|{_PATH}){_QUERY}")
_REFERENCES = (
    re.compile(f"{_SCHEME}(?:{_PLACE}|{_PATH}){_QUERY}{_FRAGMENT}"),
    re.compile(f"(?:{_PLACE}|(?![^/?#]*:){_PATH}){_QUERY}{_FRAGMENT}"),
)

# RFC 3339. The first is how nearly every time is written, already canonical; days that only some months have are not.
_USUAL_TIME = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]*[1-9])?Z"
)
_TIME = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)"
    r"(\.[0-9]+)?(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_LONG_MONTHS = (1, 3, 5, 7, 8, 10, 12)
_FEBRUARY = 2
_LEAP_SECOND = 60
_NO_TIME = "is no RFC 3339 timestamp with an offset"


def text(value: str) -> str:
    """The string itself, where all its characters are ones that an attribute may hold."""
    if (value.isascii() and value.isprintable()) or _FORBIDDEN.search(value) is None:
        return value
    raise ValueError("holds a control character, a lone surrogate or a noncharacter")


def _filled(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return text(value)


def _specversion(value: str) -> str:
    if value == "1.0":
        return value
    raise ValueError("must be 1.0")


def _sound(match: re.Match[str] | None) -> bool:
    """Whether a URI that has the right characters also has a right IPv6 address, if any."""
    if match is None:
        return False
    address = match["ipv6"]
    if address is not None:
        try:
            IPv6Address(address)
        except ValueError:
            return False
    return True


@lru_cache(maxsize=4096)
def uri_reference(value: str) -> str:
    """The string itself, where it is a URI-reference by RFC 3986, section 4.1, and not empty."""
    if not value:
        raise ValueError("must not be empty")
    if any(_sound(pattern.fullmatch(value)) for pattern in _REFERENCES):
        return value
    raise ValueError("is no URI-reference (RFC 3986)")


@lru_cache(maxsize=4096)
def absolute_uri(value: str) -> str:
    """The string itself, where it is an absolute URI by RFC 3986, section 4.3: a scheme, and no fragment."""
    if not value:
        raise ValueError("must not be empty")
    if _sound(_ABSOLUTE.fullmatch(value)):
        return value
    raise ValueError("is no absolute URI (RFC 3986, 4.3)")


def timestamp(value: str) -> str:
    """
    The instant as RFC 3339 writes it in UTC: equal instants become equal strings, of any precision.

    A leap second is taken where UTC can have one (the last minute of a month) and becomes the second after it, as in
    POSIX time, since hardly any reader knows a 60th second. An instant whose UTC date would leave the years
    0001 to 9999 keeps its own offset.
    """
    if _USUAL_TIME.fullmatch(value):
        return value
    match = _TIME.fullmatch(value)
    if match is None:
        raise ValueError(_NO_TIME)
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    if day > _days(year, month):
        raise ValueError(f"{_NO_TIME}: no such day")
    fraction = (match[7] or "").rstrip("0").rstrip(".")
    offset = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0))
    leap = second == _LEAP_SECOND
    try:
        moment = datetime(year, month, day, hour, minute, 0 if leap else second)  # noqa: DTZ001 - becomes UTC next
        moment += offset if match[8] == "-" else -offset
        if leap:
            moment += timedelta(minutes=1)
    except (ValueError, OverflowError):
        if leap:
            raise ValueError(f"{_NO_TIME}: no such second") from None
        return value.upper()
    if leap and (moment.day, moment.hour, moment.minute) != (1, 0, 0):
        raise ValueError(f"{_NO_TIME}: no leap second at that time")
    return f"{moment.isoformat()}{fraction}Z"


def _days(year: int, month: int) -> int:
    if month == _FEBRUARY:
        return 29 if isleap(year) else 28
    return 31 if month in _LONG_MONTHS else 30


def _content_type(value: str) -> str:
    media_type(value)
    return value


CORE: dict[str, Callable[[str], str]] = {
    "specversion": _specversion,
    "id": _filled,
    "source": uri_reference,
    "type": _filled,
    "datacontenttype": _content_type,
    "dataschema": absolute_uri,
    "subject": _filled,
    "time": timestamp,
}


def attribute(name: str, value: str, base: str = "") -> str:
    """The canonical text of the attribute `name`, be it the specification's own or an extension."""
    check = CORE.get(name)
    if check is None:
        extension_name(name, base)
        check = text
    try:
        return check(value)
    except ValueError as error:
        raise MalformedEvent(f"{base}/{name}", str(error)) from None


def extension_name(name: str, base: str = "") -> None:
    """Refuse a name that no attribute may have."""
    if _NAME.fullmatch(name) is None or name == "data":
        raise MalformedEvent(member(name, base), "is no attribute name: only a to z and 0 to 9, and not data")


def complete(attributes: dict[str, str], base: str = "") -> dict[str, str]:
    """The attributes themselves, where none that is required is missing."""
    for name in REQUIRED:
        if name not in attributes:
            raise MalformedEvent(f"{base}/{name}", "is required")
    return attributes


def collect(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The attributes that a list of names and texts holds, each checked, none twice, none missing."""
    attributes: dict[str, str] = {}
    for name, value in pairs:
        if name in attributes:
            raise MalformedEvent(member(name), "appears twice")
        attributes[name] = attribute(name, value)
    return complete(attributes)
