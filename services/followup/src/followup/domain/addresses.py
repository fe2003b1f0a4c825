"""Telephone numbers and addresses of mail, as they are used and compared."""

import re
from typing import Final

_DECORATION: Final = re.compile(r"\(0\)|[\s./()-]")
_NUMBER: Final = re.compile(r"\+?[0-9]{5,15}")


def phone_number(text: str) -> str | None:
    """`+49 (0)30 123-45` and `0049 30 12345` as +493012345; None for what is no number."""
    bare = _DECORATION.sub("", text)
    bare = f"+{bare[2:]}" if bare.startswith("00") else bare
    return bare if _NUMBER.fullmatch(bare) else None


def address_key(address: str) -> str:
    """The same for all ways to write a number, and for large and small letters of an address of mail."""
    return phone_number(address) or address.lower()
