"""Telephone numbers and addresses of mail, as they are used and compared."""

import re
from typing import Final

_DECORATION: Final = re.compile(r"\(0\)|[\s./()-]")
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{4,14}")
_DIGITS: Final = re.compile(r"[0-9]{5,15}")


def phone_number(text: str) -> str | None:
    """
    `+49 (0)30 123-45` and `0049 30 12345` as +493012345; None for what is no number.

    Nor is a number without its country one: 0151 12345678 is somebody else's in each.
    """
    bare = _bare(text)
    return bare if _NUMBER.fullmatch(bare) else None


def address_key(address: str) -> str:
    """The same for all ways to write a number, also without its +, and an address of mail in small or large letters."""
    bare = _bare(address).removeprefix("+")
    return bare if _DIGITS.fullmatch(bare) else address.lower()


def _bare(text: str) -> str:
    bare = _DECORATION.sub("", text)
    return f"+{bare[2:]}" if bare.startswith("00") else bare
