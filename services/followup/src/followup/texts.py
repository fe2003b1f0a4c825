"""One text to one telephone number, by the service of an Apprise URL, and what can be said of it afterwards."""

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from rapport.runtime.addresses import Expanded, Unreachable
from rapport.runtime.through_apprise import ThroughApprise, is_known

from followup.outcome import Outcome

_PHONE: Final = "{phone}"
_SOMEBODY: Final = "+4930123456789"
_ALL_SECONDS: Final = 11.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """Who carries texts: an Apprise URL in which `{phone}` stands for the customer's number."""

    address: Expanded

    @classmethod
    def read(cls, address: Expanded) -> "Gateway":
        """ValueError says what is wrong with the address, without its secrets."""
        if _PHONE not in address.url:
            raise ValueError(f"{_PHONE} must stand where the customer's number goes")
        gateway = cls(address)
        if not is_known(gateway.to(_SOMEBODY)):
            raise ValueError("apprise knows no service with such an address (its kind, or a part of it)")
        return gateway

    def to(self, number: str) -> str:
        return self.address.url.replace(_PHONE, quote(number, safe=""))

    def hide(self, words: str, number: str) -> str:
        """Words less the address and the number: reasons are told to others and outlive an erased customer."""
        return self.address.hide(words.replace(self.to(number), "…")).replace(number, "…").replace(quote(number), "…")


async def deliver_text(name: str, text: str, number: str, gateway: Gateway, apprise: ThroughApprise) -> Outcome:
    """
    Hand a text over. Several may be on their way to one number, but none of one `name` twice.

    Once it is on its way, whatever is neither an answer nor a connection that never
    was means that nobody knows.
    """
    handing_over = False
    try:
        async with asyncio.timeout(_ALL_SECONDS):
            plugin = await apprise.plugin(gateway.to(number))
            if plugin is None:
                return Outcome("refused", "no service of apprise's takes this number at the sender's address")
            handing_over = True
            carried = await apprise.send(plugin, "", text, lane=name)
    except Unreachable as error:
        return Outcome("later" if error.again else "refused", gateway.hide(str(error), number))
    except Exception as error:  # noqa: BLE001 - a plug-in is anybody's
        return Outcome("unknown" if handing_over else "later", type(error).__name__)
    if carried.taken:
        return Outcome("sent")
    return Outcome("unknown" if carried.perhaps else "later", gateway.hide(carried.says, number))
