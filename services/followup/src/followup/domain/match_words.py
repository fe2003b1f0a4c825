"""What the match of a play may ask: the fields that there are when such a play starts, and what these can say."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final, get_args

from pydantic import BaseModel
from rapport.contracts import EVENT_DATA
from rapport.contracts.contact_events import ContactReceived, ContactResolved, CustomerUpdated
from rapport.contracts.fields import RiskCause
from rapport.contracts.vocabulary import YES_AND_NO, meant, plain_fields, words_of, wrong_word

from followup.domain.folding import CONTACT_FIELDS
from followup.domain.plays import On

_ATTRIBUTE: Final = re.compile(r"attributes(\.[^.]+)+")
_RESOLVED: Final = "contact.resolved"
_PURCHASE: Final = "purchase."


def wrong_field(field: str, on: On) -> str | None:
    """Why such a play never finds that field; None if it may."""
    known = _fields(on.type or "", unconfirmed=_unconfirmed(on))
    of_contact = known >= CONTACT_FIELDS
    if field in known or (of_contact and _ATTRIBUTE.fullmatch(field)):
        return None
    about = f"{on.type} nor of its" if on.type else "the"
    whose = f"{about} contact or customer (attributes.… are free)" if of_contact else f"{about} customer"
    return f"{field!r} is no field of {whose}{meant(field, known)}"


def wrong_value(field: str, value: object, on: On) -> str | None:
    """Why that field is never so; None if it may, as it may be absent."""
    return None if value is None else wrong_word(field, value, _words(on.type or ""))


def _unconfirmed(on: On) -> bool:
    return on.silent is not None and on.silent.resolved_unconfirmed is not None


@cache
def _fields(type_: str, *, unconfirmed: bool) -> frozenset[str]:
    """All that is known of the event, of its contact and of its customer."""
    of_customer = plain_fields(CustomerUpdated)
    if type_ == _RESOLVED or unconfirmed:
        return of_customer | CONTACT_FIELDS | {"outcome"}
    if not type_:
        return of_customer
    data = EVENT_DATA[type_]
    of_contact = CONTACT_FIELDS if "contact_id" in data.model_fields else frozenset[str]()
    first = {"first"} if type_.startswith(_PURCHASE) else frozenset[str]()
    return of_customer | of_contact | plain_fields(data) | first


@cache
def _words(type_: str) -> Mapping[str, tuple[str, ...]]:
    models: list[type[BaseModel]] = [CustomerUpdated, ContactReceived]
    words = words_of(*models, EVENT_DATA[type_] if type_ else ContactResolved)
    if type_.startswith(_PURCHASE):
        return {**words, "first": YES_AND_NO}
    return {**words, "cause": get_args(RiskCause)} if type_ == "risk.raised" else words
