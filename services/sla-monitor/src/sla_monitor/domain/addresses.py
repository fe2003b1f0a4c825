"""Addresses that products are told: those that read them strictly refuse a whole message for one that is none."""

import re
from typing import Final
from urllib.parse import quote, urlsplit

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"[\w.\-:]+")
_MARKS: Final = "%:/?#[]@!$&'()*+,;=~"


def page_of(contact_id: str, public_url: str) -> str:
    """Our own page of a contact; empty where nobody has said where people reach us."""
    return f"{public_url.rstrip('/')}/contacts/{quote(contact_id, safe='')}" if public_url else ""


def strictly(url: str | None) -> str:
    """The address as RFC 3986 writes it; empty for what is none of the web, whoever sent it."""
    try:
        parts = urlsplit(url or "")
        sound = parts.scheme in ("http", "https") and _HOST.fullmatch(parts.hostname or "") and (parts.port or 0) >= 0
    except ValueError:
        return ""
    return quote(_BAD_ESCAPE.sub("%25", url or ""), safe=_MARKS) if sound else ""
