"""By which channel a customer may hear from us, and under which address they are reached."""

from __future__ import annotations

from dataclasses import dataclass

from rapport.contracts.fields import Channel

from followup.domain.addresses import address_key, phone_number
from followup.domain.draft import Rules
from followup.domain.plays import TEXT_CHANNELS
from followup.domain.state import CustomerState, Followup


@dataclass(frozen=True, slots=True)
class Route:
    """The channel, the sender who speaks on it, and the customer's address there, where they have one."""

    channel: Channel
    sender: str
    address: str | None


def route(followup: Followup, customer: CustomerState, rules: Rules) -> Route:
    """
    As the step asks; else the customer's preferred channel, where nothing stands in its way; else mail.

    A customer who prefers texts and has no number, or whose number is dead, gets mail.
    """
    wanted = followup.via or customer.text("preferred_channel")
    for channel in TEXT_CHANNELS:
        if channel == wanted:
            found = Route(channel, channel, phone_number(customer.text("phone") or ""))
            free = unreachable(found, customer, rules) is None
            if followup.via or (free and consents(followup.purpose, customer, rules, channel)):
                return found
    return Route("email", followup.sender, customer.address)


def unreachable(way: Route, customer: CustomerState, rules: Rules) -> str | None:
    """Why nothing can be sent this way; None when it can."""
    if not way.address:
        return "no_address"
    if way.sender not in rules.senders:
        return "no_sender"
    return customer.blocked.get(address_key(way.address))


def consents(purpose: str, customer: CustomerState, rules: Rules, channel: Channel) -> bool:
    """
    What the customer said last that counts for this channel; before that, what the file presumes for their region.

    What is said of no channel counts for all, and what is said of mails for calls,
    too. To texts only a refusal of mails does: the page where customers choose
    speaks of mails, and whoever says stop there has had enough.
    """
    said = [customer.consent.get(purpose)]
    if channel == "phone":
        said.append(customer.consent_to_calls.get(purpose))
    elif channel != "email":
        of_texts = [customer.consent_elsewhere.get(name, {}).get(purpose) for name in ("", channel)]
        said = [*(one for one in said if one and not one[1]), *of_texts]
    last = max((one for one in said if one), default=None)
    return last[1] if last else rules.plays.consent.presumed(purpose, customer.text("region"))


def purposes_spoken_of(customer: CustomerState) -> frozenset[str]:
    """Of what the customer has said yes or no to."""
    elsewhere = [purpose for said in customer.consent_elsewhere.values() for purpose in said]
    return frozenset([*customer.consent, *customer.consent_to_calls, *elsewhere])
