"""Telephone numbers and addresses of mail, as they are used and compared."""

import re
from email.headerregistry import Address
from email.policy import SMTP
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


def mailbox(text: str) -> Address:
    """
    `Care <care@example.org>` in its parts; ValueError for what is no address of mail, or more than one.

    A domain beyond ASCII becomes what every mail server takes, as far as the codec
    (RFC 3490) can undo it: it makes ss of ß, and that domain may be somebody else's.
    """
    try:
        found: tuple[Address, ...] = SMTP.header_factory("To", text).addresses
    except (ValueError, IndexError):
        found = ()
    one = found[0] if len(found) == 1 else Address()
    whole = text.strip() == one.addr_spec or text.strip().endswith(f"<{one.addr_spec}>")
    if not (whole and one.username and one.domain):
        raise ValueError("must be an e-mail address; a name before it with a comma or an @ stands in quotes")
    return Address(one.display_name, one.username, _in_a_labels(one.domain))


def _in_a_labels(domain: str) -> str:
    try:
        ascii_only = domain.encode("idna")
        return ascii_only.decode() if ascii_only.decode("idna") == domain.lower() else domain
    except UnicodeError:
        return domain


def _bare(text: str) -> str:
    bare = _DECORATION.sub("", text)
    return f"+{bare[2:]}" if bare.startswith("00") else bare
