"""Whether a request was signed with the secret that its product shares with us."""

import base64
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from rapport.mapping import Signature

_MOST_DIGITS: Final = 14


class WrongSignature(Exception):
    """The request is not known to come from the product; the message says why, and never what would be right."""


def check(
    signature: Signature,
    secrets: Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    window: timedelta,
) -> None:
    """
    Nothing where one of the secrets has signed this body; WrongSignature otherwise.

    Every comparison takes the same time whatever differs, and all secrets are
    tried. Where the product signs a time, it may be off by at most the window,
    before or after, so that a request once overheard can't be sent again later.
    """
    stated = headers.get(signature.header, "").strip()
    if not stated:
        raise WrongSignature(f"has no header {signature.header}")
    moment = _timestamp(signature, headers, now, window)
    signed = signature.signed.partition("{body}")[0].replace("{timestamp}", moment).encode() + body
    given = stated.removeprefix(signature.prefix).encode()
    if not any([hmac.compare_digest(given, _sign(signature, secret, signed)) for secret in secrets]):  # noqa: C419 - all
        raise WrongSignature(f"{signature.header} is not what the secret gives for this body")


def _timestamp(signature: Signature, headers: Mapping[str, str], now: datetime, window: timedelta) -> str:
    """The time that was signed, as it was written; empty where the product signs none."""
    if signature.timestamp is None:
        return ""
    header = signature.timestamp.header
    stated = headers.get(header, "").strip()
    try:
        if signature.timestamp.kind == "unix":
            at = datetime.fromtimestamp(int(stated[:_MOST_DIGITS]), UTC)
        else:
            at = datetime.fromisoformat(stated)
    except (ValueError, OverflowError, OSError):
        raise WrongSignature(f"{header} is no time" if stated else f"has no header {header}") from None
    if at.tzinfo is None:
        raise WrongSignature(f"{header} has no offset")
    if abs(now - at) > window:
        raise WrongSignature(f"{header} is more than {window.total_seconds():g} s away from our clock")
    return stated


def _sign(signature: Signature, secret: str, signed: bytes) -> bytes:
    digest = hmac.new(secret.encode(), signed, signature.digest).digest()
    return base64.b64encode(digest) if signature.encoding == "base64" else digest.hex().encode()
