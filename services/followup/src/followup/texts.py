"""One text to one telephone number, by the service of an Apprise URL, and what can be said of it afterwards."""

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from rapport.runtime.addresses import Expanded, Unreachable
from rapport.runtime.through_apprise import ThroughApprise, is_known

from followup.outcome import Outcome, Result

_PHONE: Final = "{phone}"
_SOMEBODY: Final = "+4930123456789"
_ALL_SECONDS: Final = 11.0
_LATER: Final = frozenset({401, 408, 425, 429, 503})
_OF_TWILIO: Final = {20003: 401, 20429: 429, 20500: 500, 20503: 503, 20504: 504}
"""Its numbers for HTTP's (https://www.twilio.com/docs/api/errors); all others of its own are about the text."""


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
        return Outcome("later" if error.again else "refused", str(error))
    except Exception as error:  # noqa: BLE001 - a plug-in is anybody's
        return Outcome("unknown" if handing_over else "later", type(error).__name__)
    if carried.taken:
        return Outcome("sent")
    if carried.answer is not None:
        return Outcome(_meaning(carried.answer), carried.says)
    return Outcome("unknown" if carried.perhaps else "later", carried.says)


def _meaning(answer: int) -> Result:
    """
    What a service's answer means for the text.

    As with mails, not being signed in says nothing of it. After an error inside the
    service, or behind it, nobody knows.
    """
    status = _OF_TWILIO.get(answer, answer)
    if status in _LATER:
        return "later"
    return "unknown" if status in range(500, 600) else "refused"
