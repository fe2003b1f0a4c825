"""Where a message really goes: secrets expanded at the last moment, and no address inside this machine."""

import asyncio
import os
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Unreachable(Exception):
    """A message can't go to that address. `again` says whether another try may help."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


@dataclass(frozen=True, slots=True)
class Expanded:
    """An address with its secrets, and how to speak of it without them."""

    url: str
    secrets: tuple[str, ...]

    def hide(self, text: str) -> str:
        """The text without any secret or the address itself."""
        for secret in (self.url, *self.secrets):
            text = text.replace(secret, "…") if secret else text
        return text


def expand(url: str) -> Expanded:
    """`${NAME}` replaced from the environment; `Unreachable` names what is not set there."""
    secrets = []
    for name in _VARIABLE.findall(url):
        value = os.environ.get(name, "")
        if not value:
            raise Unreachable(f"the environment variable {name} is not set", again=False)
        secrets.append(value)
    return Expanded(_VARIABLE.sub(lambda found: os.environ[found[1]], url), tuple(secrets))


def kind_of(url: str) -> str:
    """What kind of address it is, by its first word; `secret` while the environment does not say."""
    try:
        kind = expand(url).url.partition(":")[0].lower()
    except Unreachable:
        kind = url.partition(":")[0].lower()
    return kind if kind.isascii() and kind.replace("+", "").isalnum() else "secret"


async def resolve(host: str, port: int, *, allow_internal: bool) -> str:
    """
    The IP address to connect to; every address of the host is judged.

    Who connects to the answer, rather than to the name, can't be led elsewhere
    by a second look-up.
    """
    loop = asyncio.get_running_loop()
    host = host.strip("[]")
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(f"the host {host} is not known", again=True) from None
    addresses = [str(info[4][0]) for info in found]
    for address in addresses:
        if not allow_internal and is_internal(address):
            raise Unreachable(
                f"the host {host} is inside this machine or link-local; RAPPORT_ALLOW_INTERNAL_RECEIVERS allows it",
                again=False,
            )
    return addresses[0]


def is_internal(address: str) -> bool:
    """Whether an address is loopback, link-local, unspecified or multicast, also when dressed up as IPv6."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    return ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast
